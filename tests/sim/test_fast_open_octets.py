"""Whatever rides on a SYN: every octet arrives once, in order, in one connection, over any link."""

import pytest
from ends import assert_delivered, assert_nothing_left, octets
from hypothesis import given
from hypothesis import strategies as st

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.stack.fast_open import Known
from lastack.tcp.config import preset
from lastack.units import MS
from lastack.wire.ao import AoKey

PATIENT = {"r2": 10**15, "retries": 0, "syn_r2": 10**15, "syn_retries": 0, "syn_ack_retries": 0}


def acquainted(pair: TwoHosts, mss: int, true: bool) -> None:
    """Give the left host a cookie of the right one's, or one that is none."""
    known = Known()
    server = pair.right.fast_open
    cookie = server.cookie(server.keys[:16], pair.left_address, pair.right_address)
    known.cookie = cookie if true else bytes(8)
    known.mss = mss
    pair.left.fast_open.servers[pair.left_address + pair.right_address] = known


@given(
    seed=st.integers(0, 2**32),
    loss=st.floats(0, 0.3),
    reorder=st.floats(0, 0.3),
    duplicate=st.floats(0, 0.5),
    corrupt=st.floats(0, 0.1),
    jitter=st.sampled_from([0, 5 * MS, 50 * MS]),
    to_right=st.integers(0, 20_000),
    to_left=st.integers(0, 20_000),
    mss=st.sampled_from([100, 536, 1460, 9000]),
    true=st.booleans(),
    names=st.tuples(*[st.sampled_from(["rfc", "linux", "freebsd"])] * 2),
)
def test_data_on_a_syn_arrives_once_and_in_one_connection_over_any_bad_link(
    seed: int,
    loss: float,
    reorder: float,
    duplicate: float,
    corrupt: float,
    jitter: int,
    to_right: int,
    to_left: int,
    mss: int,
    true: bool,
    names: tuple[str, str],
) -> None:
    """RFC 7413 2.1 promises it as long as the server remembers the connection.

    So the server closes first: its TIME-WAIT meets what of the SYN is still about. Without that, a
    SYN that comes when all is over opens again, which is why Fast Open is for requests that may be
    made twice.
    """
    left, right = [
        preset(name).replace(strict=True, fast_open_backlog=8, **PATIENT) for name in names
    ]
    pair = TwoHosts(
        seed,
        loss=loss,
        reorder=reorder,
        duplicate=duplicate,
        corrupt=corrupt,
        jitter=jitter,
        left_config=left,
        right_config=right,
    )
    acquainted(pair, mss, true)
    talk = Conversation(
        pair,
        to_right=octets(seed, to_right),
        to_left=octets(seed + 1, to_left),
        left_closes_first=False,
        right_closes_first=True,
        fast_open=True,
    )
    talk.run()
    assert_delivered(talk)
    assert_nothing_left(pair)
    assert talk.listener is not None and talk.listener.early.open == 0
    assert pair.right.counters.opened_passively == 1


@pytest.mark.parametrize("seed", range(30))
def test_cookies_lose_nothing_when_segments_come_twice_and_late(seed: int) -> None:
    """RFC 4987 3.6: the SYN's data is sent again, the ACK tells where all begins."""
    config = preset("linux").replace(strict=True, syn_cookies=2, **PATIENT)
    pair = TwoHosts(seed, duplicate=0.5, config=config)
    acquainted(pair, 1460, True)
    talk = Conversation(
        pair,
        octets(seed, 5000),
        octets(seed + 1, 5000),
        left_closes_first=False,
        right_closes_first=True,
        fast_open=True,
    )
    talk.run()
    assert_delivered(talk)
    assert_nothing_left(pair)
    assert pair.right.counters.cookies_received == 1


@pytest.mark.parametrize("seed", range(30))
def test_a_rough_link_with_data_on_the_syn(seed: int) -> None:
    """One world a seed; a failure names its seed."""
    config = preset("linux").replace(strict=True, fast_open_backlog=8, **PATIENT)
    pair = TwoHosts(seed, loss=0.3, reorder=0.3, duplicate=0.5, jitter=50 * MS, config=config)
    acquainted(pair, 1460, True)
    talk = Conversation(
        pair,
        octets(seed, 5000),
        octets(seed + 1, 5000),
        left_closes_first=False,
        right_closes_first=True,
        fast_open=True,
    )
    talk.run()
    assert_delivered(talk)
    assert_nothing_left(pair)


def test_data_on_a_syn_that_is_signed() -> None:
    """RFC 5925 with RFC 7413: a SYN-ACK that acknowledges more than our SYN is the peer's too."""
    config = preset("linux").replace(strict=True, fast_open_backlog=8, **PATIENT)
    pair = TwoHosts()
    ends = (pair.left_address, pair.right_address)
    left, right = [config.replace(ao_keys=(AoKey(end, b"secret", 1, 1),)) for end in ends]
    pair = TwoHosts(left_config=right, right_config=left)
    acquainted(pair, 1460, True)
    talk = Conversation(pair, octets(1, 5000), octets(2, 5000), fast_open=True)
    talk.run()
    assert_delivered(talk)
    assert_nothing_left(pair)
    assert pair.right.counters.opened_passively == 1
