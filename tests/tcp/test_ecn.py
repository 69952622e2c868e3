"""Explicit congestion notification (RFC 3168) between one connection and the lines of a test."""

import pytest
from peer import PLAIN, Peer, opening

from lastack.tcp.config import Config, preset
from lastack.tcp.ecn_state import CLASSIC, NONE
from lastack.tcp.states import State
from lastack.units import NEVER, SECOND

ON = PLAIN.replace(ecn="on")
PIECE = bytes(1000)


def passive(config: Config = PLAIN, syn: str = "SEW", answer: str = "SE.") -> Peer:
    """A connection that a SYN with these flags has opened; the peer's MSS is 1000."""
    peer = Peer(config)
    peer.connection.open_passive(peer.now)
    peer.sends(f"{syn} 0:0(0) win 65535 <mss 1000>")
    peer.hears(f"{answer} 0:0(0) ack 1 <mss 1460>")
    peer.sends(". 1:1(0) ack 1 win 65535")
    peer.is_in(State.ESTABLISHED)
    return peer


def active(answer: str = "SE.", config: Config = ON) -> Peer:
    """A connection whose SYN has asked, and which was answered with these flags."""
    peer = Peer(config)
    peer.connection.open_active(peer.now)
    peer.hears("SEW 0:0(0) <...>")
    peer.sends(f"{answer} 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.hears("[noecn] . 1:1(0) ack 1")
    return peer


# -- the SYNs -------------------------------------------------------------------------------------


def test_an_endpoint_that_is_asked_agrees_and_marks_its_data_as_capable() -> None:
    """SHLD-8, RFC 3168 6.1.1: ECN-setup SYN, ECN-setup SYN-ACK, then ECT(0) on data alone."""
    peer = passive()
    peer.writes(PIECE)
    peer.hears("[ect0] P. 1:1001(1000) ack 1")
    peer.sends("P. 1:11(10) ack 1001 win 65535")
    peer.waits(SECOND)
    peer.hears("[noecn] . 1001:1001(0) ack 11")


def test_an_endpoint_that_asks_uses_it_when_the_peer_agrees() -> None:
    """SHLD-8, RFC 3168 6.1.1."""
    peer = active()
    peer.writes(PIECE)
    peer.hears("[ect0] P. 1:1001(1000) ack 1")


@pytest.mark.parametrize("answer", ["S.", "SEW.", "SW."])
def test_any_other_answer_means_no_ecn(answer: str) -> None:
    """RFC 3168 6.1.1: an ECN-setup SYN-ACK has ECE and not CWR; a reflected SYN has both."""
    peer = active(answer)
    peer.writes(PIECE)
    peer.hears("[noecn] P. 1:1001(1000) ack 1")


@pytest.mark.parametrize("syn", ["S", "SE", "SW"])
def test_a_syn_that_does_not_ask_is_not_answered_with_ece(syn: str) -> None:
    """RFC 3168 6.1.1: it takes both flags to ask."""
    peer = passive(syn=syn, answer="S.")
    peer.writes(PIECE)
    peer.hears("[noecn] P. 1:1001(1000) ack 1")


def test_switched_off_it_is_not_agreed_to() -> None:
    """RFC 3168 6.1.1: then both flags are clear in the SYN-ACK."""
    peer = passive(PLAIN.replace(ecn="off"), answer="S.")
    peer.sends("[ce] P. 1:11(10) ack 1 win 65535")
    peer.waits(SECOND)
    peer.hears(". 1:1(0) ack 11")


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_syn_sent_again_asks_no_more_after_some_tries(retries: int) -> None:
    """RFC 3168 6.1.1.1: a middlebox may mind the flags."""
    peer = Peer(ON.replace(ecn_syn_retries=retries))
    peer.connection.open_active(peer.now)
    for _ in range(retries + 1):
        peer.hears("SEW 0:0(0) <...>")
        peer.waits_for_timer()
    peer.hears("S 0:0(0) <...>")


def test_after_a_syn_that_did_not_ask_no_data_is_marked_whatever_comes_back() -> None:
    """RFC 3168 6.1.1: no ECT from a host that has sent a non-ECN-setup SYN."""
    peer = Peer(ON.replace(ecn_syn_retries=0))
    peer.connection.open_active(peer.now)
    peer.hears("SEW 0:0(0) <...>")
    peer.waits_for_timer()
    peer.hears("S 0:0(0) <...>")
    peer.sends("SE. 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.hears(". 1:1(0) ack 1")
    peer.writes(PIECE)
    peer.hears("[noecn] P. 1:1001(1000) ack 1")


def test_a_simultaneous_open_agrees_too_and_its_syn_ack_echoes_no_mark() -> None:
    """RFC 3168 6.1.1: both have asked; ECE on the SYN-ACK is an agreement, no congestion."""
    peer = Peer(ON)
    peer.connection.open_active(peer.now)
    peer.hears("SEW 0:0(0) <...>")
    peer.sends("SEW 0:0(0) win 65535 <mss 1000>")
    peer.hears("SE. 0:0(0) ack 1 <...>")
    peer.sends("SE. 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.is_in(State.ESTABLISHED)
    assert peer.connection.tcb.ecn.feedback is CLASSIC
    assert not peer.connection.tcb.ecn.reducing


def test_the_presets_agree_when_they_are_asked_and_do_not_ask() -> None:
    """SHLD-8: what Linux (tcp_ecn 2) and FreeBSD (ecn.enable 2) do; the RFC's preset does too."""
    for name in ("rfc", "linux", "freebsd"):
        peer = Peer(preset(name).replace(strict=True, timestamps=False))
        peer.connection.open_active(peer.now)
        peer.hears("S 0:0(0) <...>")
        other = Peer(preset(name).replace(strict=True, timestamps=False))
        other.connection.open_passive(other.now)
        other.sends("SEW 0:0(0) win 65535 <mss 1000>")
        other.hears("SE. 0:0(0) ack 1 <...>")


def test_back_in_listen_the_next_peer_is_asked_anew() -> None:
    """What the one before had agreed on is forgotten."""
    peer = Peer(PLAIN)
    peer.connection.open_passive(peer.now)
    peer.sends("SEW 0:0(0) win 65535 <mss 1000>")
    peer.hears("SE. 0:0(0) ack 1 <...>")
    peer.sends("R 1:1(0) win 0")
    assert peer.connection.tcb.ecn.feedback is NONE
    peer.sends("S 0:0(0) win 65535 <mss 1000>")
    peer.hears("S. 0:0(0) ack 1 <...>")


# -- the receiver of data -------------------------------------------------------------------------


def test_a_mark_is_echoed_in_every_segment_until_the_peer_says_cwr() -> None:
    """RFC 3168 6.1.3: ECE on all ACKs, pure or with data, from CE until CWR."""
    peer = passive()
    peer.sends("[ce] P. 1:11(10) ack 1 win 65535")
    peer.hears("[noecn] E. 1:1(0) ack 11")
    peer.sends("[ect0] P. 11:21(10) ack 1 win 65535")
    peer.hears("E. 1:1(0) ack 21")
    peer.writes(b"abc")
    peer.hears("[ect0] PE. 1:4(3) ack 21")
    peer.sends("[ect0] PW. 21:31(10) ack 4 win 65535")
    peer.hears(". 4:4(0) ack 31")
    peer.writes(b"def")
    peer.hears("[ect0] P. 4:7(3) ack 31")


def test_a_mark_on_the_segment_that_says_cwr_is_a_new_one() -> None:
    """RFC 3168 6.1.3: CWR ends the old echo, CE begins another."""
    peer = passive()
    peer.sends("[ce] P. 1:11(10) ack 1 win 65535")
    peer.hears("E. 1:1(0) ack 11")
    peer.sends("[ce] PW. 11:21(10) ack 1 win 65535")
    peer.hears("E. 1:1(0) ack 21")


def test_a_mark_on_what_is_out_of_order_is_echoed() -> None:
    """RFC 3168 6.1.3: at once, with the duplicate ACK."""
    peer = passive()
    peer.sends("[ce] P. 11:21(10) ack 1 win 65535")
    peer.hears("E. 1:1(0) ack 1")


def test_a_mark_outside_the_window_says_nothing() -> None:
    """RFC 3168 6.1.5: it may come from anybody."""
    peer = passive()
    peer.sends("P. 1:11(10) ack 1 win 65535")
    peer.waits(SECOND)
    peer.hears(". 1:1(0) ack 11")
    peer.sends("[ce] P. 1:11(10) ack 1 win 65535")
    peer.hears(". 1:1(0) ack 11")


def test_a_mark_on_a_bare_ack_says_nothing() -> None:
    """RFC 3168 6.1.4: pure ACKs are not ECN-capable."""
    peer = passive()
    peer.sends("[ce] . 1:1(0) ack 1 win 65535")
    peer.writes(b"abc")
    peer.hears("P. 1:4(3) ack 1")


# -- the sender of data ---------------------------------------------------------------------------


def full(peer: Peer, count: int) -> int:
    """The user sends so many segments' worth; return how many go out."""
    peer.writes(PIECE * count)
    heard = len(peer.heard)
    for one in peer.heard:
        assert one.ecn == 2 and not one.flags & 0x80
    peer.heard.clear()
    return heard


def test_an_echo_halves_the_window_once_and_the_next_new_data_says_cwr() -> None:
    """RFC 3168 6.1.2: like a loss, but nothing is sent again; once a window; CWR once."""
    peer = passive(PLAIN.replace(initial_window=8))
    assert full(peer, 40) == 8
    controller = peer.connection.tcb.controller
    assert controller is not None
    peer.sends("E. 1:1(0) ack 1001 win 65535")
    assert controller.cwnd == 4000
    peer.sends("E. 1:1(0) ack 2001 win 65535")
    peer.sends("E. 1:1(0) ack 4001 win 65535")
    peer.hears_nothing()  # 4,000 octets are out
    assert controller.cwnd == 4000
    peer.sends("E. 1:1(0) ack 5001 win 65535")
    peer.hears("[ect0] W. 8001:9001(1000) ack 1")
    peer.sends("E. 1:1(0) ack 8001 win 65535")  # all that was out then, and CWR has not come
    assert controller.cwnd == 4000
    peer.hears("[ect0] . 9001:10001(1000) ack 1")
    peer.hears("[ect0] . 10001:11001(1000) ack 1")
    peer.hears("[ect0] . 11001:12001(1000) ack 1")
    peer.sends(". 1:1(0) ack 9001 win 65535")
    peer.hears("[ect0] . 12001:13001(1000) ack 1")
    peer.sends("E. 1:1(0) ack 10001 win 65535")  # a new mark
    assert controller.cwnd == 2000
    assert peer.connection.tcb.retransmissions == 0


def test_a_loss_in_the_window_that_was_halved_does_not_halve_it_again() -> None:
    """RFC 3168 6.1.2: one reduction for all the signs of one window."""
    peer = passive(PLAIN.replace(initial_window=8, limited_transmit=False))
    full(peer, 40)
    peer.sends("E. 1:1(0) ack 1001 win 65535")
    controller = peer.connection.tcb.controller
    assert controller is not None and controller.cwnd == 4000
    for _ in range(3):
        peer.sends("E. 1:1(0) ack 1001 win 65535")
    peer.hears("[noecn] . 1001:2001(1000) ack 1")
    assert controller.cwnd >= 4000


@pytest.mark.parametrize("waits", [True, False])
def test_a_mark_at_a_window_of_one_segment_makes_the_sender_wait_for_rto(waits: bool) -> None:
    """RFC 3168 6.1.2: a window cannot be halved that is one segment, but time can pass."""
    peer = passive(PLAIN.replace(initial_window=1, ecn_waits=waits))
    peer.writes(bytes(2500))
    peer.hears("[ect0] . 1:1001(1000) ack 1")
    peer.sends("E. 1:1(0) ack 1001 win 65535")
    if waits:
        peer.hears_nothing()
        assert peer.waits_for_timer() == peer.connection.tcb.rtt.rto == SECOND
    peer.hears("[ect0] W. 1001:2001(1000) ack 1")
    peer.sends(". 1:1(0) ack 2001 win 65535")
    peer.hears("[ect0] P. 2001:2501(500) ack 1")
    peer.sends(". 1:1(0) ack 2501 win 65535")
    assert peer.connection.tcb.retransmissions == 0
    assert peer.connection.next_deadline() == NEVER


def test_who_waits_because_of_a_mark_repeats_in_the_end_what_is_not_acknowledged() -> None:
    """RFC 6298 5.4: the wait is the retransmission timer's."""
    peer = passive(PLAIN.replace(initial_window=1))
    peer.writes(bytes(1500))
    peer.sends("E. 1:1(0) ack 501 win 65535")
    peer.hears("[ect0] . 1:1001(1000) ack 1")
    peer.hears_nothing()
    assert peer.waits_for_timer() == peer.connection.tcb.rtt.rto // 2
    peer.hears("[noecn] . 501:1001(500) ack 1")
    peer.sends(". 1:1(0) ack 1001 win 65535")
    peer.hears("[ect0] WP. 1001:1501(500) ack 1")


def test_after_a_loss_the_first_new_data_says_cwr_and_what_is_sent_again_is_not_capable() -> None:
    """RFC 3168 6.1.2: CWR for a reduction of any cause; 6.1.5: no ECT on retransmissions."""
    peer = passive(PLAIN.replace(initial_window=4))
    full(peer, 6)
    peer.sends(". 1:1(0) ack 1 win 65535")
    peer.sends(". 1:1(0) ack 1 win 65535")
    peer.heard.clear()  # limited transmit
    peer.sends(". 1:1(0) ack 1 win 65535")
    peer.hears("[noecn] . 1:1001(1000) ack 1")
    peer.sends(". 1:1(0) ack 6001 win 65535")
    peer.writes(PIECE)
    peer.hears("[ect0] PW. 6001:7001(1000) ack 1")


def test_after_a_timeout_the_first_new_data_says_cwr() -> None:
    """RFC 3168 6.1.2."""
    peer = passive()
    peer.writes(PIECE)
    peer.hears("[ect0] P. 1:1001(1000) ack 1")
    peer.waits_for_timer()
    peer.hears("[noecn] P. 1:1001(1000) ack 1")
    peer.sends(". 1:1(0) ack 1001 win 65535")
    peer.writes(PIECE)
    peer.hears("[ect0] PW. 1001:2001(1000) ack 1")


def test_a_fin_and_a_probe_are_not_capable() -> None:
    """RFC 3168 6.1.4, 6.1.6: no ECT but on new data."""
    peer = passive()
    peer.sends(". 1:1(0) ack 1 win 0")
    peer.writes(b"abc")
    peer.waits_for_timer()
    peer.hears("[noecn] . 1:2(1) ack 1")
    peer.sends(". 1:1(0) ack 2 win 65535")
    peer.hears("[ect0] P. 2:4(2) ack 1")
    peer.connection.close(peer.now)
    peer.hears("[noecn] F. 4:4(0) ack 1")


def test_where_cwr_is_owed_no_super_segment_goes_out() -> None:
    """A device leaves CWR on the first part alone (RFC 9768 3.3.4): that one goes by itself."""
    peer = Peer(PLAIN.replace(initial_window=8), max_size=60000)
    peer.connection.open_passive(peer.now)
    peer.sends("SEW 0:0(0) win 65535 <mss 1000>")
    peer.hears("SE. 0:0(0) ack 1 <...>")
    peer.sends(". 1:1(0) ack 1 win 65535")
    peer.writes(PIECE * 40)
    peer.hears("[ect0] . 1:8001(8000) ack 1")
    peer.sends("E. 1:1(0) ack 8001 win 65535")
    peer.hears("[ect0] W. 8001:9001(1000) ack 1")
    peer.hears("[ect0] . 9001:12001(3000) ack 1")


def test_an_echo_where_nothing_was_agreed_is_read_over() -> None:
    """RFC 3168 6.1.1."""
    peer = opening()
    peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.hears(". 1:1(0) ack 1")
    peer.writes(PIECE * 2)
    peer.hears("[noecn] . 1:1001(1000) ack 1")
    peer.hears("[noecn] P. 1001:2001(1000) ack 1")
    controller = peer.connection.tcb.controller
    assert controller is not None
    before = controller.cwnd
    peer.sends("E. 1:1(0) ack 1001 win 65535")
    assert controller.cwnd >= before


# -- DCTCP ----------------------------------------------------------------------------------------


def test_dctcp_asks_for_ecn_unless_it_is_off() -> None:
    """RFC 8257 1: it is nothing without; as on Linux, whoever chooses it chooses ECN."""
    peer = active(config=PLAIN.replace(congestion="dctcp"))
    peer.writes(PIECE)
    peer.hears("[ect0] P. 1:1001(1000) ack 1")
    without = Peer(PLAIN.replace(congestion="dctcp", ecn="off"))
    without.connection.open_active(without.now)
    without.hears("S 0:0(0) <...>")


def test_a_dctcp_receiver_echoes_marks_as_they_come() -> None:
    """RFC 8257 3.2: ECE if and only if DCTCP.CE, and each change is acknowledged at once."""
    peer = passive(PLAIN.replace(congestion="dctcp", ack_every=100))
    peer.sends("[ect0] . 1:101(100) ack 1 win 65535")
    peer.hears_nothing()
    peer.sends("[ce] . 101:201(100) ack 1 win 65535")
    peer.hears("E. 1:1(0) ack 201")
    peer.sends("[ce] . 201:301(100) ack 1 win 65535")
    peer.waits(SECOND)
    peer.hears("E. 1:1(0) ack 301")
    peer.heard.clear()
    peer.sends("[ect0] . 301:401(100) ack 1 win 65535")
    peer.hears(". 1:1(0) ack 401")
    peer.sends("[ce] W. 401:501(100) ack 1 win 65535")
    peer.hears("E. 1:1(0) ack 501")
