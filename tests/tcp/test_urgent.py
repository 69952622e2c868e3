"""Urgent data at its edges (RFC 9293 3.8.5, RFC 6093)."""

import errno

import pytest
from peer import PLAIN, Peer, established

from lastack.tcp.events import Notice


def no_urgent_data(peer: Peer) -> None:
    with pytest.raises(OSError) as raised:
        peer.connection.receive_urgent(peer.now)
    assert raised.value.errno == errno.EINVAL


def test_an_urgent_octet_that_was_read_is_not_urgent_again() -> None:
    """RCV.UP = max(RCV.UP, SEG.UP): a pointer that comes again is no news (3.10.7.4 sixth)."""
    peer = established()
    peer.sends("P.U 1:5(4) ack 1 win 1000 urg 4", b"abc!")
    assert peer.connection.receive_urgent(peer.now) == b"!"
    peer.connection.notices = 0
    peer.sends("P.U 1:7(6) ack 1 win 1000 urg 4", b"abc!de")
    assert not peer.connection.notices & Notice.URGENT
    no_urgent_data(peer)
    assert peer.reads() == b"abcde"
    peer.sends("P.U 7:9(2) ack 1 win 1000 urg 2", b"f?")
    assert peer.connection.notices & Notice.URGENT
    assert peer.connection.receive_urgent(peer.now) == b"?"
    assert peer.reads() == b"f"


def test_a_pointer_of_zero_or_of_the_past_is_no_news() -> None:
    """It must move RCV.UP forward to be announced."""
    peer = established()
    peer.sends("P.U 1:4(3) ack 1 win 1000 urg 0", b"abc")
    no_urgent_data(peer)
    peer.sends("P.U 4:7(3) ack 1 win 1000 urg 3", b"de!")
    peer.sends("P.U 7:8(1) ack 1 win 1000 urg 0", b"f")
    assert peer.connection.receive_urgent(peer.now) == b"!"
    assert peer.reads() == b"abcdef"


def test_of_two_urgent_octets_the_first_falls_back_into_the_stream() -> None:
    """RFC 6093 3.1: there is one mark; the newer one replaces the older."""
    peer = established()
    peer.sends("P.U 1:4(3) ack 1 win 1000 urg 3", b"ab!")
    peer.sends("P.U 4:7(3) ack 1 win 1000 urg 3", b"cd?")
    assert peer.reads() == b"ab!cd"
    assert peer.connection.receive_urgent(peer.now) == b"?"
    assert peer.reads() == b""


def test_a_reader_is_woken_for_an_octet_that_is_urgent_no_more() -> None:
    """It waited for data while only an urgent octet was there; now that is data."""
    peer = established()
    peer.sends("P.U 1:2(1) ack 1 win 1000 urg 1", b"!")
    assert not peer.connection.readable
    peer.connection.notices = 0
    peer.sends(".U 2:2(0) ack 1 win 1000 urg 5")
    assert peer.connection.readable
    assert peer.connection.notices & Notice.READABLE


def test_the_mark_holds_across_the_wrap_of_sequence_numbers() -> None:
    """The peer's numbers wrap after some three hundred octets."""
    peer = established()
    peer.sends("P.U 1:290(289) ack 1 win 1000 urg 300", bytes(289))
    assert peer.connection.urgent_remaining == 300
    peer.sends("P. 290:311(21) ack 1 win 1000", bytes(10) + b"!" + bytes(10))
    assert len(peer.reads()) == 289 + 10
    assert peer.connection.receive_urgent(peer.now) == b"!"
    assert len(peer.reads()) == 10


def test_while_urgent_data_is_under_way_the_device_divides_nothing() -> None:
    """A super-segment's parts would all carry one pointer, right for the first alone (MUST-62)."""
    peer = established(PLAIN.replace(initial_window=10), max_size=8500)
    peer.writes(bytes(3000), urgent=True)
    pointers = [(s.length, s.urgent, s.gso_size) for s in peer.heard]
    assert pointers == [(1000, 3000, 0), (1000, 2000, 0), (1000, 1000, 0)]
    peer.heard.clear()
    peer.waits_for_timer()
    assert [(s.length, s.urgent) for s in peer.heard] == [(1000, 3000)]


def test_a_pointer_farther_than_16_bits_says_as_far_as_it_can() -> None:
    """3.8.5: 65535 until it comes nearer."""
    peer = established(PLAIN.replace(send_buffer=1 << 20))
    peer.writes(bytes(70000))
    peer.heard.clear()
    peer.writes(b"!", urgent=True)
    assert peer.hears(".U 4001:4001(0) ack 1").urgent == 65535
