"""What a capture amounts to: counts, the connections to show, the worst ones."""

from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from lastack.observe.connection import Connection, addresses, connection_of, endpoint
from lastack.observe.core.counts import Counts
from lastack.observe.core.flow import Flow
from lastack.observe.core.frames import Skipped
from lastack.observe.core.groups import Group, Groups
from lastack.observe.core.verdicts import Also, Handshake, Teardown, Verdict, verdict_on
from lastack.observe.core.violations import rules_in
from lastack.tcp.states import State

SORTS: Final = ("number", "octets", "duration", "resent", "rtt")
STUCK: Final = (
    Teardown.STUCK_IN_CLOSE_WAIT,
    Teardown.STUCK_IN_FIN_WAIT_1,
    Teardown.STUCK_IN_FIN_WAIT_2,
    Teardown.STUCK_IN_CLOSING,
    Teardown.LAST_ACK_LOST,
    Teardown.PEER_SILENT,
)
_BROKEN_OFF: Final = (
    *STUCK,
    Teardown.ABORT,
    Teardown.HALF_OPEN_DISCOVERED,
    Teardown.TIME_WAIT_ASSASSINATION,
    Teardown.HALF_SEEN,
)
_IN_VAIN: Final = (
    Handshake.REFUSED,
    Handshake.NO_ANSWER,
    Handshake.HALF_OPEN,
    Handshake.BACKSCATTER,
)
WORST: Final = 3
_MOST_PLACES: Final = 4096
"""Endpoints of which troubles are counted; of more, the first."""


def verdict_names() -> list[str]:
    """Return every word of a connection's handshake, its teardown, and what happened besides."""
    return sorted({str(one) for one in (*Handshake, *Teardown, *Also)})


def plain_word(text: str) -> str:
    """Return a verdict's word without what people spell differently."""
    return text.lower().replace("-", " ").replace("_", " ")


class Wanted:
    """Which connections are asked for; what is None or empty asks for nothing.

    `host` is an address or a network of either end, `port` of either, `state` one in which either
    end is at the end, `verdict` the word of its handshake, its teardown or what happened besides,
    `number` that of the one connection.
    """

    def __init__(
        self,
        host: str = "",
        port: int | None = None,
        state: State | None = None,
        verdict: str = "",
        number: int = 0,
    ) -> None:
        self.number = number
        self.network: IPv4Network | IPv6Network | None = ip_network(host, False) if host else None
        self.port = port
        self.state = state
        self.verdict = plain_word(verdict)

    def __bool__(self) -> bool:
        others = self.port is not None or self.state is not None or self.verdict
        return bool(self.number or self.network or others)

    def matches(self, flow: Flow, verdict: Verdict) -> bool:
        """Return whether a connection is one of them."""
        if self.number not in (0, flow.number):
            return False
        if self.network is not None or self.port is not None:
            (a, a_port), (b, b_port) = addresses(flow.key)
            if self.port is not None and self.port not in (a_port, b_port):
                return False
            network = self.network
            if network is not None and not any(ip_address(one) in network for one in (a, b)):
                return False
        if self.state is not None and not (flow.a.states | flow.b.states) >> self.state & 1:
            return False
        if not self.verdict:
            return True
        words = (verdict.handshake, verdict.teardown, *verdict.also)
        return any(self.verdict == plain_word(str(word)) for word in words)


class Best:
    """Keeps the few connections whose keys are the least."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept: list[tuple[tuple[int, int], Connection]] = []
        self._bar: tuple[int, int] | None = None

    def takes(self, key: tuple[int, int]) -> bool:
        """Return whether a connection with this key has a chance."""
        return self.most > 0 and (self._bar is None or key < self._bar)

    def add(self, key: tuple[int, int], connection: Connection) -> None:
        """Keep a connection, unless enough better ones are there."""
        self.kept.append((key, connection))
        if len(self.kept) >= 2 * self.most + 64:
            self._trim()

    def merge(self, other: "Best") -> None:
        """Take in what another one has kept."""
        self.kept += other.kept
        self._trim()

    def connections(self) -> list[Connection]:
        """Return the best, in order."""
        self._trim()
        return [connection for _, connection in self.kept]

    def renumber(self, numbers: "array[int]") -> None:
        """Give each the place of its number among all."""
        self.kept = [
            ((key[0], place), replace(one, number=place))
            for key, one in self.kept
            for place in (bisect_left(numbers, one.number) + 1,)
        ]

    def _trim(self) -> None:
        self.kept.sort(key=_key)
        del self.kept[self.most :]
        if len(self.kept) == self.most and self.kept:
            self._bar = self.kept[-1][0]


def _key(one: tuple[tuple[int, int], Connection]) -> tuple[int, int]:
    return one[0]


class Summary:
    """Counts over the connections of one capture, and the few that are shown by name.

    `shown` holds the first `most` in the order `sort`, `resent` and `stuck` the worst; `places`
    says by kind of trouble (a verdict, what happened besides, a broken rule with its section) at
    which endpoint it was how often, `troubles` how often at all, `examples` the first connection of
    each kind. `matched` counts those that were asked for, `evicted` those given up while open.
    """

    def __init__(self, capture: str, wanted: Wanted, most: int, sort: str, shares: int = 1) -> None:
        self.capture = capture
        self.wanted = wanted
        self._filters = bool(wanted)
        self.sort = sort
        self.shares = shares
        self.packets = 0
        self.segments = 0
        self.connections = 0
        self.matched = 0
        self.evicted = 0
        self.octets = 0
        self.sent = 0
        self.sent_again = 0
        self.first = 0
        self.last = 0
        self.skipped: Counter[str] = Counter()
        self.handshakes: Counter[str] = Counter()
        self.teardowns: Counter[str] = Counter()
        self._counts = Counts()
        self.places: dict[str, Counter[str]] = {}
        self.troubles: Counter[str] = Counter()
        self.examples: dict[str, int] = {}
        self.groups = Groups()
        self.shown = Best(most)
        self.resent = Best(WORST)
        self.stuck = Best(WORST)
        self.numbers: array[int] = array("q")
        self.problem = ""

    def add(self, flow: Flow) -> None:
        """Count one connection that is over, or left."""
        self._counts.count(flow)
        if self.shares > 1:
            self.numbers.append(flow.number)
        verdict = verdict_on(flow)
        if self._filters and not self.wanted.matches(flow, verdict):
            return
        if self._counts.add(flow, verdict, self.groups):
            self._note_trouble(flow, verdict)
            self._note_oddities(flow, verdict)
            self._keep_worst(flow, verdict)
        key = (self._order(flow), flow.number)
        if self.shown.takes(key):
            self.shown.add(key, connection_of(flow, self.capture, verdict))

    def found(self) -> list[Group]:
        """Return what many connections show together."""
        return self.groups.found()

    def count_packets(self, packets: int, segments: int, skipped: list[int], evicted: int) -> None:
        """Note what the reading came to, once all connections have been added."""
        counts, self._counts = self._counts, Counts()
        self.connections = int(counts.connections)
        self.matched = int(counts.matched)
        self.octets = int(counts.octets)
        self.sent = int(counts.sent)
        self.sent_again = int(counts.sent_again)
        self.first, self.last = int(counts.first), int(counts.last)
        self.handshakes = Counter({str(one): n for one in Handshake if (n := counts.opened[one])})
        self.teardowns = Counter({str(one): n for one in Teardown if (n := counts.ended[one])})
        self.packets += packets
        self.segments += segments
        self.evicted += evicted
        for why in Skipped:
            if skipped[why]:
                self.skipped[str(why)] += skipped[why]

    def merge(self, other: "Summary") -> None:
        """Take in another share of the same capture."""
        self.packets = max(self.packets, other.packets)
        self.segments += other.segments
        self.connections += other.connections
        self.matched += other.matched
        self.evicted += other.evicted
        self.octets += other.octets
        self.sent += other.sent
        self.sent_again += other.sent_again
        firsts = [one for one in (self.first, other.first) if one]
        self.first = min(firsts, default=0)
        self.last = max(self.last, other.last)
        self.skipped += other.skipped
        self.handshakes += other.handshakes
        self.teardowns += other.teardowns
        for kind, places in other.places.items():
            self.places[kind] = self.places.get(kind, Counter()) + places
        self.troubles += other.troubles
        for kind, number in other.examples.items():
            self.examples[kind] = min(number, self.examples.get(kind, number))
        self.groups.merge(other.groups)
        for mine, theirs in self._bests(other):
            mine.merge(theirs)
        self.numbers.extend(other.numbers)
        self.problem = self.problem or other.problem

    def renumber(self) -> None:
        """Number the connections in the order of their beginnings, as one process does."""
        self.numbers = array("q", sorted(self.numbers))
        for best, _ in self._bests(self):
            best.renumber(self.numbers)
        for kind, number in self.examples.items():
            self.examples[kind] = bisect_left(self.numbers, number) + 1
        self.numbers = array("q")

    def _bests(self, other: "Summary") -> tuple[tuple[Best, Best], ...]:
        return (
            (self.shown, other.shown),
            (self.resent, other.resent),
            (self.stuck, other.stuck),
        )

    def _note_trouble(self, flow: Flow, verdict: Verdict) -> None:
        if verdict.teardown in _BROKEN_OFF:
            self._note(flow, str(verdict.teardown), verdict.by_a)
        elif verdict.handshake in _IN_VAIN:
            self._note(flow, str(verdict.handshake), flow.b.syns > flow.a.syns)
        if verdict.handshake is Handshake.SPLIT_HANDSHAKE:
            self._note(flow, str(verdict.handshake), False)

    def _note_oddities(self, flow: Flow, verdict: Verdict) -> None:
        """Note what happened besides where it had to be borne, a broken rule at who broke it."""
        for also in verdict.also:
            at_a = also is Also.BLIND_RESET_REJECTED and flow.a.refused_resets > 0
            at_a = at_a or (also is Also.BLIND_SYN_REJECTED and flow.b.refused_syns > 0)
            self._note(flow, str(also), at_a)
        for end in (flow.a, flow.b):
            for rule in rules_in(int(end.broken)):
                self._note(flow, rule.cited, end is flow.a)

    def _note(self, flow: Flow, kind: str, at_a: bool) -> None:
        self.troubles[kind] += 1
        places = self.places.setdefault(kind, Counter())
        where = addresses(flow.key)[0 if at_a else 1]
        name = endpoint(*where)
        if name in places or len(places) < _MOST_PLACES:
            places[name] += 1
        self.examples[kind] = min(flow.number, self.examples.get(kind, flow.number))

    def _keep_worst(self, flow: Flow, verdict: Verdict) -> None:
        key = (-_resent(flow), flow.number)
        if key[0] and self.resent.takes(key):
            self.resent.add(key, connection_of(flow, self.capture, verdict))
        key = (int(verdict.since), flow.number)
        if verdict.teardown in STUCK and self.stuck.takes(key):
            self.stuck.add(key, connection_of(flow, self.capture, verdict))

    def _order(self, flow: Flow) -> int:
        if self.sort == "octets":
            return -int(flow.a.octets + flow.b.octets)
        if self.sort == "duration":
            return int(flow.first - flow.last)
        if self.sort == "resent":
            return -_resent(flow)
        if self.sort == "rtt":
            return -max(int(flow.track_a.rtt_most), int(flow.track_b.rtt_most))
        return 0


def _resent(flow: Flow) -> int:
    """Return how many segments either end sent again."""
    return flow.track_a.resent() + flow.track_b.resent()
