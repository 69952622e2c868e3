"""Closing: four ways, aborts, orphans, TIME-WAIT (RFC 9293 3.6, 3.10.4, 3.10.5)."""

import errno

import pytest
from peer import PLAIN, Peer, established

from lastack.tcp.config import preset
from lastack.tcp.events import Notice
from lastack.tcp.states import State
from lastack.units import MINUTE, NEVER, SECOND
from lastack.wire.stop import Stop


def fin_wait_2() -> Peer:
    peer = established()
    peer.connection.shutdown_write(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    peer.sends(". 1:1(0) ack 2 win 1000")
    peer.is_in(State.FIN_WAIT_2)
    return peer


def time_wait() -> Peer:
    peer = fin_wait_2()
    peer.sends("F. 1:1(0) ack 2 win 1000")
    peer.hears(". 2:2(0) ack 2")
    peer.is_in(State.TIME_WAIT)
    return peer


def test_the_four_way_close_ends_in_time_wait_for_two_msl() -> None:
    """MUST-13: 2MSL is four minutes by default, to the nanosecond."""
    peer = time_wait()
    assert peer.waits_for_timer() == 4 * MINUTE
    peer.is_in(State.CLOSED)
    assert peer.connection.next_deadline() == NEVER


def test_three_segments_close_too() -> None:
    """The peer's FIN comes with the ACK of ours: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT at once."""
    peer = established()
    peer.connection.shutdown_write(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    peer.sends("F. 1:1(0) ack 2 win 1000")
    peer.hears(". 2:2(0) ack 2")
    peer.is_in(State.TIME_WAIT)
    assert [str(move[1]) for move in peer.moves()][-3:] == ["FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"]


def test_a_fin_that_does_not_acknowledge_ours_means_closing() -> None:
    """Figure 13: simultaneous close."""
    peer = established()
    peer.connection.shutdown_write(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    peer.sends("F. 1:1(0) ack 1 win 1000")
    peer.is_in(State.CLOSING)
    peer.hears(". 2:2(0) ack 2")
    peer.sends(". 2:2(0) ack 2 win 1000")
    peer.is_in(State.TIME_WAIT)


def test_the_passive_closer_goes_through_close_wait_and_last_ack() -> None:
    """3.10.7.4 eighth and fifth."""
    peer = established()
    peer.sends("F. 1:1(0) ack 1 win 1000")
    peer.is_in(State.CLOSE_WAIT)
    peer.hears(". 1:1(0) ack 2")
    peer.writes(b"more")
    peer.hears("P. 1:5(4) ack 2")
    peer.connection.close(peer.now)
    peer.is_in(State.LAST_ACK)
    peer.hears("F. 5:5(0) ack 2")
    peer.sends(". 2:2(0) ack 6 win 1000")
    peer.is_in(State.CLOSED)
    assert peer.connection.next_deadline() == NEVER


def test_half_close_goes_on_receiving() -> None:
    """3.6: after CLOSE, RECEIVE until the peer closes too; MUST-12: the end is no error."""
    peer = fin_wait_2()
    peer.sends("P. 1:4(3) ack 2 win 1000", b"abc")
    assert peer.reads() == b"abc"
    assert not peer.connection.at_end
    peer.waits(SECOND)
    peer.hears(". 2:2(0) ack 4")
    peer.sends("FP. 4:7(3) ack 2 win 1000", b"def")
    assert peer.reads() == b"def"
    assert peer.connection.at_end
    with pytest.raises(BrokenPipeError):
        peer.writes(b"x")


def test_fin_rides_on_the_last_data() -> None:
    """One segment carries both."""
    peer = established()
    peer.connection.send(b"bye", peer.now)
    peer.connection.shutdown_write(peer.now)
    peer.hears("FP. 1:4(3) ack 1")


def test_a_lost_fin_is_sent_again() -> None:
    """FIN is retransmitted like data."""
    peer = established()
    peer.connection.shutdown_write(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    peer.waits_for_timer()
    peer.hears("F. 1:1(0) ack 1")


def test_a_fin_that_comes_early_waits_for_the_data_before_it() -> None:
    """The out-of-order queue holds FIN too."""
    peer = established()
    peer.sends("F. 4:4(0) ack 1 win 1000")
    peer.hears(". 1:1(0) ack 1")
    peer.is_in(State.ESTABLISHED)
    peer.sends(". 1:4(3) ack 1 win 1000", b"abc")
    peer.hears(". 1:1(0) ack 5")
    peer.is_in(State.CLOSE_WAIT)
    assert peer.reads() == b"abc"


def test_close_with_unread_data_resets() -> None:
    """MAY-1, SHLD-3 (and RFC 2525 2.17): data was lost, the peer must know."""
    peer = established()
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.connection.close(peer.now)
    peer.hears("R. 1:1(0) ack 4")
    peer.is_in(State.CLOSED)


def test_data_after_close_resets() -> None:
    """MAY-1, SHLD-3: the user has gone, what comes now will never be read."""
    peer = established()
    peer.connection.close(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    assert peer.sends("P. 1:4(3) ack 1 win 1000", b"abc") is Stop.DATA_AFTER_CLOSE
    peer.hears("R 1:1(0)")
    peer.is_in(State.CLOSED)


def test_abort_sends_a_reset_and_tells_no_peer_twice() -> None:
    """3.10.5."""
    peer = established()
    peer.writes(bytes(100))
    peer.hears("P. 1:101(100) ack 1")
    peer.connection.abort(peer.now)
    peer.hears("R. 101:101(0) ack 1")
    peer.hears_nothing()
    assert peer.connection.next_deadline() == NEVER
    with pytest.raises(ConnectionAbortedError):
        peer.reads()


def test_a_reset_wakes_a_reader_after_what_had_come() -> None:
    """3.6, MUST-12: data first, then ECONNRESET: the connection was aborted."""
    peer = established()
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.sends("R 4:4(0)")
    peer.is_in(State.CLOSED)
    assert peer.connection.readable
    assert peer.reads() == b"abc"
    with pytest.raises(ConnectionResetError):
        peer.reads()
    assert peer.reads() == b""


def test_only_an_exact_reset_is_believed() -> None:
    """MAY-12, RFC 5961 3.2: in the window but not exact is challenged, outside is ignored."""
    peer = established()
    assert peer.sends("R 100:100(0)") is Stop.RST_NOT_EXACT
    peer.hears(". 1:1(0) ack 1")
    assert peer.sends("R 70000:70000(0)") is Stop.OUT_OF_WINDOW
    peer.hears_nothing()
    peer.is_in(State.ESTABLISHED)


def test_a_syn_on_an_open_connection_is_challenged() -> None:
    """MAY-12, RFC 5961 4.2: whatever its sequence number; half-open peers then reset us."""
    peer = established()
    assert peer.sends("S 500:500(0) win 1000") is Stop.SYN_IN_WINDOW
    peer.hears(". 1:1(0) ack 1")
    peer.sends("R 1:1(0)")
    peer.is_in(State.CLOSED)
    assert peer.connection.error == errno.ECONNRESET


def test_challenge_acks_are_rate_limited() -> None:
    """RFC 5961 7: ten in five seconds."""
    peer = established()
    for _ in range(30):
        peer.sends("S 500:500(0) win 1000")
    assert len(peer.heard) == 10
    peer.heard.clear()
    peer.waits(5 * SECOND)
    peer.sends("S 500:500(0) win 1000")
    peer.hears(". 1:1(0) ack 1")


def test_a_repeated_fin_in_time_wait_is_acknowledged_and_starts_2msl_again() -> None:
    """3.10.7.4 eighth, TIME-WAIT."""
    peer = time_wait()
    peer.waits(3 * MINUTE)
    peer.sends("F. 1:1(0) ack 2 win 1000")
    peer.hears(". 2:2(0) ack 2")
    assert peer.waits_for_timer() == 4 * MINUTE
    peer.is_in(State.CLOSED)


def test_a_reset_in_time_wait_is_by_knob() -> None:
    """RFC 9293 3.10.7.4 second would end it; RFC 1337 and FreeBSD ignore it."""
    peer = time_wait()
    peer.sends("R 2:2(0)")
    peer.is_in(State.CLOSED)
    assert not preset("freebsd").reset_ends_time_wait
    stubborn = time_wait()
    stubborn.connection.config = PLAIN.replace(reset_ends_time_wait=False)
    assert stubborn.sends("R 2:2(0)") is Stop.RST_IN_TIME_WAIT
    stubborn.is_in(State.TIME_WAIT)


def test_an_orphan_in_fin_wait_2_ends_when_the_preset_bounds_it() -> None:
    """A user who has gone does not keep the connection for ever under `linux`."""
    peer = established(PLAIN.replace(fin_wait_2_timeout=60 * SECOND))
    peer.connection.close(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    peer.sends(". 1:1(0) ack 2 win 1000")
    assert peer.waits_for_timer() == 60 * SECOND
    peer.is_in(State.CLOSED)


def test_fin_wait_2_ends_when_the_peer_is_gone_and_so_is_the_user() -> None:
    """By default too: nobody is left to wait; a user who has only half-closed waits on."""
    peer = established()
    peer.connection.close(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    peer.sends(". 1:1(0) ack 2 win 1000")
    assert peer.waits_for_timer() == 10 * MINUTE
    peer.is_in(State.CLOSED)
    assert fin_wait_2().connection.next_deadline() == NEVER


def test_answers_in_time_wait_are_rate_limited_but_for_the_repeated_fin() -> None:
    """RFC 5961 7: ten in five seconds, or two ends could go on answering each other."""
    peer = time_wait()
    for _ in range(30):
        peer.sends(". 100000:100003(3) ack 2 win 1000")
    assert len(peer.heard) == 10
    peer.heard.clear()
    for _ in range(12):
        peer.sends("F. 1:1(0) ack 2 win 1000")
        peer.hears(". 2:2(0) ack 2")


def test_a_reader_is_woken_when_reading_is_shut_down() -> None:
    """Whoever waits to read has nothing to wait for any more."""
    peer = established()
    peer.connection.notices = 0
    peer.connection.shutdown_read(peer.now)
    assert peer.connection.notices & Notice.READABLE


def test_close_at_a_zero_window_is_not_stuck() -> None:
    """Data waits for the window; FIN follows it once the window opens."""
    peer = established(win=0)
    peer.writes(b"abc")
    peer.connection.shutdown_write(peer.now)
    peer.is_in(State.FIN_WAIT_1)
    peer.hears_nothing()
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.hears("FP. 1:4(3) ack 1", b"abc")
    peer.sends("F. 1:1(0) ack 5 win 1000")
    peer.hears(". 5:5(0) ack 2")
    peer.is_in(State.TIME_WAIT)


def test_two_fins_do_not_answer_each_other_for_ever() -> None:
    """A FIN that comes again hears a plain ACK, even where every other one repeats our FIN."""
    peer = established(PLAIN.replace(acks_repeat_fin=True))
    peer.connection.shutdown_write(peer.now)
    peer.hears("F. 1:1(0) ack 1 <...>")
    peer.sends("F. 1:1(0) ack 1 win 65535")
    peer.is_in(State.CLOSING)
    peer.hears("F. 1:1(0) ack 2 <...>")
    for _ in range(3):
        peer.sends("F. 1:1(0) ack 1 win 65535")
        peer.hears(". 2:2(0) ack 2 <...>")


def test_an_old_syn_with_new_data_resets_nothing() -> None:
    """RFC 9293 3.10.7.4 has what lies before the window trimmed off first, SYN included."""
    peer = established(PLAIN.replace(rfc5961=False))
    peer.sends("S 0:1000(1000) win 65535")
    peer.hears(". 1:1(0) ack 1 <...>")
    peer.is_in(State.ESTABLISHED)
    peer.sends("S 1:1(0) win 65535")
    peer.hears("R. 1:1(0) ack 1")
    peer.is_in(State.CLOSED)
