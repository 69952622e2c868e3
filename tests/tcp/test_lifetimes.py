"""How long a connection lives: TIME-WAIT, timeouts changed on the way, LISTEN again."""

import pytest
from peer import LOCAL, OURS, PLAIN, REMOTE, Peer, established

from lastack.tcp.connection import Connection
from lastack.tcp.states import State
from lastack.units import HOUR, MINUTE, NEVER, SECOND
from lastack.wire.segment import ACK, RST, SYN, Segment


def time_wait_with_unread_data() -> Peer:
    peer = established()
    peer.connection.shutdown_write(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    peer.sends("FP. 1:4(3) ack 2 win 1000", b"abc")
    peer.hears(". 2:2(0) ack 5")
    peer.is_in(State.TIME_WAIT)
    return peer


def test_close_with_unread_data_does_not_cut_time_wait_short() -> None:
    """MUST-13: both FINs are acknowledged; no reset can tell the peer any more, 2MSL goes on."""
    peer = time_wait_with_unread_data()
    peer.connection.close(peer.now)
    peer.is_in(State.TIME_WAIT)
    peer.hears_nothing()
    assert peer.waits_for_timer() == 4 * MINUTE
    peer.is_in(State.CLOSED)


def test_a_shorter_idle_time_counts_from_now_on() -> None:
    """SO_KEEPALIVE first and TCP_KEEPIDLE afterwards is the usual order (MUST-27)."""
    peer = established()
    connection = peer.connection
    connection.config = connection.config.replace(keepalive=True)
    connection.config = connection.config.replace(keepalive_idle=10 * SECOND)
    assert peer.waits_for_timer() == 10 * SECOND
    peer.hears(". 0:0(0) ack 1")
    connection.config = connection.config.replace(keepalive=False)
    peer.waits(HOUR)
    peer.hears_nothing()
    assert connection.next_deadline() == NEVER


def test_keep_alive_has_no_business_in_time_wait() -> None:
    """3.8.4: switched on there, it must neither probe nor end anything."""
    peer = time_wait_with_unread_data()
    connection = peer.connection
    connection.config = connection.config.replace(keepalive=True, keepalive_idle=SECOND)
    assert peer.waits_for_timer() == 4 * MINUTE
    peer.is_in(State.CLOSED)
    peer.hears_nothing()


def test_a_user_timeout_given_late_counts_what_is_under_way() -> None:
    """3.9.1.8: the peer has gone already; the user loses patience now."""
    peer = established()
    peer.writes(b"abc")
    began = peer.now
    peer.waits(5 * SECOND)
    peer.connection.config = peer.connection.config.replace(user_timeout=30 * SECOND)
    while peer.connection.state is State.ESTABLISHED:
        peer.waits_for_timer()
    assert 29 * SECOND <= peer.now - began <= 36 * SECOND


def listening() -> Peer:
    peer = Peer()
    peer.connection.open_passive(peer.now)
    return peer


def test_back_in_listen_nothing_of_the_refused_peer_is_left() -> None:
    """3.10.7.4 second: the retransmission queue is flushed; the next SYN begins from nothing."""
    peer = listening()
    peer.sends("S 0:4(4) win 1000 <mss 1000>", b"evil")
    peer.hears("S. 0:0(0) ack 5 <...>")
    peer.waits_for_timer()
    peer.hears("S. 0:0(0) ack 5 <...>")
    peer.sends("R 5:5(0)")
    peer.is_in(State.LISTEN)
    assert peer.connection.next_deadline() == NEVER
    assert peer.connection.available == 0
    peer.sends("S 0:0(0) win 1000 <mss 500>")
    peer.hears("S. 0:0(0) ack 1 <...>")
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.is_in(State.ESTABLISHED)
    assert peer.reads() == b""
    info = peer.connection.info()
    assert (info.mss, info.cwnd, info.retransmissions) == (500, 2000, 1)


def test_a_passive_open_that_was_closed_does_not_return_to_listen() -> None:
    """CLOSE waited for ESTABLISHED in SYN-RECEIVED; a reset ends it instead."""
    peer = listening()
    peer.sends("S 0:0(0) win 1000 <mss 1000>")
    peer.hears("S. 0:0(0) ack 1 <...>")
    peer.writes(b"abc")
    peer.connection.close(peer.now)
    peer.is_in(State.SYN_RECEIVED)
    peer.sends("R 1:1(0)")
    peer.is_in(State.CLOSED)
    assert peer.connection.next_deadline() == NEVER


def test_an_old_duplicate_that_reopened_leaves_time_wait_with_its_timer() -> None:
    """MAY-2 (b): back in TIME-WAIT, 2MSL still has to end."""
    connection = Connection(1, LOCAL, REMOTE, PLAIN, OURS, 0, 1500, state=State.TIME_WAIT)
    assert connection.reopen(Segment(80, 40000, 7, 0, SYN, 1000), 0) is None
    assert connection.next_segment(0) is not None
    connection.segment_arrives(Segment(80, 40000, 8, 0, RST | ACK, 0), 0)
    assert connection.state is State.TIME_WAIT
    assert connection.next_deadline() == 4 * MINUTE


@pytest.mark.parametrize("state", ["SYN-SENT", "SYN-RECEIVED", "ESTABLISHED"])
def test_abort_leaves_nothing_behind(state: str) -> None:
    """3.10.5: one reset at most, no timer, and the user is told whatever it does next."""
    peer = Peer()
    peer.connection.open_active(peer.now)
    peer.hears("S 0:0(0) <...>")
    if state == "SYN-RECEIVED":
        peer.sends("S 0:0(0) win 1000 <mss 1000>")
    elif state == "ESTABLISHED":
        peer.sends("S. 0:0(0) ack 1 win 1000 <mss 1000>")
    peer.heard.clear()
    peer.writes(bytes(5000))
    peer.connection.abort(peer.now)
    peer.heard.clear()
    peer.pull()
    assert peer.connection.next_deadline() == NEVER
    assert peer.connection.readable and peer.connection.writable
    with pytest.raises(ConnectionAbortedError):
        peer.reads()
