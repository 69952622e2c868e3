"""A carrier of segments: each in one UDP datagram of a plain socket, without an IP header.

Two hosts, or two processes of one, speak TCP through it without root and without a device, and what
stands in the datagrams is what FreeBSD puts there: TCP behind the UDP header. Addresses are the
stack's own business: `peers` says which real host and port stands for which of them.
"""

import errno
import socket
from typing import Final

from lastack.errors import device_error
from lastack.link.base import NO_OFFLOAD, Link
from lastack.wire.address import pack_address
from lastack.wire.checksum import finish
from lastack.wire.ip4 import encode_ip4
from lastack.wire.ip6 import encode_ip6
from lastack.wire.packet import CHECKSUM_TRUSTED, Packet

TCP: Final = 6
UDP_HEADER: Final = 8
_LARGEST: Final = 65535
_FULL: Final = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EINTR)
_UNREACHABLE: Final = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM)

Address = tuple[str, int]


class UdpLink(Link):
    """Carries the segments between `local` and each of `peers` over a UDP socket, now its own.

    `peers` maps the address of a host, as the stacks know it, to the (host, port) of its socket.
    `mtu` counts the IP packets of the stack; the default leaves room for the UDP header on a path
    of 1500 octets. Only TCP passes, whole. What comes from anybody else, or goes to anybody else,
    is dropped and counted; so is what nobody takes at the other end.
    """

    strangers: int
    """Datagrams from sockets, and packets to addresses, that `peers` does not have."""
    lost: int
    """Packets that the carrier refused: too long, or nobody there."""
    _socket: socket.socket
    _local: bytes
    _to: dict[bytes, Address]
    _from: dict[Address, bytes]

    def __init__(
        self,
        carrier: socket.socket,
        local: str,
        peers: dict[str, Address],
        mtu: int = 1500 - UDP_HEADER,
    ) -> None:
        carrier.setblocking(False)
        self.mtu = mtu
        self.offload = NO_OFFLOAD
        self.strangers = 0
        self.lost = 0
        self._socket = carrier
        self._local = pack_address(local)
        self._to = {pack_address(address): real for address, real in peers.items()}
        self._from = {real: address for address, real in self._to.items()}

    def fileno(self) -> int:
        """Return the descriptor of the socket, -1 once closed."""
        return self._socket.fileno()

    def receive(self) -> Packet | None:
        """Return the next segment that has come, as an IP packet, or None."""
        while True:
            try:
                data, real = self._socket.recvfrom(_LARGEST)
            except OSError as error:
                code = error.errno or 0
                if code in _FULL or code in _UNREACHABLE:
                    return None
                raise device_error(code, f"the carrier failed: {error.strerror}") from None
            source = self._from.get(real[:2])
            if source is None:
                self.strangers += 1
                continue
            if len(source) == 4:
                head = encode_ip4(source, self._local, TCP, len(data))
            else:
                head = encode_ip6(source, self._local, TCP, len(data))
            # The kernel has verified the checksum of UDP, which covers all that came.
            return Packet(head + data, checksum=CHECKSUM_TRUSTED)

    def send(self, packet: Packet) -> bool:
        """Send one segment; False while the socket has no room."""
        data = finish(packet)
        v4 = data[0] >> 4 == 4
        start = (data[0] & 0xF) * 4 if v4 else 40
        real = self._to.get(data[16:20] if v4 else data[24:40])
        if real is None or data[9 if v4 else 6] != TCP:
            self.strangers += 1
            return True
        try:
            self._socket.sendto(data[start:], real)
        except OSError as error:
            code = error.errno or 0
            if code in _FULL:
                return False
            if code in _UNREACHABLE or code == errno.EMSGSIZE:
                self.lost += 1
            else:
                raise device_error(code, f"the carrier failed: {error.strerror}") from None
        return True

    def close(self) -> None:
        """Close the socket; harmless when repeated."""
        self._socket.close()
