"""What many connections show together: floods, scans, leaks, piles, and how full a backlog was.

Give every connection to `Groups.add` when it is over or given up; `found()` says what there is to
look at. Memory is bounded whatever the capture holds: of each kind MOST places are counted, and
when there are twice as many, the least counted give way and `given_way` says how many did. So a
count may be too low, never too high.
"""

from ipaddress import ip_address
from typing import Final

from mypy_extensions import i64

from lastack.observe.core.ends import SYN_RECEIVED, TIME_WAIT, Evidence
from lastack.observe.core.flow import Flow
from lastack.observe.core.verdicts import Handshake, Teardown, Verdict
from lastack.units import MS, SECOND

MOST: Final = 4096
"""Places counted for each kind of group."""
MOST_BACKLOGS: Final = 64
MOST_BUCKETS: Final = 256
MANY_PORTS: Final = 20
"""Different ports of a host that one source must have tried in vain to be called a scan."""
MANY_HALF_OPEN: Final = 100
"""Unfinished handshakes at one listener that are called a flood, if they come from MANY_SOURCES or
at one in FLOODED_EVERY; fewer sources that are slower are clients who try again."""
MANY_SOURCES: Final = 20
FLOODED_EVERY: Final = 10 * MS
MANY_LEAKED: Final = 3
MANY_IN_TIME_WAIT: Final = 1000
MANY_IN_BACKLOG: Final = 100

SYN_FLOOD: Final = "SYN flood"
PORT_SCAN: Final = "port scan"
CLOSE_WAIT_LEAK: Final = "CLOSE-WAIT leak"
TIME_WAIT_PILE: Final = "TIME-WAIT pile-up"
BACKLOG: Final = "backlog"

KINDS: Final = (SYN_FLOOD, PORT_SCAN, CLOSE_WAIT_LEAK, TIME_WAIT_PILE, BACKLOG)
"""Every kind of group."""

_BEGUN: Final = "handshakes under way"
"""Unfinished when the capture ended, and no answer was due: a flood where more are so than done."""
_UNFINISHED: Final = (Handshake.HALF_OPEN, Handshake.NO_ANSWER, Handshake.BEING_OPENED)
_MOST_NAMES: Final = MANY_PORTS * 8
_WIDTH: Final = SECOND // 8


class Group:
    """Connections that are one matter: of which kind, at which place, how many, since when.

    `place` is address:port; for a scan the source and the host it looks at, and for what a client
    leaves open its address and address:port of the server. `since` and `until` are nanoseconds;
    `peers` how many different addresses (for a scan: ports) were behind it, as far as counted. Of
    a backlog `count` is the most there were at once, and `over_time` has (time, how many).
    """

    def __init__(
        self,
        kind: str,
        place: str,
        count: int,
        since: int,
        until: int,
        peers: int,
        over_time: list[tuple[int, int]],
    ) -> None:
        self.kind = kind
        self.place = place
        self.count = count
        self.since = since
        self.until = until
        self.peers = peers
        self.over_time = over_time

    def __repr__(self) -> str:
        return f"<{self.kind} at {self.place}: {self.count}>"


class _Tally:
    """How often something was seen at a place, by when, and so many names with it."""

    count: i64
    since: i64
    until: i64
    names: set[bytes] | None

    def __init__(self) -> None:
        self.count = 0
        self.since = 0
        self.until = 0
        self.names = None

    def __getstate__(self) -> tuple[int, int, int, set[bytes] | None]:
        return int(self.count), int(self.since), int(self.until), self.names

    def __setstate__(self, state: tuple[int, int, int, set[bytes] | None]) -> None:
        self.count, self.since, self.until, self.names = state

    def add(self, since: i64, until: i64, count: i64) -> None:
        self.since = min(self.since, since) if self.count else since
        self.until = max(self.until, until)
        self.count += count

    def merge(self, other: "_Tally") -> None:
        self.add(other.since, other.until, other.count)
        for name in sorted(other.names or ()):
            self.name(name)

    def name(self, name: bytes) -> None:
        if self.names is None:
            self.names = set()
        if len(self.names) < _MOST_NAMES:
            self.names.add(name)


class Occupancy:
    """How many connections were in SYN-RECEIVED at a listener, over time.

    Time is cut into at most MOST_BUCKETS buckets of `width` nanoseconds, which doubles as needed;
    whoever came and left within one is not noticed.
    """

    width: int
    count: int
    steps: dict[int, int]

    def __init__(self) -> None:
        self.width = _WIDTH
        self.count = 0
        self.steps = {}

    def __getstate__(self) -> tuple[int, int, dict[int, int]]:
        return self.width, self.count, self.steps

    def __setstate__(self, state: tuple[int, int, dict[int, int]]) -> None:
        self.width, self.count, self.steps = state

    def add(self, entered: int, left: int) -> None:
        """Note that a connection was there from one time to another."""
        self.count += 1
        self._step(entered // self.width, 1)
        self._step(left // self.width, -1)

    def merge(self, other: "Occupancy") -> None:
        """Take in another part of the same listener's connections."""
        self.count += other.count
        while self.width < other.width:
            self._widen()
        for place, change in other.steps.items():
            self._step(place * other.width // self.width, change)

    def over_time(self) -> list[tuple[int, int]]:
        """Return (time, how many at the end of the bucket that begins then), where it changes."""
        now = 0
        line = []
        for place in sorted(self.steps):
            if self.steps[place]:
                now += self.steps[place]
                line.append((place * self.width, now))
        return line

    @property
    def most(self) -> int:
        """The most there were at once."""
        return max([count for _, count in self.over_time()], default=0)

    def _step(self, place: int, change: int) -> None:
        self.steps[place] = self.steps.get(place, 0) + change
        while len(self.steps) > MOST_BUCKETS:
            self._widen()

    def _widen(self) -> None:
        wider: dict[int, int] = {}
        for at, value in self.steps.items():
            wider[at // 2] = wider.get(at // 2, 0) + value
        self.width *= 2
        self.steps = wider


_State = tuple[dict[str, dict[bytes, _Tally]], dict[bytes, Occupancy], int, int]


class Groups:
    """Takes in connections one by one; see the module."""

    tallies: dict[str, dict[bytes, _Tally]]
    backlogs: dict[bytes, Occupancy]
    given_way: int
    complete: i64

    def __init__(self) -> None:
        self.tallies = {kind: {} for kind in (*KINDS[:-1], _BEGUN)}
        self.backlogs = {}
        self.given_way = 0
        self.complete = 0

    def __getstate__(self) -> _State:
        return self.tallies, self.backlogs, self.given_way, int(self.complete)

    def __setstate__(self, state: _State) -> None:
        self.tallies, self.backlogs, self.given_way, self.complete = state

    def add(self, flow: Flow, verdict: Verdict) -> None:
        """Take in one connection."""
        handshake = verdict.handshake
        if handshake is Handshake.COMPLETE:
            self.complete += 1
        else:
            self._in_vain(flow, handshake)
        if verdict.teardown is Teardown.STUCK_IN_CLOSE_WAIT:
            asker, asked = places(flow)
            stuck, other = (asker, asked) if verdict.by_a else (asked, asker)
            leaking = asked if stuck == asked else stuck[:-2] + b"\0\0" + other
            self._count(CLOSE_WAIT_LEAK, leaking, verdict.since, other[:-2])
        if flow.a.states == TIME_WAIT or flow.b.states == TIME_WAIT:
            asker, asked = places(flow)
            asks = flow.a if asker == place_of_a(flow.key) else flow.b
            # A server holds them all at its own port, a client towards each server.
            pile = asker[:-2] + asked if asks.states == TIME_WAIT else asked
            self._count(TIME_WAIT_PILE, pile, flow.last, b"")
        # A handshake within one bucket leaves no trace there.
        opened = i64(flow.first) // _WIDTH == (i64(flow.first) + flow.handshake) // _WIDTH
        if not flow.handshake or not opened:
            self._occupies(flow)

    def merge(self, other: "Groups") -> None:
        """Take in other connections of the same capture."""
        self.given_way += other.given_way
        self.complete += other.complete
        for kind, theirs in other.tallies.items():
            mine = self.tallies[kind]
            for place, tally in theirs.items():
                found = mine.get(place)
                if found is None:
                    mine[place] = tally
                    continue
                found.merge(tally)
            if len(mine) >= 2 * MOST:
                self._make_room(mine)
        for place, occupancy in other.backlogs.items():
            self._backlog_of(place).merge(occupancy)

    def found(self) -> list[Group]:
        """Return what is worth looking at, the largest of each kind first."""
        groups = []
        for kind in KINDS[:-1]:
            tallies = self._floods() if kind == SYN_FLOOD else self.tallies[kind]
            alike = [
                _group(kind, place, tally)
                for place, tally in tallies.items()
                if _is_many(kind, tally)
            ]
            groups += sorted(alike, key=_by_count)
        full = []
        for place, occupancy in self.backlogs.items():
            line = occupancy.over_time()
            most = max([count for _, count in line], default=0)
            if most >= MANY_IN_BACKLOG:
                at = endpoint_of(place)
                full.append(Group(BACKLOG, at, most, line[0][0], line[-1][0], 0, line))
        return groups + sorted(full, key=_by_count)

    def backlog(self, place: str) -> Occupancy | None:
        """Return how full the backlog of a listener, address:port, was over time."""
        for key, occupancy in self.backlogs.items():
            if endpoint_of(key) == place:
                return occupancy
        return None

    def _floods(self) -> dict[bytes, _Tally]:
        """Return the handshakes without an end by listener, those under way where they are many."""
        floods = dict(self.tallies[SYN_FLOOD])
        for place, begun in self.tallies[_BEGUN].items():
            if begun.count > self.complete:
                whole = _Tally()
                whole.merge(begun)
                if place in floods:
                    whole.merge(floods[place])
                floods[place] = whole
        return floods

    def _in_vain(self, flow: Flow, handshake: Handshake) -> None:
        unfinished = handshake in _UNFINISHED
        turned_down = handshake is Handshake.REFUSED or handshake is Handshake.ABANDONED
        if not unfinished and not turned_down:
            return
        asker, asked = places(flow)
        if unfinished:
            kind = _BEGUN if handshake is Handshake.BEING_OPENED else SYN_FLOOD
            self._count(kind, asked, flow.first, asker[:-2])
        self._count(PORT_SCAN, asker[:-2] + asked[:-2], flow.first, asked[-2:])

    def _count(self, kind: str, place: bytes, now: i64, name: bytes) -> None:
        tallies = self.tallies[kind]
        tally = tallies.get(place)
        if tally is None:
            if len(tallies) >= 2 * MOST:
                self._make_room(tallies)
            tally = tallies[place] = _Tally()
        tally.add(now, now, 1)
        if name:
            tally.name(name)

    def _make_room(self, tallies: dict[bytes, _Tally]) -> None:
        least: i64 = 1
        while len(tallies) > MOST:
            for place in [place for place, tally in tallies.items() if tally.count <= least]:
                del tallies[place]
                self.given_way += 1
            least *= 2

    def _occupies(self, flow: Flow) -> None:
        end = flow.b if flow.a.syns else flow.a
        if not end.syn_acks:
            return
        entered = -1
        for change in end.changes:
            if change.evidence is Evidence.REFUTED:
                continue
            if change.after == SYN_RECEIVED:
                entered = int(change.time)
            elif entered >= 0 and change.before == SYN_RECEIVED:
                if entered // _WIDTH != int(change.time) // _WIDTH:
                    self._backlog_of(places(flow)[1]).add(entered, int(change.time))
                return
        if entered >= 0:
            # Given up, as far as a capture can tell, when the next SYN-ACK would have been due.
            last = int(flow.last)
            self._backlog_of(places(flow)[1]).add(entered, 2 * last - entered + SECOND)

    def _backlog_of(self, place: bytes) -> Occupancy:
        found = self.backlogs.get(place)
        if found is None:
            if len(self.backlogs) >= 2 * MOST_BACKLOGS:
                self._make_room_for_backlogs()
            found = self.backlogs[place] = Occupancy()
        return found

    def _make_room_for_backlogs(self) -> None:
        least = 1
        while len(self.backlogs) > MOST_BACKLOGS:
            for place in [key for key, one in self.backlogs.items() if one.count <= least]:
                del self.backlogs[place]
                self.given_way += 1
            least *= 2


def place_of_a(key: bytes) -> bytes:
    """Return the address and the port of a flow's `a`."""
    half = (len(key) - 4) // 2
    return key[:half] + key[-4:-2]


def place_of_b(key: bytes) -> bytes:
    """Return the address and the port of a flow's `b`."""
    half = (len(key) - 4) // 2
    return key[half : 2 * half] + key[-2:]


def places(flow: Flow) -> tuple[bytes, bytes]:
    """Return address and port of the end that asked, and of the one that was asked."""
    key = flow.key
    a, b = place_of_a(key), place_of_b(key)
    if not flow.a.syns and (flow.b.syns or (flow.a.syn_acks and not flow.b.syn_acks)):
        return b, a
    return a, b


def endpoint_of(place: bytes) -> str:
    """Return an address and a port as text."""
    port = place[-2] << 8 | place[-1]
    if len(place) == 6:
        return f"{place[0]}.{place[1]}.{place[2]}.{place[3]}:{port}"
    return f"[{ip_address(place[:-2])}]:{port}"


def _by_count(group: Group) -> tuple[int, str]:
    return -group.count, group.place


def _is_many(kind: str, tally: _Tally) -> bool:
    peers = len(tally.names) if tally.names is not None else 0
    if kind == PORT_SCAN:
        return peers >= MANY_PORTS
    if kind == CLOSE_WAIT_LEAK:
        return tally.count >= MANY_LEAKED
    if kind == TIME_WAIT_PILE:
        return tally.count >= MANY_IN_TIME_WAIT
    fast = tally.until - tally.since <= tally.count * FLOODED_EVERY
    return tally.count >= MANY_HALF_OPEN and (fast or peers >= MANY_SOURCES)


def _group(kind: str, place: bytes, tally: _Tally) -> Group:
    peers = len(tally.names) if tally.names is not None else 1
    since, until = int(tally.since), int(tally.until)
    return Group(kind, _text(kind, place), int(tally.count), since, until, peers, [])


def _text(kind: str, place: bytes) -> str:
    if kind == PORT_SCAN:
        half = len(place) // 2
        return f"{ip_address(place[:half])} at {ip_address(place[half:])}"
    if len(place) in (6, 18):
        return endpoint_of(place)
    width = 4 if len(place) < 18 else 16
    return f"{ip_address(place[:width])} to {endpoint_of(place[-width - 2 :])}"
