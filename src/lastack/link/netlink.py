"""Asking the kernel over rtnetlink (RFC 3549): just what giving a device its addresses needs."""

import errno
import socket
import struct
from typing import Final

from lastack.errors import LastackError, error_for

NLM_F_REQUEST: Final = 0x001
NLM_F_ACK: Final = 0x004
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400

NLMSG_ERROR: Final = 2
RTM_NEWLINK: Final = 16
RTM_GETLINK: Final = 18
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
RTM_NEWROUTE: Final = 24
RTM_DELROUTE: Final = 25
RTM_GETROUTE: Final = 26

IFLA_MTU: Final = 4
IFLA_AF_SPEC: Final = 26
IFLA_INET6_ADDR_GEN_MODE: Final = 8
IFA_ADDRESS: Final = 1
IFA_LOCAL: Final = 2
IFA_F_NODAD: Final = 0x02
RTA_DST: Final = 1
RTA_OIF: Final = 4
RTA_GATEWAY: Final = 5
RT_TABLE_MAIN: Final = 254
RTPROT_STATIC: Final = 4
RT_SCOPE_UNIVERSE: Final = 0
RT_SCOPE_LINK: Final = 253
RTN_UNICAST: Final = 1
RTN_LOCAL: Final = 2

ADDR_GEN_MODE_NONE: Final = 1

_HEADER: Final = struct.Struct("=IHHII")
_LINK: Final = struct.Struct("=BxHiII")
_ADDRESS: Final = struct.Struct("=BBBBI")
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded to four octets."""
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes in `data`; a malformed rest is left out."""
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < _ATTRIBUTE.size or at + size > len(data):
            break
        found[kind & 0x3FFF] = data[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3
    return found


def link_message(index: int, flags: int = 0, change: int = 0) -> bytes:
    """Return the body (ifinfomsg) that names a device."""
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flags, change)


def address_message(index: int, address: bytes, prefix_length: int) -> bytes:
    """Return the body of an address; an IPv6 one is usable at once (no duplicate detection)."""
    if len(address) == 4:
        body = _ADDRESS.pack(socket.AF_INET, prefix_length, 0, RT_SCOPE_UNIVERSE, index)
    else:
        body = _ADDRESS.pack(socket.AF_INET6, prefix_length, IFA_F_NODAD, RT_SCOPE_UNIVERSE, index)
    return body + attribute(IFA_LOCAL, address) + attribute(IFA_ADDRESS, address)


def route_message(index: int, network: bytes, prefix_length: int, gateway: bytes = b"") -> bytes:
    """Return the body of a route through a device, by way of `gateway` where one is given."""
    family = socket.AF_INET if len(network) == 4 else socket.AF_INET6
    scope = RT_SCOPE_LINK if len(network) == 4 and not gateway else RT_SCOPE_UNIVERSE
    body = _ROUTE.pack(
        family, prefix_length, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, 0
    )
    body += attribute(RTA_DST, network) + attribute(RTA_OIF, struct.pack("=I", index))
    return body + attribute(RTA_GATEWAY, gateway) if gateway else body


def no_address_generation(mode: int = ADDR_GEN_MODE_NONE) -> bytes:
    """Return the attribute that sets how a device makes its own IPv6 addresses; by default not."""
    setting = attribute(IFLA_INET6_ADDR_GEN_MODE, bytes([mode]))
    return attribute(IFLA_AF_SPEC, attribute(socket.AF_INET6, setting))


class Netlink:
    """A conversation with the kernel of this network namespace; a context manager."""

    _socket: socket.socket
    _sequence: int

    def __init__(self) -> None:
        self._sequence = 0
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        try:
            self._socket.bind((0, 0))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, kind: int, body: bytes, flags: int = 0, what: str = "") -> bytes:
        """Send one request and return the body of the answer, b"" when it is just a yes.

        Raises the LastackError of the kernel's errno; `what` says in it what was wanted.
        """
        self._sequence += 1
        flags |= NLM_F_REQUEST
        if kind not in (RTM_GETLINK, RTM_GETROUTE):
            flags |= NLM_F_ACK
        size = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(size, kind, flags, self._sequence, 0) + body)
        while True:
            answer = self._socket.recv(65536)
            at = 0
            while at + _HEADER.size <= len(answer):
                size, answered, _, sequence, _ = _HEADER.unpack_from(answer, at)
                if size < _HEADER.size or at + size > len(answer):
                    raise error_for(errno.EBADMSG, what)
                if sequence == self._sequence:
                    return _answer(answered, answer[at + _HEADER.size : at + size], what)
                at += (size + 3) & ~3


def _answer(kind: int, body: bytes, what: str) -> bytes:
    if kind != NLMSG_ERROR:
        return body
    code: int = struct.unpack_from("=i", body)[0]
    if code:
        raise error_for(-code, what)
    return b""


class LinkState:
    """How a device stands: its index, its flags (IFF_UP ...), its MTU.

    `generation` says how it makes its own IPv6 addresses (addr_gen_mode), 0 if unknown.
    """

    def __init__(self, index: int, flags: int, mtu: int, generation: int) -> None:
        self.index = index
        self.flags = flags
        self.mtu = mtu
        self.generation = generation


def link_state(netlink: Netlink, name: str) -> LinkState:
    """Return how the device of that name stands; raises ENODEV when there is none."""
    try:
        index = socket.if_nametoindex(name)
    except OSError:
        raise error_for(errno.ENODEV, name) from None
    answer = netlink.ask(RTM_GETLINK, link_message(index), 0, name)
    _, _, index, flags, _ = _LINK.unpack_from(answer)
    found = attributes(answer[_LINK.size :])
    mtu = int.from_bytes(found.get(IFLA_MTU, b""), "little")
    # Not from /proc: reading addr_gen_mode there tries for the lock of all devices again and again,
    # which under a real-time priority keeps whoever holds it from ever letting go.
    ip6 = attributes(attributes(found.get(IFLA_AF_SPEC, b"")).get(socket.AF_INET6, b""))
    generation = int.from_bytes(ip6.get(IFLA_INET6_ADDR_GEN_MODE, b""), "little")
    return LinkState(index, flags, mtu, generation)


def is_local(netlink: Netlink, address: bytes) -> bool:
    """Return whether the kernel takes packets to this address for its own by now."""
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    body = _ROUTE.pack(family, len(address) * 8, 0, 0, 0, 0, 0, 0, 0)
    try:
        answer = netlink.ask(RTM_GETROUTE, body + attribute(RTA_DST, address))
    except LastackError:
        return False
    kind: int = _ROUTE.unpack_from(answer)[7]
    return kind == RTN_LOCAL
