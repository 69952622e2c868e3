"""Marking a packet in passing, as a router does that would rather not drop it (RFC 3168 5)."""

from lastack.wire.checksum import fold


def congestion_experienced(data: bytes) -> bytes:
    """Return an IP packet with CE in its ECN field; one that is not ECN-capable stays as it is."""
    if data[0] >> 4 == 4:
        if not data[1] & 3:
            return data
        head = bytearray(data[:20])
        before = head[0] << 8 | head[1]
        head[1] |= 3
        # RFC 1624 3: the checksum changes by what the word changes.
        was = head[10] << 8 | head[11]
        word = fold((~was & 0xFFFF) + (~before & 0xFFFF) + (head[0] << 8 | head[1]))
        head[10:12] = (~word & 0xFFFF).to_bytes(2, "big")
        return bytes(head) + data[20:]
    if not data[1] & 0x30:
        return data
    return bytes((data[0], data[1] | 0x30)) + data[2:]
