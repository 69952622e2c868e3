"""Between texts and endpoints: names are asked of the system's resolver, as asyncio does."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from ipaddress import ip_network

from lastack.errors import error_for
from lastack.stack.options import AF_INET, AF_INET6
from lastack.wire.address import Endpoint, format_address, pack_address

SocketName = tuple[str, int] | tuple[str, int, int, int]
"""What getsockname and getpeername give, with flow label and scope for IPv6."""


def socket_name(endpoint: Endpoint) -> SocketName:
    """Return an endpoint in the shape that the socket module gives it."""
    text = format_address(endpoint.address)
    if len(endpoint.address) == 16:
        return (text, endpoint.port, 0, 0)
    return (text, endpoint.port)


def family_of(address: bytes) -> int:
    """Return AF_INET or AF_INET6 for packed octets."""
    return int(AF_INET6 if len(address) == 16 else AF_INET)


async def endpoints(host: str, port: int | str, family: int = 0) -> list[Endpoint]:
    """Return the endpoints that a host and a port may mean, in the resolver's order, at least one.

    An address in text needs no resolver. `family` 0 means both. Raises socket.gaierror.
    """
    if isinstance(port, int):
        try:
            numeric = pack_address(host)
        except ValueError:
            pass
        else:
            if family not in (0, family_of(numeric)):
                raise error_for(errno.EAFNOSUPPORT, host)
            return [Endpoint(numeric, port)]
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    found = [Endpoint(pack_address(str(name[0])), int(name[1])) for *_, name in answers]
    if not found:
        raise OSError(f"the resolver knows no address of {host!r}")
    return list(dict.fromkeys(found))


async def local_endpoints(
    host: str | Sequence[str] | None, port: int | str, family: int, widths: Sequence[int]
) -> list[tuple[Endpoint, int | None]]:
    """Return where a server listens, and the length of a prefix or None for a single address.

    No host: any address of the families we have (`widths`). `10.1.0.0/16` is a prefix.
    """
    if host is None or host == "":
        if not isinstance(port, int):
            port = socket.getservbyname(port, "tcp")
        anywhere = [Endpoint(bytes(width), port) for width in widths]
        return [(one, None) for one in anywhere if family in (0, family_of(one.address))]
    found: list[tuple[Endpoint, int | None]] = []
    for name in [host] if isinstance(host, str) else host:
        address, slash, _ = name.partition("/")
        length = ip_network(name).prefixlen if slash else None
        found += [(one, length) for one in await endpoints(address, port, family)]
    return list(dict.fromkeys(found))
