"""Accurate ECN feedback (RFC 9768) between one connection and the lines of a test."""

import pytest
from peer import PLAIN, Peer

from lastack.tcp.config import Config
from lastack.tcp.ecn_state import ACCURATE, CLASSIC, NONE
from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.wire.accurate_ecn import MISSING, encode, find

ASKS = PLAIN.replace(ecn="accurate")
PIECE = bytes(1000)
FULL = "<ECN e1b 1 ceb 0 e0b 1,nop>"
CODEPOINTS = ("[noecn] ", "[ect1] ", "[ect0] ", "[ce] ")
REFLECTED = ("W", "EW", "A", "WA")
COUNTED = ("2", "3", "4", "6")


def asking(config: Config = ASKS) -> Peer:
    """Its SYN is on its way."""
    peer = Peer(config)
    peer.connection.open_active(peer.now)
    peer.hears("[noecn] SEWA 0:0(0) <...>")
    return peer


def active(config: Config = ASKS) -> Peer:
    """An active open that has agreed on accurate feedback; the peer's MSS is 1000."""
    peer = asking(config)
    peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1000,ECN e1b 1 ceb 0 e0b 1,nop>")
    peer.hears(f"[noecn] 2. 1:1(0) ack 1 win 65535 {FULL}")
    return peer


def passive(config: Config = ASKS, ack: str = "2.") -> Peer:
    """A passive open that has agreed; `ack` are the flags of the handshake's last ACK."""
    peer = Peer(config)
    peer.connection.open_passive(peer.now)
    peer.sends("SEWA 0:0(0) win 65535 <mss 1000>")
    peer.hears(f"SW. 0:0(0) ack 1 win 65535 <mss 1460,{FULL[1:]}")
    peer.sends(f"{ack} 1:1(0) ack 1 win 65535 {FULL}")
    peer.is_in(State.ESTABLISHED)
    return peer


def feedback(peer: Peer) -> object:
    return peer.connection.tcb.ecn.feedback


# -- negotiation (3.1) -----------------------------------------------------------------------------


@pytest.mark.parametrize("came", range(4))
def test_a_server_tells_how_the_syn_has_come(came: int) -> None:
    """3.1.1, Table 2: in the flags of its SYN-ACK."""
    peer = Peer(ASKS)
    peer.connection.open_passive(peer.now)
    peer.sends(f"{CODEPOINTS[came]}SEWA 0:0(0) win 65535 <mss 1000>")
    peer.hears(f"[noecn] S{REFLECTED[came]}. 0:0(0) ack 1 <mss 1460,{FULL[1:]}")
    assert feedback(peer) is ACCURATE


@pytest.mark.parametrize("came", range(4))
def test_a_client_tells_how_the_syn_ack_has_come_in_a_pure_ack(came: int) -> None:
    """3.2.2.1, Table 3; the mark itself is counted."""
    peer = asking()
    peer.sends(f"{CODEPOINTS[came]}SW. 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.hears(f"{COUNTED[came]}. 1:1(0) ack 1 {FULL}")
    peer.sends("P. 1:11(10) ack 1 win 65535")
    peer.waits(SECOND)
    peer.hears("6. 1:1(0) ack 11" if came == 3 else "5. 1:1(0) ack 11")


def test_even_with_data_waiting_the_pure_ack_goes_first() -> None:
    """3.2.2.1: SHOULD; with data it could not be told."""
    peer = asking()
    peer.writes(PIECE)
    peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.hears(f"2. 1:1(0) ack 1 {FULL}")
    peer.hears("[ect0] 5. 1:989(988) ack 1 <ECN e1b 1 ceb 0 e0b 1,nop>")


TABLE = [
    ("SW.", ACCURATE, 2),
    ("SEW.", ACCURATE, 0),
    ("SA.", ACCURATE, 0),
    ("SWA.", ACCURATE, 0),
    ("SEA.", ACCURATE, 2),
    ("SE.", CLASSIC, 2),
    ("S.", NONE, 0),
    ("SEWA.", NONE, 0),
]


@pytest.mark.parametrize(("answer", "agreed", "ect"), TABLE)
def test_a_client_takes_what_the_server_can(answer: str, agreed: object, ect: int) -> None:
    """Table 2, 3.1.3; 3.2.2.3: a SYN that has come as what it was not marks nothing capable."""
    peer = asking()
    peer.sends(f"{answer} 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.heard.clear()
    assert feedback(peer) is agreed
    peer.writes(b"abc")
    assert peer.heard[0].ecn == ect


SYNS = [
    ("SEWA", ACCURATE),
    ("SA", ACCURATE),
    ("SEA", ACCURATE),
    ("SW", ACCURATE),
    ("SE", ACCURATE),
    ("SEW", CLASSIC),
    ("S", NONE),
]


@pytest.mark.parametrize(("syn", "agreed"), SYNS)
def test_a_server_takes_what_the_client_can(syn: str, agreed: object) -> None:
    """Table 2; 3.1.3: other combinations ask for accurate feedback, too."""
    peer = Peer(ASKS)
    peer.connection.open_passive(peer.now)
    peer.sends(f"{syn} 0:0(0) win 65535 <mss 1000>")
    assert feedback(peer) is agreed


@pytest.mark.parametrize("ecn", ["accept", "on"])
def test_a_server_that_knows_classic_feedback_alone_agrees_to_that(ecn: str) -> None:
    """Table 2: for it the AE flag is a reserved bit."""
    peer = Peer(PLAIN.replace(ecn=ecn))
    peer.connection.open_passive(peer.now)
    peer.sends("SEWA 0:0(0) win 65535 <mss 1000>")
    peer.hears("SE. 0:0(0) ack 1 <mss 1460>")


def test_the_third_syn_asks_no_more() -> None:
    """3.1.4.1: at least one more time, then without."""
    peer = asking()
    peer.waits_for_timer()
    peer.hears("SEWA 0:0(0) <...>")
    peer.waits_for_timer()
    peer.hears("S 0:0(0) <...>")


def test_a_client_goes_by_the_first_syn_ack_whatever_it_has_sent_last() -> None:
    """3.1.4.1: and it may mark its packets as capable all the same."""
    peer = asking(ASKS.replace(ecn_syn_retries=0))
    peer.waits_for_timer()
    peer.hears("S 0:0(0) <...>")
    peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.hears("2. 1:1(0) ack 1 <...>")
    peer.writes(b"abc")
    peer.hears("[ect0] P5. 1:4(3) ack 1 <...>")


def test_a_syn_ack_sent_again_has_no_option_and_then_no_flags() -> None:
    """3.2.3.2.2; 3.1.5: who has sent such a one marks nothing as capable."""
    peer = Peer(ASKS)
    peer.connection.open_passive(peer.now)
    peer.sends("SEWA 0:0(0) win 65535 <mss 1000>")
    peer.hears(f"SW. 0:0(0) ack 1 <mss 1460,{FULL[1:]}")
    peer.waits_for_timer()
    peer.hears("SW. 0:0(0) ack 1 <mss 1460>")
    peer.waits_for_timer()
    peer.hears("S. 0:0(0) ack 1 <mss 1460>")
    peer.sends("2. 1:1(0) ack 1 win 65535")
    peer.writes(b"abc")
    peer.hears("[noecn] P5. 1:4(3) ack 1")
    peer.sends("[ce] 5. 1:11(10) ack 4 win 65535")
    peer.hears("6. 4:4(0) ack 11 <...>")  # yet what comes is told


def test_a_syn_ack_tells_how_the_latest_syn_has_come() -> None:
    """3.1.5."""
    peer = Peer(ASKS)
    peer.connection.open_passive(peer.now)
    peer.sends("SEWA 0:0(0) win 65535 <mss 1000>")
    peer.hears("SW. 0:0(0) ack 1 <...>")
    peer.sends("[ce] SEWA 0:0(0) win 65535 <mss 1000>")
    peer.hears("SWA. 0:0(0) ack 1 <mss 1460>")
    peer.sends("S 0:0(0) win 65535 <mss 1000>")
    peer.hears("SW. 0:0(0) ack 1 <mss 1460>")
    assert peer.connection.tcb.ecn.ect == 0  # the client may not be in this mode


@pytest.mark.parametrize("mode", ["accept", "on"])
def test_to_a_server_of_rfc_3168_the_same_syn_asks_for_the_same(mode: str) -> None:
    """RFC 3168 knows no AE: a doubled SYN that asks for accurate feedback contradicts nothing."""
    peer = Peer(PLAIN.replace(ecn=mode))
    peer.connection.open_passive(peer.now)
    for _ in range(2):
        peer.sends("SEWA 0:0(0) win 65535 <mss 1000>")
        peer.hears("SE. 0:0(0) ack 1 <...>")
    peer.is_in(State.SYN_RECEIVED)
    assert feedback(peer) is CLASSIC


@pytest.mark.parametrize(("first", "second"), [("SEWA", "SEW"), ("SEW", "SEWA")])
def test_a_client_that_asks_for_both_kinds_is_reset(first: str, second: str) -> None:
    """3.1.5: nobody could know who has heard what."""
    peer = Peer(ASKS)
    peer.connection.open_passive(peer.now)
    peer.sends(f"{first} 0:0(0) win 65535 <mss 1000>")
    peer.heard.clear()
    peer.sends(f"{second} 0:0(0) win 65535 <mss 1000>")
    peer.hears("R. 1:1(0) ack 1")


def test_both_may_ask_at_once() -> None:
    """3.1.2: each answers as a server; flags beside a SYN are no counter."""
    peer = asking()
    peer.sends("SEWA 0:0(0) win 65535 <mss 1000>")
    peer.hears("SW. 0:0(0) ack 1 <...>")
    peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.is_in(State.ESTABLISHED)
    assert feedback(peer) is ACCURATE
    assert peer.connection.info().marks_delivered == 0


def test_a_repeated_syn_ack_is_told_of_in_the_same_way() -> None:
    """3.2.2.1: the pure ACK of any of them."""
    peer = active()
    peer.sends("[ce] SW. 0:0(0) ack 1 win 65535 <mss 1000>")
    peer.hears("6. 1:1(0) ack 1")
    peer.sends("P. 1:11(10) ack 1 win 65535")
    peer.waits(SECOND)
    peer.hears("5. 1:1(0) ack 11")


# -- what a server reads from the handshake's last ACK (Table 4) -----------------------------------


@pytest.mark.parametrize("value", range(8))
def test_the_last_ack_tells_a_server_how_its_syn_ack_has_come(value: int) -> None:
    """Table 4: 0 silences, CE counts, and any that it had not had means mangling (3.2.2.3)."""
    peer = passive(ack=f"{value}.")
    counters = peer.connection.tcb.ecn.counters
    assert counters is not None
    assert counters.cep == (6 if value == 6 else 5)
    assert counters.deaf is (value == 0)
    assert peer.connection.tcb.ecn.ect == (0 if value in (0, 3, 4, 6) else 2)


def test_a_server_that_was_silenced_still_tells_what_comes() -> None:
    """Table 4, note 1: it must not stop its feedback; it does not heed the peer's."""
    peer = passive(ack="0.")
    peer.writes(PIECE)
    peer.hears("[noecn] P5. 1:1001(1000) ack 1")
    controller = peer.connection.tcb.controller
    assert controller is not None
    before = controller.cwnd
    peer.sends("[ce] 6. 1:11(10) ack 1001 win 65535")
    peer.hears("6. 1001:1001(0) ack 11 <...>")
    assert controller.cwnd >= before


# -- the receiver of data (3.2.2.5.1, 3.2.3.3) -----------------------------------------------------


def test_marks_are_counted_and_told_in_every_segment() -> None:
    """3.2: of whatever is acceptable, pure ACKs too; 3.2.2.2: the low three bits."""
    peer = passive()
    peer.sends("[ce] P2. 1:1001(1000) ack 1 win 65535")
    peer.hears("6. 1:1(0) ack 1001 <ECN e0b 1 ceb 1000>")
    peer.sends("[ce] . 1001:1001(0) ack 1 win 65535")
    peer.writes(b"abc")
    peer.hears("[ect0] P7. 1:4(3) ack 1001")
    peer.sends("[ce] P. 1001:2001(1000) ack 4 win 65535")
    peer.waits(SECOND)
    peer.hears("0. 4:4(0) ack 2001 <ECN e0b 1 ceb 2000>")


def test_octets_are_told_by_codepoint_as_far_as_any_has_come() -> None:
    """3.2.3.3: fields that never changed are left out at the end; the order follows from that."""
    peer = passive()
    peer.sends("[ect0] P5. 1:1001(1000) ack 1 win 65535")
    peer.waits(SECOND)
    peer.hears("5. 1:1(0) ack 1001 <ECN e0b 1001,nop,nop,nop>")
    peer.sends("[ce] P5. 1001:2001(1000) ack 1 win 65535")
    peer.hears("6. 1:1(0) ack 2001 <ECN e0b 1001 ceb 1000>")
    peer.sends("P5. 2001:3001(1000) ack 1 win 65535")
    peer.waits(SECOND)
    peer.hears("6. 1:1(0) ack 3001")  # nothing has changed
    peer.sends("[ect1] P5. 3001:4001(1000) ack 1 win 65535")
    peer.waits(SECOND)
    peer.hears("6. 1:1(0) ack 4001 <ECN e0b 1001 ceb 1000 e1b 1001,nop>")
    other = passive()
    other.sends("[ect1] P5. 1:1001(1000) ack 1 win 65535")
    other.waits(SECOND)
    other.hears("5. 1:1(0) ack 1001 <ECN e1b 1001,nop,nop,nop>")


def test_the_first_mark_after_none_is_acknowledged_at_once() -> None:
    """3.2.2.5.1: change-triggered; then every second one."""
    peer = passive()
    for at in range(1, 8001, 1000):
        peer.sends(f"[ce] P5. {at}:{at + 1000}(1000) ack 1 win 65535")
        peer.pull()
    acks = [segment.ack for segment in peer.heard]
    assert len(acks) >= 4


def test_marked_acks_are_answered_once_three_have_come() -> None:
    """3.2.2.5.1: increment-triggered, where nothing is to be acknowledged."""
    peer = passive()
    peer.sends("[ce] 5. 1:1(0) ack 1 win 65535")
    peer.sends("[ce] 5. 1:1(0) ack 1 win 65535")
    peer.hears_nothing()
    peer.sends("[ce] 5. 1:1(0) ack 1 win 65535")
    peer.hears("0. 1:1(0) ack 1")


def test_two_sack_blocks_are_more_important_than_the_option() -> None:
    """3.2.3.3: losses are the more critical news."""
    peer = Peer(ASKS.replace(sack=True, timestamps=True))
    peer.connection.open_passive(peer.now)
    peer.sends("SEWA 0:0(0) win 65535 <mss 1000,sackOK,TS val 1 ecr 0>")
    peer.heard.clear()
    stamp = "nop,nop,TS val 2 ecr 1000"
    peer.sends(f"2. 1:1(0) ack 1 win 65535 <{stamp}>")
    peer.sends(f"[ect0] 5. 1:11(10) ack 1 win 65535 <{stamp}>")
    peer.sends(f"[ect1] 5. 21:31(10) ack 1 win 65535 <{stamp}>")
    one = peer.heard.pop()
    assert find(one.options) == (11, 0, 11) and len(one.sack) == 1
    peer.sends(f"[ect1] 5. 41:51(10) ack 1 win 65535 <{stamp}>")
    two = peer.heard.pop()
    assert find(two.options) is None and len(two.sack) == 2
    peer.sends(f"[ect1] 5. 11:61(50) ack 1 win 65535 <{stamp}>")
    assert find(peer.heard.pop().options) == (11, 0, 71)


# -- the sender of data (3.2.2.5.2, 3.2.3.2) -------------------------------------------------------


def sending(window: int = 10, count: int = 20) -> Peer:
    """An established connection with ten segments in flight, the first of 988 octets."""
    peer = active(ASKS.replace(initial_window=window))
    peer.writes(PIECE * count)
    peer.heard.clear()
    return peer


def test_a_mark_slows_down_once_a_window_and_there_is_no_cwr() -> None:
    """3.1.5: as RFC 3168 6.1.2, but nothing confirms it; all bits are the counter's."""
    peer = sending()
    controller = peer.connection.tcb.controller
    assert controller is not None
    peer.sends("6. 1:1(0) ack 989 win 65535 <ECN e0b 1 ceb 988>")
    assert 4000 <= controller.cwnd <= 5000
    now = controller.cwnd
    peer.sends("7. 1:1(0) ack 1989 win 65535 <ECN e0b 1 ceb 1988>")
    assert controller.cwnd == now
    assert peer.connection.info().marks_delivered == 2
    peer.sends("7. 1:1(0) ack 8989 win 65535 <ECN e0b 7001 ceb 1988>")
    for segment in peer.heard:
        assert segment.flags & 0x1C0 == 5 << 6


def test_without_an_option_a_counter_that_may_have_gone_round_is_taken_for_the_most() -> None:
    """3.2.2.5.2, A.2.1: nine segments and two marks are two, ten and two are ten."""
    for octets, marks in ((9988, 2), (10988, 10)):
        peer = sending(window=12)
        peer.sends(f"7. 1:1(0) ack {1 + octets} win 65535")
        assert peer.connection.info().marks_delivered == marks


def test_with_an_option_octets_tell_how_often_the_counter_has_gone_round() -> None:
    """A.2.2: ten marks, of which the field shows two."""
    peer = sending()
    peer.sends("7. 1:1(0) ack 9989 win 65535 <ECN e0b 1 ceb 9988>")
    assert peer.connection.info().marks_delivered == 10


def test_an_ack_without_progress_is_not_believed() -> None:
    """3.2.2.2: it may have been overtaken."""
    peer = sending()
    peer.sends("7. 1:1(0) ack 989 win 65535 <ECN e0b 1 ceb 988>")
    assert peer.connection.info().marks_delivered == 2
    peer.sends("6. 1:1(0) ack 989 win 65535 <ECN e0b 1 ceb 988>")
    assert peer.connection.info().marks_delivered == 2


def test_options_whose_counters_begin_at_zero_are_passed_over() -> None:
    """3.2.3.2.4: somebody has cleared them."""
    peer = asking(ASKS.replace(initial_window=10))
    peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1000,ECN e1b 0 ceb 0 e0b 0,nop>")
    peer.writes(PIECE * 3)
    peer.sends("5. 1:1(0) ack 2001 win 65535 <ECN e0b 0 ceb 2000>")
    assert peer.connection.info().marks_delivered == 0


def test_octets_without_packets_mean_that_somebody_mangles() -> None:
    """3.2.3.2.5: then nothing more is marked as capable."""
    peer = sending(count=30)
    peer.sends("5. 1:1(0) ack 1989 win 65535 <ECN e0b 989 ceb 1000>")
    assert peer.connection.tcb.ecn.ect == 0


def test_when_the_first_data_are_lost_there_is_no_option_any_more() -> None:
    """3.2.3.2.2: something may drop what it does not know."""
    peer = active()
    peer.writes(b"abc")
    peer.hears("[ect0] P5. 1:4(3) ack 1 <ECN e1b 1 ceb 0 e0b 1,nop>")
    peer.waits_for_timer()
    assert peer.hears("[noecn] P5. 1:4(3) ack 1").options == b""
    peer.sends("[ect0] P5. 1:11(10) ack 4 win 65535")
    peer.waits(SECOND)
    assert peer.hears("5. 4:4(0) ack 11").options == b""


def test_no_super_segment_goes_out_while_the_counter_has_cwr() -> None:
    """3.3.4: devices take that bit off all parts but the first."""
    peer = Peer(ASKS.replace(initial_window=10), max_size=60000)
    peer.connection.open_passive(peer.now)
    peer.sends("SEWA 0:0(0) win 65535 <mss 1000>")
    peer.sends(f"2. 1:1(0) ack 1 win 65535 {FULL}")
    peer.heard.clear()
    peer.writes(PIECE * 4)
    assert peer.heard.pop().length == 4000
    peer.sends("[ce] P5. 1:11(10) ack 4001 win 65535")
    peer.heard.clear()
    peer.writes(PIECE * 4)
    assert [s.length for s in peer.heard] == [1000] * 4
    peer.sends("[ce] P5. 11:21(10) ack 8001 win 65535")
    peer.sends("[ce] P5. 21:31(10) ack 8001 win 65535")
    peer.heard.clear()
    peer.writes(PIECE * 4)
    assert len(peer.heard) == 1


@pytest.mark.parametrize("size", range(14))
def test_an_option_of_any_length_is_read_as_far_as_its_fields_are_whole(size: int) -> None:
    """3.2.3: the remainder is padding."""
    body = bytes(range(1, 15))[:size]
    option = bytes((172, 2 + size)) + body
    counts = [int.from_bytes(body[i : i + 3], "big") for i in range(0, size - 2, 3)][:3]
    expected = tuple(counts + [MISSING] * (3 - len(counts)))
    assert find(b"\x01\x01" + option) == expected
    assert find(option[:-1]) is None
    assert find(bytes((174,)) + option[1:]) == expected[::-1]


def test_an_option_that_is_written_is_read() -> None:
    """Low 24 bits, in either order."""
    assert find(encode(1, 2, 3 + (1 << 24), 3, False)) == (1, 2, 3)
    assert find(encode(1, 2, 3, 2, True)) == (MISSING, 2, 3)
    assert find(b"\x08\x0a" + bytes(8)) is None
