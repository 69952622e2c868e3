"""A TUN device and the kernel's side of it."""

import errno
import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from ipaddress import ip_address

import pytest
from by_hand import (
    KERNEL_V4,
    KERNEL_V6,
    MSS,
    OURS_V4,
    OURS_V6,
    Caller,
    ip_header,
    ones_complement,
    wait_for,
)
from namespaces import Namespace

from lastack.errors import DeviceUnavailable
from lastack.link.kernel_side import KernelSide
from lastack.link.netlink import ADDR_GEN_MODE_NONE, Netlink, link_state
from lastack.link.tun import TunLink
from lastack.wire.checksum import finish
from lastack.wire.packet import CHECKSUM_OWED, CHECKSUM_PRESENT, Packet

DeviceMaker = Callable[..., TunLink]
BOTH = pytest.mark.parametrize("ours, theirs", [(OURS_V4, KERNEL_V4), (OURS_V6, KERNEL_V6)])
DATA = os.urandom(300_000)
TUNSETPERSIST = 0x400454CB


def listening(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, 0), family=family)
    server.settimeout(10)
    return server


def accepted(server: socket.socket, link: TunLink, ours: str) -> tuple[socket.socket, Caller]:
    """Open a connection by hand and return both its ends."""
    theirs, port = server.getsockname()[:2]
    caller = Caller(link, ours, theirs, port)
    caller.open()
    connection, _ = server.accept()
    connection.settimeout(10)
    return connection, caller


def test_the_kernel_pings_us_and_hears_our_answer(device: DeviceMaker) -> None:
    """Whole packets pass both ways, the checksum in them made by whoever sent them."""
    link = device()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as ping:
        ping.settimeout(5)
        ping.sendto(struct.pack("!BBHHH", 8, 0, 0xF7FD, 0, 2) + b"", (OURS_V4, 0))
        request = wait_for(link).to_bytes()
        assert (request[12:16], request[20]) == (socket.inet_aton(KERNEL_V4), 8)
        echo = b"\0\0" + struct.pack("!H", 0xFFFD) + request[24:]
        answer = ip_header(request[16:20], request[12:16], socket.IPPROTO_ICMP, len(echo)) + echo
        assert link.send(Packet(answer))
        assert ping.recv(100) == answer


def test_an_empty_device_gives_none_and_then_every_packet_in_order(device: DeviceMaker) -> None:
    """A link never blocks: None is all that an empty one says."""
    link = device()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for burst in (0, 1, 1, 1, 5, 100, 1, 0, 2):
            for number in range(burst):
                sender.sendto(bytes([number]) * 30, (OURS_V4, 9))
            heard = [wait_for(link).to_bytes()[-30:] for _ in range(burst)]
            assert heard == [bytes([number]) * 30 for number in range(burst)]
            assert link.receive() is None
            assert link.receive() is None


@BOTH
def test_super_segments_of_the_kernel_arrive_whole(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """With offload the kernel hands over super-segments with their checksum owed."""
    link = device()
    with listening(theirs) as server:
        connection, caller = accepted(server, link, ours)
        with connection:
            sender = threading.Thread(target=connection.sendall, args=(DATA,), daemon=True)
            sender.start()
            assert caller.receive(len(DATA)) == DATA
            sender.join()
    assert max(packet.gso_size for packet in caller.packets) == MSS
    assert max(packet.length for packet in caller.packets) > 20_000
    biggest = max(caller.packets, key=lambda packet: packet.length)
    assert biggest.checksum == CHECKSUM_OWED
    assert biggest.checksum_start == caller.ip_size
    assert biggest.checksum_offset == 16


@BOTH
def test_our_super_segments_reach_the_kernel_whole(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """A packet with a GSO size may be longer than the MTU; its payload stays in its parts."""
    link = device()
    with listening(theirs) as server:
        connection, caller = accepted(server, link, ours)
        with connection:
            caller.send_data(DATA[:40_000], gso_size=1400)
            caller.send_data(DATA[40_000:40_100], gso_size=0)
            received = b""
            while len(received) < 40_100:
                received += connection.recv(65536)
            assert received == DATA[:40_100]
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    assert link.refused == 0
    segments_in = struct.unpack_from("=I", info, 140)[0]
    assert segments_in == 4  # SYN, ACK, 40,000 octets and 100 octets


def test_without_offload_segments_fit_the_mtu_and_carry_their_checksums(
    device: DeviceMaker,
) -> None:
    """A device opened without offload is a plain one."""
    link = device(offload=False)
    assert not (link.offload.checksum or link.offload.tso4 or link.offload.tso6)
    with listening(KERNEL_V4) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x" * 500, (OURS_V4, 9))
        packet = wait_for(link)
        assert (packet.start, packet.checksum, packet.gso_size) == (0, CHECKSUM_PRESENT, 0)
        caller = Caller(link, OURS_V4, KERNEL_V4, server.getsockname()[1])
        sent: list[bytes] = []
        plain = link.send

        def finished(packet: Packet) -> bool:
            sent.append(finish(packet))
            return plain(Packet(sent[-1]))

        class Finishing:
            fileno = link.fileno
            receive = link.receive
            send = staticmethod(finished)

        caller.link = Finishing()  # type: ignore[assignment]
        caller.open()
        connection, _ = server.accept()
        with connection:
            connection.sendall(DATA[:50_000])
            assert caller.receive(50_000) == DATA[:50_000]
    for packet in caller.packets:
        assert packet.length <= 1500
        whole = packet.to_bytes()
        assert ones_complement(whole[:20]) == 0xFFFF
        pseudo = whole[12:20] + struct.pack("!HH", 6, len(whole) - 20)
        assert ones_complement(pseudo + whole[20:]) == 0xFFFF


def test_a_packet_for_a_device_that_is_down_is_lost_and_counted(device: DeviceMaker) -> None:
    """What the kernel refuses is lost as on any wire; the link goes on."""
    link = device()
    with KernelSide(link.name, []):
        pass
    assert link.send(Packet(b"\x45" + bytes(19)))
    assert link.refused == 0
    other = TunLink("tun9")
    assert other.send(Packet(b"\x45" + bytes(19)))
    assert other.refused == 1
    other.close()


def test_a_name_in_use_is_busy(device: DeviceMaker) -> None:
    """A device belongs to one process."""
    link = device()
    with pytest.raises(DeviceUnavailable) as caught:
        TunLink(link.name)
    assert caught.value.errno == errno.EBUSY
    assert caught.value.strerror == (
        "the device tun0 is in use by another process: end it or choose another name"
    )


@pytest.mark.parametrize("name", ["lo", "a" * 16, "a/b", ".."])
def test_a_name_that_cannot_be_a_tun_device_is_said_so(namespace: Namespace, name: str) -> None:
    """Bad input: a clear error."""
    with pytest.raises(DeviceUnavailable) as caught:
        TunLink(name)
    assert caught.value.errno == errno.EINVAL
    assert "choose" in str(caught.value)


def test_an_unnamed_device_gets_a_name(namespace: Namespace) -> None:
    """The kernel chooses one where none was given."""
    link = TunLink()
    assert socket.if_nametoindex(link.name) > 0
    link.close()
    link.close()
    with pytest.raises(OSError):
        socket.if_nametoindex(link.name)


def test_a_device_that_somebody_removes_is_gone(namespace: Namespace) -> None:
    """Reading and writing then raise ENODEV; after close, EBADF."""
    link = TunLink("tun0")
    with KernelSide("tun0", ["10.9.0.1/24"]):
        namespace.run("ip", "link", "delete", "tun0")
        for use in (link.receive, lambda: link.send(Packet(b"\x45" + bytes(19)))):
            with pytest.raises(DeviceUnavailable) as caught:
                use()
            assert caught.value.errno == errno.ENODEV
    link.close()
    with pytest.raises(DeviceUnavailable) as caught:
        link.receive()
    assert caught.value.errno == errno.EBADF


def test_the_kernel_side_is_removed_from_a_persistent_device(namespace: Namespace) -> None:
    """A device that outlives us is left as it was found."""
    link = TunLink("tun0")
    fcntl.ioctl(link.fileno(), TUNSETPERSIST, 1)
    namespace.run("ip", "address", "add", "10.9.0.77/24", "dev", "tun0")
    before = namespace.run("ip", "-d", "address", "show", "tun0")
    routes = ["10.8.0.0/16", "10.7.0.0/16 via 10.9.0.2", "fd01::/64"]
    with KernelSide("tun0", ["10.9.0.77/24", "fd00:9::1/64"], 1400, routes, queue=800):
        during = namespace.run("ip", "address", "show", "tun0")
        assert "mtu 1400" in during
        assert "inet6 fd00:9::1/64" in during and "tentative" not in during
        assert "fe80" not in during
        assert "10.7.0.0/16 via 10.9.0.2" in namespace.run("ip", "route")
        assert "fd01::/64" in namespace.run("ip", "-6", "route")
    after = namespace.run("ip", "-d", "address", "show", "tun0").replace("qlen 800", "qlen 500")
    assert after.replace("qdisc pfifo_fast", "qdisc noop") == before
    assert "10.7" not in namespace.run("ip", "route")


@pytest.mark.parametrize("mode", [0, 1, 3])
def test_how_a_device_makes_its_addresses_is_put_back(namespace: Namespace, mode: int) -> None:
    """From netlink: in /proc it takes a lock by trying again, which starves a machine
    all of whose cores do so in real time."""
    namespace.run("ip", "tuntap", "add", "tun0", "mode", "tun")
    path = "/proc/sys/net/ipv6/conf/tun0/addr_gen_mode"
    namespace.run("sh", "-c", f"echo {mode} > {path}")
    with Netlink() as netlink:
        assert link_state(netlink, "tun0").generation == mode
        with KernelSide("tun0", ["10.9.0.77/24"]):
            assert link_state(netlink, "tun0").generation == ADDR_GEN_MODE_NONE
        assert link_state(netlink, "tun0").generation == mode
    assert namespace.run("cat", path).strip() == str(mode)


def test_the_kernel_side_of_no_device_is_an_error(namespace: Namespace) -> None:
    """Nothing is left behind by a failure."""
    with pytest.raises(DeviceUnavailable) as caught:
        KernelSide("nothere", ["10.9.0.1/24"]).__enter__()
    assert caught.value.strerror == "there is no device nothere: open it first"
    link = TunLink("tun0")
    with pytest.raises(DeviceUnavailable, match=r"cannot be set up.*route 10\.1\.0\.0"):
        KernelSide("tun0", ["10.9.0.1/24"], routes=["10.1.0.0/16 via 10.2.0.1"]).__enter__()
    assert "10.9.0.1" not in namespace.run("ip", "address", "show", "tun0")
    link.close()


TRY = """
import os
from lastack.errors import LastackError
from lastack.link.kernel_side import KernelSide
from lastack.link.netlink import ADDR_GEN_MODE_NONE, Netlink, link_state
from lastack.link.tun import TunLink
{}
try:
    {}
except LastackError as error:
    print(type(error).__name__, error.errno, error.strerror)
"""
HIDE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x00020000) == 0
assert libc.mount(b"none", b"/", None, 0x44000, None) == 0
assert libc.mount(b"none", b"/dev/net", b"tmpfs", 0, None) == 0
"""
OPEN_DEVICE = """
os.mknod("/dev/net/tun", 0o20666, os.makedev(10, 200))
os.chmod("/dev/net/tun", 0o666)
"""


LO_SETUP = "KernelSide('lo', ['10.9.0.1/8']).__enter__()"
NOBODY = "os.setuid(65534)"


def said(script: str) -> list[str]:
    """Run a script in a process of its own and return name, errno and sentence of its error."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        timeout=30,
    )
    return done.stdout.strip().split(" ", 2)


def test_a_user_without_privilege_is_told_what_to_do(namespace: Namespace) -> None:
    """Missing privilege: one clear sentence."""
    name, code, sentence = said(TRY.format(NOBODY, "TunLink('tun0')"))
    assert (name, int(code) in (errno.EPERM, errno.EACCES)) == ("DeviceNotPermitted", True)
    assert "not permitted: run this as root (sudo)" in sentence
    name, code, sentence = said(TRY.format(NOBODY, LO_SETUP))
    assert (name, int(code)) == ("DeviceNotPermitted", errno.EPERM)
    assert sentence == "giving lo its addresses is not permitted: run this as root (sudo)"


def test_a_device_open_to_all_still_needs_privilege_to_be_made(namespace: Namespace) -> None:
    """The device file is often open to everybody; making a device is not."""
    name, code, sentence = said(HIDE + OPEN_DEVICE + TRY.format(NOBODY, "TunLink('tun0')"))
    assert (name, int(code)) == ("DeviceNotPermitted", errno.EPERM)
    assert sentence.endswith("have root make it for you (ip tuntap add tun0 mode tun user $USER)")


def test_a_machine_without_the_device_is_told_what_to_do(namespace: Namespace) -> None:
    """A missing device: one clear sentence."""
    name, code, sentence = said(HIDE + TRY.format("", "TunLink('tun0')"))
    assert (name, int(code)) == ("DeviceUnavailable", errno.ENOENT)
    assert sentence == (
        "there is no /dev/net/tun: load the module (modprobe tun), "
        "or give the container the device (--device /dev/net/tun)"
    )


def test_addresses_of_both_families_reach_us(device: DeviceMaker) -> None:
    """IPv6 is usable at once, and no packet comes that nobody asked for."""
    link = device()
    assert link.receive() is None
    for family, ours in ((socket.AF_INET, OURS_V4), (socket.AF_INET6, OURS_V6)):
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", (ours, 9))
        packet = wait_for(link)
        assert packet.version == (4 if family == socket.AF_INET else 6)
        assert ip_address(ours).packed in packet.to_bytes()
        assert finish(packet).endswith(b"hello")
    assert link.receive() is None
