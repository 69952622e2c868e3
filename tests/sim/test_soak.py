"""Any number of worlds: a few in every run, as many as time allows in the soak."""

import os
import time

import pytest
from anyworld import any_world
from ends import assert_delivered, assert_nothing_left


def lived_through(seed: int) -> None:
    conversation = any_world(seed)
    conversation.run()
    assert_delivered(conversation)
    assert_nothing_left(conversation.pair)


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_every_octet_arrives_in_any_world(start: int) -> None:
    """RFC 9293: reliable and in order; 20 worlds a test, a failure names its seed."""
    for seed in range(start, start + 20):
        lived_through(seed)


@pytest.mark.soak
def test_every_octet_arrives_in_as_many_worlds_as_time_allows() -> None:
    """LASTACK_SOAK_SECONDS says how long, LASTACK_SOAK_SEED where to begin (else the time)."""
    seconds = float(os.environ.get("LASTACK_SOAK_SECONDS", "600"))
    seed = int(os.environ.get("LASTACK_SOAK_SEED", time.time_ns()))
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        lived_through(seed)
        seed += 1
