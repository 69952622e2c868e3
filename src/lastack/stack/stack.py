"""One host: many connections behind one or more interfaces, without a clock, a socket or a thread.

Tell it what happened (`packet_arrives`, `deadline_passed`), use it (`connect`, `listen`), collect
what it wants (`next_packet`, `next_deadline`, `take_noticed`, `take_events`), look at it
(`connections`, `infos`, `counters`). A driver drains a batch of packets, hands all of them in, and
then pulls until `next_packet` returns None.
"""

import errno

from lastack.chance import Random
from lastack.errors import error_for
from lastack.stack import arrive, depart, icmp
from lastack.stack.authentic import renew
from lastack.stack.demux import key_of
from lastack.stack.host import Host
from lastack.stack.listener import Inspect, Listener
from lastack.stack.ports import Binding
from lastack.stack.routes import Interface, Route
from lastack.tcp.config import Config
from lastack.tcp.congestion import controller_class
from lastack.tcp.connection import Connection
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import Cause, State
from lastack.tcp.time_wait import TimeWait
from lastack.wire.address import Endpoint
from lastack.wire.packet import Packet
from lastack.wire.signing import Signer
from lastack.wire.stop import Stop


class Stack(Host):
    """A host with these interfaces; `random` seeds its secrets (ports, sequence numbers).

    Every method that may start a timer or send takes `now`, in nanoseconds, never less than before.
    After using a Connection yourself (send, receive, close ...), call `wake`: that queues its
    output and its timer. Misuse raises a LastackError; whatever a peer sends does not.
    """

    def __init__(self, interfaces: list[Interface], config: Config, random: Random) -> None:
        super().__init__(interfaces, config, random)

    # what happened

    def packet_arrives(self, packet: Packet, now: int) -> Stop | None:
        """Take one IP packet from a link; return why it went no further, None if it was welcome.

        A Stop is counted in `counters.stops`.
        """
        return arrive.packet_arrives(self, packet, now)

    def deadline_passed(self, now: int) -> None:
        """Let everything happen whose time has come."""
        for slot in self.schedule.due(now):
            if slot.connection.number not in self.demux.numbers:
                continue
            try:
                slot.connection.deadline_passed(now)
            except Exception as error:  # our mistake must not end the stack
                self.counters.stops[self.broken(slot, error, now)] += 1
            self.count_broken(slot.connection)
            self.settle(slot, now)
        for entry in self.time_wait_table.expired(now):
            self.time_wait_over(entry, Cause.TIME_WAIT_OVER, now)
        if self.fragments.next_deadline() <= now:
            icmp.fragments_expired(self, self.fragments.deadline_passed(now), now)

    def wake(self, connection: Connection, now: int) -> None:
        """The user has done something with a connection: see to what follows from it."""
        slot = self.demux.numbers.get(connection.number)
        if slot is not None:
            self.settle(slot, now)
        elif connection.tcb.events is not None:
            self._events.extend(connection.take_events())

    def reconfigure(self, connection: Connection, config: Config, now: int) -> None:
        """Give a connection other knobs; those in the IP header count from the next packet on."""
        old = connection.config
        connection.config = config
        slot = self.demux.numbers.get(connection.number)
        if slot is not None:
            slot.path = None
            if config.md5_keys != old.md5_keys or config.ao_keys != old.ao_keys:
                renew(slot, config)
            self.settle(slot, now)

    # what it wants

    def next_deadline(self) -> int:
        """Return when `deadline_passed` wants to be called, NEVER when nothing waits for time."""
        if self.ready:
            # The connection whose turn it is may have sent something since it was settled.
            slot = self.ready[0]
            self.schedule.add(slot, slot.connection.next_deadline())
        first = min(self.schedule.next_deadline(), self.time_wait_table.next_deadline())
        return min(first, self.fragments.next_deadline())  # two by two is compiled well

    def next_packet(self, now: int) -> Packet | None:
        """Return the next packet to send, None when there is none now.

        `outgoing` then is the index of the interface that it leaves by.
        """
        return depart.next_packet(self, now)

    def take_noticed(self) -> list[Connection | Listener]:
        """Return whoever has got new notices; who reads `notices` sets it to 0.

        Connections that nobody has accepted yet are not among them: their listener is.
        """
        noticed: list[Connection | Listener] = []
        if self.noticed_listeners:
            noticed.extend(self.noticed_listeners)
            self.noticed_listeners = []
        if self.noticed:
            slots = self.noticed
            self.noticed = []
            for slot in slots:
                slot.noticed = False
                noticed.append(slot.connection)
        return noticed

    # its users

    def connect(
        self,
        remote: Endpoint,
        now: int,
        local: Endpoint | None = None,
        config: Config | None = None,
        hops: tuple[bytes, ...] = (),
        fast_open: bool = False,
    ) -> Connection:
        """Open a connection actively (RFC 9293 3.10.1); it is in SYN-SENT when this returns.

        `local` may leave the address b"" or all zeroes and the port 0: the stack chooses. `hops`
        is an IPv4 source route (MUST-51). With `fast_open` the SYN carries what `send` is given
        before the first segment is pulled, where a cookie is known; `tcb.fast_open.limit` says how
        many octets (RFC 7413). Raises EADDRNOTAVAIL for an address that is not ours, a
        remote port of 0, or when no port is free; ENETUNREACH without a route; EADDRINUSE when
        the connection exists already; ENOENT for a congestion controller that is not known.
        """
        controller_class((config or self.config).congestion)
        if not 0 < remote.port < 65536:
            raise error_for(errno.EADDRNOTAVAIL, f"{remote} has no port")
        route = self.route_to(remote.address)
        address = route.source  # MUST-44
        if local is not None and local.address and any(local.address):
            address = local.address  # MUST-43
            if len(address) != len(remote.address):
                raise error_for(errno.EAFNOSUPPORT, f"{local} to {remote}")
            if not self.routes.is_ours(address) and not self.listeners.claims(address):
                raise error_for(errno.EADDRNOTAVAIL, f"{local} is not ours")
        if local is not None and local.port:
            here = Endpoint(address, local.port)
            if not self._is_free(key_of(here, remote)):
                raise error_for(errno.EADDRINUSE, f"{here} to {remote} exists")
        else:
            here = Endpoint(address, self._ephemeral(address, remote))
        slot = self.create(here, remote, route.interface, config or self.config, None, hops, now)
        self.counters.opened_actively += 1
        if fast_open:
            tcb = slot.connection.tcb
            tcb.fast_open = self.fast_open.syn_leaves(tcb, self.config, now)
        slot.connection.open_active(now)
        self.settle(slot, now)
        return slot.connection

    def route_to(self, destination: bytes) -> Route:
        """Return the way to a host; raises ENETUNREACH when there is none, or it is no host."""
        if len(destination) not in (4, 16):
            raise error_for(errno.EAFNOSUPPORT, "an address has 4 or 16 octets")
        route = None
        if not self.routes.is_bad_source(destination):  # MUST-46
            route = self.routes.find(destination)
        if route is None:
            raise error_for(errno.ENETUNREACH, str(Endpoint(destination, 0)))
        return route

    def any_address(self, width: int) -> bytes:
        """Return our first address of 4 or 16 octets; raises EADDRNOTAVAIL without one."""
        for address in self.routes.ours:
            if len(address) == width:
                return address
        raise error_for(errno.EADDRNOTAVAIL)

    def listen(
        self,
        local: Endpoint,
        backlog: int,
        config: Config | None = None,
        prefix_length: int | None = None,
        inspect: Inspect | None = None,
        binding: Binding | None = None,
    ) -> Listener:
        """Open passively (RFC 9293 3.10.1): wait for connections to `local`.

        An address of b"" or all zeroes means any of ours; with `prefix_length`, every address in
        that prefix, ours or not, and a port of 0 then every port. Otherwise a port of 0 lets the
        stack choose one. `inspect` sees each SYN first. `binding` is a port that the caller has
        bound and keeps. Of several listeners the most specific is meant by a SYN. Nothing that
        there is already is touched (MUST-41), and connections from the same port, in whatever
        state, are no hindrance (MUST-42). Raises EADDRINUSE for a second listener of the same
        address and port, and EADDRNOTAVAIL.
        """
        controller_class((config or self.config).congestion)
        address, port = local
        if not 0 <= port < 65536 or len(address) not in (0, 4, 16):
            raise error_for(errno.EINVAL, "no such endpoint")
        if prefix_length is not None:
            if not 0 <= prefix_length <= len(address) * 8:
                raise error_for(errno.EINVAL, f"a prefix of {prefix_length} bits")
            for other in self.listeners.by_port.get(port, ()):
                if (other.local.address, other.prefix_length) == (address, prefix_length):
                    raise error_for(errno.EADDRINUSE, f"{local}/{prefix_length}")
        elif binding is None:
            if address and any(address) and not self.routes.is_ours(address):
                raise error_for(errno.EADDRNOTAVAIL, f"{local} is not ours")
            if port == 0:
                port = self.free_port(address)
            for taken in self.ports.bindings.get(port, ()):
                # Beside each other stand a listener for one address and one for any.
                if taken.address == address or (not taken.reuse and taken.clashes(address, True)):
                    raise error_for(errno.EADDRINUSE, f"port {port}")
        listener = Listener(
            self,
            self.new_number(),
            Endpoint(address, port),
            backlog,
            config or self.config,
            prefix_length,
            inspect,
        )
        if prefix_length is None:
            listener.binding_lent = binding is not None
            listener.binding = binding or self.ports.bind(address, port, True)
            listener.binding.listening = True
            if listener.binding.config is None:
                listener.binding.config = listener.config
        self.listeners.add(listener)
        return listener

    def free_port(self, address: bytes) -> int:
        """Return an ephemeral port that nobody has bound; raises EADDRINUSE when all are taken."""
        port = self.ports.choose(address, (), ())
        if port == 0:
            raise error_for(errno.EADDRINUSE, "every ephemeral port is taken")
        return port

    def port_in_use(self, address: bytes, port: int) -> bool:
        """Return whether any connection, or TIME-WAIT, has this local port on such an address."""
        anywhere = not address or not any(address)
        for slot in self.demux.slots.values():
            local = slot.connection.local
            if local.port == port and (anywhere or local.address == address):
                return True
        for entry in self.time_wait_table.entries.values():
            if entry.local.port == port and (anywhere or entry.local.address == address):
                return True
        return False

    # a look at it

    def signer_of(self, connection: Connection) -> Signer | None:
        """Return who signs a connection's segments: an `AoSigner` tells its keys (RFC 5925 7.2)."""
        slot = self.demux.numbers.get(connection.number)
        return slot.signer if slot is not None else None

    def connections(self) -> list[Connection]:
        """Return every connection that is not CLOSED, oldest first; TIME-WAIT entries are apart."""
        return [slot.connection for slot in self.demux.numbers.values()]

    def time_waits(self) -> list[TimeWait]:
        """Return the entries of the TIME-WAIT table."""
        return list(self.time_wait_table.entries.values())

    def infos(self, now: int = 0) -> list[ConnectionInfo]:
        """Return a record for each listener, connection and TIME-WAIT entry.

        `now` makes the times that the timers have left.
        """
        found: list[ConnectionInfo] = []
        for listener in self.listeners.all():
            address = listener.local.address
            found.append(
                ConnectionInfo(
                    local=str(listener.local) if address else f"*:{listener.local.port}",
                    remote="*:*",
                    state=State.LISTEN,
                    number=listener.number,
                    unread=len(listener.waiting),
                    opened_passively=True,
                )
            )
        found.extend(slot.connection.info(now) for slot in self.demux.numbers.values())
        for entry in self.time_wait_table.entries.values():
            found.append(
                ConnectionInfo(
                    local=str(entry.local),
                    remote=str(entry.remote),
                    state=State.TIME_WAIT,
                    number=entry.number,
                    time=now,
                    snd_nxt=entry.snd_nxt,
                    rcv_nxt=entry.rcv_nxt,
                    timers={"time_wait": entry.expires - now} if now else {},
                )
            )
        return found

    def _is_free(self, key: bytes) -> bool:
        """Return whether a 4-tuple is unused."""
        return key not in self.demux.slots and key not in self.time_wait_table.entries

    def _ephemeral(self, address: bytes, remote: Endpoint) -> int:
        """Return a local port for a connection to `remote` (RFC 6056 3.3.4)."""
        head = remote.address + address + remote.port.to_bytes(2, "big")
        port = self.ports.choose(head, self.demux.slots, self.time_wait_table.entries)
        if port == 0:
            raise error_for(errno.EADDRNOTAVAIL, f"no ephemeral port to {remote} is free")
        return port
