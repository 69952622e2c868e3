"""Segments in datagrams between two sockets of this machine: no root, no device."""

import random
import socket
import time

from tests.stack.two_stacks import carried

from lastack.driver import Driver
from lastack.link.udp import UdpLink
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import preset
from lastack.tcp.states import ESTABLISHED
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.packet import Packet
from lastack.wire.segment import SYN, Segment, decode_segment

LEFT, RIGHT = "10.7.0.1", "10.7.0.2"


def ends(left: str = LEFT, right: str = RIGHT) -> tuple[UdpLink, UdpLink]:
    """Return two links over sockets of this machine, each the other's only peer."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0))
    two.bind(("127.0.0.1", 0))
    return (
        UdpLink(one, left, {right: two.getsockname()}),
        UdpLink(two, right, {left: one.getsockname()}),
    )


def host(link: UdpLink, address: str) -> Driver:
    config = preset("linux").replace(strict=True, msl=20 * MS)
    return Driver(
        Stack([Interface("udp0", [address], link.mtu)], config, random.SystemRandom()), link
    )


def test_two_stacks_of_this_machine_talk_without_root() -> None:
    """A megabyte over real sockets, over IPv4 and over IPv6 addresses of their own."""
    for left_text, right_text in ((LEFT, RIGHT), ("fd00:7::1", "fd00:7::2")):
        links = ends(left_text, right_text)
        left, right = host(links[0], left_text), host(links[1], right_text)
        listener = right.stack.listen(Endpoint(b"", 80), 4)
        client = left.stack.connect(Endpoint(pack_address(right_text), 80), time.monotonic_ns())
        data = random.Random(1).randbytes(1_000_000)
        unsent, heard = data, b""
        server = None
        deadline = time.monotonic_ns() + 20 * SECOND
        while len(heard) < len(data):
            now = time.monotonic_ns()
            assert now < deadline, (left.stack.infos(), right.stack.infos())
            if client.state is ESTABLISHED and unsent:
                unsent = unsent[client.send(unsent[:65536], now) :]
                left.stack.wake(client, now)
            for driver in (left, right):
                driver.step(now)
            server = server or listener.accept()
            if server is not None:
                heard += server.receive(1 << 20, now)
                right.stack.wake(server, now)
        assert heard == data
        assert client.info().mss == 1492 - (52 if ":" not in left_text else 72)
        for link in links:
            assert (link.strangers, link.lost) == (0, 0)
            link.close()


def test_only_peers_are_heard_and_spoken_to() -> None:
    """A datagram from elsewhere, a packet to nobody, and one that is no TCP."""
    left, right = ends()
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.sendto(b"x" * 20, left._socket.getsockname())
    segment = Segment(1, 2, 3, 0, SYN, 100)
    assert right.send(carried(segment, RIGHT, LEFT))
    deadline = time.monotonic_ns() + 5 * SECOND
    packet = None
    while packet is None and time.monotonic_ns() < deadline:
        packet = left.receive()
    assert packet is not None and left.strangers == 1
    data = packet.to_bytes()
    assert (data[12:16], data[16:20]) == (pack_address(RIGHT), pack_address(LEFT))
    found = decode_segment(data, 20, len(data))
    assert isinstance(found, Segment) and repr(found) == repr(segment)
    assert left.receive() is None
    assert right.send(carried(segment, RIGHT, "10.7.0.9")) and right.strangers == 1
    ping = Packet(bytes.fromhex("4500001c00000000400166c4") + pack_address(RIGHT) * 2 + bytes(8))
    assert right.send(ping) and right.strangers == 2
    stranger.close()
    left.close()
    right.close()
    right.close()
