"""The `socket` of `get_extra_info`: to look at a connection and to set its options."""

import struct

from lastack.aio.attachment import Attachment
from lastack.aio.names import SocketName, socket_name
from lastack.stack.options import IPPROTO_TCP, SOCK_STREAM
from lastack.stack.sockets import TcpSocket


class TransportSocket:
    """A socket of lastack in the shape of `asyncio.trsock.TransportSocket`.

    Levels and names of options are those of the socket module on Linux.
    """

    def __init__(self, attachment: Attachment, inner: TcpSocket) -> None:
        self._attachment = attachment
        self._inner = inner

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return self._inner.family

    @property
    def type(self) -> int:
        """SOCK_STREAM."""
        return int(SOCK_STREAM)

    @property
    def proto(self) -> int:
        """IPPROTO_TCP."""
        return int(IPPROTO_TCP)

    def fileno(self) -> int:
        """Return -1: the kernel knows nothing of this socket."""
        return -1

    def getsockname(self) -> SocketName:
        """Return (address, port), for IPv6 (address, port, 0, 0)."""
        return socket_name(self._inner.getsockname())

    def getpeername(self) -> SocketName:
        """Return the other end's; raises ENOTCONN without a connection."""
        return socket_name(self._inner.getpeername())

    def getsockopt(self, level: int, name: int, length: int = 0) -> int | bytes:
        """Return an option: a number, or octets if `length` is given or it is a struct."""
        value = self._inner.getsockopt(self._attachment.now(), level, name)
        if length and isinstance(value, int):
            value = struct.pack("=i", value)
        return value[:length] if length and isinstance(value, bytes) else value

    def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option; raises ENOPROTOOPT for one that there is not."""
        self._inner.setsockopt(self._attachment.now(), level, name, value)
        self._attachment.flush_soon()

    def __repr__(self) -> str:
        return f"<TransportSocket {self._inner.getsockname()}>"
