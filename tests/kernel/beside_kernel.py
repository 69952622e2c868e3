"""A stack of ours beside the kernel: its driver, a gate for packets, and both tables of states."""

import socket
import struct
import subprocess
from collections.abc import Callable
from ipaddress import ip_address
from random import Random
from typing import Final

from by_hand import KERNEL_V4, KERNEL_V6, OURS_V4, OURS_V6

from lastack.driver import Driver
from lastack.link.base import Link
from lastack.link.wrappers import Filtered
from lastack.stack.listener import Listener
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import Config, preset
from lastack.tcp.connection import Connection
from lastack.tcp.events import StateChanged
from lastack.tcp.states import State, state_named
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.packet import Packet

S = State
QUIET: Final = 4 * MS
"""So long nothing moves at a quiet moment."""
LONGEST_DELAY: Final = 250 * MS
PATIENCE: Final = 20 * SECOND

Pair = tuple[State | None, State | None]

LEGAL: Final[frozenset[Pair]] = frozenset(
    [
        (None, None),
        (S.LISTEN, None),
        (None, S.LISTEN),
        (S.ESTABLISHED, S.ESTABLISHED),
        (S.FIN_WAIT_2, S.CLOSE_WAIT),
        (S.CLOSE_WAIT, S.FIN_WAIT_2),
        (S.TIME_WAIT, None),
        (None, S.TIME_WAIT),
        (S.TIME_WAIT, S.TIME_WAIT),
    ]
)
"""What both ends may be in when nothing is under way and no window is shut; None: no such thing."""


class Beside:
    """Our stack at one end of a TUN device, the kernel at the other."""

    def __init__(self, link: Link, config: Config | None = None) -> None:
        self.link = Filtered(link)
        self.held_in: list[Packet] = []
        self.held_out: list[Packet] = []
        interface = Interface("tun", [f"{OURS_V4}/24", f"{OURS_V6}/64"], link.mtu, link.offload)
        config = (config or preset("linux")).replace(strict=True)
        self.stack = Stack([interface], config, Random(1))
        self.driver = Driver(self.stack, self.link)
        self.events: list[StateChanged] = []

    # our side

    @property
    def now(self) -> int:
        """The time."""
        return self.driver.clock()

    def listens(self, port: int) -> Listener:
        """Open passively."""
        return self.stack.listen(Endpoint(b"", port), 16)

    def opens(self, address: str, port: int, local_port: int = 0) -> Connection:
        """Open actively; the SYN goes at once."""
        local = Endpoint(b"", local_port)
        remote = Endpoint(ip_address(address).packed, port)
        connection = self.stack.connect(remote, self.now, local)
        self.flush()
        return connection

    def accepts(self, listener: Listener) -> Connection:
        """Take the next connection."""
        assert self.until(lambda: listener.acceptable)
        connection = listener.accept()
        assert connection is not None
        return connection

    def does(self, connection: Connection, call: Callable[[int], object]) -> None:
        """Let the user of a connection call, and send what follows without looking for packets."""
        call(self.now)
        self.stack.wake(connection, self.now)
        self.flush()

    def sends(self, connection: Connection, data: bytes) -> None:
        """Send all of it, however long that takes."""
        view = memoryview(data)
        while view:
            taken = connection.send(view, self.now)
            self.stack.wake(connection, self.now)
            view = view[taken:]
            self.driver.poll(0 if taken else 10 * MS)
        self.flush()

    def receives(self, connection: Connection, count: int) -> bytes:
        """Return that many octets, or fewer where the stream ends."""
        heard = bytearray()
        while len(heard) < count:
            heard += connection.receive(count - len(heard), self.now)
            self.stack.wake(connection, self.now)
            if connection.at_end:
                break
            self.driver.poll(0 if connection.readable else 10 * MS)
        return bytes(heard)

    # the wire

    def flush(self) -> None:
        """Send what is ready, and look for no packet."""
        self.driver.flush(self.now)

    def until(self, predicate: Callable[[], bool]) -> bool:
        """Go on until something holds; False when it takes too long."""
        return self.driver.run_until(predicate, self.now + PATIENCE)

    def quiet(self, span: int = QUIET) -> None:
        """Go on until nothing has moved for a while and no ACK is owed us.

        The kernel may hold an ACK back, that of a FIN too; it does so for 200 ms at most.
        """
        began = self.now
        while self.driver.poll(span) or (self.in_flight() and self.now < began + LONGEST_DELAY):
            assert self.now < began + PATIENCE, "it never becomes quiet"

    def in_flight(self) -> bool:
        """Return whether anything that we have sent is not yet acknowledged."""
        return any(connection.info().in_flight for connection in self.stack.connections())

    def hold_out(self) -> None:
        """Keep back what we send from now on."""

        def keep(packet: Packet) -> bool:
            self.held_out.append(packet)
            return False

        self.link.predicate_out = keep

    def drop_out(self, count: int) -> None:
        """Lose the next packets that we send."""
        left = [count]

        def lose(packet: Packet) -> bool:
            left[0] -= 1
            return left[0] < 0

        self.link.predicate_out = lose

    def let_out(self) -> None:
        """Send what was kept back."""
        self.link.predicate_out = None
        for packet in self.held_out:
            assert self.link.inner.send(packet)
        self.held_out.clear()

    # both tables

    def entered(self, connection: Connection) -> list[State]:
        """Return the states that a connection has entered so far."""
        self.events += [e for e in self.stack.take_events() if isinstance(e, StateChanged)]
        return [e.to for e in self.events if e.connection == connection.number]

    def our_states(self) -> dict[tuple[str, str], State]:
        """Return (local, remote) -> state, listeners left out, as our table shows it."""
        found = {}
        for info in self.stack.infos():
            if info.state is not None and info.state is not State.LISTEN:
                found[info.local, info.remote] = info.state
        return found

    def pairs(self) -> list[Pair]:
        """Return (our state, the kernel's) of every connection that either table knows."""
        ours = self.our_states()
        theirs = {(peer, local): state for (local, peer), state in kernel_states().items()}
        return [(ours.get(key), theirs.get(key)) for key in sorted({*ours, *theirs})]

    def pair_of(self, connection: Connection) -> Pair:
        """Return the pair of one connection."""
        here, there = str(connection.local), str(connection.remote)
        return self.our_states().get((here, there)), kernel_states().get((there, here))

    def pair(self) -> Pair:
        """Return the only pair there is, (None, None) when there is none."""
        found = self.pairs()
        assert len(found) <= 1, found
        return found[0] if found else (None, None)


def kernel_states() -> dict[tuple[str, str], State]:
    """Return (local, remote) -> state of the kernel's connections, as ss shows them."""
    done = subprocess.run(["ss", "-Htan"], check=True, text=True, stdout=subprocess.PIPE)
    found = {}
    for line in done.stdout.splitlines():
        state, _, _, local, peer = line.split()[:5]
        if state != "LISTEN":
            found[local, peer] = state_named(state)
    return found


KERNEL_NUMBERS: Final = {
    1: S.ESTABLISHED, 2: S.SYN_SENT, 3: S.SYN_RECEIVED, 4: S.FIN_WAIT_1, 5: S.FIN_WAIT_2,
    6: S.TIME_WAIT, 7: S.CLOSED, 8: S.CLOSE_WAIT, 9: S.LAST_ACK, 10: S.LISTEN, 11: S.CLOSING,
}  # fmt: skip


def state_of(kernel: socket.socket) -> State:
    """Return the state of a socket of the kernel, as TCP_INFO has it."""
    return KERNEL_NUMBERS[
        struct.unpack_from("=B", kernel.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8))[0]
    ]


def kernel_socket(version: int = 4, port: int = 0) -> socket.socket:
    """Return a non-blocking socket bound to the kernel's address of the device."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    kernel = socket.socket(family, socket.SOCK_STREAM)
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kernel.setblocking(False)
    kernel.bind((KERNEL_V4 if version == 4 else KERNEL_V6, port))
    return kernel
