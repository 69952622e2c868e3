"""Receiving: order, overlaps, windows, ACKs, urgent data, keep-alive (RFC 9293 3.4, 3.8)."""

import errno

import pytest
from peer import PLAIN, established, opening

from lastack.tcp.states import State
from lastack.units import HOUR, MS, SECOND
from lastack.wire.stop import Stop


def test_every_second_segment_is_acknowledged_at_once() -> None:
    """3.8.6.3, SHLD-18, SHLD-19: one waits, two do not."""
    peer = established()
    peer.sends(". 1:1001(1000) ack 1 win 1000")
    peer.hears_nothing()
    peer.sends(". 1001:2001(1000) ack 1 win 1000")
    peer.hears(". 1:1(0) ack 2001")


def test_a_delayed_ack_comes_within_half_a_second() -> None:
    """3.8.6.3, MUST-40: less than half a second."""
    peer = established()
    peer.sends(". 1:11(10) ack 1 win 1000")
    assert peer.waits_for_timer() < SECOND // 2
    peer.hears(". 1:1(0) ack 11")


def test_an_ack_rides_on_data() -> None:
    """MUST-58: no ACK of its own when data goes anyway."""
    peer = established()
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.writes(b"def")
    peer.hears("P. 1:4(3) ack 4")
    peer.waits(SECOND)
    assert all(segment.length for segment in peer.heard)


def test_out_of_order_segments_each_get_a_duplicate_ack() -> None:
    """SHLD-31: kept, not dropped; MAY-13, RFC 5681 4.2: told at once."""
    peer = established()
    peer.sends(". 4:7(3) ack 1 win 1000", b"def")
    peer.hears(". 1:1(0) ack 1")
    peer.sends(". 7:10(3) ack 1 win 1000", b"ghi")
    peer.hears(". 1:1(0) ack 1")
    peer.sends(". 1:4(3) ack 1 win 1000", b"abc")
    peer.hears(". 1:1(0) ack 10")
    assert peer.reads() == b"abcdefghi"


def test_a_super_segment_out_of_order_stands_for_all_its_segments() -> None:
    """A peer without SACK lives on counted duplicate ACKs."""
    peer = established()
    from lastack.wire.notation import parse_segment

    segment = parse_segment(". 1001:4001(3000) ack 1 win 1000", peer.base, 80, 40000)
    segment.gso_size = 1000
    peer.connection.segment_arrives(segment, peer.now)
    for _ in range(3):
        peer.hears(". 1:1(0) ack 1")
    peer.hears_nothing()


def test_overlaps_are_trimmed_on_both_sides() -> None:
    """3.10.7.4: what was received before is cut off, whatever the new copy says."""
    peer = established()
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.sends("P. 2:7(5) ack 1 win 1000", b"XXdef")
    assert peer.reads() == b"abcdef"


def test_text_beyond_the_window_is_cut_off() -> None:
    """What is inside is taken, the rest comes again."""
    peer = established(PLAIN.replace(receive_buffer=4))
    assert peer.sends("P. 1:7(6) ack 1 win 1000", b"abcdef") is Stop.NO_ROOM
    peer.hears(". 1:1(0) ack 5 win 0")
    assert peer.reads() == b"abcd"


def test_an_old_segment_is_answered_and_its_ack_ignored() -> None:
    """3.10.7.4 first."""
    peer = established()
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.reads()
    assert peer.sends("P. 1:4(3) ack 1 win 1000", b"abc") is Stop.OUT_OF_WINDOW
    peer.hears(". 1:1(0) ack 4")
    assert peer.reads() == b""


def test_in_order_data_with_an_old_ack_is_kept() -> None:
    """3.10.7.4 fifth: a duplicate ACK can be ignored, its text cannot."""
    peer = established()
    peer.writes(b"xy")
    peer.hears("P. 1:3(2) ack 1")
    peer.sends(". 1:1(0) ack 3 win 1000")
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    assert peer.reads() == b"abc"


def test_an_ack_of_what_was_never_sent_is_answered_and_dropped() -> None:
    """3.10.7.4 fifth."""
    peer = established()
    assert peer.sends("P. 1:4(3) ack 500 win 1000", b"abc") is Stop.ACK_OF_UNSENT
    peer.hears(". 1:1(0) ack 1")
    assert peer.reads() == b""


def test_a_closed_window_still_takes_acks_and_resets() -> None:
    """3.10.7.4 first, MUST-66: RCV.WND of zero makes an exception for ACK, URG and RST."""
    peer = established(PLAIN.replace(receive_buffer=3))
    peer.writes(b"xy")
    peer.hears("P. 1:3(2) ack 1")
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.waits(SECOND // 4)
    peer.hears(". 3:3(0) ack 4 win 0")
    peer.sends("P. 4:5(1) ack 3 win 1000", b"d")
    assert peer.connection.info().snd_una == peer.connection.info().snd_nxt
    peer.hears(". 3:3(0) ack 4 win 0")
    peer.sends("R 4:4(0)")
    peer.is_in(State.CLOSED)


def test_the_window_reopens_by_a_segment_or_half_the_buffer() -> None:
    """MUST-39, SHLD-14: reading a few octets announces nothing."""
    peer = established(PLAIN.replace(receive_buffer=4000))
    for i in range(4):
        peer.sends(f". {1 + 1000 * i}:{1001 + 1000 * i}(1000) ack 1 win 1000")
    peer.heard.clear()
    peer.reads(100)
    peer.hears_nothing()
    peer.reads(900)
    peer.hears(". 1:1(0) ack 4001 win 1000")


def test_the_right_edge_never_moves_left() -> None:
    """3.8.6, SHLD-14: a smaller buffer does not take back what was offered."""
    peer = established(PLAIN.replace(receive_buffer=4000))
    before = peer.connection.info().rcv_wnd
    peer.connection.config = PLAIN.replace(receive_buffer=100)
    peer.sends(". 1:1001(1000) ack 1 win 1000")
    peer.sends(". 1001:2001(1000) ack 1 win 1000")
    peer.hears(f". 1:1(0) ack 2001 win {before - 2000}")


def test_the_out_of_order_queue_is_bounded() -> None:
    """A peer cannot make us keep a thousand tiny islands."""
    peer = established(PLAIN.replace(reassembly_blocks=4))
    stops = [peer.sends(f". {3 + 2 * i}:{4 + 2 * i}(1) ack 1 win 1000") for i in range(6)]
    assert stops == [None] * 4 + [Stop.NO_ROOM] * 2
    peer.sends(". 1:3(2) ack 1 win 1000")
    assert peer.connection.info().out_of_order == 3


def test_a_shutdown_for_reading_throws_away_and_acknowledges() -> None:
    """SHUT_RD: the peer is not told."""
    peer = established()
    peer.connection.shutdown_read(peer.now)
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.waits(SECOND)
    peer.hears(". 1:1(0) ack 4")
    assert peer.reads() == b""
    assert peer.connection.at_end


# -- urgent data ----------------------------------------------------------------------------------


def test_urgent_data_is_announced_with_how_much_there_is() -> None:
    """MUST-32, MUST-33: the user hears of it, and how many octets are still to come."""
    peer = established()
    peer.sends("P.U 1:6(5) ack 1 win 1000 urg 5", b"abcd!")
    assert "urgent data" in peer.advice()
    assert peer.connection.urgent_remaining == 5
    assert peer.connection.receive_urgent(peer.now, peek=True) == b"!"


def test_out_of_line_the_urgent_octet_is_left_out_of_the_stream() -> None:
    """A read stops at the mark, and goes on behind the urgent octet."""
    peer = established()
    peer.sends("P.U 1:10(9) ack 1 win 1000 urg 5", b"abcd!efgh")
    assert peer.reads() == b"abcd"
    assert peer.connection.at_mark
    assert peer.connection.receive_urgent(peer.now) == b"!"
    assert peer.reads() == b"efgh"
    with pytest.raises(OSError) as raised:
        peer.connection.receive_urgent(peer.now)
    assert raised.value.errno == errno.EINVAL


def test_in_line_the_mark_splits_the_stream() -> None:
    """SO_OOBINLINE."""
    peer = established(PLAIN.replace(urgent_inline=True))
    peer.sends("P.U 1:10(9) ack 1 win 1000 urg 5", b"abcd!efgh")
    assert peer.reads() == b"abcd"
    assert peer.connection.at_mark
    assert peer.reads() == b"!efgh"


def test_urgent_data_not_yet_there_is_announced_all_the_same() -> None:
    """The pointer may run ahead of the data."""
    peer = established()
    peer.sends("P.U 1:4(3) ack 1 win 1000 urg 10", b"abc")
    assert peer.connection.urgent_remaining == 10
    assert peer.connection.receive_urgent(peer.now, peek=True) == b""
    assert peer.reads() == b"abc"
    peer.sends("P. 4:13(9) ack 1 win 1000", b"defghi!jk")
    assert peer.reads() == b"defghi"
    assert peer.reads() == b"jk"


def test_a_reader_is_not_woken_for_the_urgent_octet_alone() -> None:
    """Out of line it is no data."""
    peer = established()
    peer.sends("P.U 1:2(1) ack 1 win 1000 urg 1", b"!")
    assert not peer.connection.readable
    assert peer.connection.receive_urgent(peer.now) == b"!"


def test_urgent_data_of_ours_carries_the_pointer_behind_it() -> None:
    """RFC 6093 3: the octet following the urgent data; all segments before it say so."""
    peer = established()
    peer.writes(bytes(1500))
    peer.hears(". 1:1001(1000) ack 1")
    peer.writes(b"!", urgent=True)
    segment = peer.hears("P.U 1001:1502(501) ack 1 urg 501")
    assert segment.payload.endswith(b"!")


def test_urgent_news_goes_out_even_when_the_window_is_closed() -> None:
    """MUST-30: the pointer is told although the data must wait."""
    peer = established(win=0)
    peer.writes(b"!", urgent=True)
    peer.hears(".U 1:1(0) ack 1 urg 1")


# -- keep-alive -----------------------------------------------------------------------------------


def test_keep_alive_is_off_by_default() -> None:
    """MUST-25."""
    peer = established()
    peer.waits(24 * HOUR)
    peer.hears_nothing()


def test_keep_alive_asks_after_two_hours_and_gives_up_when_nobody_answers() -> None:
    """MUST-28: two hours by default; MUST-29: one unanswered probe proves nothing."""
    peer = established(PLAIN.replace(keepalive=True))
    assert peer.waits_for_timer() == 2 * HOUR
    peer.hears(". 0:0(0) ack 1")
    for _ in range(8):
        assert peer.waits_for_timer() == 75 * SECOND
        peer.hears(". 0:0(0) ack 1")
    peer.waits_for_timer()
    peer.is_in(State.CLOSED)
    assert peer.connection.error == errno.ETIMEDOUT


def test_an_answered_keep_alive_starts_the_silence_again() -> None:
    """Any segment will do."""
    peer = established(PLAIN.replace(keepalive=True))
    peer.waits_for_timer()
    peer.hears(". 0:0(0) ack 1")
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.waits(2 * HOUR - SECOND)
    peer.hears_nothing()
    peer.waits(2 * SECOND)
    peer.hears(". 0:0(0) ack 1")


# -- options --------------------------------------------------------------------------------------


def test_paws_drops_an_old_duplicate() -> None:
    """RFC 7323 5.3: an older timestamp is answered with an ACK, not believed."""
    peer = established(PLAIN.replace(timestamps=True))
    peer.sends("P. 1:4(3) ack 1 win 1000 <nop,nop,TS val 500 ecr 1>", b"abc")
    stop = peer.sends("P. 4:7(3) ack 1 win 1000 <nop,nop,TS val 400 ecr 1>", b"OLD")
    assert stop is Stop.OLD_TIMESTAMP
    peer.sends("P. 4:7(3) ack 1 win 1000 <nop,nop,TS val 501 ecr 1>", b"def")
    assert peer.reads() == b"abcdef"


def test_a_peer_that_stops_sending_timestamps_is_ignored_or_tolerated_by_knob() -> None:
    """RFC 7323 3.2 (SHOULD drop); the kernel of the day tolerates it."""
    peer = established(PLAIN.replace(timestamps=True))
    assert peer.sends("P. 1:4(3) ack 1 win 1000", b"abc") is Stop.NO_TIMESTAMP
    peer.connection.config = PLAIN.replace(timestamps=True, require_timestamps=False)
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    assert peer.reads() == b"abc"


def test_sack_reports_the_newest_block_first() -> None:
    """RFC 2018 4."""
    peer = established(PLAIN.replace(sack=True))
    peer.sends(". 11:21(10) ack 1 win 1000")
    peer.hears(". 1:1(0) ack 1 <nop,nop,sack 11:21>")
    peer.sends(". 31:41(10) ack 1 win 1000")
    peer.hears(". 1:1(0) ack 1 <nop,nop,sack 31:41 11:21>")
    peer.sends(". 21:26(5) ack 1 win 1000")
    peer.hears(". 1:1(0) ack 1 <nop,nop,sack 11:26 31:41>")
    peer.sends(". 1:11(10) ack 1 win 1000")
    peer.hears(". 1:1(0) ack 26 <nop,nop,sack 31:41>")


def test_a_duplicate_is_reported_by_d_sack() -> None:
    """RFC 2883 4: the first block is what came twice."""
    peer = established(PLAIN.replace(sack=True))
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.hears(". 1:1(0) ack 4 <nop,nop,sack 1:4>")


def test_a_window_scale_above_14_means_14() -> None:
    """RFC 7323 2.3."""
    peer = opening(PLAIN.replace(window_scale=True))
    peer.sends("S. 0:0(0) ack 1 win 100 <mss 1000,nop,wscale 20>")
    peer.hears(". 1:1(0) ack 1")
    peer.sends(". 1:1(0) ack 1 win 2")
    assert peer.connection.info().snd_wnd == 2 << 14


def test_unknown_options_and_reserved_bits_are_ignored() -> None:
    """MUST-6, and the reserved bits of 3.1."""
    peer = established()
    peer.sends("P. 1:4(3) ack 1 win 1000 <0xfd04abcd>", b"abc")
    assert peer.reads() == b"abc"
    peer.sends("P.EW 4:7(3) ack 1 win 1000", b"def")
    assert peer.reads() == b"def"


def test_delayed_acks_can_be_switched_off() -> None:
    """Each segment is acknowledged at once."""
    peer = established(PLAIN.replace(delayed_ack=False))
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.hears(". 1:1(0) ack 4")
    assert peer.connection.next_deadline() > peer.now + 500 * MS


def test_a_buffer_smaller_than_a_unit_of_the_window_is_not_closed_for_ever() -> None:
    """RFC 7323 2.3: what can be said are multiples of the scale's unit."""
    config = PLAIN.replace(window_scale=True, scaled_buffer=1 << 30, receive_buffer=1000)
    peer = opening(config)
    peer.sends("S. 0:0(0) ack 1 win 9999 <mss 1000,nop,wscale 0>")
    assert peer.hears(". 1:1(0) ack 1").window > 0
    for at in range(1, 40_000, 1000):
        peer.sends(f". {at}:{at + 1000}(1000) ack 1 win 9999", bytes(1000))
        assert len(peer.reads()) == 1000
        peer.waits(SECOND)
    assert peer.heard[-1].window > 0
