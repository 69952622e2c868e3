"""Opening: active, passive, simultaneous, and what goes wrong (RFC 9293 3.5, 3.10.7)."""

import errno

import pytest
from peer import OURS, PLAIN, THEIRS, Peer, established, opening

from lastack.tcp.states import Cause, State
from lastack.units import MINUTE, SECOND
from lastack.wire.segment import ACK, SYN, Segment
from lastack.wire.stop import Stop


def passive() -> Peer:
    peer = Peer()
    peer.connection.open_passive(peer.now)
    return peer


def test_a_syn_opens_a_listening_connection() -> None:
    """3.10.7.2 third: LISTEN goes to SYN-RECEIVED, its ACK to ESTABLISHED."""
    peer = passive()
    peer.sends("S 0:0(0) win 1000 <mss 1000>")
    peer.is_in(State.SYN_RECEIVED)
    peer.hears("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.is_in(State.ESTABLISHED)
    peer.hears_nothing()
    assert [move[2] for move in peer.moves()] == ["3.10.1", "3.10.7.2 third", "3.10.7.4 fifth"]


def test_an_ack_in_listen_is_reset_and_a_reset_ignored() -> None:
    """3.10.7.2 first and second."""
    peer = passive()
    assert peer.sends(". 5:5(0) ack 77 win 10") is Stop.ACK_IN_LISTEN
    peer.hears("R 77:77(0)")
    assert peer.sends("R 5:5(0)") is Stop.RST_IN_LISTEN
    peer.hears_nothing()
    peer.is_in(State.LISTEN)


def test_simultaneous_open_meets_in_established() -> None:
    """MUST-10, figure 8: both SYNs cross, each side answers with SYN-ACK."""
    peer = opening()
    peer.sends("S 0:0(0) win 1000 <mss 1000>")
    peer.is_in(State.SYN_RECEIVED)
    peer.hears("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    peer.sends("S. 0:0(0) ack 1 win 1000 <mss 1000>")
    peer.is_in(State.ESTABLISHED)


def test_simultaneous_open_may_also_end_with_a_plain_ack() -> None:
    """MUST-10: the peer's SYN-ACK may be lost and its ACK come first."""
    peer = opening()
    peer.sends("S 0:0(0) win 1000 <mss 1000>")
    peer.hears("S. 0:0(0) ack 1")
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.is_in(State.ESTABLISHED)


def test_a_bad_ack_in_syn_sent_is_reset() -> None:
    """3.10.7.3 first: <SEQ=SEG.ACK><CTL=RST>, and the connection goes on waiting."""
    peer = opening()
    assert peer.sends("S. 0:0(0) ack 2 win 1000") is Stop.BAD_ACK_IN_SYN_SENT
    peer.hears("R 2:2(0)")
    assert peer.sends("R. 0:0(0) ack 9 win 0") is Stop.BAD_RST_IN_SYN_SENT
    peer.hears_nothing()
    peer.is_in(State.SYN_SENT)


def test_a_reset_that_acknowledges_the_syn_refuses_the_connection() -> None:
    """3.10.7.3 second: the user hears ECONNREFUSED."""
    peer = opening()
    peer.sends("R. 0:0(0) ack 1 win 0")
    peer.is_in(State.CLOSED)
    with pytest.raises(ConnectionRefusedError):
        peer.reads()


def test_a_repeated_syn_is_answered_again() -> None:
    """The SYN-ACK was lost: the peer's SYN comes again."""
    peer = passive()
    peer.sends("S 0:0(0) win 1000 <mss 1000>")
    peer.hears("S. 0:0(0) ack 1")
    assert peer.sends("S 0:0(0) win 1000 <mss 1000>") is Stop.REPEATED_SYN
    peer.hears("S. 0:0(0) ack 1")
    peer.is_in(State.SYN_RECEIVED)


def test_a_reset_returns_a_passive_open_to_listen_in_silence() -> None:
    """3.10.7.4 second, MUST-11: passive remembers that it was passive."""
    peer = passive()
    peer.sends("S 0:0(0) win 1000 <mss 1000>")
    peer.hears("S. 0:0(0) ack 1")
    peer.sends("R 1:1(0)")
    peer.is_in(State.LISTEN)
    assert peer.connection.error == 0


def test_a_reset_after_crossing_syns_refuses_an_active_open() -> None:
    """3.10.7.4 second, MUST-11: active remembers that it was active."""
    peer = opening()
    peer.sends("S 0:0(0) win 1000 <mss 1000>")
    peer.hears("S. 0:0(0) ack 1")
    peer.sends("R 1:1(0)")
    peer.is_in(State.CLOSED)
    assert peer.connection.error == errno.ECONNREFUSED


def test_a_wrong_ack_in_syn_received_is_reset() -> None:
    """3.10.7.4 fifth: <SEQ=SEG.ACK><CTL=RST>."""
    peer = passive()
    peer.sends("S 0:0(0) win 1000 <mss 1000>")
    peer.hears("S. 0:0(0) ack 1")
    assert peer.sends(". 1:1(0) ack 700 win 1000") is Stop.BAD_ACK_IN_SYN_RECEIVED
    peer.hears("R 700:700(0)")
    peer.is_in(State.SYN_RECEIVED)


def test_a_syn_is_tried_for_at_least_three_minutes() -> None:
    """MUST-23: R2 for a SYN; the user hears ETIMEDOUT."""
    peer = opening()
    began = peer.now
    while peer.connection.state is State.SYN_SENT:
        peer.waits_for_timer()
    assert peer.now - began >= 3 * MINUTE
    assert peer.connection.error == errno.ETIMEDOUT
    assert [e.cause for e in peer.connection.tcb.events or () if hasattr(e, "cause")][-1] is (
        Cause.RETRANSMISSIONS_EXHAUSTED
    )


def test_a_syn_backs_off_exponentially() -> None:
    """RFC 6298 5.5: 1, 2, 4, 8 seconds."""
    peer = opening()
    assert [peer.waits_for_timer() // SECOND for _ in range(4)] == [1, 2, 4, 8]
    for _ in range(4):
        peer.hears("S 0:0(0) win 65535 <mss 1460>")


def test_data_on_a_syn_is_given_to_the_user_after_the_handshake() -> None:
    """3.4: accepted and kept, but not delivered before the connection is established."""
    peer = passive()
    peer.sends("S 0:3(3) win 1000 <mss 1000>", b"abc")
    peer.hears("S. 0:0(0) ack 4")
    peer.sends(". 4:4(0) ack 1 win 1000")
    assert peer.reads() == b"abc"


def test_data_on_a_syn_is_not_read_before_the_handshake_is_over() -> None:
    """3.10.3: a RECEIVE in SYN-RECEIVED waits; the peer has not shown that it is there."""
    peer = Peer()
    peer.connection.open_passive(peer.now)
    peer.sends("S 0:3(3) win 1000 <mss 1000>", b"abc")
    assert not peer.connection.readable
    assert peer.reads() == b""
    peer.hears("S. 0:0(0) ack 4 <...>")
    peer.sends(". 4:4(0) ack 1 win 1000")
    assert peer.connection.readable
    assert peer.reads() == b"abc"


def test_data_on_a_syn_ack_is_taken() -> None:
    """3.10.7.3 fourth: go on with the sixth step."""
    peer = opening()
    peer.sends("S. 0:3(3) ack 1 win 1000 <mss 1000>", b"abc")
    peer.hears(". 1:1(0) ack 4")
    assert peer.reads() == b"abc"


def test_close_in_syn_sent_deletes_the_connection() -> None:
    """3.10.4."""
    peer = opening()
    peer.connection.close(peer.now)
    peer.is_in(State.CLOSED)
    peer.hears_nothing()


def test_close_in_syn_received_sends_fin_and_waits() -> None:
    """3.10.4: nothing to send, so FIN at once and FIN-WAIT-1."""
    peer = passive()
    peer.sends("S 0:0(0) win 1000 <mss 1000>")
    peer.hears("S. 0:0(0) ack 1")
    peer.connection.shutdown_write(peer.now)
    peer.hears("F. 1:1(0) ack 1")
    peer.is_in(State.FIN_WAIT_1)
    peer.sends(". 1:1(0) ack 2 win 1000")
    peer.is_in(State.FIN_WAIT_2)


def test_a_syn_that_was_acknowledged_after_close_is_not_sent_again() -> None:
    """Crossing SYNs, close and the ACK of our SYN in one batch: FIN alone is left to send."""
    peer = opening()
    connection = peer.connection
    syn = Segment(80, 40000, THEIRS, 0, SYN, 1000)
    assert connection.segment_arrives(syn, peer.now) is None
    connection.shutdown_write(peer.now)
    peer.is_in(State.FIN_WAIT_1)
    ack = Segment(80, 40000, THEIRS + 1, OURS + 1, ACK, 1000)
    assert connection.segment_arrives(ack, peer.now) is None
    peer.hears("F. 1:1(0) ack 1")
    peer.hears_nothing()
    assert connection.tcb.sent.covers(OURS + 1, OURS + 2)


def test_send_before_established_is_queued() -> None:
    """3.10.2: SEND in SYN-SENT waits for the handshake."""
    peer = opening()
    assert peer.writes(b"hello") == 5
    peer.hears_nothing()
    peer.sends("S. 0:0(0) ack 1 win 1000 <mss 1000>")
    peer.hears("P. 1:6(5) ack 1", b"hello")


def test_the_default_mss_is_536() -> None:
    """MUST-15: a SYN without MSS means 536 octets."""
    peer = opening()
    peer.sends("S. 0:0(0) ack 1 win 65535")
    peer.hears(". 1:1(0) ack 1")
    peer.writes(bytes(2000))
    peer.hears(". 1:537(536) ack 1")


def test_effective_mss_makes_room_for_options() -> None:
    """MUST-16: Eff.snd.MSS counts the timestamps that every segment carries."""
    peer = established(PLAIN.replace(timestamps=True))
    peer.writes(bytes(3000))
    peer.hears(". 1:989(988) ack 1 <...>")


def test_calls_before_opening_say_so() -> None:
    """ENOTCONN."""
    peer = Peer()
    for call in (lambda: peer.writes(b"x"), peer.reads):
        with pytest.raises(OSError) as raised:
            call()
        assert raised.value.errno == errno.ENOTCONN
