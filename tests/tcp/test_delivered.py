"""Segments that the peer is said to have: our SYN is one of them, as in Linux (tcpi_delivered)."""

from peer import PLAIN, Peer, established


def test_a_handshake_has_delivered_our_syn() -> None:
    """Either way in; then each segment of data."""
    peer = established(win=60000)
    assert peer.connection.info(peer.now).segments_delivered == 1
    peer.writes(bytes(2000))
    peer.sends(". 1:1(0) ack 2001 win 60000")
    assert peer.connection.info(peer.now).segments_delivered == 3
    active = Peer(PLAIN)
    active.connection.open_active(active.now)
    active.hears("S 0:0(0) win 65535 <mss 1460>")
    active.sends("S. 0:0(0) ack 1 win 60000 <mss 1000>")
    assert active.connection.info(active.now).segments_delivered == 1
