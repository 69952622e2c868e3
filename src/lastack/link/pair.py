"""A carrier made of datagrams: every datagram of a connected socket is one IP packet.

It needs no root. `socket_pair_links` joins two stacks in one process (or in two, by fork); a pair
of connected UDP sockets joins two machines just the same.
"""

import errno
import socket
from typing import Final

from lastack.errors import device_error
from lastack.link.base import NO_OFFLOAD, Link
from lastack.wire.packet import Packet

_LARGEST: Final = 65535
_NOT_NOW: Final = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EINTR)
_UNPLUGGED: Final = (
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ENOTCONN,
    errno.EPIPE,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
)


class DatagramLink(Link):
    """Carries packets over a connected datagram socket, which is its own from now on.

    `mtu` is the largest IP packet; the carrier must take datagrams of that size. Whatever is sent
    while nobody listens at the other end is lost, as on a wire that is not plugged in.
    """

    unplugged: int
    """Packets lost because there was nobody at the other end."""
    too_big: int
    """Packets lost because the carrier would not take datagrams of their size."""
    _socket: socket.socket

    def __init__(self, carrier: socket.socket, mtu: int = 1500) -> None:
        carrier.setblocking(False)
        self.mtu = mtu
        self.offload = NO_OFFLOAD
        self.unplugged = 0
        self.too_big = 0
        self._socket = carrier

    def fileno(self) -> int:
        """Return the descriptor of the socket, -1 once closed."""
        return self._socket.fileno()

    def receive(self) -> Packet | None:
        """Return the next packet that has come, or None."""
        try:
            return Packet(self._socket.recv(_LARGEST))
        except OSError as error:
            code = error.errno or 0
            if code in _NOT_NOW or code in _UNPLUGGED:
                return None
            raise device_error(code, f"the carrier failed: {error.strerror}") from None

    def send(self, packet: Packet) -> bool:
        """Send one datagram; False while the other end has its queue full."""
        try:
            self._socket.send(packet.to_bytes())
        except OSError as error:
            code = error.errno or 0
            if code in _NOT_NOW:
                return False
            if code in _UNPLUGGED:
                self.unplugged += 1
            elif code == errno.EMSGSIZE:
                self.too_big += 1
            else:
                raise device_error(code, f"the carrier failed: {error.strerror}") from None
        return True

    def close(self) -> None:
        """Close the socket; harmless when repeated."""
        self._socket.close()


def socket_pair_links(mtu: int = 1500) -> tuple[DatagramLink, DatagramLink]:
    """Return two links that are each other's other end: in real time, with descriptors, no root."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return DatagramLink(left, mtu), DatagramLink(right, mtu)
