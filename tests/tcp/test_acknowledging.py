"""When an ACK goes, and that it goes once (RFC 9293 3.8.6.3, 3.10.7.4)."""

from peer import PLAIN, REMOTE, Peer, established

from lastack.tcp.config import PRESETS
from lastack.units import MS, SECOND
from lastack.wire.notation import parse_segment


def arrives(peer: Peer, text: str) -> None:
    """A segment is taken in; nothing is sent before the others of its batch."""
    segment = parse_segment(text, peer.base, REMOTE.port, peer.connection.local.port)
    peer.connection.segment_arrives(segment, peer.now)


def test_one_ack_answers_all_that_was_queued() -> None:
    """3.10.7.4, MUST-58: aggregated; MUST-59: all of it is processed before any ACK goes."""
    peer = established()
    for at in range(1, 7001, 1000):
        arrives(peer, f". {at}:{at + 1000}(1000) ack 1 win 1000")
    peer.hears(". 1:1(0) ack 7001")
    peer.hears_nothing()
    peer.waits(SECOND)
    peer.hears_nothing()


def test_data_takes_the_ack_along() -> None:
    """3.10.7.4, MUST-58: an ACK that is owed rides on what is sent anyway."""
    peer = established()
    arrives(peer, ". 1:1001(1000) ack 1 win 1000")
    arrives(peer, ". 1001:2001(1000) ack 1 win 1000")
    peer.writes(b"answer")
    peer.hears("P. 1:7(6) ack 2001")
    peer.hears_nothing()


def test_out_of_order_data_is_acknowledged_although_nothing_is_new() -> None:
    """3.10.7.4, MAY-13, SHLD-31: each such segment has an ACK of RCV.NXT, and is kept."""
    peer = established()
    arrives(peer, ". 2001:3001(1000) ack 1 win 1000")
    arrives(peer, ". 1001:2001(1000) ack 1 win 1000")
    peer.hears(". 1:1(0) ack 1")
    peer.hears(". 1:1(0) ack 1")
    peer.sends(". 1:1001(1000) ack 1 win 1000")
    peer.hears(". 1:1(0) ack 3001")


def test_no_preset_delays_an_ack_for_half_a_second() -> None:
    """3.8.6.3, MUST-40: less than 0.5 s, SHLD-18: but some."""
    for config in PRESETS.values():
        assert 0 < config.delayed_ack_timeout < 500 * MS
        plain = PLAIN.replace(delayed_ack_timeout=config.delayed_ack_timeout)
        peer = established(plain)
        peer.sends(". 1:11(10) ack 1 win 1000")
        peer.hears_nothing()
        peer.waits(500 * MS - 1)
        peer.hears(". 1:1(0) ack 11")
