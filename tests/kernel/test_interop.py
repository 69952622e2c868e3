"""Transfers between us and the kernel over every kind of link and option, octets checked."""

import hashlib
import socket
from collections.abc import Callable

import pytest
from beside_kernel import Beside, kernel_socket
from by_hand import KERNEL_V4, KERNEL_V6, OURS_V4, OURS_V6

from lastack.link.tun import TunLink
from lastack.stack.options import IP_MTU_DISCOVER
from lastack.tcp.config import Config, preset
from lastack.units import MS
from lastack.wire.packet import Packet

DeviceMaker = Callable[..., TunLink]
LINUX = preset("linux")
SIZE = 300_000
PORT = 7070

OPTIONS = {
    "no timestamps": LINUX.replace(timestamps=False),
    "no sack": LINUX.replace(sack=False),
    "no window scale": LINUX.replace(window_scale=False),
    "nothing": LINUX.replace(timestamps=False, sack=False, window_scale=False),
    "scale 0": LINUX.replace(receive_buffer=60_000, receive_most=0, scaled_buffer=0),
    "scale 14": LINUX.replace(scaled_buffer=1 << 30),
    "rfc": preset("rfc"),
    "freebsd": preset("freebsd"),
}


def content(size: int) -> bytes:
    """Octets in which no place looks like another."""
    found = bytearray()
    count = 0
    while len(found) < size:
        found += hashlib.sha256(count.to_bytes(4, "big")).digest()
        count += 1
    return bytes(found[:size])


def carries(beside: Beside, version: int, we_call: bool, size: int = SIZE) -> None:
    """Both ends send `size` octets at once, and each has what the other sent."""
    ours, theirs = (OURS_V4, KERNEL_V4) if version == 4 else (OURS_V6, KERNEL_V6)
    if we_call:
        kernel = kernel_socket(version, PORT)
        kernel.listen(8)
        connection = beside.opens(theirs, PORT)
        accepted: list[socket.socket] = []
        assert beside.until(lambda: _accepts(kernel, accepted))
        other = accepted[0]
        kernel.close()
    else:
        listener = beside.listens(PORT)
        other = kernel_socket(version)
        assert other.connect_ex((ours, PORT)) in (0, 115)
        connection = beside.accepts(listener)
        listener.close(beside.now)
    other.setblocking(False)
    data = content(size)
    sent = taken = 0
    ours_heard = bytearray()
    theirs_heard = bytearray()
    while len(ours_heard) < size or len(theirs_heard) < size:
        before = sent + taken + len(ours_heard) + len(theirs_heard)
        if sent < size:
            sent += connection.send(data[sent : sent + 65536], beside.now)
        ours_heard += connection.receive(1 << 20, beside.now)
        beside.stack.wake(connection, beside.now)
        try:
            if taken < size:
                taken += other.send(data[taken : taken + 65536])
        except BlockingIOError:
            pass
        try:
            theirs_heard += other.recv(1 << 20)
        except BlockingIOError:
            pass
        moved = sent + taken + len(ours_heard) + len(theirs_heard) > before
        beside.driver.poll(0 if moved else 5 * MS)
    assert bytes(ours_heard) == data == bytes(theirs_heard)
    connection.close(beside.now)
    beside.stack.wake(connection, beside.now)
    beside.flush()
    other.close()


def _accepts(kernel: socket.socket, found: list[socket.socket]) -> bool:
    try:
        found.append(kernel.accept()[0])
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("name", OPTIONS)
def test_whatever_options_are_agreed_on(device: DeviceMaker, name: str, offload: bool) -> None:
    """Both directions at once, and each end has called once."""
    config: Config = OPTIONS[name]
    beside = Beside(device(offload=offload), config)
    carries(beside, 4, True)
    carries(beside, 4, False)


@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("mtu", [576, 1280, 1500, 9000, 65535])
def test_whatever_the_link_carries(device: DeviceMaker, mtu: int, offload: bool) -> None:
    """MTU 576 to 65535, IPv4 and IPv6 (which needs 1280)."""
    addresses = (f"{KERNEL_V4}/24", f"{KERNEL_V6}/64") if mtu >= 1280 else (f"{KERNEL_V4}/24",)
    beside = Beside(device(offload=offload, mtu=mtu, addresses=addresses), LINUX)
    for version in (4, 6) if mtu >= 1280 else (4,):
        carries(beside, version, True)
        carries(beside, version, False)


def test_a_kernel_without_options_is_served(device: DeviceMaker, namespace: object) -> None:
    """The kernel's own switches off: timestamps, SACK, window scale."""
    for name in ("tcp_timestamps", "tcp_sack", "tcp_window_scaling"):
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as switch:
            switch.write("0")
    beside = Beside(device(), LINUX)
    for version in (4, 6):
        carries(beside, version, True)
        carries(beside, version, False)


@pytest.mark.parametrize("mode", range(6))
def test_who_may_fragment_is_said_alike(device: DeviceMaker, mode: int) -> None:
    """IP_MTU_DISCOVER: the kernel's Don't Fragment bit in each mode, and ours."""
    beside = Beside(device(), LINUX)
    listener = beside.listens(PORT)
    kernel = kernel_socket()
    kernel.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, mode)
    assert kernel.connect_ex((OURS_V4, PORT)) in (0, 115)
    connection = beside.accepts(listener)
    beside.stack.reconfigure(
        connection, connection.config.replace(path_mtu_discovery=mode), beside.now
    )
    heard: list[bool] = []
    said: list[bool] = []

    def hears(packet: Packet) -> bool:
        heard.append(fixed(packet))
        return True

    def says(packet: Packet) -> bool:
        said.append(fixed(packet))
        return True

    beside.link.predicate_in, beside.link.predicate_out = hears, says
    kernel.send(b"x")
    beside.sends(connection, b"y")
    assert beside.receives(connection, 1) == b"x"
    beside.quiet()
    assert set(heard) == set(said) == {1 <= mode <= 2}
    kernel.close()


def fixed(packet: Packet) -> bool:
    """Return whether a packet must not be fragmented."""
    return bool(packet.data[packet.start + 6] & 0x40)
