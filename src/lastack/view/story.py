"""What two hosts left behind (crossings and events) as the rungs of a ladder, each with its reason.

A state change stands on the rung of the segment that brought it. Where segments crossed on the wire
and that rung is already past, or no segment brought it, it gets a line of its own.
"""

from collections.abc import Sequence
from typing import Final

from lastack.sim.trail import Crossing
from lastack.tcp.events import Advice, Advised, Event, StateChanged
from lastack.tcp.states import CLOSED, Cause, State
from lastack.units import MS
from lastack.view.ladder import Ladder, Rung, clock, duration, short
from lastack.view.story_words import WORDS
from lastack.wire.segment import ACK, FIN, RST, SYN, Segment
from lastack.wire.seq import diff
from lastack.wire.stop import Stop

_CHALLENGES: Final = frozenset(
    (Stop.RST_NOT_EXACT, Stop.SYN_IN_WINDOW, Stop.ACK_TOO_OLD, Stop.ACK_OF_UNSENT)
)
_UNANSWERED: Final = frozenset((Stop.BAD_CHECKSUM, Stop.NO_ROOM, Stop.ACK_IN_TIME_WAIT))
# The user's and the clock's causes find the segment that they send, the others the one that came.
_OWN: Final = frozenset(
    (
        Cause.PASSIVE_OPEN,
        Cause.ACTIVE_OPEN,
        Cause.CLOSE,
        Cause.ABORT,
        Cause.DATA_AFTER_CLOSE,
        Cause.TIME_WAIT_OVER,
        Cause.RETRANSMISSIONS_EXHAUSTED,
        Cause.USER_TIMEOUT,
        Cause.KEEPALIVE_FAILED,
        Cause.FIN_WAIT_2_OVER,
        Cause.INTERNAL,
    )
)


def ladder_of(
    crossings: Sequence[Crossing],
    events: Sequence[tuple[bool, Event]],
    names: tuple[str, str],
    states: tuple[State, State],
    language: str = "en",
) -> Ladder:
    """Return the ladder of one connection between two hosts; `states` are those at the start."""
    teller = _Teller(events, language)
    rows = [_Row(crossing, teller.rung(crossing)) for crossing in crossings]
    _place(rows, events, teller)
    left, right = states
    rungs = []
    for row in rows:
        for is_left, state in row.changes:
            left, right = (state, right) if is_left else (left, state)
        plain = row.rung
        rungs.append(
            Rung(plain.time, left, right, plain.to_right, plain.text, plain.fate, plain.remark,
                 plain.trouble, plain.arrives)
        )  # fmt: skip
    return Ladder(*names, *states, rungs)


class _Row:
    """A rung in the making: its crossing (None for a line of its own) and the changes on it."""

    def __init__(self, crossing: Crossing | None, rung: Rung) -> None:
        self.crossing = crossing
        self.rung = rung
        self.changes: list[tuple[bool, State]] = []


def _place(rows: list[_Row], events: Sequence[tuple[bool, Event]], teller: "_Teller") -> None:
    """Put every state change on its rung, and insert a line for each that has none."""
    first: dict[bool, int] = {True: 0, False: 0}
    for is_left, event in events:
        if isinstance(event, Advised):
            if event.advice is Advice.R1_REACHED:
                at = _index_after(rows, event.time)
                rows.insert(at, _Row(None, teller.advice(event)))
                _shift(first, at)
            continue
        if event.cause is Cause.PASSIVE_OPEN:
            continue
        found = _row_for(rows, is_left, event, first[is_left])
        if found is None:
            found = max(_index_after(rows, event.time), first[is_left])
            own = teller.change(event)
            if found > first[is_left] and rows[found - 1].rung == own:
                found -= 1  # the same happened to the other end at the same moment
            else:
                rows.insert(found, _Row(None, own))
                _shift(first, found)
        rows[found].changes.append((is_left, event.to))
        first[is_left] = found


def _shift(first: dict[bool, int], at: int) -> None:
    for side in first:
        if first[side] >= at:
            first[side] += 1


def _index_after(rows: list[_Row], time: int) -> int:
    """Return where a line of that time belongs: behind all that were sent by then."""
    at = len(rows)
    while at > 0 and rows[at - 1].rung.time > time:
        at -= 1
    return at


def _row_for(rows: list[_Row], is_left: bool, event: StateChanged, first: int) -> int | None:
    """Return the row of the segment that brought (or was sent by) a change, if in order."""
    came: int | None = None
    for i in range(first, len(rows)):
        row = rows[i]
        crossing = row.crossing
        if row.rung.time > event.time:
            break
        if crossing is None or crossing.segment is None:
            continue
        is_own = crossing.to_right is is_left
        if event.cause in _OWN:
            if is_own and crossing.sent_at == event.time and _fits(event, crossing.segment):
                return i
        elif not is_own and crossing.arrived and crossing.arrives_at == event.time:
            if repr(crossing.segment) == event.segment:
                return i
            came = i if came is None else came
    return came


def _fits(event: StateChanged, segment: Segment) -> bool:
    """Whether a segment of ours is the one that a cause of our own sends."""
    if event.cause is Cause.ACTIVE_OPEN:
        return segment.flags & SYN != 0
    if event.cause is Cause.CLOSE:
        return segment.flags & FIN != 0
    return segment.flags & RST != 0


class _Way:
    """What has gone one way so far."""

    def __init__(self) -> None:
        self.end: int | None = None
        self.ack: int | None = None
        self.window = -1
        self.repeated = 0
        self.sacked = False
        self.recover: int | None = None
        self.stops: list[tuple[int, Stop]] = []
        """When what arrived was refused, and why: each may be answered by an ACK."""


class _Teller:
    """Says why each segment was sent and what became of it, in one language."""

    def __init__(self, events: Sequence[tuple[bool, Event]], language: str) -> None:
        self.words = WORDS[language]
        self.ways = {True: _Way(), False: _Way()}
        self.timeouts: dict[tuple[bool, int], int] = {}
        for is_left, event in events:
            if isinstance(event, Advised) and event.advice is Advice.RETRANSMISSION:
                self.timeouts[(is_left, event.time)] = event.detail
        self.last_timeout = {True: -1, False: -1}

    def rung(self, crossing: Crossing) -> Rung:
        """Return the rung of a crossing, its states left open."""
        remarks: list[str] = []
        trouble = False
        segment = crossing.segment
        if segment is not None and not crossing.copy:
            reason, trouble = self._reason(crossing, segment)
            remarks += [reason] if reason else []
        for word in ("copy", "held back", "corrupted"):
            if word in crossing.remarks:
                at = clock(crossing.arrives_at) if not crossing.lost else ""
                remarks.append(self.words[word].format(at=at))
                trouble = True
        if crossing.stop is not None and crossing.stop is not Stop.RESET:
            remarks.append(self.words[crossing.stop.name])
            trouble = True
            self.ways[not crossing.to_right].stops.append((crossing.arrives_at, crossing.stop))
        return Rung(
            crossing.sent_at,
            None,
            None,
            crossing.to_right,
            short(crossing.text),
            self.words.get(crossing.fate, crossing.fate) if crossing.lost else "",
            self.words["and"].join(remarks),
            trouble,
            None if crossing.lost else crossing.arrives_at,
        )

    def change(self, event: StateChanged) -> Rung:
        """Return the line of its own for a state change."""
        return Rung(event.time, None, None, None, self.words[event.cause.name])

    def advice(self, event: Advised) -> Rung:
        """Return the line for what TCP tells its user."""
        words = self.words["R1_REACHED"].format(count=event.detail)
        return Rung(event.time, None, None, None, words, trouble=True)

    def _reason(self, crossing: Crossing, segment: Segment) -> tuple[str, bool]:
        """Return why the segment was sent, "" for the usual course, and whether that is trouble."""
        way, back = self.ways[crossing.to_right], self.ways[not crossing.to_right]
        flags = segment.flags
        end = segment.seq + segment.seq_length
        again = way.end is not None and segment.seq_length > 0 and diff(end, way.end) <= 0
        if again and flags & SYN and flags & ACK and way.ack is None:
            again = False  # the answer to a SYN that crossed ours (RFC 9293 3.10.7.3 fourth)
        begins_old = way.end is not None and diff(segment.seq, way.end) < 0
        reason, trouble = "", False
        if flags & RST:
            reason, trouble = self.words["reset"], True
        elif again or (begins_old and segment.length):
            reason, trouble = self._retransmission(crossing, segment, way, back), True
        elif segment.length == 0 and not flags & (SYN | FIN) and flags & ACK:
            reason, trouble = self._acknowledgment(crossing, segment, way)
        elif back.window == 0 and segment.length:
            reason = self.words["probe"]
        if segment.seq_length and (way.end is None or diff(end, way.end) > 0):
            way.end = end & 0xFFFFFFFF
        if flags & ACK:
            if way.ack != segment.ack:
                way.repeated = 0
            way.ack, way.window, way.sacked = segment.ack, segment.window, bool(segment.sack)
        return reason, trouble

    def _retransmission(
        self, crossing: Crossing, segment: Segment, way: "_Way", back: "_Way"
    ) -> str:
        side = crossing.to_right
        rto = self.timeouts.get((side, crossing.sent_at))
        if rto is not None and self.last_timeout[side] != crossing.sent_at:
            self.last_timeout[side] = crossing.sent_at
            way.recover = way.end
            return self.words["RTO"].format(rto=duration(rto))
        after_timeout = way.recover is not None and diff(segment.seq, way.recover) < 0
        if not after_timeout and (back.repeated > 0 or back.sacked):
            return self.words["fast"]
        return self.words["again"]

    def _acknowledgment(self, crossing: Crossing, segment: Segment, way: _Way) -> tuple[str, bool]:
        """Say what an ACK without data is for, when it acknowledges nothing new."""
        for i, (at, stop) in enumerate(way.stops):
            if at <= crossing.sent_at < at + MS and stop not in _UNANSWERED:
                del way.stops[: i + 1]
                if stop is Stop.FIN_IN_TIME_WAIT:
                    return self.words["FIN again"], True
                return self.words["challenge" if stop in _CHALLENGES else "unacceptable"], True
        if way.ack != segment.ack or way.end is None:
            return "", False
        if segment.window != way.window and not segment.sack:
            return self.words["window"], False
        if segment.seq == way.end - 1:
            return self.words["keepalive"], False
        way.repeated += 1
        return self.words["duplicate"].format(count=way.repeated), True


def final_states(ladder: Ladder) -> tuple[State, State]:
    """Return the states in which the ladder leaves both ends."""
    last = ladder.rungs[-1] if ladder.rungs else None
    left, right = (last.left, last.right) if last else (ladder.left_state, ladder.right_state)
    return (
        left if isinstance(left, State) else CLOSED,
        right if isinstance(right, State) else CLOSED,
    )
