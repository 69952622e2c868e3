"""One connection of a capture as a plain record, for tables, files and other processes."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from lastack.observe.core.analysis import Remark, Track
from lastack.observe.core.ends import Change, End, Evidence, last_change, names, states_in
from lastack.observe.core.flow import Flow
from lastack.observe.core.verdicts import Teardown, Verdict, verdict_on
from lastack.observe.core.violations import Rule, rules_in
from lastack.observe.core.zeek import conn_state, history
from lastack.tcp.states import Cause, State, transition

_NOBODYS: Final = (Teardown.OPEN, Teardown.NEVER_OPEN)


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state of one end: `a` or `b`.

    `before` and `after` are the states that are possible; `section` is where RFC 9293 has the row.
    `packet` is that of the segment behind it, `proof` the one that made the evidence what it is;
    both count from 1. `evidence` is sent, acked, presumed, timer, refuted or possible.
    """

    end: str
    time: int
    packet: int
    before: tuple[State, ...]
    after: tuple[State, ...]
    cause: str
    section: str
    evidence: str
    proof: int


@dataclass(frozen=True, slots=True)
class Side:
    """What one end did.

    `octets` are of text, those sent again among them; `resent` counts segments. Round trips, None
    when none was measured, are those of its segments (Karn's rule) as seen where the capture was
    made, in nanoseconds. `spent` has the nanoseconds in each state, as far as there was one alone;
    it comes with the transitions. `broken` are the rules of RFCs that its segments broke.
    `evidence` says how sure `states` are: that of the last change, "" where there was none.
    """

    address: str
    port: int
    states: tuple[State, ...]
    packets: int
    octets: int
    resent: int
    resets: int
    rtt_least: int | None
    rtt_mean: int | None
    rtt_most: int | None
    remarks: dict[str, int]
    spent: dict[State, int]
    broken: tuple[Rule, ...] = ()
    evidence: str = ""

    @property
    def endpoint(self) -> str:
        """The address and port as text: `10.0.0.1:80`, `[fd00::1]:80`."""
        return endpoint(self.address, self.port)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection: `a` is the end whose segment was seen first.

    `number` counts from 1 within `capture`. Times are nanoseconds. `by` is the end that did what
    `teardown` says (`a`, `b`, or `""`), in which of the states `in_state`, `since` when.
    `handshake_time` is 0 where the handshake was not seen. `unseen` counts acknowledgments of
    octets that were not captured. `evicted`: given up while it was open, for want of room. `also`
    is what happened besides and changed nothing. `zeek_state` and `zeek_history` are Zeek's
    conn_state and history.
    """

    capture: str
    number: int
    a: Side
    b: Side
    handshake: str
    teardown: str
    by: str
    in_state: tuple[State, ...]
    since: int
    retries: int
    reused: bool
    rejected_resets: int
    evicted: bool
    first: int
    last: int
    handshake_time: int
    unseen: int
    also: tuple[str, ...] = ()
    zeek_state: str = ""
    zeek_history: str = ""
    transitions: tuple[Transition, ...] = field(default=())

    @property
    def resent(self) -> int:
        """Segments that either end sent again."""
        return self.a.resent + self.b.resent


def connection_of(
    flow: Flow, capture: str = "", verdict: Verdict | None = None, steps: bool = False
) -> Connection:
    """Return the record of a connection; with `steps` every change of state with it."""
    verdict = verdict or verdict_on(flow)
    ours = verdict.teardown not in _NOBODYS
    a, b = addresses(flow.key)
    return Connection(
        capture,
        flow.number,
        _side(flow, flow.a, flow.track_a, *a, steps),
        _side(flow, flow.b, flow.track_b, *b, steps),
        str(verdict.handshake),
        str(verdict.teardown),
        ("a" if verdict.by_a else "b") if ours else "",
        states_in(int(verdict.state)),
        int(verdict.since),
        int(verdict.retries),
        bool(verdict.reused),
        int(verdict.rejected_resets),
        flow.evicted,
        int(flow.first),
        int(flow.last),
        int(flow.handshake),
        int(flow.unseen),
        tuple(map(str, verdict.also)),
        conn_state(flow),
        history(flow),
        transitions_of(flow) if steps else (),
    )


def endpoint(address: str, port: int) -> str:
    """Return an address and a port as text."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def addresses(key: bytes) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return address and port of both ends from a flow's key."""
    half = (len(key) - 4) // 2
    a, b = str(ip_address(key[:half])), str(ip_address(key[half : 2 * half]))
    ports = key[2 * half :]
    return (a, ports[0] << 8 | ports[1]), (b, ports[2] << 8 | ports[3])


def _side(flow: Flow, end: End, track: Track, address: str, port: int, steps: bool) -> Side:
    measured = int(track.rtts)
    counts = track.counts
    change = last_change(end)
    return Side(
        address,
        port,
        states_in(int(end.states)),
        int(end.packets),
        int(end.octets),
        track.resent(),
        int(end.resets),
        int(track.rtt_least) if measured else None,
        int(track.rtt_sum) // measured if measured else None,
        int(track.rtt_most) if measured else None,
        {str(one): track.count(one) for one in Remark if track.count(one)} if counts else {},
        _spent(flow, end) if steps else {},
        tuple(rules_in(int(end.broken))) if end.broken else (),
        "" if change is None else str(change.evidence),
    )


def _spent(flow: Flow, end: End) -> dict[State, int]:
    spent: dict[State, int] = {}
    since, states = int(flow.first), int(end.start)
    for change in (*steps_of(end), None):
        now = int(flow.last) if change is None else int(change.time)
        one = states_in(states)
        if len(one) == 1 and now > since:
            spent[one[0]] = spent.get(one[0], 0) + now - since
        if change is not None:
            since, states = now, int(change.after)
    return spent


def steps_of(end: End) -> list[Change]:
    """Return the changes of an end that held."""
    return [
        change
        for change in end.changes
        if change.evidence is not Evidence.REFUTED and change.before != change.after
    ]


def transitions_of(flow: Flow) -> tuple[Transition, ...]:
    """Return every change of both ends, refuted ones too, in the order of the capture."""
    found = [
        _transition(name, change)
        for name, end in (("a", flow.a), ("b", flow.b))
        for change in end.changes
        if change.before != change.after or change.evidence is Evidence.REFUTED
    ]
    return tuple(sorted(found, key=lambda one: one.packet))


def _transition(name: str, change: Change) -> Transition:
    before = states_in(int(change.before))
    return Transition(
        name,
        int(change.time),
        int(change.packet),
        before,
        states_in(int(change.after)),
        str(change.cause),
        section_of(int(change.before), change.cause),
        str(change.evidence),
        int(change.proof),
    )


def section_of(before: int, cause: Cause) -> str:
    """Return where RFC 9293 has the row for the first of these states that has one, or ""."""
    rows = [transition(state, cause) for state in states_in(before)]
    return next((row.section for row in rows if row is not None), "")


def states_text(states: tuple[State, ...]) -> str:
    """Return several possible states as one word, `?` for none."""
    return names(sum(1 << int(state) for state in states))
