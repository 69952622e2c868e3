"""Packets written by hand, for tests of the device that must not lean on our own TCP.

Here too are the addresses that the `device` fixture gives the kernel, and those left for us.
"""

import select
import socket
import struct
from ipaddress import ip_address

from lastack.link.tun import TunLink
from lastack.wire.checksum import pseudo_sum
from lastack.wire.packet import CHECKSUM_OWED, Packet
from lastack.wire.segment import ACK, PSH, SYN, Segment, decode_segment

KERNEL_V4 = "10.9.0.1"
OURS_V4 = "10.9.0.2"
KERNEL_V6 = "fd00:9::1"
OURS_V6 = "fd00:9::2"

MSS = 1400


def wait_for(link: TunLink, seconds: float = 5.0) -> Packet:
    """Return the next packet of a link; fails after some seconds."""
    packet = link.receive()
    if packet is None:
        select.select([link.fileno()], [], [], seconds)
        packet = link.receive()
    assert packet is not None, "the kernel sent nothing"
    return packet


def ones_complement(data: bytes) -> int:
    """Return the one's complement sum of 16-bit words, added word by word."""
    words = struct.unpack(f"!{len(data) // 2 + len(data) % 2}H", data + bytes(len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def ip_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """Return an IP header for that many octets behind it."""
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, length, protocol, 64) + source + destination
    fields = (0x45, 0, 20 + length, 0, 0x4000, 64, protocol)
    bare = struct.pack("!BBHHHBBH", *fields, 0) + source + destination
    return bare[:10] + struct.pack("!H", 0xFFFF - ones_complement(bare)) + bare[12:]


class Caller:
    """The bare bones of a TCP client, which only works where nothing goes wrong."""

    def __init__(self, link: TunLink, ours: str, theirs: str, port: int) -> None:
        self.link = link
        self.ours = ip_address(ours).packed
        self.theirs = ip_address(theirs).packed
        self.port = port
        self.ip_size = 20 if len(self.ours) == 4 else 40
        self.snd_nxt = 1000
        self.rcv_nxt = 0
        self.packets: list[Packet] = []

    def send(self, flags: int, data: bytes = b"", gso_size: int = 0, options: bytes = b"") -> None:
        segment = Segment(
            4000, self.port, self.snd_nxt, self.rcv_nxt, flags, 65535, options=options
        )
        length = 20 + len(options) + len(data)
        header = segment.header(pseudo_sum(self.ours, self.theirs, socket.IPPROTO_TCP, length))
        whole = ip_header(self.ours, self.theirs, socket.IPPROTO_TCP, length) + header
        parts = (data,) if data else ()
        packet = Packet(
            whole,
            parts=parts,
            parts_length=len(data),
            gso_size=gso_size,
            checksum=CHECKSUM_OWED,
            checksum_start=self.ip_size,
            checksum_offset=16,
        )
        assert self.link.send(packet)
        self.snd_nxt += len(data) + (1 if flags & SYN else 0)

    def hear(self) -> Segment:
        packet = wait_for(self.link)
        self.packets.append(packet)
        segment = decode_segment(packet.data, packet.start + self.ip_size, packet.end)
        assert isinstance(segment, Segment)
        return segment

    def open(self) -> None:
        scale = bytes([2, 4, MSS >> 8, MSS & 0xFF, 1, 3, 3, 7])
        self.send(SYN, options=scale)
        self.rcv_nxt = self.hear().seq + 1
        self.send(ACK)

    def receive(self, count: int) -> bytes:
        """Return that many octets, acknowledging each packet as it comes."""
        received = b""
        while len(received) < count:
            segment = self.hear()
            if segment.length and segment.seq == self.rcv_nxt:
                received += segment.payload
                self.rcv_nxt = (self.rcv_nxt + segment.length) & 0xFFFFFFFF
                self.send(ACK)
        return received

    def send_data(self, data: bytes, gso_size: int) -> None:
        self.send(ACK | PSH, data, gso_size)
