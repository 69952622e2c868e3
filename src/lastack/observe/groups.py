"""What many connections show together: floods, scans, leaks, piles, and how full a backlog was.

Give every connection to `Groups.add` when it is over or given up; `found()` says what there is to
look at. Memory is bounded whatever the capture holds: of each kind MOST places are counted, and
when there are more, the least counted give way and `given_way` says how many did. So a count may be
too low, never too high.
"""

from ipaddress import ip_address
from typing import Final

from lastack.observe.core.ends import SYN_RECEIVED, TIME_WAIT, End, Evidence
from lastack.observe.core.flow import Flow
from lastack.observe.core.verdicts import Handshake, Teardown, Verdict
from lastack.units import SECOND

MOST: Final = 4096
"""Places counted for each kind of group."""
MANY_PORTS: Final = 20
"""Different ports of a host that one source must have tried in vain to be called a scan."""
MANY_HALF_OPEN: Final = 100
"""Unfinished handshakes at one listener that are called a flood."""
MANY_LEAKED: Final = 3
MANY_IN_TIME_WAIT: Final = 1000
MOST_BUCKETS: Final = 1024

SYN_FLOOD: Final = "SYN flood"
PORT_SCAN: Final = "port scan"
CLOSE_WAIT_LEAK: Final = "CLOSE-WAIT leak"
TIME_WAIT_PILE: Final = "TIME-WAIT pile-up"

_IN_VAIN: Final = (Handshake.REFUSED, Handshake.NO_ANSWER, Handshake.ABANDONED, Handshake.HALF_OPEN)


class Group:
    """Connections that are one matter: of which kind, at which place, how many, since when.

    `place` is address:port, or for a scan the source and the host it looks at. `since` and `until`
    are nanoseconds; `peers` how many different addresses were behind it, as far as counted.
    """

    def __init__(self, kind: str, place: str, count: int, since: int, until: int, peers: int):
        self.kind = kind
        self.place = place
        self.count = count
        self.since = since
        self.until = until
        self.peers = peers

    def __repr__(self) -> str:
        return f"<{self.kind} at {self.place}: {self.count}>"


class _Tally:
    """How often something was seen at a place, by when, and up to MANY_PORTS * 8 names with it."""

    def __init__(self, now: int) -> None:
        self.count = 0
        self.since = now
        self.until = now
        self.names: set[bytes] = set()

    def add(self, now: int, name: bytes) -> None:
        self.count += 1
        self.since = min(self.since, now)
        self.until = max(self.until, now)
        if len(self.names) < MANY_PORTS * 8:
            self.names.add(name)


class Occupancy:
    """How many connections were in SYN-RECEIVED at a listener, over time.

    Time is cut into at most MOST_BUCKETS buckets of `width` nanoseconds, which doubles as needed.
    """

    def __init__(self) -> None:
        self.width = SECOND // 8
        self.steps: dict[int, int] = {}

    def add(self, entered: int, left: int | None) -> None:
        """Note that a connection was there from one time to another, or to the end (None)."""
        self._step(entered, 1)
        if left is not None:
            self._step(left, -1)

    def _step(self, time: int, change: int) -> None:
        place = time // self.width
        self.steps[place] = self.steps.get(place, 0) + change
        while len(self.steps) > MOST_BUCKETS:
            wider: dict[int, int] = {}
            for at, value in self.steps.items():
                wider[at // 2] = wider.get(at // 2, 0) + value
            self.width *= 2
            self.steps = wider

    def over_time(self) -> list[tuple[int, int]]:
        """Return (time, how many at the end of the bucket that begins then), where it changes."""
        now, line = 0, []
        for place in sorted(self.steps):
            if self.steps[place]:
                now += self.steps[place]
                line.append((place * self.width, now))
        return line

    @property
    def most(self) -> int:
        """The most there were at once."""
        return max((count for _, count in self.over_time()), default=0)


class Groups:
    """Takes in connections one by one; see the module."""

    def __init__(self) -> None:
        self._tallies: dict[str, dict[bytes, _Tally]] = {
            kind: {} for kind in (SYN_FLOOD, PORT_SCAN, CLOSE_WAIT_LEAK, TIME_WAIT_PILE)
        }
        self.backlogs: dict[bytes, Occupancy] = {}
        self.given_way = 0

    def add(self, flow: Flow, verdict: Verdict) -> None:
        """Take in one connection."""
        asker, asked = _places(flow)
        when, last = int(flow.first), int(flow.last)
        half = verdict.handshake is Handshake.HALF_OPEN
        half = half or verdict.handshake is Handshake.NO_ANSWER
        if half:
            self._count(SYN_FLOOD, asked, when, asker[:-2])
        if verdict.handshake in _IN_VAIN:
            self._count(PORT_SCAN, asker[:-2] + asked[:-2], when, asked[-2:])
        if verdict.teardown is Teardown.STUCK_IN_CLOSE_WAIT:
            stuck, other = (asker, asked) if verdict.by_a else (asked, asker)
            leaking = asked if stuck == asked else stuck[:-2] + b"\0\0" + other
            self._count(CLOSE_WAIT_LEAK, leaking, int(verdict.since), other[:-2])
        for end, place, peer in ((flow.a, asker, asked), (flow.b, asked, asker)):
            if end.states == TIME_WAIT:
                self._count(TIME_WAIT_PILE, place[:-2] + peer, last, peer[:-2])
        self._occupies(flow.b if flow.a.syns else flow.a, asked if flow.a.syns else asker)

    def found(self) -> list[Group]:
        """Return what is worth looking at, the largest of each kind first."""
        least = {
            SYN_FLOOD: MANY_HALF_OPEN,
            CLOSE_WAIT_LEAK: MANY_LEAKED,
            TIME_WAIT_PILE: MANY_IN_TIME_WAIT,
        }
        groups = []
        for kind, tallies in self._tallies.items():
            for place, tally in sorted(tallies.items(), key=_by_count):
                enough = tally.count >= least.get(kind, 0)
                if kind == PORT_SCAN:
                    enough = len(tally.names) >= MANY_PORTS
                if enough:
                    text = _text(kind, place)
                    groups.append(
                        Group(kind, text, tally.count, tally.since, tally.until, len(tally.names))
                    )
        return groups

    def backlog(self, place: str) -> Occupancy | None:
        """Return how full the backlog of a listener, address:port, was over time."""
        for key, occupancy in self.backlogs.items():
            if _endpoint(key) == place:
                return occupancy
        return None

    def _count(self, kind: str, place: bytes, now: int, name: bytes) -> None:
        tallies = self._tallies[kind]
        tally = tallies.get(place)
        if tally is None:
            if len(tallies) >= 2 * MOST:
                self._make_room(tallies)
            tally = tallies[place] = _Tally(now)
        tally.add(now, name)

    def _make_room(self, tallies: dict[bytes, _Tally]) -> None:
        for place, _ in sorted(tallies.items(), key=_by_count)[MOST:]:
            del tallies[place]
            self.given_way += 1

    def _occupies(self, end: End, place: bytes) -> None:
        entered: int | None = None
        for change in end.changes:
            if change.evidence is Evidence.REFUTED:
                continue
            if change.after == SYN_RECEIVED:
                entered = int(change.time)
            elif entered is not None and change.before == SYN_RECEIVED:
                self._backlog_of(place).add(entered, int(change.time))
                return
        if entered is not None and end.syn_acks:
            self._backlog_of(place).add(entered, None)

    def _backlog_of(self, place: bytes) -> Occupancy:
        found = self.backlogs.get(place)
        if found is None:
            if len(self.backlogs) >= MOST // 16:
                least = min(self.backlogs, key=lambda key: len(self.backlogs[key].steps))
                del self.backlogs[least]
                self.given_way += 1
            found = self.backlogs[place] = Occupancy()
        return found


def _by_count(one: tuple[bytes, _Tally]) -> tuple[int, bytes]:
    return -one[1].count, one[0]


def _places(flow: Flow) -> tuple[bytes, bytes]:
    """Return address and port of a, and of b."""
    key = flow.key
    half = (len(key) - 4) // 2
    return key[:half] + key[-4:-2], key[half : 2 * half] + key[-2:]


def _text(kind: str, place: bytes) -> str:
    if kind == PORT_SCAN:
        half = len(place) // 2
        return f"{ip_address(place[:half])} at {ip_address(place[half:])}"
    if len(place) in (6, 18):
        return _endpoint(place)
    width = (len(place) - 2) // 2 if kind == TIME_WAIT_PILE else (len(place) - 4) // 2
    who = ip_address(place[:width])
    return f"{who} to {_endpoint(place[-width - 2 :])}"


def _endpoint(place: bytes) -> str:
    address = ip_address(place[:-2])
    port = int.from_bytes(place[-2:], "big")
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
