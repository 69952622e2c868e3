"""Over any bad link every octet arrives once and in order, and nothing is left behind."""

from typing import Any

import pytest
from ends import STRICT, assert_delivered, assert_nothing_left, octets
from hypothesis import given
from hypothesis import strategies as st

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.tcp.config import preset
from lastack.units import MS

ROUGH = {"loss": 0.2, "reorder": 0.2, "duplicate": 0.2, "corrupt": 0.1}


def lived_through(pair: TwoHosts, **conversation: Any) -> None:
    """Have a conversation and see that all of it arrived and nothing of it is left."""
    conversation.setdefault("to_right", octets(pair.seed, 20_000))
    conversation.setdefault("to_left", octets(pair.seed + 1, 15_000))
    talk = Conversation(pair, **conversation)
    talk.run()
    assert_delivered(talk)
    assert_nothing_left(pair)


@given(
    seed=st.integers(0, 2**32),
    loss=st.floats(0.01, 0.2),
    reorder=st.floats(0, 0.3),
    duplicate=st.floats(0, 0.3),
    corrupt=st.floats(0, 0.1),
    jitter=st.sampled_from([0, 5 * MS, 50 * MS]),
    to_right=st.integers(0, 60_000),
    to_left=st.integers(0, 60_000),
    closing=st.sampled_from([(True, False), (False, True), (True, True)]),
    simultaneous=st.booleans(),
    name=st.sampled_from(["rfc", "linux", "freebsd"]),
)
def test_every_octet_arrives_once_and_in_order_over_any_bad_link(
    seed: int,
    loss: float,
    reorder: float,
    duplicate: float,
    corrupt: float,
    jitter: int,
    to_right: int,
    to_left: int,
    closing: tuple[bool, bool],
    simultaneous: bool,
    name: str,
) -> None:
    """RFC 9293 3.1: reliable, in order, whatever the network does; and both ends end in CLOSED."""
    pair = TwoHosts(
        seed,
        loss=loss,
        reorder=reorder,
        duplicate=duplicate,
        corrupt=corrupt,
        jitter=jitter,
        config=preset(name).replace(strict=True, r2=10**15, retries=0, syn_r2=10**15,
                                    syn_retries=0, syn_ack_retries=0),
    )  # fmt: skip
    lived_through(
        pair,
        to_right=octets(seed, to_right),
        to_left=octets(seed + 1, to_left),
        left_closes_first=closing[0],
        right_closes_first=closing[1],
        simultaneous=simultaneous,
    )


@pytest.mark.parametrize("seed", range(100))
def test_a_rough_link(seed: int) -> None:
    """One world a seed; a failure names its seed."""
    lived_through(TwoHosts(seed, config=STRICT.replace(r2=10**15, syn_r2=10**15), **ROUGH))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    "knobs",
    [
        {"sack": False},
        {"timestamps": False},
        {"window_scale": False},
        {"nagle": False},
        {"delayed_ack": False},
        {"send_buffer": 3000, "receive_buffer": 2000},
        {"sack": False, "timestamps": False, "window_scale": False, "limited_transmit": False},
    ],
    ids=lambda knobs: ",".join(knobs),
)
def test_every_knob_survives_a_rough_link(seed: int, knobs: dict[str, Any]) -> None:
    """Options are agreed on, not needed."""
    config = STRICT.replace(r2=10**15, syn_r2=10**15, **knobs)
    lived_through(TwoHosts(seed, loss=0.1, reorder=0.1, duplicate=0.1, config=config))


@pytest.mark.parametrize("seed", range(10))
def test_a_slow_link_with_a_short_queue(seed: int) -> None:
    """Congestion: the queue drops what does not fit, and that is all the network says."""
    pair = TwoHosts(seed, rate=2_000_000, queue=5, delay=20 * MS, config=STRICT)
    lived_through(pair, to_right=octets(seed, 300_000), to_left=octets(seed, 100_000))


@pytest.mark.parametrize("seed", range(10))
def test_many_connections_share_a_rough_link(seed: int) -> None:
    """Connections do not disturb each other."""
    pair = TwoHosts(seed, loss=0.05, reorder=0.05, duplicate=0.05, config=STRICT)
    talks = [
        Conversation(pair, octets(seed + n, 3000 * n), octets(seed - n, 2000 * n), port=80 + n)
        for n in range(20)
    ]
    pair.on_notice_left = pair.on_notice_right = None

    def told(noticed: Any) -> None:
        port = noticed.local.port
        talks[(port if port < 1000 else noticed.remote.port) - 80].noticed(noticed)

    pair.on_notice_left = pair.on_notice_right = told
    pair.run()
    for talk in talks:
        assert_delivered(talk)
    assert_nothing_left(pair)
