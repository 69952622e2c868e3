"""The packet between stack and link."""

from lastack.wire.packet import Packet


def test_a_packet_is_its_place_in_a_buffer_and_the_parts_behind() -> None:
    """The user's octets are never copied before the very end."""
    packet = Packet(b"..E123..", 2, 6, (b"45", memoryview(b"678")), 5)
    assert packet.length == 9
    assert packet.version == 4
    assert packet.to_bytes() == b"E12345678"


def test_a_packet_of_a_whole_buffer_needs_no_places() -> None:
    """The end is that of the data unless it is said."""
    packet = Packet(b"`abc")
    assert (packet.start, packet.end, packet.length, packet.version) == (0, 4, 4, 6)


def test_an_empty_packet_has_no_version() -> None:
    """Nothing is assumed of what a device hands us."""
    assert Packet(b"").version == 0
