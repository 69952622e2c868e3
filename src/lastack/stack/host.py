"""The state of one host, and what follows whenever one of its connections has changed.

`Host` is the data that the chapters share: `arrive` (packets in), `icmp`, `depart` (packets out)
and the facade, `stack.Stack`. Nothing here looks at a clock, and nothing ever goes through all
connections: a connection that changed is settled at once, by itself.
"""

import errno
from collections import deque
from typing import Final

from lastack.chance import Random
from lastack.stack.authentic import renew
from lastack.stack.cookies import SynCookies
from lastack.stack.demux import Demux, Slot, key_of
from lastack.stack.fast_open import FastOpens
from lastack.stack.fragments import Fragments
from lastack.stack.isn import SequenceNumbers
from lastack.stack.listener import Listener, Listeners
from lastack.stack.outbox import Outbox
from lastack.stack.ports import Ports
from lastack.stack.routes import Interface
from lastack.stack.schedule import Schedule
from lastack.stack.time_waits import TimeWaits
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.events import Event, StateChanged
from lastack.tcp.memory import Memory
from lastack.tcp.states import CLOSED, LISTEN, SYN_RECEIVED, TIME_WAIT, Cause, State, transition
from lastack.tcp.time_wait import TimeWait
from lastack.wire.address import Endpoint
from lastack.wire.seq import add, le
from lastack.wire.stop import Stop

MOST_EVENTS: Final = 1024
"""Events kept for whoever collects them; the oldest go first (`keep_events`)."""
UDP_OVERHEAD: Final = 8
"""What a UDP header takes of the MTU (FreeBSD's net.inet.tcp.udp_tunneling_overhead)."""
_NOTICED: Final = 1024
_BEYOND: Final = 250_000
"""How far behind the old connection's last octet a reopened one begins: a second of the clock."""
_HEADERS: Final = 120
"""Room for the longest IPv6 or IPv4 header and TCP header in front of a super-segment."""


class Host(Outbox):
    """Everything that one host knows; see `lastack.stack.stack.Stack` for what it does."""

    numbers: SequenceNumbers
    fast_open: FastOpens
    cookies: SynCookies
    ports: Ports
    demux: Demux
    listeners: Listeners
    schedule: Schedule
    time_wait_table: TimeWaits
    fragments: Fragments
    memory: Memory
    ready: deque[Slot]
    turn: int
    noticed: list[Slot]
    noticed_listeners: list[Listener]
    outgoing: int
    looping: bool
    _events: deque[Event]
    _next_number: int
    _most_noticed: int

    def __init__(self, interfaces: list[Interface], config: Config, random: Random) -> None:
        super().__init__(interfaces, config)
        self.numbers = SequenceNumbers(random)
        self.fast_open = FastOpens(self.numbers.key)
        self.cookies = SynCookies(self.numbers.key)
        self.ports = Ports(config.ports, random)
        self.demux = Demux()
        self.listeners = Listeners(self.ports.key)
        self.schedule = Schedule(self.demux)
        self.time_wait_table = TimeWaits()
        self.fragments = Fragments()
        self.memory = Memory(config.memory_limit)
        self.ready = deque()
        self.turn = 0
        self.noticed = []
        self.noticed_listeners = []
        self.outgoing = 0
        self.looping = False
        self.ident = random.getrandbits(16)
        self._events = deque(maxlen=MOST_EVENTS)
        self._next_number = 0
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
        iss: int = -1,
    ) -> Slot:
        """Make a connection and its place in the table; in TIME-WAIT where it reopens `old`.

        `iss` is what its SYN had, where it has been sent already.
        """
        key = key_of(local, remote)
        connection = self.make(key, local, remote, interface, config, hops, now, iss, old)
        slot = Slot(key, connection, listener)
        slot.reopens = old is not None
        slot.hops = hops
        slot.routed = listener is None and len(hops) > 0  # MUST-51
        slot.udp_port = config.udp_remote_port
        if config.md5_keys or config.ao_keys:
            renew(slot, config)
        self.demux.add(slot)
        return slot

    def make(
        self,
        key: bytes,
        local: Endpoint,
        remote: Endpoint,
        interface: Interface,
        config: Config,
        hops: tuple[bytes, ...],
        now: int,
        iss: int,
        old: TimeWait | None = None,
    ) -> Connection:
        """Make a connection that has no place in the table."""
        chosen, ts_offset = self.numbers.choose(key, now)
        if old is not None and le(chosen, old.snd_nxt):
            chosen = add(old.snd_nxt, _BEYOND)  # MAY-2 (a)
        mtu = interface.mtu
        if config.minimum_mtu and len(local.address) == 16:
            mtu = min(mtu, 1280)
        overhead = UDP_OVERHEAD if config.udp_remote_port else 0
        mtu -= overhead
        if hops:
            mtu -= route_length(hops)  # Eff.snd.MSS makes room for IP options too (MUST-16)
        divides = interface.tso4 if len(local.address) == 4 else interface.tso6
        whole = len(hops) > 0 or config.udp_remote_port > 0
        max_size = max(0, interface.max_size - _HEADERS) if divides and not whole else 0
        connection = Connection(
            self.new_number(),
            local,
            remote,
            config,
            chosen if iss < 0 else iss,
            ts_offset,
            mtu,
            max_size,
            CLOSED if old is None else TIME_WAIT,
        )
        known = self.mtus.get(remote.address, now) - overhead
        if known < mtu:
            connection.path_mtu_is(known, now)
        connection.tcb.memory = self.memory
        return connection

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
        if self.memory.limit:
            self._weigh(slot)
        if connection.tcb.events is not None:
            if connection.tcb.fast_open is not None:
                self.fast_open.look(connection.tcb, now)
            if slot.early is not None and connection.state is not SYN_RECEIVED:
                slot.early.early.over(connection.error == errno.ECONNRESET, now)
                slot.early = None
            self._events.extend(connection.take_events())
        if slot.listener is not None:
            self._settle_child(slot, slot.listener, connection.state, now)
        elif connection.notices and not slot.noticed:
            slot.noticed = True
            self.noticed.append(slot)
            if len(self.noticed) > self._most_noticed:
                self._sweep_noticed()

    def _weigh(self, slot: Slot) -> None:
        """Count what a connection has queued now against the memory that all share."""
        tcb = slot.connection.tcb
        buffer, rcv = tcb.snd.buffer, tcb.rcv
        held = buffer.end - buffer.start + rcv.queued + rcv.early
        if held != slot.held:
            self.memory.changes(held - slot.held)
            slot.held = held

    def _sweep_noticed(self) -> None:
        """Nobody takes the notices: forget those of connections that are gone and have no user."""
        self.noticed = [
            slot
            for slot in self.noticed
            if slot.connection.user is not None or slot.connection.number in self.demux.numbers
        ]
        self._most_noticed = 2 * len(self.noticed) + _NOTICED

    def child_is_early(self, slot: Slot, listener: Listener) -> None:
        """A Fast Open child: it can be accepted now, its handshake goes on (RFC 7413 4.2.2)."""
        slot.early = listener
        listener.early.begun()
        self._grown(slot.connection, listener)

    def _grown(self, child: Connection, listener: Listener) -> None:
        if not listener.notices:
            self.noticed_listeners.append(listener)
        listener.grown(child)

    def _settle_child(self, slot: Slot, listener: Listener, state: State, now: int) -> None:
        """See whether a child has finished its handshake, or has ended before anybody took it."""
        if state is SYN_RECEIVED:
            return
        child = slot.connection
        if state is CLOSED or state is LISTEN or (state is TIME_WAIT and slot.reopens):
            kept = state is CLOSED and child.config.keep_reset_children
            if not kept or child.number in listener.children:
                listener.gone(child)
            slot.listener = None
            return
        if slot.reopens:
            slot.reopens = False
            entry = self.time_wait_table.remove(slot.key)
            if entry is not None:
                self.time_wait_over(entry, Cause.ABORT, now)
        if child.number in listener.children:
            self._grown(child, listener)

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
            if slot.held:
                self.memory.changes(-slot.held)
                slot.held = 0
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
        entry.signer = slot.signer
        entry.udp_port = slot.udp_port
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
        if events is not None:
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

    def keep_events(self, most: int) -> None:
        """Keep this many events for the next `take_events`; a user who comes rarely wants more."""
        self._events = deque(self._events, maxlen=most)

    def take_events(self) -> list[Event]:
        """Return what has happened since the last call, oldest first."""
        events = list(self._events)
        self._events.clear()
        return events


def route_length(hops: tuple[bytes, ...]) -> int:
    """Return the octets of IP option that a source route takes: padding, kind, length, pointer."""
    return 4 + 4 * len(hops)
