"""A network interface of this machine that is listened to: AF_PACKET sockets of Linux (packet(7)).

What has an Ethernet header is read whole, and the VLAN tag that the kernel takes out of the frame
is put back. Of everything else, and of `any`, the kernel takes the link's header away and tells the
protocol instead.
"""

import ctypes
import errno
import os
import select
import socket
import struct
from typing import Final

from lastack.errors import DeviceUnavailable, device_error
from lastack.wire.capture import LINKTYPE_ETHERNET, LINKTYPE_RAW

ANY: Final = "any"
BUFFER: Final = 16 << 20
"""Octets that the kernel keeps for us while we are busy."""

_LARGEST: Final = 1 << 18
_ETH_P_ALL: Final = 0x0003
_ETH_P_8021Q: Final = 0x8100
_IP: Final = (0x0800, 0x86DD)
_LINKTYPE_SLL: Final = 113
_SLL: Final = struct.Struct("!HHHxxxxxxxxH")
_TAG: Final = struct.Struct("!HH")

_ARPHRD_ETHER: Final = 1
_ARPHRD_LOOPBACK: Final = 772
_PACKET_OUTGOING: Final = 4

_SOL_PACKET: Final = 263
_PACKET_ADD_MEMBERSHIP: Final = 1
_PACKET_MR_PROMISC: Final = 1
_PACKET_STATISTICS: Final = 6
_PACKET_AUXDATA: Final = 8
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMPNS: Final = 64
"""SO_TIMESTAMPNS_NEW: seconds and nanoseconds of 64 bits everywhere (Linux 5.1)."""

_AUXDATA: Final = struct.Struct("=IIIHHHH")
"""Status, length, captured length, offsets of link and network header, VLAN's TCI and TPID."""
_VLAN_VALID: Final = 0x10
_TPID_VALID: Final = 0x40
_TIMESPEC: Final = struct.Struct("=qq")
_ANCILLARY: Final = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_AUXDATA.size)
_COUNTS: Final = struct.Struct("=II")

_SO_ATTACH_FILTER: Final = 26
_REJECT: Final = struct.pack("=HBBI", 0x06, 0, 0, 0)
"""A filter of one instruction (linux/filter.h): return 0, keep nothing of the packet."""


class Interface:
    """Hears the packets that go in and out at an interface, or at `any` of them.

    `promiscuous` asks the interface for frames that are not for this machine, too. `buffer` octets
    are kept by the kernel at most for what has not been received; what does not fit is dropped and
    counted. `packets` and `octets` count what was received. Needs CAP_NET_RAW. Raises
    DeviceUnavailable. A context manager.
    """

    def __init__(self, name: str, promiscuous: bool = False, buffer: int = BUFFER) -> None:
        self.name = name
        self.packets = 0
        self.octets = 0
        self._dropped = 0
        self._octets = bytearray(_LARGEST)
        self._view = memoryview(self._octets)
        self._socket, self._whole = _listening(name, buffer)
        if promiscuous and name != ANY:
            number = socket.if_nametoindex(name)
            request = struct.pack("=iHHxxxxxxxx", number, _PACKET_MR_PROMISC, 0)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
        self._poller = select.poll()
        self._poller.register(self._socket, select.POLLIN)

    def __enter__(self) -> "Interface":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor of the socket, -1 once closed."""
        return self._socket.fileno()

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to receive, or for so long; return whether there is."""
        return bool(self._poller.poll(seconds * 1000))

    def receive(self) -> tuple[int, bytes, int] | None:
        """Return the next packet, or None where there is none yet: what `packet_seen` takes.

        These are the kernel's time in nanoseconds since the epoch, the octets, and the link type
        they begin with. Raises DeviceUnavailable when the interface goes down.
        """
        while True:
            try:
                size, notes, _, address = self._socket.recvmsg_into([self._octets], _ANCILLARY)
            except BlockingIOError:
                return None
            except OSError as error:
                raise _unavailable(error.errno or 0, self.name) from None
            _, protocol, direction, hardware, *_ = address
            # On loopback each packet is seen twice, on its way out and on its way in.
            if direction != _PACKET_OUTGOING or hardware != _ARPHRD_LOOPBACK:
                break
        self.packets += 1
        self.octets += size
        time, tag = _noted(notes)
        data = bytes(self._view[:size])
        if self._whole:
            return time, data[:12] + tag + data[12:] if tag else data, LINKTYPE_ETHERNET
        if protocol in _IP and not tag:
            return time, data, LINKTYPE_RAW
        outer = int.from_bytes(tag[:2], "big") if tag else protocol
        inner = tag[2:] + protocol.to_bytes(2, "big") if tag else b""
        return time, _SLL.pack(direction, hardware, 0, outer) + inner + data, _LINKTYPE_SLL

    def hush(self) -> None:
        """Hear nothing more; what has come before can still be received."""
        program = ctypes.create_string_buffer(_REJECT, len(_REJECT))
        filtering = struct.pack("@HP", 1, ctypes.addressof(program))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filtering)

    @property
    def dropped(self) -> int:
        """How many packets the kernel had to drop because they were not received in time."""
        if self._socket.fileno() >= 0:
            # Asking sets the kernel's count to nothing.
            counts = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _COUNTS.size)
            self._dropped += _COUNTS.unpack(counts)[1]
        return self._dropped

    def close(self) -> None:
        """Listen no more; harmless when repeated. `dropped` keeps its count."""
        _ = self.dropped
        self._socket.close()


def _noted(notes: list[tuple[int, int, bytes]]) -> tuple[int, bytes]:
    """Return a packet's time, and the VLAN tag that was taken out of it as it stood there."""
    time, tag = 0, b""
    for level, kind, data in notes:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, rest = _TIMESPEC.unpack(data)
            time = seconds * 1_000_000_000 + rest
        elif level == _SOL_PACKET and kind == _PACKET_AUXDATA:
            status, _, _, _, _, control, kind_of_tag = _AUXDATA.unpack(data)
            if status & _VLAN_VALID:
                tag = _TAG.pack(kind_of_tag if status & _TPID_VALID else _ETH_P_8021Q, control)
    return time, tag


def _listening(name: str, buffer: int) -> tuple[socket.socket, bool]:
    """Return a socket that hears an interface, and whether it gives Ethernet frames."""
    if not hasattr(socket, "AF_PACKET"):
        raise device_error(errno.ENOTSUP, "listening to an interface needs Linux")
    if name != ANY:
        listener = _bound(name, socket.SOCK_RAW, buffer)
        if listener.getsockname()[3] in (_ARPHRD_ETHER, _ARPHRD_LOOPBACK):
            return listener, True
        listener.close()
    return _bound(name, socket.SOCK_DGRAM, buffer), False


def _bound(name: str, kind: int, buffer: int) -> socket.socket:
    try:
        # With protocol 0 it hears nothing before it is bound to the one interface.
        protocol = socket.htons(_ETH_P_ALL) if name == ANY else 0
        listener = socket.socket(socket.AF_PACKET, kind | socket.SOCK_NONBLOCK, protocol)
    except OSError as error:
        raise _unavailable(error.errno or 0, name) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        listener.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        except OSError:  # without CAP_NET_ADMIN up to net.core.rmem_max
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        if name != ANY:
            listener.bind((name, _ETH_P_ALL))
    except OSError as error:
        listener.close()
        raise _unavailable(error.errno or 0, name) from None
    return listener


def _unavailable(code: int, name: str) -> DeviceUnavailable:
    if code in (errno.EPERM, errno.EACCES):
        sentence = (
            f"listening to {name} is not permitted: it needs CAP_NET_RAW; run this as root (sudo)"
        )
    elif code in (errno.ENODEV, errno.ENXIO):
        sentence = f"there is no interface {name}: ip link lists those there are"
    elif code == errno.ENETDOWN:
        sentence = f"the interface {name} is down"
    else:
        sentence = f"listening to {name} failed: {os.strerror(code)}"
    return device_error(code, sentence)
