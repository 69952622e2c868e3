"""What two hosts leave behind: each packet that crossed, the states of both ends, each event."""

from typing import Final

from lastack.link.memory import Passage
from lastack.stack.stack import Stack
from lastack.tcp.connection import Connection
from lastack.tcp.events import Advised, Event, StateChanged
from lastack.tcp.states import CLOSED, LISTEN, TIME_WAIT, State
from lastack.units import NEVER
from lastack.wire.ip4 import Ip4, decode_ip4
from lastack.wire.ip6 import Ip6, decode_ip6
from lastack.wire.notation import Base, format_segment
from lastack.wire.segment import SYN, Segment, decode_segment
from lastack.wire.stop import Stop

_TCP: Final = 6


class Crossing:
    """One packet on its way from host to host.

    `left` and `right` are the states of both ends after it: of its sender when it was sent, of its
    receiver when it had arrived (before that, and when it was lost, as it was at the sending).
    `segment` is None for what is not TCP. `text` is the segment in packetdrill's notation, relative
    to both ISNs. `stop` is why the receiver took it no further, None when it was welcome.
    """

    sent_at: int
    to_right: bool
    segment: Segment | None
    text: str
    fate: str
    remarks: str
    corrupted: bool
    copy: bool
    arrives_at: int
    arrived: bool
    left: State
    right: State
    stop: Stop | None

    def __init__(self, passage: Passage, segment: Segment | None, text: str) -> None:
        self.sent_at = passage.sent_at
        self.to_right = passage.from_a
        self.segment = segment
        self.text = text
        self.fate = passage.fate
        self.remarks = passage.remarks
        self.corrupted = passage.corrupted
        self.copy = passage.copy
        self.arrives_at = passage.arrives_at
        self.arrived = False
        self.left = CLOSED
        self.right = CLOSED
        self.stop = None

    @property
    def lost(self) -> bool:
        """Whether it never arrives."""
        return self.arrives_at >= NEVER

    def __str__(self) -> str:
        arrow = "─>" if self.to_right else "<─"
        end = self.remarks
        if self.stop is not None:
            end = f"{end}; {self.stop.sentence}" if end else self.stop.sentence
        states = f"{self.left!s:12} {arrow} {self.right!s:12}"
        return f"{self.sent_at / 1e9:12.6f}  {states} {self.text}{'   # ' + end if end else ''}"


class Side:
    """One host as the trail sees it: which connection is behind a key, and in which state."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.name = name
        self.numbers: dict[bytes, int] = {}
        self.states: dict[int, State] = {}

    def state(self, key: bytes) -> State:
        """Return the state of the connection with this key: LISTEN or CLOSED where none is."""
        slot = self.stack.demux.slots.get(key)
        if slot is not None:
            connection: Connection = slot.connection
            self.numbers[key] = connection.number
            return connection.state
        if key in self.stack.time_wait_table.entries:
            return TIME_WAIT
        number = self.numbers.get(key)
        if number is not None:
            return self.states.get(number, CLOSED)
        port = int.from_bytes(key[-2:], "big")
        return LISTEN if port in self.stack.listeners.by_port else CLOSED


class Trail:
    """Follows two stacks and fills `crossings` and `events`, both in order of time."""

    def __init__(self, left: Stack, right: Stack) -> None:
        self.crossings: list[Crossing] = []
        self.events: list[tuple[bool, Event]] = []
        self._left = Side(left, "left")
        self._right = Side(right, "right")
        self._bases: dict[bytes, Base] = {}
        self._under_way: dict[tuple[bool, int, bool], tuple[Crossing, bytes]] = {}
        self._marks: list[int] = []

    def collect(self) -> None:
        """Take the events of both stacks."""
        for side in (self._left, self._right):
            for event in side.stack.take_events():
                self.events.append((side is self._left, event))
                self._marks.append(len(self.crossings))
                if isinstance(event, StateChanged):
                    side.states[event.connection] = event.to

    def sent(self, passage: Passage) -> None:
        """A packet has been put on the wire."""
        self.collect()
        found = read_passage(passage)
        if found is None:
            packet = passage.intact
            text = f"IPv{packet.version}, {packet.length} octets, no TCP"
            self.crossings.append(Crossing(passage, None, text))
            return
        segment, key = found
        back = reversed_key(key)
        left, right = (back, key) if passage.from_a else (key, back)
        crossing = Crossing(passage, segment, self._text(segment, passage.from_a, right))
        crossing.left = self._left.state(left)
        crossing.right = self._right.state(right)
        self.crossings.append(crossing)
        if not passage.lost:
            self._under_way[(passage.from_a, passage.number, passage.copy)] = (crossing, key)

    def arrived(self, passage: Passage, stop: Stop | None) -> None:
        """The packet has been taken in by the other host."""
        self.collect()
        mark = (passage.from_a, passage.number, passage.copy)
        if mark not in self._under_way:
            return
        crossing, key = self._under_way.pop(mark)
        crossing.arrived = True
        crossing.stop = stop
        if crossing.to_right:
            crossing.right = self._right.state(key)
        else:
            crossing.left = self._left.state(key)

    def lines(self) -> list[str]:
        """Return all that happened as lines of text."""
        lines: list[str] = []
        told = 0
        for crossing_number in range(len(self.crossings) + 1):
            while told < len(self.events) and self._marks[told] <= crossing_number:
                is_left, event = self.events[told]
                lines.append(_event_line(self._left if is_left else self._right, event))
                told += 1
            if crossing_number < len(self.crossings):
                lines.append(str(self.crossings[crossing_number]))
        return lines

    def _text(self, segment: Segment, to_right: bool, conversation: bytes) -> str:
        """Return the segment in notation; a SYN tells its direction's ISN and timestamp base."""
        base = self._bases.setdefault(conversation, Base())
        if not to_right:
            base = base.reversed()
        if segment.flags & SYN:
            base.seq = segment.seq
            base.ts_val = max(segment.ts_val - 100, 0)
            self._bases[conversation] = base if to_right else base.reversed()
        return format_segment(segment, base)


def read_passage(passage: Passage) -> tuple[Segment, bytes] | None:
    """Return the segment of a passing packet, as it was before any harm, and its receiver's key.

    None for what is no TCP.
    """
    packet = passage.intact
    if packet.version == 4:
        found: Ip4 | Ip6 | Stop = decode_ip4(packet.data, packet.start, packet.end)
    else:
        found = decode_ip6(packet.data, packet.start, packet.end)
    if isinstance(found, Stop) or found.protocol != _TCP or found.is_fragment:
        return None
    segment = decode_segment(packet.data, found.payload_start, found.payload_end)
    if isinstance(segment, Stop):
        return None
    segment.gso_size = packet.gso_size
    segment.ecn = found.ecn
    ports = packet.data[found.payload_start : found.payload_start + 4]
    return segment, found.source + found.destination + ports


def reversed_key(key: bytes) -> bytes:
    """Return the key of the same connection at the other end."""
    width = len(key) // 2 - 2
    return key[width : 2 * width] + key[:width] + key[-2:] + key[-4:-2]


def _event_line(side: Side, event: Event) -> str:
    where = f"{event.time / 1e9:12.6f}  {side.name} {event.connection}: "
    if isinstance(event, Advised):
        return f"{where}{event.advice} {event.detail}"
    return f"{where}{event.state} -> {event.to}, {event.cause} ({event.section})"
