"""One row for each connection, in columns: what `tables.connection_row` has, for many of them."""

from typing import Final

from mypy_extensions import i64

from lastack.observe.core.analysis import Track
from lastack.observe.core.columns import NOTHING, Numbers, StateSets, Words, by_number
from lastack.observe.core.ends import End, Evidence, last_change
from lastack.observe.core.flow import Flow
from lastack.observe.core.groups import endpoint_of, place_of_a, place_of_b
from lastack.observe.core.verdicts import Handshake, Teardown, Verdict
from lastack.observe.core.violations import rules_in
from lastack.observe.core.zeek import conn_state, history

_HANDSHAKES: Final = by_number(Handshake)
_TEARDOWNS: Final = by_number(Teardown)
_EVIDENCES: Final = by_number(Evidence)
_OF_AN_END: Final = (
    "states",
    "packets",
    "octets",
    "resent",
    "resets",
    "rtt_least_ns",
    "rtt_mean_ns",
    "rtt_most_ns",
    "broken",
    "evidence",
)
# Made once: a name that is put together for each row costs more than its number.
_A: Final = [f"{name}_a" for name in _OF_AN_END]
_B: Final = [f"{name}_b" for name in _OF_AN_END]


class Lines:
    """Columns of equal length, a row for each connection; a column begins with its first number or
    word."""

    count: int
    numbers: dict[str, Numbers]
    words: dict[str, Words]
    states: StateSets

    def __init__(self) -> None:
        self.count = 0
        self.numbers = {}
        self.words = {}
        self.states = StateSets()

    def __len__(self) -> int:
        return self.count

    def add(self, flow: Flow, verdict: Verdict) -> None:
        """Put a connection at the end."""
        self.count += 1
        self._number("connection", flow.number)
        self._word("a", endpoint_of(place_of_a(flow.key)))
        self._word("b", endpoint_of(place_of_b(flow.key)))
        self._verdict(verdict)
        self._number("evicted", 1 if flow.evicted else 0)
        self._number("first_ns", flow.first)
        self._number("last_ns", flow.last)
        self._number("handshake_ns", flow.handshake or NOTHING)
        self._number("unseen", flow.unseen)
        self._word("zeek_state", conn_state(flow))
        self._word("zeek_history", history(flow))
        self._end(_A, flow.a, flow.track_a)
        self._end(_B, flow.b, flow.track_b)

    def _verdict(self, verdict: Verdict) -> None:
        teardown = verdict.teardown
        by = "a" if verdict.by_a else "b"
        if teardown is Teardown.OPEN or teardown is Teardown.NEVER_OPEN:
            by = ""
        self._word("handshake", _HANDSHAKES[verdict.handshake])
        self._word("teardown", _TEARDOWNS[teardown])
        self._word("by", by)
        self._word("in_state", self._states(verdict.state) if verdict.state else "")
        self._number("since_ns", verdict.since or NOTHING)
        self._number("retries", verdict.retries)
        self._number("reused", 1 if verdict.reused else 0)
        self._number("rejected_resets", verdict.rejected_resets)
        self._word("also", ", ".join([str(one) for one in verdict.also]) if verdict.also else "")

    def _end(self, names: list[str], end: End, track: Track) -> None:
        """Fill the columns of one end; `names` are theirs, in the order of _OF_AN_END."""
        measured = track.rtts
        self._word(names[0], self._states(end.states))
        self._number(names[1], end.packets)
        self._number(names[2], end.octets)
        self._number(names[3], track.resent())
        self._number(names[4], i64(end.resets))
        self._number(names[5], track.rtt_least if measured else NOTHING)
        self._number(names[6], track.rtt_sum // measured if measured else NOTHING)
        self._number(names[7], track.rtt_most if measured else NOTHING)
        broken = ""
        if end.broken:
            broken = ", ".join([rule.cited for rule in rules_in(int(end.broken))])
        self._word(names[8], broken)
        change = last_change(end)
        self._word(names[9], "" if change is None else _EVIDENCES[change.evidence])

    def _states(self, mask: i64) -> str:
        return self.states.words[self.states.code_of(mask)]

    def _number(self, name: str, value: i64) -> None:
        column = self.numbers.get(name)
        if column is None:
            column = self.numbers[name] = Numbers()
        column.add(value)

    def _word(self, name: str, word: str) -> None:
        column = self.words.get(name)
        if column is None:
            column = self.words[name] = Words()
        column.add(word)
