"""What a connection is told of its path while it lasts: another route, another MTU."""

from lastack.stack.demux import Slot
from lastack.stack.host import UDP_OVERHEAD, Host, route_length


def reroute(host: Host, slot: Slot, hops: tuple[bytes, ...], now: int) -> None:
    """The peer's packets have come by another source route: answer along that one (SHLD-24).

    A route that the user has given stays (MUST-52).
    """
    interface = host.routes.towards(slot.connection.remote.address)
    if slot.routed or interface is None:
        return
    slot.hops = hops
    slot.path = None
    tcb = slot.connection.tcb
    tcb.mtu = min(tcb.mtu, interface.mtu - route_length(hops))
    tcb.set_path()


def path_carries(host: Host, slot: Slot, mtu: int, now: int) -> None:
    """A connection has believed that the path to its peer carries `mtu` octets for it, no more."""
    remote = slot.connection.remote.address
    overhead = UDP_OVERHEAD if slot.udp_port else 0
    host.mtus.lower(remote, slot.connection.tcb.mtu + overhead, now)
    if mtu < slot.connection.tcb.mtu and len(remote) == 4:
        # Less than we believe: send what we do believe in, and let routers fragment it.
        host.mtus.fragmented.add(remote)
        slot.path = None


def look_at_path(host: Host, slot: Slot, now: int) -> None:
    """Let a connection know what others have found of its path, or that it was long ago.

    A raise comes with the next that is sent after ten minutes (RFC 1191 6.3, RFC 8201 4).
    """
    connection = slot.connection
    tcb = connection.tcb
    overhead = UDP_OVERHEAD if slot.udp_port else 0
    known = host.mtus.get(connection.remote.address, now) - overhead
    mtu = min(tcb.first_mtu, known)
    if slot.told_mtu == mtu:
        return
    slot.told_mtu = mtu
    slot.path = None
    mode = tcb.config.path_mtu_discovery
    if mtu != tcb.mtu and (mtu > tcb.mtu or 1 <= mode <= 3):
        connection.path_mtu_is(mtu, now)
