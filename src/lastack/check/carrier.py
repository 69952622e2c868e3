"""How `check` puts segments on a wire beside the kernel: raw sockets, or a TUN device."""

import ctypes
import select
import socket
import struct
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from lastack.errors import DeviceUnavailable, device_error
from lastack.link.kernel_side import KernelSide
from lastack.link.tun import TunLink
from lastack.wire.checksum import fold, parts_sum, pseudo_sum, range_sum
from lastack.wire.ip4 import Ip4, decode_ip4
from lastack.wire.packet import CHECKSUM_PRESENT, Packet
from lastack.wire.segment import Segment, decode_segment

_TCP: Final = socket.IPPROTO_TCP
_SO_ATTACH_FILTER: Final = 26
_DROP_ALL: Final = struct.pack("=HBBI", 0x06, 0, 0, 0)
"""One BPF instruction: return 0, keep nothing."""
_FIRST_PORT: Final = 20001


class Carrier(ABC):
    """Takes segments to the stack under test and brings back what it sends, at a bounded rate.

    `remote` is the packed address of the stack under test, `local` ours.
    """

    local: bytes
    remote: bytes

    def __init__(self, rate: int) -> None:
        self._pause = 1.0 / rate
        self._next = 0.0

    def time(self) -> float:
        """Return the time in seconds."""
        return time.monotonic()

    def rest(self, seconds: float) -> None:
        """Let that time pass."""
        time.sleep(seconds)

    @abstractmethod
    def take_port(self) -> int:
        """Return a port of ours on which the kernel does not meddle."""

    @abstractmethod
    def give_port(self, port: int) -> None:
        """Give the port back."""

    @abstractmethod
    def put(self, data: bytes) -> None:
        """Send a TCP segment, header and text."""

    @abstractmethod
    def get(self, seconds: float) -> Segment | None:
        """Return the next segment that comes from the stack under test, None when none did."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""

    def send(self, segment: Segment, corrupt: bool = False) -> None:
        """Send a segment with its checksum, spoilt where `corrupt`; waits where the rate asks."""
        wait = self._next - self.time()
        if wait > 0:
            self.rest(wait)
        self._next = self.time() + self._pause
        length = 20 + len(segment.options) + segment.length
        bare = segment.header()
        total = pseudo_sum(self.local, self.remote, _TCP, length) + range_sum(bare, 0, len(bare))
        value = 0xFFFF - fold(total + parts_sum(segment.parts))
        self.put(segment.header(value ^ 0x5555 if corrupt else value) + segment.payload)


class RawCarrier(Carrier):
    """Raw sockets towards any address that the kernel has a route to; needs CAP_NET_RAW.

    What comes for our ports would be reset by the kernel, which knows of no connection there. A
    listener whose filter drops everything keeps it quiet; the raw socket hears all the same.
    """

    def __init__(self, host: str, rate: int) -> None:
        super().__init__(rate)
        self.remote = ip_address(host).packed
        self._family = socket.AF_INET if len(self.remote) == 4 else socket.AF_INET6
        try:
            self._raw = socket.socket(self._family, socket.SOCK_RAW, _TCP)
        except PermissionError as error:
            raise device_error(
                error.errno or 0, "raw sockets are not permitted: run this as root (sudo)"
            ) from None
        with socket.socket(self._family, socket.SOCK_DGRAM) as scout:
            scout.connect((host, 9))
            source = scout.getsockname()[0]
        self.local = ip_address(source).packed
        self._raw.bind((source, 0))
        self._raw.connect((host, 0))
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._raw.setblocking(False)
        self._source = source
        self._quiet: dict[int, socket.socket] = {}

    def take_port(self) -> int:
        quiet = socket.socket(self._family, socket.SOCK_STREAM)
        quiet.bind((self._source, 0))
        code = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
        program = struct.pack("HL", 1, ctypes.addressof(code))
        quiet.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        quiet.listen(1)
        port: int = quiet.getsockname()[1]
        self._quiet[port] = quiet
        return port

    def give_port(self, port: int) -> None:
        self._quiet.pop(port).close()

    def put(self, data: bytes) -> None:
        self._raw.send(data)

    def get(self, seconds: float) -> Segment | None:
        if not select.select([self._raw], [], [], seconds)[0]:
            return None
        data = self._raw.recv(1 << 16)
        start = (data[0] & 15) * 4 if len(self.remote) == 4 and data else 0
        found = decode_segment(data, start, len(data))
        return found if isinstance(found, Segment) else None

    def close(self) -> None:
        for quiet in self._quiet.values():
            quiet.close()
        self._raw.close()


class TunCarrier(Carrier):
    """A TUN device of our own: the kernel gets the address under test, we the one next to it."""

    def __init__(self, name: str, host: str, rate: int) -> None:
        super().__init__(rate)
        address = ip_address(host)
        self.remote = address.packed
        last = self.remote[-1]
        self.local = self.remote[:-1] + bytes((last + 1 if last < 254 else last - 1,))
        self._port = _FIRST_PORT
        self._link = TunLink(name, offload=False)
        prefix = 24 if address.version == 4 else 120
        self._side = KernelSide(self._link.name, [f"{host}/{prefix}"])
        try:
            self._side.__enter__()
        except DeviceUnavailable:
            self._link.close()
            raise

    def take_port(self) -> int:
        self._port += 1
        return self._port

    def give_port(self, port: int) -> None:
        return

    def put(self, data: bytes) -> None:
        if len(self.remote) == 16:
            header = struct.pack("!IHBB", 6 << 28, len(data), _TCP, 64) + self.local + self.remote
        else:
            bare = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), 0, 0x4000, 64, _TCP, 0)
            bare += self.local + self.remote
            header = (
                bare[:10] + struct.pack("!H", 0xFFFF - fold(range_sum(bare, 0, 20))) + bare[12:]
            )
        self._link.send(Packet(header + data, checksum=CHECKSUM_PRESENT))

    def get(self, seconds: float) -> Segment | None:
        if not select.select([self._link.fileno()], [], [], seconds)[0]:
            return None
        packet = self._link.receive()
        if packet is None:
            return None
        data, start, end = packet.data, packet.start, packet.end
        if data[start] >> 4 == 6 and data[start + 6] == _TCP:
            found = decode_segment(data, start + 40, end)
            return found if isinstance(found, Segment) else None
        header = decode_ip4(data, start, end, True)
        if not isinstance(header, Ip4) or header.protocol != _TCP:
            return None
        found = decode_segment(data, header.payload_start, header.payload_end)
        return found if isinstance(found, Segment) else None

    def close(self) -> None:
        with suppress(OSError):
            self._side.remove()
        self._link.close()
