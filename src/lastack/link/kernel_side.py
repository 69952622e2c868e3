"""The kernel's side of a device: its addresses, MTU and routes, made and taken away again.

    link = TunLink("tun0")
    with KernelSide(link.name, ["10.9.0.1/24", "fd00:9::1/64"]):
        ...

Needs root (CAP_NET_ADMIN) but no other program.
"""

import errno
import ipaddress
import struct
import time
from contextlib import suppress
from typing import Final

from lastack.errors import LastackError, device_error
from lastack.link.netlink import (
    ADDR_GEN_MODE_NONE,
    IFLA_MTU,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_DELADDR,
    RTM_DELROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    LinkState,
    Netlink,
    address_message,
    attribute,
    is_local,
    link_message,
    link_state,
    no_address_generation,
    route_message,
)
from lastack.link.tun import set_queue_length

IFF_UP: Final = 0x1

_NAP: Final = 0.001
_PATIENCE: Final = 2000
_GONE: Final = (errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENXIO)


class KernelSide:
    """Gives a device its kernel side while it is entered, and leaves the device as it was found.

    `addresses` are the kernel's own, with the prefix of the network behind the device
    (`"10.9.0.1/24"`, `"fd00:9::1/64"`). `routes` are more networks behind it (`"10.8.0.0/16"`), or
    with a gateway `"10.8.0.0/16 via 10.9.0.2"`. What exists already is used and not removed.
    `mtu` 0 leaves the MTU alone, `queue` 0 the length of the queue. The kernel makes no IPv6
    addresses of its own there, so that no packets appear that nobody asked for.
    """

    def __init__(
        self,
        name: str,
        addresses: list[str],
        mtu: int = 0,
        routes: list[str] | None = None,
        queue: int = 0,
    ) -> None:
        self.name = name
        self.addresses = [ipaddress.ip_interface(text) for text in addresses]
        self.routes = [_route(text) for text in routes or []]
        self.mtu = mtu
        self.queue = queue
        self._found: LinkState | None = None
        self._undo: list[tuple[int, bytes]] = []

    def __enter__(self) -> "KernelSide":
        try:
            self._set_up()
        except BaseException:
            with suppress(LastackError):
                self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _set_up(self) -> None:
        try:
            with Netlink() as netlink:
                found = link_state(netlink, self.name)
                self._found = found
                self._quiet(netlink, found.index)
                self._set_link(netlink, found)
                for address in self.addresses:
                    self._add(
                        netlink,
                        (RTM_NEWADDR, RTM_DELADDR),
                        address_message(found.index, address.packed, address.network.prefixlen),
                        f"address {address}",
                    )
                for network, gateway in self.routes:
                    packed = network.network_address.packed
                    self._add(
                        netlink,
                        (RTM_NEWROUTE, RTM_DELROUTE),
                        route_message(found.index, packed, network.prefixlen, gateway),
                        f"route {network}",
                    )
                self._wait_until_usable(netlink)
        except LastackError as error:
            raise _clearer(error, self.name) from None
        if self.queue:
            set_queue_length(self.name, self.queue)

    def _quiet(self, netlink: Netlink, index: int) -> None:
        """Have the kernel make no IPv6 addresses of its own: it would solicit routers with them."""
        try:
            netlink.ask(RTM_NEWLINK, link_message(index) + no_address_generation())
        except LastackError as error:
            if error.errno in (errno.EPERM, errno.ENODEV):
                raise
            # A kernel without IPv6, or too old to be told: nothing is lost but silence.

    def _set_link(self, netlink: Netlink, found: LinkState) -> None:
        body = link_message(found.index, IFF_UP, IFF_UP)
        if self.mtu and self.mtu != found.mtu:
            body += attribute(IFLA_MTU, struct.pack("=I", self.mtu))
        netlink.ask(RTM_NEWLINK, body, 0, f"MTU {self.mtu}" if self.mtu else "setting it up")

    def _add(self, netlink: Netlink, kinds: tuple[int, int], body: bytes, what: str) -> None:
        add, remove = kinds
        try:
            netlink.ask(add, body, NLM_F_CREATE | NLM_F_EXCL, what)
        except LastackError as error:
            if error.errno != errno.EEXIST:
                raise
        else:
            self._undo.append((remove, body))

    def _wait_until_usable(self, netlink: Netlink) -> None:
        """Wait for the route to each new IPv6 address: until then its packets would be lost."""
        for address in self.addresses:
            patience = _PATIENCE
            while address.version == 6 and patience > 0 and not is_local(netlink, address.packed):
                time.sleep(_NAP)
                patience -= 1

    def remove(self) -> None:
        """Take away what was made; harmless when repeated or when the device has vanished."""
        found = self._found
        if found is None:
            return
        self._found = None
        with Netlink() as netlink:
            while self._undo:
                kind, body = self._undo.pop()
                _try(netlink, kind, body)
            body = link_message(found.index, found.flags & IFF_UP, IFF_UP)
            if self.mtu and self.mtu != found.mtu:
                body += attribute(IFLA_MTU, struct.pack("=I", found.mtu))
            _try(netlink, RTM_NEWLINK, body)
            if found.generation != ADDR_GEN_MODE_NONE:
                body = link_message(found.index) + no_address_generation(found.generation)
                _try(netlink, RTM_NEWLINK, body)


def _try(netlink: Netlink, kind: int, body: bytes) -> None:
    try:
        netlink.ask(kind, body)
    except LastackError as error:
        if error.errno not in _GONE:
            raise


def _route(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, bytes]:
    network, _, gateway = text.partition(" via ")
    packed = ipaddress.ip_address(gateway.strip()).packed if gateway else b""
    return ipaddress.ip_network(network.strip()), packed


def _clearer(error: LastackError, name: str) -> LastackError:
    """Return the error with a sentence that says what to do."""
    code = error.errno or 0
    if code in (errno.EPERM, errno.EACCES):
        return device_error(
            code, f"giving {name} its addresses is not permitted: run this as root (sudo)"
        )
    if code == errno.ENODEV:
        return device_error(code, f"there is no device {name}: open it first")
    return device_error(code, f"the device {name} cannot be set up: {error.strerror}")
