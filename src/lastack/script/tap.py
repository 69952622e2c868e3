"""What crosses a device, and when the kernel saw it: its own clock stamps each packet.

So a packet's time does not depend on how soon we come to read it (packet(7), socket(7)).
"""

import socket
import struct
import time
from contextlib import suppress
from typing import Final

_ETH_P_ALL: Final = 0x0003
_ETH_P: Final = {4: 0x0800, 6: 0x86DD}
_SO_TIMESTAMPNS: Final = 35
_SOL_PACKET: Final = 263
_PACKET_AUXDATA: Final = 8
_CHECKSUM_NOT_READY: Final = 0x8
_PACKET_OUTGOING: Final = 4
_BIGGEST: Final = 1 << 17
_TIMESPEC: Final = struct.Struct("@ll")
_ROOM: Final = 8 << 20


class Tapped:
    """A packet that was seen: its octets, when, and whether its checksum is still owed."""

    def __init__(self, data: bytes, time: int, unchecked: bool) -> None:
        self.data = data
        self.time = time
        self.unchecked = unchecked


class Tap:
    """Sees the packets of one direction on a device; `outgoing` are those the kernel sends.

    Times are those of `time.monotonic_ns`. `send` makes the kernel send a packet out of the device.
    Needs root (CAP_NET_RAW).
    """

    def __init__(self, device: str, outgoing: bool) -> None:
        self.device = device
        self._outgoing = outgoing
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            self._socket.bind((device, _ETH_P_ALL))
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def receive(self) -> Tapped | None:
        """Return the next packet in the direction wanted, None when there is none."""
        while True:
            try:
                data, notes, _, address = self._socket.recvmsg(_BIGGEST, 128)
            except BlockingIOError:
                return None
            if (address[2] == _PACKET_OUTGOING) != self._outgoing or not data:
                continue
            seen = time.time_ns()
            unchecked = False
            for level, kind, value in notes:
                if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                    seconds, rest = _TIMESPEC.unpack_from(value)
                    seen = seconds * 1_000_000_000 + rest
                elif level == _SOL_PACKET and kind == _PACKET_AUXDATA:
                    unchecked = bool(value[0] & _CHECKSUM_NOT_READY)
            return Tapped(data, seen - time.time_ns() + time.monotonic_ns(), unchecked)

    def send(self, data: bytes) -> None:
        """Send a packet out of the device."""
        with suppress(BlockingIOError):  # a full queue loses packets, as everywhere
            self._socket.sendto(data, (self.device, _ETH_P[data[0] >> 4]))

    def close(self) -> None:
        """Give it back; harmless when repeated."""
        self._socket.close()
