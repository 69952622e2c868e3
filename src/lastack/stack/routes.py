"""Interfaces, the prefixes behind them, which addresses are ours, and whose source fits where.

There is no forwarding and, on links that carry IP packets, no neighbour: a route only says which
interface a packet leaves by.
"""

from ipaddress import ip_interface
from typing import Final, Protocol

ANY_6: Final = bytes(16)
_LOOPBACK_6: Final = b"\0" * 15 + b"\1"
_BROADCAST: Final = b"\xff\xff\xff\xff"


class OffloadLike(Protocol):
    """What an interface wants to know of its device (`lastack.link.base.Offload` has it)."""

    checksum: bool
    tso4: bool
    tso6: bool
    max_size: int


class Prefix:
    """An address of ours and the network it stands in."""

    address: bytes
    length: int
    network: int
    shift: int
    broadcast: bytes

    def __init__(self, text: str) -> None:
        parsed = ip_interface(text)
        self.address = parsed.ip.packed
        self.length = parsed.network.prefixlen
        self.shift = len(self.address) * 8 - self.length
        self.network = int.from_bytes(self.address, "big") >> self.shift
        self.broadcast = b""
        if len(self.address) == 4 and self.length <= 30:
            self.broadcast = parsed.network.broadcast_address.packed

    def holds(self, address: bytes) -> bool:
        """Return whether an address stands in this network."""
        if len(address) != len(self.address):
            return False
        return int.from_bytes(address, "big") >> self.shift == self.network


class Interface:
    """A device as the stack sees it.

    `addresses` are texts such as `10.0.0.1/24` and `fd00::1/64` (without a length: that host
    alone); `mtu` in octets of IP packet. `default` says that whatever no prefix holds leaves here
    too, as on a point-to-point link.
    """

    name: str
    mtu: int
    index: int
    default: bool
    checksum: bool
    tso4: bool
    tso6: bool
    max_size: int
    prefixes: list[Prefix]

    def __init__(
        self,
        name: str,
        addresses: list[str],
        mtu: int = 1500,
        offload: OffloadLike | None = None,
        default: bool = True,
    ) -> None:
        if mtu < 68:
            raise ValueError(f"an MTU of {mtu} octets cannot carry IPv4 (RFC 791 3.2: 68)")
        self.name = name
        self.mtu = mtu
        self.index = 0
        self.default = default
        self.prefixes = [Prefix(text) for text in addresses]
        self.checksum = offload is not None and offload.checksum
        self.tso4 = offload is not None and offload.tso4 and self.checksum
        self.tso6 = offload is not None and offload.tso6 and self.checksum
        self.max_size = offload.max_size if offload is not None else 65535


class Route:
    """Where packets to a destination leave, and the source address they should carry."""

    interface: Interface
    source: bytes

    def __init__(self, interface: Interface, source: bytes) -> None:
        self.interface = interface
        self.source = source


class Routes:
    """All interfaces of a host."""

    interfaces: list[Interface]
    ours: dict[bytes, Interface]
    broadcasts: set[bytes]

    def __init__(self, interfaces: list[Interface]) -> None:
        self.interfaces = interfaces
        self.ours = {}
        self.broadcasts = {_BROADCAST}
        for index, interface in enumerate(interfaces):
            interface.index = index
            for prefix in interface.prefixes:
                self.ours[prefix.address] = interface
                if prefix.broadcast:
                    self.broadcasts.add(prefix.broadcast)

    def is_ours(self, address: bytes) -> bool:
        """Return whether one of our interfaces has this address."""
        return address in self.ours

    def is_many(self, address: bytes) -> bool:
        """Return whether an address is multicast or a broadcast we know of (MUST-57)."""
        if len(address) == 16:
            return address[0] == 0xFF
        return 224 <= address[0] < 240 or address in self.broadcasts

    def is_bad_source(self, address: bytes) -> bool:
        """Return whether no host can have sent from this address: MUST-63 (RFC 1122 3.2.1.3)."""
        if len(address) == 16:
            if address[0] == 0xFF or address == ANY_6:
                return True
            return address == _LOOPBACK_6 and self._strays(address)
        first = address[0]
        if first == 0 or first >= 224 or address in self.broadcasts:
            return True
        return first == 127 and self._strays(address)

    def _strays(self, address: bytes) -> bool:
        """Return whether no interface of ours has the network of a loopback address."""
        return not any(p.holds(address) for i in self.interfaces for p in i.prefixes)

    def find(self, destination: bytes) -> Route | None:
        """Return the route of the longest prefix, or of a default interface; None without one."""
        best: Prefix | None = None
        best_interface: Interface | None = None
        for interface in self.interfaces:
            for prefix in interface.prefixes:
                if prefix.holds(destination) and (best is None or prefix.length > best.length):
                    best, best_interface = prefix, interface
        if best is not None and best_interface is not None:
            return Route(best_interface, best.address)
        for interface in self.interfaces:
            if interface.default:
                source = self._first_of(interface, destination)
                if source:
                    return Route(interface, source)
        return None

    def towards(self, destination: bytes) -> Interface | None:
        """Return the interface that packets to a destination leave by, whatever their source."""
        route = self.find(destination)
        if route is not None:
            return route.interface
        for interface in self.interfaces:
            if interface.default:
                return interface
        return None

    def _first_of(self, interface: Interface, destination: bytes) -> bytes:
        """Return the interface's first address of the family, link-local for link-local alone."""
        link_local = _is_link_local(destination)
        fallback = b""
        for prefix in interface.prefixes:
            if len(prefix.address) == len(destination):
                if _is_link_local(prefix.address) == link_local:
                    return prefix.address
                fallback = fallback or prefix.address
        return fallback


def _is_link_local(address: bytes) -> bool:
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80
