"""One row for each change of state, in columns: what a table of all transitions is made of."""

from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i16, i64, u8

from lastack.observe.core.columns import StateSets, by_number
from lastack.observe.core.ends import End, Evidence
from lastack.observe.core.flow import Flow
from lastack.tcp.states import ROWS, Cause, State

_REFUTED: Final = Evidence.REFUTED
_WIDTH: Final = 64


def _sections() -> tuple[list[str], list[int]]:
    words = [""]
    places = [0] * (len(State) * _WIDTH)
    for row in ROWS:
        if row.section not in words:
            words.append(row.section)
        places[row.state * _WIDTH + row.cause] = words.index(row.section)
    return words, places


SECTIONS, _PLACES = _sections()
"""Where the rows of the table stand in RFC 9293, and by state and cause the place in that list."""
CAUSES: Final = by_number(Cause)
EVIDENCES: Final = by_number(Evidence)
ENDS: Final = ["a", "b"]


class Steps:
    """Columns of equal length, a row for each change of either end, refuted ones too.

    `before` and `after` are places in `states.words`; `end`, `cause`, `section` and `evidence` in
    ENDS, CAUSES, SECTIONS and EVIDENCES.
    """

    connection: vec[i64]
    end: vec[u8]
    time: vec[i64]
    packet: vec[i64]
    before: vec[i16]
    after: vec[i16]
    cause: vec[u8]
    section: vec[u8]
    evidence: vec[u8]
    proof: vec[i64]
    states: StateSets

    def __init__(self) -> None:
        self.connection = vec[i64]()
        self.end = vec[u8]()
        self.time = vec[i64]()
        self.packet = vec[i64]()
        self.before = vec[i16]()
        self.after = vec[i16]()
        self.cause = vec[u8]()
        self.section = vec[u8]()
        self.evidence = vec[u8]()
        self.proof = vec[i64]()
        self.states = StateSets()

    def __len__(self) -> int:
        return len(self.packet)

    def numbers(self) -> dict[str, object]:
        """Return the columns that are numbers, by name."""
        return {
            "connection": self.connection,
            "time_ns": self.time,
            "packet": self.packet,
            "proof": self.proof,
        }

    def words(self) -> dict[str, tuple[object, list[str]]]:
        """Return the columns that are words, by name, each with its words."""
        return {
            "end": (self.end, ENDS),
            "before": (self.before, self.states.words),
            "after": (self.after, self.states.words),
            "cause": (self.cause, CAUSES),
            "section": (self.section, SECTIONS),
            "evidence": (self.evidence, EVIDENCES),
        }

    def add(self, flow: Flow) -> None:
        """Put all changes of a connection at the end, a's before b's."""
        self._add(flow.number, 0, flow.a)
        self._add(flow.number, 1, flow.b)

    def _add(self, number: i64, side: i64, end: End) -> None:
        states = self.states
        for change in end.changes:
            before = i64(change.before)
            if before == change.after and change.evidence is not _REFUTED:
                continue
            self.connection = append(self.connection, number)
            self.end = append(self.end, u8(side))
            self.time = append(self.time, change.time)
            self.packet = append(self.packet, change.packet)
            self.before = append(self.before, i16(states.code_of(before)))
            self.after = append(self.after, i16(states.code_of(i64(change.after))))
            self.cause = append(self.cause, u8(change.cause))
            self.section = append(self.section, u8(_section_of(before, i64(change.cause))))
            self.evidence = append(self.evidence, u8(change.evidence))
            self.proof = append(self.proof, change.proof)


def _section_of(before: i64, cause: i64) -> i64:
    """Return the place of the section of the first of these states that has a row, or 0."""
    at = cause
    while before:
        if before & 1 and _PLACES[at]:
            return _PLACES[at]
        before >>= 1
        at += _WIDTH
    return 0
