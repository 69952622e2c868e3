"""Urgent data, sent and received, of any length (RFC 9293 3.8.5, RFC 6093)."""

from peer import PLAIN, Peer, established

from lastack.tcp.events import Notice

WIDE = PLAIN.replace(initial_window=300, send_buffer=1 << 20)


def test_the_pointer_names_the_octet_after_the_urgent_data() -> None:
    """3.8.5, MUST-62, MUST-30: counted from the segment's own number, in both directions."""
    peer = established(PLAIN.replace(nagle=False))
    peer.writes(b"abc", urgent=True)
    peer.hears("P.U 1:4(3) ack 1 urg 3", b"abc")
    peer.writes(b"de")
    peer.hears("P. 4:6(2) ack 1", b"de")
    peer.sends("P.U 1:6(5) ack 6 win 1000 urg 3", b"abcde")
    assert peer.connection.receive_urgent(peer.now, peek=True) == b"c"
    assert peer.reads() == b"ab"
    assert peer.connection.at_mark


def test_urgent_data_of_any_length_is_sent() -> None:
    """3.8.5, MUST-31: the pointer says as much as 16 bits can, and the rest as it comes near."""
    peer = established(WIDE, win=65535)
    peer.writes(bytes(100_000), urgent=True)
    said = []
    acknowledged = 0
    while acknowledged < 100_000:
        peer.pull()
        segments = list(peer.heard)
        peer.heard.clear()
        said += [(s.seq - peer.base.ack, s.urgent) for s in segments]
        acknowledged = sum(s.length for s in segments) + acknowledged
        peer.sends(f". 1:1(0) ack {acknowledged + 1} win 65535")
    assert len(said) == 100
    start = said[0][0]
    for seq, urgent in said:
        assert urgent == min(100_000 - (seq - start), 65535)


def test_urgent_data_of_any_length_is_received() -> None:
    """3.8.5, MUST-31: a long stretch in many segments, then another; no octet is lost or doubled.

    Out of line it is the last octet of a stretch that is apart from the stream.
    """
    peer = established(PLAIN.replace(urgent_inline=True, receive_buffer=1 << 20))
    data = bytes(i * 7 % 251 for i in range(3000))
    for at in range(0, 3000, 1000):
        pointer = 1500 - at
        flags, urg = ("P.U", f" urg {pointer}") if pointer > 0 else ("P.", "")
        piece = data[at : at + 1000]
        peer.sends(f"{flags} {1 + at}:{1001 + at}(1000) ack 1 win 1000{urg}", piece)
        assert peer.connection.urgent_remaining == 1500
    got = peer.reads(1000)
    assert peer.connection.urgent_remaining == 500
    got += peer.reads()
    assert len(got) == 1499 and peer.connection.at_mark
    got += peer.reads()
    assert got == data
    peer.sends("P.U 3001:3004(3) ack 1 win 1000 urg 3", b"xyz")
    assert peer.connection.urgent_remaining == 3


def hears_of_urgent(peer: Peer) -> tuple[bool, int]:
    """Return whether the user is told, and how many octets are left; start afresh."""
    told = bool(peer.connection.notices & Notice.URGENT)
    advised = peer.advice().count("urgent data")
    peer.connection.notices = 0
    peer.connection.take_events()
    assert told == bool(advised)
    return told, peer.connection.urgent_remaining


def test_the_user_is_told_at_once_of_urgent_data_and_of_every_advance() -> None:
    """3.8.5, MUST-32: nothing was pending, or the pointer moves on; MUST-33: and how much."""
    peer = established()
    hears_of_urgent(peer)
    peer.sends("P.U 1:4(3) ack 1 win 1000 urg 3", b"abc")
    assert hears_of_urgent(peer) == (True, 3)
    peer.sends("P.U 4:7(3) ack 1 win 1000 urg 3", b"def")
    assert hears_of_urgent(peer) == (True, 6)
    peer.sends("P. 7:10(3) ack 1 win 1000", b"ghi")
    assert hears_of_urgent(peer) == (False, 6)
    assert peer.reads() == b"abcde"
    assert hears_of_urgent(peer) == (False, 1)
    assert peer.connection.receive_urgent(peer.now) == b"f"
    assert hears_of_urgent(peer) == (False, 0)
    peer.sends(".U 10:10(0) ack 1 win 1000 urg 5")
    assert hears_of_urgent(peer) == (True, 8)
