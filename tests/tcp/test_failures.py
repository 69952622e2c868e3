"""When nobody answers: R1, R2, keep-alive; and how fast we go otherwise (RFC 9293 3.8)."""

import errno

import pytest
from peer import PLAIN, Peer, established, opening

from lastack.tcp.config import Config
from lastack.tcp.events import Advice, Advised
from lastack.tcp.states import State
from lastack.units import HOUR, MINUTE, NEVER, SECOND

ALIVE = PLAIN.replace(keepalive=True)


def lasts(peer: Peer) -> int:
    """Return how long it takes until the connection is given up."""
    began = peer.now
    while peer.connection.state is not State.CLOSED:
        peer.waits_for_timer()
        peer.heard.clear()
    return peer.now - began


# -- R1 and R2 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("r2", [100 * SECOND, 3 * HOUR])
def test_the_user_sets_r2_for_one_connection(r2: int) -> None:
    """3.8.3 (d), MUST-21: also while the connection stands."""
    peer = established()
    peer.connection.config = PLAIN.replace(r2=r2)
    peer.writes(b"abc")
    assert r2 <= lasts(peer) <= r2 + MINUTE
    assert peer.connection.error == errno.ETIMEDOUT


def test_r2_may_be_infinite() -> None:
    """3.8.3 (d), MUST-21: the user alone decides when to hang up."""
    peer = established(PLAIN.replace(r2=NEVER))
    peer.writes(b"abc")
    for _ in range(24):
        peer.waits(HOUR)
        peer.heard.clear()
    peer.is_in(State.ESTABLISHED)


def test_a_syn_that_nobody_answers_is_handled_like_data() -> None:
    """3.8.3, MUST-22: advice at R1, the end at R2, and the user is told of both."""
    peer = opening()
    lasts(peer)
    assert "r1 reached" in peer.advice()
    assert peer.connection.error == errno.ETIMEDOUT


def test_advice_comes_after_three_retransmissions_and_before_the_end() -> None:
    """3.8.3 (b), (e): MUST-20, SHLD-9; SHLD-10: R1 is at least three; SHLD-11: R2 100 s."""
    peer = established()
    peer.writes(b"abc")
    assert lasts(peer) >= 100 * SECOND
    kinds = [e.advice for e in peer.connection.tcb.events or () if isinstance(e, Advised)]
    at = kinds.index(Advice.R1_REACHED)
    assert kinds[:at].count(Advice.RETRANSMISSION) >= 2  # the third is the one that reaches it
    assert kinds[at + 1 :].count(Advice.RETRANSMISSION) >= 2
    assert Config().r1 >= 3


# -- keep-alive -----------------------------------------------------------------------------------


def test_the_user_switches_keep_alive_on_and_off_again() -> None:
    """3.8.4, MUST-24, MAY-5: for one connection, while it stands."""
    peer = established()
    peer.connection.config = ALIVE
    assert peer.waits_for_timer() == 2 * HOUR
    peer.hears(". 0:0(0) ack 1")
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.connection.config = PLAIN
    peer.waits(24 * HOUR)
    peer.hears_nothing()
    peer.is_in(State.ESTABLISHED)


def test_a_keep_alive_never_goes_while_data_is_outstanding() -> None:
    """3.8.4, MUST-26: retransmission asks already, and decides."""
    config = ALIVE.replace(keepalive_idle=5 * SECOND, keepalive_interval=SECOND)
    peer = established(config)
    peer.writes(b"abc")
    peer.waits(MINUTE)
    assert peer.heard and all(segment.length for segment in peer.heard)


def test_data_sent_after_a_keep_alive_ends_the_asking() -> None:
    """3.8.4, MUST-26: also when an earlier probe has not been answered."""
    config = ALIVE.replace(keepalive_idle=5 * SECOND, keepalive_interval=SECOND)
    peer = established(config)
    assert peer.waits_for_timer() == 5 * SECOND
    peer.hears(". 0:0(0) ack 1")
    peer.writes(b"abc")
    peer.waits(MINUTE)
    assert peer.heard and all(segment.length for segment in peer.heard)
    peer.is_in(State.ESTABLISHED)


def test_whatever_comes_starts_the_silence_again() -> None:
    """3.8.4, MUST-26: nothing is asked of a peer that was heard within the interval."""
    peer = established(ALIVE)
    for at in range(5):
        peer.waits(HOUR)
        peer.sends(f"P. {at + 1}:{at + 2}(1) ack 1 win 1000", b"x")
    peer.waits(2 * HOUR - SECOND)
    assert all(segment.ack == peer.heard[0].ack + at for at, segment in enumerate(peer.heard))
    assert len(peer.heard) == 5
    peer.heard.clear()
    peer.waits(2 * SECOND)
    peer.hears(". 0:0(0) ack 6")


def test_the_interval_is_configurable_also_when_it_runs() -> None:
    """3.8.4, MUST-27: SO_KEEPALIVE first and TCP_KEEPIDLE after it, as programs do."""
    peer = established(ALIVE)
    peer.connection.config = ALIVE.replace(keepalive_idle=10 * SECOND)
    assert peer.waits_for_timer() == 10 * SECOND
    peer.hears(". 0:0(0) ack 1")
    peer.connection.config = ALIVE.replace(keepalive_idle=3 * HOUR)
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.waits(3 * HOUR - SECOND)
    peer.hears_nothing()
    peer.waits(SECOND)
    peer.hears(". 0:0(0) ack 1")


def test_a_keep_alive_that_is_lost_is_no_death() -> None:
    """3.8.4, MUST-29: ACKs are not reliable; the answer to a later one will do."""
    peer = established(ALIVE)
    for _ in range(5):
        peer.waits_for_timer()
        peer.hears(". 0:0(0) ack 1")
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.waits(2 * HOUR - SECOND)
    peer.hears_nothing()
    peer.is_in(State.ESTABLISHED)


def test_a_keep_alive_carries_no_data() -> None:
    """3.8.4, SHLD-12: only a number just before the window."""
    peer = established(ALIVE)
    peer.waits_for_timer()
    assert peer.hears(". 0:0(0) ack 1").length == 0


def test_time_wait_asks_nobody_whether_he_is_there() -> None:
    """3.8.4: keep-alive switched on when all has been said has nothing to end."""
    peer = established()
    peer.connection.shutdown_write(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    peer.sends("F. 1:1(0) ack 2 win 1000")
    peer.hears(". 2:2(0) ack 2")
    peer.connection.config = ALIVE.replace(keepalive_idle=SECOND, keepalive_interval=SECOND)
    peer.waits(3 * MINUTE)
    peer.hears_nothing()
    peer.is_in(State.TIME_WAIT)


# -- congestion -----------------------------------------------------------------------------------


def flight(peer: Peer) -> int:
    """Return how many segments went out, and forget them."""
    count = len(peer.heard)
    peer.heard.clear()
    return count


def test_slow_start_doubles_and_congestion_avoidance_adds_one() -> None:
    """3.8.2, MUST-19: RFC 5681 3.1: by what is acknowledged, then by a segment a round trip."""
    peer = established(PLAIN.replace(initial_window=2), win=60000)
    controller = peer.connection.tcb.controller
    assert controller is not None
    controller.ssthresh = 8000
    peer.writes(bytes(400_000))
    flights = []
    at = 1
    for _ in range(6):
        flights.append(flight(peer))
        for _ in range(flights[-1]):
            at += 1000
            peer.sends(f". 1:1(0) ack {at} win 60000")
    assert flights[:3] == [2, 4, 8]
    assert flights[3:] == [9, 10, 11]


def test_a_timeout_halves_the_threshold_begins_with_one_segment_and_backs_off() -> None:
    """3.8.2, MUST-19: RFC 5681 3.1 equation 4, RFC 6298 5.5."""
    peer = established(PLAIN.replace(initial_window=10), win=60000)
    peer.writes(bytes(400_000))
    assert flight(peer) == 10
    waits = [peer.waits_for_timer() for _ in range(3)]
    assert [wait // waits[0] for wait in waits] == [1, 2, 4]
    assert flight(peer) == 3  # the first segment, three times
    info = peer.connection.info()
    assert (info.cwnd, info.ssthresh) == (1000, 5000)
