"""What the segments of a capture say of the two ends of a connection, as plain data.

A set of states is a word with one bit a state (`1 << State`): a capture that begins in the middle,
or that shows one side alone, leaves several states possible, and none is invented.
"""

from enum import IntEnum
from typing import Final

from mypy_extensions import i16, i32, i64, mypyc_attr

from lastack.tcp.states import ROWS, Cause, State

UNKNOWN: Final = -1
"""A sequence number that no segment has shown yet."""

_WIDTH: Final = 64


class Evidence(IntEnum):
    """How sure a change of state is."""

    SENT = 1
    """A segment of that end says so itself."""
    ACKED = 2
    """What caused it was seen passing, and the end has shown since that it had arrived."""
    PRESUMED = 3
    """What caused it was seen passing; nothing yet shows that it arrived."""
    TIMER = 4
    """No segment caused it: time did."""
    REFUTED = 5
    """It was presumed, and a later segment shows that the cause had not arrived."""
    POSSIBLE = 6
    """What caused it was not captured and may not have been: `after` holds `before` too."""

    def __str__(self) -> str:
        return self.name.lower()


@mypyc_attr(acyclic=True)
class Change:
    """One step of one end through the table.

    `time` in nanoseconds and `packet` (its number in the capture, from 1) are those of the segment
    that caused it; `before` and `after` are sets of states. `threshold` is the sequence number that
    an acknowledgment of that end must reach to show that the cause has arrived. `proof` is the
    packet that made the evidence what it is now.
    """

    time: i64
    packet: i64
    before: i16
    after: i16
    cause: Cause
    evidence: Evidence
    threshold: i64
    proof: i64

    def __init__(
        self,
        time: i64,
        packet: i64,
        before: i64,
        after: i64,
        cause: Cause,
        evidence: Evidence,
        threshold: i64,
    ) -> None:
        self.time = time
        self.packet = packet
        self.before = i16(before)
        self.after = i16(after)
        self.cause = cause
        self.evidence = evidence
        self.threshold = threshold
        self.proof = packet

    def __repr__(self) -> str:
        moved = f"{names(self.before)} -> {names(self.after)}"
        return f"<{self.packet} {moved}: {self.cause}, {self.evidence}>"


@mypyc_attr(acyclic=True)
class End:
    """One end of a connection as its own segments show it.

    Sequence numbers are absolute, UNKNOWN until seen: `isn`; `nxt` is behind the highest octet
    sent; `ack` the highest acknowledgment sent; `fin` behind the FIN; `hole` the start of what is
    missing before `nxt`. `fins` counts the transmissions of its FIN, `pending` the changes that are
    presumed, and `refuted` how often the peer's FIN had not come when it seemed so.
    """

    states: i64
    start: i64
    isn: i64
    nxt: i64
    ack: i64
    fin: i64
    fin_ack: i64
    """What the FIN acknowledged."""
    hole: i64
    fins: i32
    pending: i32
    refuted: i32
    packets: i64
    octets: i64
    syns: i32
    """SYNs without ACK that it sent; `syn_acks` those with it."""
    syn_acks: i32
    syn_octets: i64
    """Text that came with its SYN (TCP Fast Open)."""
    resets: i32
    refused_resets: i32
    """Resets sent to it that were not exact, or that it lived through."""
    refused_syns: i32
    """SYNs sent into a connection that the other end had open."""
    syn_taken: bool
    """The text of its SYN was acknowledged by the SYN-ACK."""
    after_fin: i64
    """Octets sent after it had acknowledged the other end's FIN."""
    fin_acked_by_fin: bool
    """What acknowledged its FIN was the other end's FIN."""
    unanswered: i32
    """Segments that it has sent again since the other end was heard of."""
    probing: bool
    """The last of those was a keep-alive."""
    unheard: i32
    """How often the other end had sent something again when this one answered with a reset."""
    round_trip: i64
    """The shortest time from where the capture was made to this end and back, 0 if unknown."""
    wrong_acks: i32
    """Acknowledgments that it sent in answer to a SYN, and of something else."""
    again: i32
    """Segments with text that had passed before; `gaps` counts what was missed in between."""
    gaps: i32
    letters: i32
    """Which letters of the history this end has, one bit each."""
    clock: i64
    """The newest timestamp on new octets (RFC 7323)."""
    broken: i32
    """The rules that it broke, one bit each (`violations.Rule`)."""
    last: i64
    """When its last segment was seen, nanoseconds; `marked` when the last SYN or FIN was."""
    marked: i64
    rewritten: bool
    """Its way was gone anew: some states were not what they were taken for at the time."""
    changes: list[Change]

    def __init__(self) -> None:
        self.states = NOWHERE
        self.start = NOWHERE
        self.isn = UNKNOWN
        self.nxt = UNKNOWN
        self.ack = UNKNOWN
        self.fin = UNKNOWN
        self.fin_ack = UNKNOWN
        self.hole = UNKNOWN
        self.fins = 0
        self.pending = 0
        self.refuted = 0
        self.packets = 0
        self.octets = 0
        self.syns = 0
        self.syn_acks = 0
        self.syn_octets = 0
        self.resets = 0
        self.refused_resets = 0
        self.refused_syns = 0
        self.syn_taken = False
        self.after_fin = 0
        self.fin_acked_by_fin = False
        self.unanswered = 0
        self.probing = False
        self.unheard = 0
        self.round_trip = 0
        self.wrong_acks = 0
        self.again = 0
        self.gaps = 0
        self.letters = 0
        self.clock = UNKNOWN
        self.broken = 0
        self.last = 0
        self.marked = 0
        self.rewritten = False
        self.changes = []


def last_change(end: End) -> Change | None:
    """Return the last change that held, None where there was none."""
    found: Change | None = None
    for change in end.changes:
        if change.evidence is not Evidence.REFUTED and change.before != change.after:
            found = change
    return found


def bit(state: State) -> int:
    """Return the set that holds one state."""
    return 1 << int(state)


def states_in(mask: int) -> tuple[State, ...]:
    """Return the states of a set, in the RFC's order."""
    return tuple(state for state in State if mask >> int(state) & 1)


def names(mask: int) -> str:
    """Return a set of states as text: one name, several with a stroke between, or `?` for none."""
    return "|".join(str(state) for state in states_in(mask)) or "?"


NOWHERE: Final = 0
CLOSED: Final = 1 << 0
LISTEN: Final = 1 << 1
SYN_SENT: Final = 1 << 2
SYN_RECEIVED: Final = 1 << 3
ESTABLISHED: Final = 1 << 4
FIN_WAIT_1: Final = 1 << 5
FIN_WAIT_2: Final = 1 << 6
CLOSE_WAIT: Final = 1 << 7
CLOSING: Final = 1 << 8
LAST_ACK: Final = 1 << 9
TIME_WAIT: Final = 1 << 10
SYNCHRONIZED: Final = (
    ESTABLISHED | FIN_WAIT_1 | FIN_WAIT_2 | CLOSE_WAIT | CLOSING | LAST_ACK | TIME_WAIT
)
MAY_SEND_DATA: Final = ESTABLISHED | CLOSE_WAIT
HAS_THE_PEERS_FIN: Final = CLOSE_WAIT | CLOSING | LAST_ACK | TIME_WAIT
assert bit(State.TIME_WAIT) == TIME_WAIT and bit(State.ESTABLISHED) == ESTABLISHED


def _steps() -> list[int]:
    steps = [0] * (len(State) * _WIDTH)
    for row in ROWS:
        steps[row.state * _WIDTH + row.cause] = bit(row.to)
    return steps


_STEPS: Final = _steps()
"""The transition table: (state, cause) -> the set that holds the next state, 0 for no row."""


def arrival(mask: i64, cause: i64) -> i64:
    """Return where the states of a set go when this happens to them; no row means: stay."""
    after: i64 = 0
    one: i64 = 1
    at = cause
    while one <= mask:
        if mask & one:
            to = i64(_STEPS[at])
            after |= to or one
        one <<= 1
        at += _WIDTH
    return after


def action(mask: i64, cause: i64) -> i64:
    """Return where an end's own doing leads: states that have no row for it were not its state."""
    after: i64 = 0
    one: i64 = 1
    at = cause
    while one <= mask:
        if mask & one:
            after |= i64(_STEPS[at])
        one <<= 1
        at += _WIDTH
    return after
