"""The grid's connections with the kernel as the stack under test: we are the wire and the user.

One `KernelCell` is one connection on ports of its own. Many are taken forward together, a step of
the way in at a time, so that the silences of a whole batch are waited for once.
"""

import errno
import fcntl
import select
import socket
import struct
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from by_hand import KERNEL_V4, OURS_V4, ip_header
from cells import EDGE, NOTHING, Cell, Outcome, Step, Table, segment_of, spelled, with_timestamp

from lastack.link.tun import TunLink
from lastack.tcp.states import State
from lastack.wire.address import pack_address
from lastack.wire.checksum import pseudo_sum
from lastack.wire.notation import Base
from lastack.wire.packet import CHECKSUM_OWED, Packet
from lastack.wire.segment import ACK, FIN, RST, SYN, Segment, decode_segment

OURS: Final = pack_address(OURS_V4)
THEIRS: Final = pack_address(KERNEL_V4)
PEER_ISS: Final = 1_000_000_000
WINDOW: Final = 2000
"""The most that the kernel may offer, so that its edge is within reach of one packet."""
SMALLEST_BUFFER: Final = 1  # the kernel makes it as small as it can
PATIENCE: Final = 0.6
SILENCE: Final = 0.06
"""How long nothing must come where nothing more is expected."""
LATEST: Final = 0.5
"""How long an answer that is expected may take."""
TCP_WINDOW_CLAMP: Final = 10
_NUMBERS: Final = dict(
    enumerate(
        (
            State.ESTABLISHED, State.SYN_SENT, State.SYN_RECEIVED, State.FIN_WAIT_1,
            State.FIN_WAIT_2, State.TIME_WAIT, State.CLOSED, State.CLOSE_WAIT, State.LAST_ACK,
            State.LISTEN, State.CLOSING, State.SYN_RECEIVED,
        ),
        1,
    )
)  # fmt: skip


class NotReached(Exception):
    """A cell's state was not reached in time."""


class Wire:
    """The device: packets out at once, packets in by the port that they are meant for."""

    def __init__(self, link: TunLink) -> None:
        self.link = link
        self.cells: dict[int, KernelCell] = {}

    def send(self, segment: Segment) -> None:
        """Send one segment to the kernel."""
        length = 20 + len(segment.options) + segment.length
        header = segment.header(pseudo_sum(OURS, THEIRS, socket.IPPROTO_TCP, length))
        packet = Packet(
            ip_header(OURS, THEIRS, socket.IPPROTO_TCP, length) + header,
            parts=segment.parts,
            parts_length=segment.length,
            checksum=CHECKSUM_OWED,
            checksum_start=20,
            checksum_offset=16,
        )
        assert self.link.send(packet)

    def listen(self, seconds: float) -> bool:
        """Hear what comes, waiting that long for the first; False when nothing did."""
        if not select.select([self.link.fileno()], [], [], seconds)[0]:
            return False
        while (packet := self.link.receive()) is not None:
            data = packet.data
            if data[packet.start] >> 4 != 4 or data[packet.start + 9] != socket.IPPROTO_TCP:
                continue
            segment = decode_segment(data, packet.start + 20, packet.end)
            assert isinstance(segment, Segment)
            cell = self.cells.get(segment.destination_port)
            if cell is not None:
                cell.hears(segment)
        return True


class KernelCell:
    """One cell: the kernel's socket, and what was heard of it."""

    def __init__(self, wire: Wire, table: Table, cell: Cell, port: int, expected: str) -> None:
        self.wire = wire
        self.table = table
        self.cell = cell
        self.port = port
        self.expected = expected
        """The answer to wait for."""
        self.base = Base(PEER_ISS, 0)
        self.edge = EDGE
        self.heard: list[Segment] = []
        self.sent = False
        self.left = 0
        """The user's octets that were not acknowledged before the cell."""
        self.closed = False
        self.shut = False
        self.filled = False
        self.socket: socket.socket | None = None
        self.listener: socket.socket | None = None
        wire.cells[port] = self

    # the wire

    def sends(self, text: str) -> None:
        """Send a segment of the tables."""
        self.wire.send(segment_of(text, self.base, self.port, self.port, self.edge))

    def hears(self, segment: Segment) -> None:
        """Note a segment of the kernel's; learn its ISS and where its window ends."""
        if segment.flags & SYN:
            self.base.ack = segment.seq
        if segment.flags & ACK and not segment.flags & RST and not self.sent:
            self.edge = (segment.ack - PEER_ISS & 0xFFFFFFFF) + segment.window
        self.heard.append(segment)

    def text_of(self, segment: Segment) -> str:
        """Return a segment as the tables write it, the window's edge where theirs is."""
        base = self.base.reversed()
        if segment.flags & RST and segment.flags & ACK and not segment.seq:
            base.seq = 0  # the reset for a segment without ACK: <SEQ=0>
        flags, numbers, *ack = spelled(segment, base).split()
        if ack and abs(int(ack[1]) - self.edge) < 100 < int(ack[1]):
            ack[1] = str(int(ack[1]) - self.edge + EDGE)
        return " ".join([flags, numbers, *ack])

    # the way in

    def takes(self, step: Step) -> None:
        """Take a step, but for hearing."""
        if step.who == "user":
            self.user_does(step.what)
        elif step.who == "<":
            text = with_timestamp(step.what) if self.cell.timestamps else step.what
            if self.fills(text):
                self.fill()
            else:
                self.sends(text)

    def fills(self, text: str) -> bool:
        """Whether a step means to fill the window."""
        return f":{EDGE}(" in text

    def fill(self) -> None:
        """Send in order until the kernel's window is closed."""
        at = 11
        stamp = " <nop,nop,TS val 1000 ecr 0>" if self.cell.timestamps else ""
        for _ in range(100):
            step = min(self.edge - at, 1000)
            if step <= 0:
                break
            numbers = f"{at}:{at + step}({step})"
            segment = segment_of(
                f"P. {numbers} ack 1 win 5000{stamp}", self.base, self.port, self.port
            )
            self.heard.clear()
            self.wire.send(segment)
            until = time.monotonic() + PATIENCE
            while not self.heard and time.monotonic() < until:
                self.wire.listen(0.05)
            if self.heard:
                at = self.heard[-1].ack - PEER_ISS & 0xFFFFFFFF
        if at != self.edge:
            raise NotReached(f"{self.cell.kind} could not fill the window")
        self.heard.clear()
        self.filled = True

    def has_heard(self, step: Step) -> bool:
        """Whether what a `>` step says has come; takes it away."""
        if self.filled:
            return True  # its ACK was looked at octet by octet
        for at, segment in enumerate(self.heard):
            if self.text_of(segment) == step.what:
                del self.heard[at]
                return True
        return False

    def user_does(self, what: str) -> None:
        """Make the user's call on the kernel's socket."""
        verb, _, count = what.partition(" ")
        if verb == "nothing":
            return
        if verb in ("listen", "connect"):
            self.opens(verb)
            return
        assert self.socket is not None
        if verb == "reads":
            if len(self.socket.recv(1 << 16)) != int(count):
                raise NotReached(f"{self.cell.kind} could not read {count}")
        elif verb == "sends":
            assert self.socket.send(bytes(int(count))) == int(count)
        elif verb == "shuts":
            self.socket.shutdown(socket.SHUT_WR)
            self.shut = True
        else:
            assert verb == "closes", what
            self.socket.close()
            self.closed = True

    def opens(self, verb: str) -> None:
        """Make the socket and open it, actively or passively."""
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        if any(self.fills(step.what) for step in self.table.before):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST_BUFFER)
        else:
            made.setsockopt(socket.IPPROTO_TCP, TCP_WINDOW_CLAMP, WINDOW)
        made.bind((KERNEL_V4, self.port))
        if verb == "listen":
            made.listen(4)
            self.listener = made
        else:
            self.socket = made
            assert made.connect_ex((OURS_V4, self.port)) == errno.EINPROGRESS

    # the cell itself

    def unacknowledged(self) -> int:
        """Return how many of the user's octets are not acknowledged."""
        if self.socket is None or self.closed:
            return 0
        answer = fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4))
        octets: int = struct.unpack("=i", answer)[0]
        return max(octets - 1, 0) if self.shut else octets

    def arrives(self) -> None:
        """Send the cell's segment."""
        if self.answer() != NOTHING:
            raise NotReached(f"{self.cell.kind} heard {self.answer()} before its segment was sent")
        self.heard.clear()
        self.left = self.unacknowledged()
        self.sent = True
        self.sends(self.cell.segment)

    def waits_for_more(self) -> bool:
        """Whether what is expected has not come yet."""
        return self.answer() == NOTHING != self.expected

    def answer(self) -> str:
        """Return what was answered, retransmissions left out."""
        new = [one for one in self.heard if not one.length and not one.flags & FIN]
        return "; ".join(map(self.text_of, new)) or NOTHING

    def outcome(self, states: dict[tuple[int, int], State]) -> Outcome:
        """Return what came of it."""
        answer = self.answer()
        state = states.get((self.port, self.port), self.nothing)
        return Outcome(answer, str(state), self.told(state))

    @property
    def nothing(self) -> State:
        """The state when the kernel has no such connection."""
        return State.CLOSED if self.listener is None else State.LISTEN

    def told(self, state: State) -> str:
        """Return what the kernel's user was told."""
        words = []
        opening = self.table.state in (State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED)
        if self.socket is None and self.listener is not None:
            with suppress(BlockingIOError):
                self.socket = self.listener.accept()[0]
                self.socket.setblocking(False)
        if opening and self.socket and state not in (State.CLOSED, State.SYN_SENT):
            if state is not State.SYN_RECEIVED:
                words.append("established")
        if self.socket is None or self.closed:
            return " ".join(words) or NOTHING
        if (acked := self.left - self.unacknowledged()) > 0:
            words.append(f"acked {acked}")
        poll = select.poll()
        poll.register(self.socket, select.POLLPRI)
        urgent = any(bits & select.POLLPRI for _, bits in poll.poll(0))
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            words.append(errno.errorcode[error])
        elif state not in (State.SYN_SENT, State.SYN_RECEIVED):
            words += self.reads()
        if urgent:
            words.append("urgent")
        return " ".join(words) or NOTHING

    def reads(self) -> list[str]:
        """Read what there is; say how much, and whether the stream has ended only now."""
        assert self.socket is not None
        words = []
        octets = 0
        ended = False
        with suppress(BlockingIOError, ConnectionError, OSError):
            while not ended:
                data = self.socket.recv(1 << 16)
                octets += len(data)
                ended = not data
        if any(self.fills(step.what) for step in self.table.before):
            octets -= self.edge - 11
        elif octets > 100:
            octets -= self.edge - EDGE
        if octets:
            words.append(f"reads {octets}")
        had_ended = any(step.who == "<" and "F" in step.what for step in self.table.before)
        if ended and not had_ended and self.cell.segment.split()[0].find("F") >= 0:
            words.append("end")
        return words

    def close(self) -> None:
        """Throw the sockets away, with a reset where one is due."""
        for one in (self.socket, self.listener):
            if one is not None and one.fileno() >= 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
                one.close()
        del self.wire.cells[self.port]


def kernel_states() -> dict[tuple[int, int], State]:
    """Return (port here, port there) -> state of all but listeners, in this namespace."""
    found = {}
    for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, number = line.split()[:4]
        here, there = (int(end.split(":")[1], 16) for end in (local, remote))
        if there:
            found[here, there] = _NUMBERS[int(number, 16)]
    return found


def play(
    wire: Wire, table: Table, cells: list[Cell], port: int, expected: list[str]
) -> dict[str, Outcome]:
    """Play some cells of a table side by side, on ports from `port` on; kind -> outcome.

    `expected` are the answers worth waiting for. Raises NotReached when one of them does not get
    into its state.
    """
    batch = [
        KernelCell(wire, table, cell, port + at, answer)
        for at, (cell, answer) in enumerate(zip(cells, expected, strict=True))
    ]
    try:
        for step in table.before:
            take(wire, batch, step)
        wire.listen(0.0)
        states = kernel_states()
        for one in batch:
            found = states.get((one.port, one.port), one.nothing)
            if found is not table.state:
                raise NotReached(f"{one.cell.kind} is in {found}")
        for one in batch:
            one.arrives()
        until = time.monotonic() + LATEST
        while wire.listen(SILENCE) or any(one.waits_for_more() for one in batch):
            if time.monotonic() > until:
                break
        states = kernel_states()
        return {one.cell.kind: one.outcome(states) for one in batch}
    finally:
        for one in batch:
            one.close()


def take(wire: Wire, batch: list[KernelCell], step: Step) -> None:
    """Take a step of the way in with all of them."""
    if step.who != ">":
        for one in batch:
            one.takes(step)
        return
    until = time.monotonic() + PATIENCE
    missing = [one for one in batch if not one.has_heard(step)]
    while missing:
        if time.monotonic() > until:
            raise NotReached(f"{missing[0].cell.kind} has not heard {step.what}")
        wire.listen(0.05)
        missing = [one for one in missing if not one.has_heard(step)]
