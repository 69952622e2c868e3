"""Timestamps at their edges (RFC 7323 3 to 5)."""

from peer import PLAIN, established, opening

from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.wire.stop import Stop

STAMPED = PLAIN.replace(timestamps=True, sack=True)


def stamp(value: int, echo: int = 1000) -> str:
    return f"<nop,nop,TS val {value} ecr {echo}>"


def test_the_timestamp_of_a_reset_is_not_believed() -> None:
    """RFC 7323 3.2: it updates nothing; a blind reset must not make PAWS drop the true peer."""
    peer = established(STAMPED)
    peer.sends(f"R. 0:2(2) ack 1 win 0 {stamp(2_000_000_000)}", b"xx")
    peer.heard.clear()
    assert peer.sends(f"P. 1:4(3) ack 1 win 1000 {stamp(2)}", b"abc") is None
    assert peer.reads() == b"abc"


def test_an_echo_from_the_future_is_no_round_trip() -> None:
    """RFC 7323 4.1: a middlebox's rubbish does not make RTO a minute."""
    peer = established(STAMPED)
    peer.writes(b"abc")
    peer.heard.clear()
    peer.waits(SECOND)
    peer.heard.clear()
    peer.sends(f". 1:1(0) ack 4 win 1000 {stamp(2, 3_000_000)}")
    assert peer.connection.info().rto <= 2 * SECOND


def test_an_echo_of_nothing_on_a_syn_ack_is_no_round_trip() -> None:
    """The SYN was sent again, so only the echo could tell; it says 0."""
    peer = opening(STAMPED)
    peer.waits_for_timer()
    peer.heard.clear()
    peer.now += 3 * SECOND
    peer.sends("S. 0:0(0) ack 1 win 1000 <mss 1000,sackOK,TS val 1 ecr 0>")
    peer.is_in(State.ESTABLISHED)
    assert peer.connection.info().rto <= 3 * SECOND


def test_a_clock_that_stood_still_for_24_days_is_compared_with_nothing() -> None:
    """RFC 7323 5.5: TS.Recent is invalidated."""
    peer = established(STAMPED)
    assert peer.sends(f"P. 1:2(1) ack 1 win 9 {stamp(2**31 + 5)}", b"a") is Stop.OLD_TIMESTAMP
    peer.heard.clear()
    peer.now += 25 * 86400 * SECOND
    assert peer.sends(f"P. 1:2(1) ack 1 win 9 {stamp(2**31 + 5)}", b"a") is None


def test_a_delayed_ack_echoes_the_first_segment_it_stands_for() -> None:
    """RFC 7323 4.3 (A): the pause of the receiver is part of the round trip."""
    peer = established(STAMPED)
    peer.sends(f"P. 1:2(1) ack 1 win 9 {stamp(100)}", b"a")
    peer.sends(f"P. 2:3(1) ack 1 win 9 {stamp(200)}", b"b")
    assert peer.heard[-1].ts_ecr == 100


def test_a_segment_that_fills_a_hole_is_echoed() -> None:
    """RFC 7323 4.3 (C): not the later ones that came early."""
    peer = established(STAMPED)
    peer.sends(f"P. 2:3(1) ack 1 win 9 {stamp(200)}", b"b")
    assert peer.heard.pop().ts_ecr == 1
    peer.sends(f"P. 1:2(1) ack 1 win 9 {stamp(300)}", b"a")
    assert peer.heard.pop().ts_ecr == 300


def test_the_stretch_around_a_duplicate_comes_second() -> None:
    """RFC 2883 4: the D-SACK block, then the block that contains it."""
    peer = established(PLAIN.replace(sack=True))
    peer.sends(". 101:201(100) ack 1 win 9", bytes(100))
    peer.sends(". 301:401(100) ack 1 win 9", bytes(100))
    peer.heard.clear()
    peer.sends(". 121:131(10) ack 1 win 9", bytes(10))
    peer.hears(". 1:1(0) ack 1 <nop,nop,sack 121:131 101:201 301:401>")
