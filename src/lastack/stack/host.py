"""The state of one host, and what follows whenever one of its connections has changed.

`Host` is the data that the chapters share: `arrive` (packets in), `icmp`, `depart` (packets out)
and the facade, `stack.Stack`. Nothing here looks at a clock, and nothing ever goes through all
connections: a connection that changed is settled at once, by itself.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from lastack.chance import Random
from lastack.stack.counters import Counters
from lastack.stack.demux import Demux, Slot, key_of
from lastack.stack.fragments import Fragments
from lastack.stack.ip import Path, encode
from lastack.stack.isn import SequenceNumbers
from lastack.stack.listener import Keeper, Listener, Listeners
from lastack.stack.mtus import PathMtus
from lastack.stack.ports import Ports
from lastack.stack.routes import Interface, Routes
from lastack.stack.schedule import Schedule
from lastack.stack.time_waits import TimeWaits
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.events import Event, StateChanged
from lastack.tcp.states import CLOSED, LISTEN, SYN_RECEIVED, TIME_WAIT, Cause, State, transition
from lastack.tcp.time_wait import TimeWait
from lastack.units import SECOND
from lastack.wire.address import Endpoint
from lastack.wire.packet import Packet
from lastack.wire.segment import Segment
from lastack.wire.seq import add, le
from lastack.wire.stop import Stop

MOST_REPLIES: Final = 256
"""Packets of the stack's own (resets, echo replies ...) that wait to be pulled, at most."""
MOST_EVENTS: Final = 1024
"""Events kept for whoever collects them; the oldest go first (`keep_events`)."""
MOST_PATHS: Final = 1024
"""Paths kept for connections to come; those in use live on in their connections."""
_NOTICED: Final = 1024
_BEYOND: Final = 250_000
"""How far behind the old connection's last octet a reopened one begins: a second of the clock."""
_HEADERS: Final = 120
"""Room for the longest IPv6 or IPv4 header and TCP header in front of a super-segment."""

Trace = Callable[[int, str, Connection | None, Segment, State, Stop | None], None]
"""Called with (now, "in" or "out", connection, segment, state before, stop)."""


class Host(Keeper):
    """Everything that one host knows; see `lastack.stack.stack.Stack` for what it does."""

    config: Config
    routes: Routes
    numbers: SequenceNumbers
    ports: Ports
    demux: Demux
    listeners: Listeners
    schedule: Schedule
    time_wait_table: TimeWaits
    fragments: Fragments
    mtus: PathMtus
    replies: deque[Packet]
    ready: deque[Slot]
    turn: int
    noticed: list[Slot]
    noticed_listeners: list[Listener]
    paths: OrderedDict[bytes, Path]
    counters: Counters
    trace: Trace | None
    ident: int
    outgoing: int
    looping: bool
    _events: deque[Event]
    _next_number: int
    _budget_second: int
    _budget_used: int
    _most_noticed: int

    def __init__(self, interfaces: list[Interface], config: Config, random: Random) -> None:
        self.config = config
        self.routes = Routes(interfaces)
        self.numbers = SequenceNumbers(random)
        self.ports = Ports(config.ports, random)
        self.demux = Demux()
        self.listeners = Listeners()
        self.schedule = Schedule(self.demux)
        self.time_wait_table = TimeWaits()
        self.fragments = Fragments()
        self.mtus = PathMtus()
        self.replies = deque()
        self.ready = deque()
        self.turn = 0
        self.noticed = []
        self.noticed_listeners = []
        self.paths = OrderedDict()
        self.counters = Counters()
        self.trace = None
        self.ident = random.getrandbits(16)
        self.outgoing = 0
        self.looping = False
        self._events = deque(maxlen=MOST_EVENTS)
        self._next_number = 0
        self._budget_second = -1
        self._budget_used = 0
        self._most_noticed = _NOTICED

    # connections come, change and go

    def new_number(self) -> int:
        """Return a number that no connection or listener of this stack has had."""
        self._next_number += 1
        return self._next_number

    def create(
        self,
        local: Endpoint,
        remote: Endpoint,
        interface: Interface,
        config: Config,
        listener: Listener | None,
        hops: tuple[bytes, ...],
        now: int,
        old: TimeWait | None = None,
    ) -> Slot:
        """Make a connection and its place in the table; in TIME-WAIT where it reopens `old`."""
        key = key_of(local, remote)
        iss, ts_offset = self.numbers.choose(key, now)
        if old is not None and le(iss, old.snd_nxt):
            iss = add(old.snd_nxt, _BEYOND)  # MAY-2 (a)
        mtu = interface.mtu
        if hops:
            mtu -= _route_length(hops)  # Eff.snd.MSS makes room for IP options too (MUST-16)
        divides = interface.tso4 if len(local.address) == 4 else interface.tso6
        max_size = max(0, interface.max_size - _HEADERS) if divides and not hops else 0
        connection = Connection(
            self.new_number(),
            local,
            remote,
            config,
            iss,
            ts_offset,
            mtu,
            max_size,
            CLOSED if old is None else TIME_WAIT,
        )
        known = self.mtus.get(remote.address, now)
        if known < mtu:
            connection.path_mtu_is(known, now)
        slot = Slot(key, connection, listener)
        slot.reopens = old is not None
        slot.hops = hops
        slot.routed = listener is None and len(hops) > 0  # MUST-51
        self.demux.add(slot)
        return slot

    def reroute(self, slot: Slot, hops: tuple[bytes, ...], now: int) -> None:
        """The peer's packets have come by another source route: answer along that one (SHLD-24).

        A route that the user has given stays (MUST-52).
        """
        interface = self.routes.towards(slot.connection.remote.address)
        if slot.routed or interface is None:
            return
        slot.hops = hops
        slot.path = None
        tcb = slot.connection.tcb
        tcb.mtu = min(tcb.mtu, interface.mtu - _route_length(hops))
        tcb.set_path()

    def settle(self, slot: Slot, now: int) -> None:
        """A connection has changed: queue its output, its timer and its notices, or forget it."""
        self.note(slot, now)
        connection = slot.connection
        state = connection.state
        if connection.wants_output:
            if not slot.queued:
                slot.queued = True
                self.ready.append(slot)
        elif (state is CLOSED or state is TIME_WAIT or state is LISTEN) and self.retire(slot, now):
            return
        self.schedule.add(slot, connection.next_deadline())

    def note(self, slot: Slot, now: int) -> None:
        """Collect what a connection has to tell: events, notices, the end of its handshake."""
        connection = slot.connection
        if connection.tcb.events:
            self._events.extend(connection.take_events())
        if slot.listener is not None:
            self._settle_child(slot, slot.listener, connection.state, now)
        elif connection.notices and not slot.noticed:
            slot.noticed = True
            self.noticed.append(slot)
            if len(self.noticed) > self._most_noticed:
                self._sweep_noticed()

    def _sweep_noticed(self) -> None:
        """Nobody takes the notices: forget those of connections that are gone and have no user."""
        self.noticed = [
            slot
            for slot in self.noticed
            if slot.connection.user is not None or slot.connection.number in self.demux.numbers
        ]
        self._most_noticed = 2 * len(self.noticed) + _NOTICED

    def _settle_child(self, slot: Slot, listener: Listener, state: State, now: int) -> None:
        """See whether a child has finished its handshake, or has ended before anybody took it."""
        if state is SYN_RECEIVED:
            return
        child = slot.connection
        if state is CLOSED or state is LISTEN or (state is TIME_WAIT and slot.reopens):
            listener.gone(child)
            slot.listener = None
            return
        if slot.reopens:
            slot.reopens = False
            entry = self.time_wait_table.remove(slot.key)
            if entry is not None:
                self.time_wait_over(entry, Cause.ABORT, now)
        if child.number in listener.children:
            if not listener.notices:
                self.noticed_listeners.append(listener)
            listener.grown(child)

    def retire(self, slot: Slot, now: int) -> bool:
        """Take a connection that has nothing more to send out of the table, if it is over.

        A TIME-WAIT whose user has closed becomes a small entry. One whose user has not stays a
        connection, because that user may still read from it.
        """
        connection = slot.connection
        if connection.state is TIME_WAIT and not slot.reopens:
            if not connection.is_orphan:
                return False
            self.keep_time_wait(slot, now)
            return True
        self.forget(slot)
        return True

    def forget(self, slot: Slot) -> None:
        """Take a connection out of the table, whatever its state; its listener too lets go."""
        if self.demux.remove(slot):
            self.schedule.forget(slot)
            if slot.listener is not None:
                slot.listener.gone(slot.connection)
                slot.listener = None

    def keep_time_wait(self, slot: Slot, now: int) -> None:
        """Make a small entry of a connection in TIME-WAIT; a full table loses its oldest."""
        connection = slot.connection
        self.forget(slot)
        limit = self.config.max_time_wait
        while limit > 0 and len(self.time_wait_table.entries) >= limit:
            oldest = self.time_wait_table.remove_oldest()
            if oldest is None:
                break
            self.counters.time_waits_evicted += 1
            self.time_wait_over(oldest, Cause.ABORT, now)
        entry = connection.release_time_wait(now)
        entry.hops = slot.hops  # MUST-53: all segments of the connection take the route back
        self.counters.time_waits += 1
        if limit > 0:
            self.time_wait_table.add(slot.key, entry)
        else:
            self.counters.time_waits_evicted += 1
            self.time_wait_over(entry, Cause.ABORT, now)

    def time_wait_over(self, entry: TimeWait, cause: Cause, now: int) -> None:
        """A TIME-WAIT that has left the table is CLOSED: whoever still looks at it shall know."""
        entry.over = True
        row = transition(TIME_WAIT, cause)
        assert row is not None
        self._events.append(
            StateChanged(now, entry.number, row.state, row.to, cause, row.section, None)
        )

    def broken(self, slot: Slot, error: Exception, now: int) -> Stop:
        """Our own mistake on one connection: abort it, count it, live on; raise when strict."""
        if self.config.strict or slot.connection.config.strict:
            raise error
        try:
            slot.connection.abort(now)
        except Exception:  # the peer must not make us raise, not even twice
            self.forget(slot)
        return Stop.INTERNAL

    def count_broken(self, connection: Connection) -> None:
        """Count our own mistake that the connection has dealt with, having no Stop to return."""
        events = connection.tcb.events
        if events:
            last = events[-1]
            if isinstance(last, StateChanged) and last.cause is Cause.INTERNAL:
                self.counters.stops[Stop.INTERNAL] += 1

    # a listener's wishes

    def child_accepted(self, connection: Connection) -> None:
        slot = self.demux.numbers.get(connection.number)
        if slot is not None:
            slot.listener = None
            if connection.notices and not slot.noticed:
                slot.noticed = True
                self.noticed.append(slot)

    def child_abandoned(self, connection: Connection, now: int) -> None:
        slot = self.demux.numbers.get(connection.number)
        if slot is not None:
            slot.listener = None
            self.counters.children_reset += 1
            connection.abort(now)
            connection.notices = 0
            self.settle(slot, now)

    def listener_closed(self, listener: Listener) -> None:
        self.listeners.remove(listener)
        if listener.binding is not None:
            listener.binding.listening = False
            if not listener.binding_lent:
                self.ports.release(listener.binding)

    # packets of the stack's own

    def path_of(self, slot: Slot) -> Path | None:
        """Return the connection's path, made when there is none; None without a route any more."""
        if slot.path is None:
            connection = slot.connection
            # MUST-45: the address that the connection began with, whatever the route says.
            local, remote = connection.local.address, connection.remote.address
            slot.path = self.path(local, remote, connection.config, slot.hops)
        return slot.path

    def path(
        self, source: bytes, destination: bytes, config: Config, hops: tuple[bytes, ...] = ()
    ) -> Path | None:
        """Return the path from an address of ours to another host, None without a route.

        Connections between the same two addresses share it.
        """
        discovers = 1 <= config.path_mtu_discovery <= 2
        if discovers and destination in self.mtus.fragmented:
            discovers = False
        key = b"".join((source, destination, bytes((config.ttl, config.dscp, discovers))))
        found = self.paths.get(key)
        if found is not None and not hops:
            return found
        interface = self.routes.towards(destination)
        if interface is None:
            return None
        loops = self.routes.is_ours(destination)
        found = Path(
            interface, source, destination, config.ttl, config.dscp, discovers, hops, loops
        )
        if not hops:
            if len(self.paths) >= MOST_PATHS:
                self.paths.popitem(last=False)
            self.paths[key] = found
        return found

    def path_carries(self, slot: Slot, mtu: int, now: int) -> None:
        """A connection has believed that the path to its peer carries `mtu` octets, no more."""
        remote = slot.connection.remote.address
        self.mtus.lower(remote, slot.connection.tcb.mtu, now)
        if mtu < slot.connection.tcb.mtu and len(remote) == 4:
            # Less than we believe: send what we do believe in, and let routers fragment it.
            self.mtus.fragmented.add(remote)
            slot.path = None

    def look_at_path(self, slot: Slot, now: int) -> None:
        """Let a connection know what others have found of its path, or that it was long ago.

        A raise comes with the next that is sent after ten minutes (RFC 1191 6.3, RFC 8201 4).
        """
        connection = slot.connection
        tcb = connection.tcb
        known = self.mtus.get(connection.remote.address, now)
        mtu = min(tcb.first_mtu, known)
        if slot.told_mtu == mtu:
            return
        slot.told_mtu = mtu
        slot.path = None
        mode = tcb.config.path_mtu_discovery
        if mtu != tcb.mtu and (mtu > tcb.mtu or 1 <= mode <= 3):
            connection.path_mtu_is(mtu, now)

    def next_ident(self, count: int) -> int:
        """Return an IPv4 identification with `count` - 1 more behind it that nobody else gets."""
        ident = self.ident
        self.ident = (ident + count) & 0xFFFF
        return ident

    def reply(
        self,
        source: bytes,
        destination: bytes,
        segment: Segment,
        now: int,
        hops: tuple[bytes, ...] = (),
        config: Config | None = None,
    ) -> None:
        """Queue a segment that no connection sends: from one address of ours to another host.

        `config` is that of the socket it is about, for TTL and DSCP.
        """
        path = self.path(source, destination, config or self.config, hops)
        if path is None:
            return
        if self.queue(encode(path, segment, self.next_ident(1))):
            self.counters.segments_out += 1
            if segment.flags & 4:
                self.counters.resets_sent += 1
            if self.trace is not None:
                self.trace(now, "out", None, segment, CLOSED, None)

    def queue(self, packet: Packet) -> bool:
        """Queue a packet of the stack's own; False when too many wait already."""
        if len(self.replies) >= MOST_REPLIES:
            self.counters.replies_dropped += 1
            return False
        self.replies.append(packet)
        return True

    def may_answer(self, now: int) -> bool:
        """Return whether one more reset or ICMP error may be sent in this second, and count it."""
        second = now // SECOND
        if second != self._budget_second:
            self._budget_second = second
            self._budget_used = 0
        if self._budget_used >= self.config.max_resets:
            return False
        self._budget_used += 1
        return True

    def keep_events(self, most: int) -> None:
        """Keep this many events for the next `take_events`; a user who comes rarely wants more."""
        self._events = deque(self._events, maxlen=most)

    def take_events(self) -> list[Event]:
        """Return what has happened since the last call, oldest first."""
        events = list(self._events)
        self._events.clear()
        return events


def _route_length(hops: tuple[bytes, ...]) -> int:
    """Return the octets of IP option that a source route takes: padding, kind, length, pointer."""
    return 4 + 4 * len(hops)
