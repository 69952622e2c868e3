"""Windows in both directions, to their edges: large, shrinking, closed (RFC 9293 3.1, 3.8.6)."""

from peer import PLAIN, Peer, established, opening

from lastack.tcp.states import State
from lastack.units import HOUR, MINUTE, SECOND
from lastack.wire.stop import Stop

WIDE = PLAIN.replace(initial_window=100)


def sent_octets(peer: Peer) -> int:
    """Return how many octets of data were heard, and forget them."""
    octets = sum(segment.length for segment in peer.heard)
    peer.heard.clear()
    return octets


def test_a_window_above_32767_is_large_and_not_negative() -> None:
    """3.1, MUST-1: unsigned, in the handshake and in any segment after it."""
    peer = established(WIDE, win=65000)
    peer.writes(bytes(100_000))
    assert sent_octets(peer) == 65000
    peer.sends(". 1:1(0) ack 65001 win 34000")
    assert sent_octets(peer) == 34000


def test_a_window_of_a_gibibyte_is_remembered_to_the_octet() -> None:
    """3.1, REC-1: 32 bits are computed with, although a header has 16."""
    peer = opening(PLAIN.replace(window_scale=True))
    peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1000,nop,wscale 14>")
    peer.sends(". 1:1(0) ack 1 win 65535")
    assert peer.connection.info().snd_wnd == 65535 << 14


def shrunk(win: int) -> Peer:
    """Three segments are out; the first was acknowledged, and the window shrank behind it."""
    peer = established(win=3000)
    peer.writes(bytes(5000))
    assert sent_octets(peer) == 3000
    peer.sends(f". 1:1(0) ack 1001 win {win}")
    return peer


def test_a_negative_usable_window_lets_no_new_data_out() -> None:
    """3.8.6, MUST-34, SHLD-15: the right edge lies before SND.NXT, and nothing breaks."""
    peer = shrunk(500)
    peer.hears_nothing()
    assert peer.connection.tcb.snd.usable == -1500
    peer.writes(b"more")
    peer.hears_nothing()
    peer.sends(". 1:1(0) ack 3001 win 4000")
    assert sent_octets(peer) >= 2000


def test_old_data_inside_a_shrunken_window_is_sent_again_as_usual() -> None:
    """3.8.6, SHLD-16: between SND.UNA and SND.UNA + SND.WND, and nothing beyond."""
    peer = shrunk(500)
    peer.waits_for_timer()
    peer.hears(". 1001:1501(500) ack 1")
    peer.hears_nothing()


def test_a_window_that_shrinks_to_nothing_is_probed() -> None:
    """3.8.6, MUST-35: an octet after RTO, and then at growing intervals."""
    peer = shrunk(0)
    peer.hears_nothing()
    waits = []
    for _ in range(4):
        waits.append(peer.waits_for_timer())
        peer.hears(". 1001:1002(1) ack 1")
        peer.hears_nothing()
        peer.sends(". 1:1(0) ack 1001 win 0")
    assert waits == sorted(waits)
    assert waits[3] == 2 * waits[2]
    peer.sends(". 1:1(0) ack 1001 win 3000")
    peer.waits(2 * MINUTE)
    assert sent_octets(peer) >= 2000


def test_data_beyond_a_shrunken_edge_does_not_time_the_connection_out() -> None:
    """3.8.6, SHLD-17, MUST-37: as long as the peer answers, for a day here."""
    peer = shrunk(0)
    end = peer.now + 24 * HOUR
    while peer.now < end:
        peer.waits_for_timer()
        peer.heard.clear()
        peer.sends(". 1:1(0) ack 1001 win 0")
    peer.is_in(State.ESTABLISHED)


def full(octets: int = 4000) -> Peer:
    """Our receive buffer is full and our window closed."""
    peer = established(PLAIN.replace(receive_buffer=octets))
    for at in range(1, octets, 1000):
        peer.sends(f". {at}:{at + 1000}(1000) ack 1 win 1000")
    peer.heard.clear()
    assert peer.connection.info().rcv_wnd == 0
    return peer


def test_our_window_may_stay_closed_for_as_long_as_nobody_reads() -> None:
    """3.8.6.1, MAY-8: each probe is answered, none is taken."""
    peer = full()
    for _ in range(100):
        peer.waits(MINUTE)
        peer.sends(". 4001:4002(1) ack 1 win 1000", b"x")
        peer.hears(". 1:1(0) ack 4001 win 0")
    peer.is_in(State.ESTABLISHED)
    assert peer.connection.available == 4000


def test_a_few_octets_of_room_do_not_open_a_closed_window() -> None:
    """3.8.6.2.2, MUST-39: not unasked, and not in the answer to a probe either."""
    peer = full()
    peer.reads(999)
    peer.hears_nothing()
    peer.sends(". 4001:4002(1) ack 1 win 1000", b"x")
    peer.hears(". 1:1(0) ack 4001 win 0")
    peer.reads(1)
    peer.hears(". 1:1(0) ack 4001 win 1000")


def test_urgent_news_passes_a_closed_window() -> None:
    """3.4, MUST-66: URG is processed, with data that is not taken and without any."""
    for data in (b"", b"x"):
        peer = full()
        peer.sends(f".U 4001:{4001 + len(data)}({len(data)}) ack 1 win 1000 urg 7", data)
        assert peer.connection.urgent_remaining == 4007
        assert peer.connection.available == 4000


def test_a_reset_passes_a_closed_window() -> None:
    """3.4, MUST-66: RST is processed; SHLD-2: whether or not it carries data."""
    for length in (0, 5):
        peer = full()
        assert peer.sends(f"R 4001:{4001 + length}({length})") is Stop.RESET
        peer.is_in(State.CLOSED)


def test_a_reset_may_carry_data() -> None:
    """3.5.3, SHLD-2: it resets all the same, and the data is nobody's."""
    peer = established()
    assert peer.sends("R 1:12(11)", b"go away now") is Stop.RESET
    peer.is_in(State.CLOSED)
    assert peer.connection.available == 0


def test_small_writes_are_collapsed_into_the_largest_segment() -> None:
    """3.9.1.2, SHLD-27, SHLD-28: one segment, one PSH, at the end of all that there is."""
    peer = established(win=0)
    for _ in range(5):
        peer.writes(bytes(300))
    peer.hears_nothing()
    peer.sends(". 1:1(0) ack 1 win 5000")
    peer.hears(". 1:1001(1000) ack 1")
    peer.sends(". 1:1(0) ack 1001 win 5000")
    peer.hears("P. 1001:1501(500) ack 1")


def test_a_user_may_hold_back_what_is_not_to_be_pushed_yet() -> None:
    """3.9.1.2, MAY-15, MAY-16: `more` is a SEND without PUSH; a SEND without it pushes."""
    peer = established()
    peer.writes(b"one ", more=True)
    peer.writes(b"two ", more=True)
    peer.hears_nothing()
    peer.writes(b"three")
    peer.hears("P. 1:14(13) ack 1", b"one two three")


def test_what_is_held_back_goes_in_the_end() -> None:
    """3.9.1.2, MUST-60: corked, behind Nagle, or before a small window: for a second at most."""
    corked = established()
    corked.writes(b"abc", more=True)
    corked.waits(SECOND)
    corked.hears("P. 1:4(3) ack 1")
    small = established(win=1000)
    small.writes(bytes(1000))
    small.hears("P. 1:1001(1000) ack 1")
    small.sends(". 1:1(0) ack 1001 win 100")
    small.writes(bytes(200))
    small.waits(SECOND)
    small.hears(". 1001:1101(100) ack 1")
    nagle = established()
    nagle.writes(b"a")
    nagle.writes(b"b")
    nagle.hears("P. 1:2(1) ack 1")
    nagle.sends(". 1:1(0) ack 2 win 1000")
    nagle.hears("P. 2:3(1) ack 1")
