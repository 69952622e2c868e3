"""What can be said of all sockets in one state: who holds them, since when, to whom, and what next.

Data alone; `view.why` has the words.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final

from lastack.observe.ages import TIME_WAIT_LENGTH, Age
from lastack.observe.core.diag import TIMERS, KernelSocket
from lastack.observe.counters import port_range, setting
from lastack.observe.kernel_info import plain_address, text_of
from lastack.observe.processes import Holders
from lastack.observe.watching import Heard, Look, Source, Watching
from lastack.tcp.states import State
from lastack.units import SECOND

OF_INTEREST: Final[dict[State, tuple[str, ...]]] = {
    State.LISTEN: ("ListenOverflows", "ListenDrops"),
    State.SYN_SENT: ("TCPSynRetrans", "AttemptFails", "TCPTimeouts"),
    State.SYN_RECEIVED: (
        "ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "TCPReqQFullDoCookies",
        "SyncookiesSent", "SyncookiesRecv", "SyncookiesFailed",
    ),
    State.FIN_WAIT_1: ("TCPAbortOnTimeout", "TCPAbortOnMemory"),
    State.FIN_WAIT_2: ("TCPAbortOnLinger",),
    State.CLOSE_WAIT: (),
    State.LAST_ACK: ("TCPAbortOnTimeout",),
    State.CLOSING: ("TCPAbortOnTimeout",),
    State.TIME_WAIT: ("TW", "TWRecycled", "TCPTimeWaitOverflow"),
    State.ESTABLISHED: ("TCPAbortOnTimeout", "TCPKeepAlive"),
}  # fmt: skip
"""The counters (since the namespace began) that belong to a state."""
_AFTER_THEIR_FIN: Final = (State.CLOSE_WAIT, State.CLOSING, State.LAST_ACK)
_OURS_UNACKNOWLEDGED: Final = (State.SYN_SENT, State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)
UNACCEPTED: Final = (State.ESTABLISHED, State.CLOSE_WAIT)
"""What no process holds in these states has not been accepted yet."""
_PERSIST: Final = TIMERS.index("persist")
_PROBES: Final = (TIMERS.index("keepalive"), _PERSIST)
_RATE_OVER: Final = 10 * SECOND
_REUSED_AFTER: Final = 1 * SECOND


@dataclass
class Holding:
    """A process and how many of the sockets are its; `how` is `holds`, `closed` or `held`."""

    pid: int
    name: str
    command: str
    how: str
    count: int = 0
    descriptors: list[int] = field(default_factory=list)


@dataclass
class Listening:
    """A listener: half-open connections, those that wait to be accepted, and how many may.

    `resent` are the half-open ones whose SYN-ACK was sent again, `most_resent` how often at most.
    `pids` are the processes that hold it and may call accept(), `name` that of the first.
    """

    local: str
    half_open: int
    waiting: int
    backlog: int
    resent: int
    most_resent: int
    pids: list[int] = field(default_factory=list)
    name: str = ""

    @property
    def is_full(self) -> bool:
        """Whether the kernel lets nobody else wait to be accepted: it takes one more than may."""
        return self.waiting > self.backlog


@dataclass
class Destination:
    """One destination and the ports in use towards it: in TIME-WAIT, and in all states.

    `rate` is how many a second begin TIME-WAIT; `runs_out` nanoseconds until no port is left at
    that rate, None when it never comes to that; `levels` where it levels off instead. `reusable`
    are those in TIME-WAIT whose port connect() may take again already (tcp_tw_reuse).
    """

    local: str
    remote: str
    time_waits: int
    used: int
    ports: int
    rate: float
    levels: int
    runs_out: int | None
    reusable: int


@dataclass
class Finding:
    """All about the sockets in one state. Sizes are octets, times nanoseconds.

    `nobody` are sockets that no process holds; `unseen` those whose process may not be looked at.
    `probing` are those that probe their peer (keep-alive, closed window) and had no answer to the
    last one, `most_probes` how often at most.
    """

    state: State
    count: int = 0
    holders: list[Holding] = field(default_factory=list)
    nobody: int = 0
    unseen: int = 0
    oldest: Age | None = None
    youngest: Age | None = None
    peers: list[tuple[str, int]] = field(default_factory=list)
    unread_sockets: int = 0
    unread: int = 0
    unsent_sockets: int = 0
    unsent: int = 0
    retransmitting: int = 0
    most_retransmits: int = 0
    window_closed: int = 0
    probing: int = 0
    most_probes: int = 0
    timers: dict[int, int] = field(default_factory=dict)
    next_timer: int | None = None
    last_timer: int | None = None
    listeners: list[Listening] = field(default_factory=list)
    destinations: list[Destination] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    settings: dict[str, int] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    heard: Heard = field(default_factory=Heard)
    cgroups: list[tuple[str, int]] = field(default_factory=list)


def finding_of(state: State, look: Look, watching: Watching) -> Finding:
    """Return what a look and the memory of earlier ones tell of a state."""
    chosen = [each for each in look.sockets if each.state is state]
    found = Finding(state, len(chosen), sources=list(watching.sources))
    found.heard = replace(watching.heard)
    groups = Counter(watching.cgroups.path_of(each.cgroup) for each in chosen)
    found.cgroups = [each for each in groups.most_common() if each[0]]
    _holders(found, chosen, look, watching)
    _ages(found, chosen, watching, look.time)
    ports = {each.local_port for each in look.sockets if each.state is State.LISTEN}
    if state is not State.LISTEN:
        peers = Counter(_peer(each, ports) for each in chosen)
        found.peers = peers.most_common()
    _queues(found, chosen)
    if state in (State.SYN_RECEIVED, State.LISTEN):
        found.listeners = _listeners(look.sockets, look.holders)
    elif state in UNACCEPTED and found.nobody:
        found.listeners = [e for e in _listeners(look.sockets, look.holders) if e.waiting]
    names = OF_INTEREST.get(state, ())
    found.counters = {name: look.counters[name] for name in names if name in look.counters}
    found.settings = _settings()
    if state is State.TIME_WAIT:
        reuse = found.settings["tcp_tw_reuse"] if found.settings["tcp_timestamps"] else 0
        found.destinations = _destinations(look.sockets, ports, reuse)
    return found


def _settings() -> dict[str, int]:
    low, high = port_range()
    return {
        "ports_from": low,
        "ports_to": high,
        "tcp_fin_timeout": setting("tcp_fin_timeout", 60),
        "tcp_syncookies": setting("tcp_syncookies"),
        "tcp_tw_reuse": setting("tcp_tw_reuse"),
        "tcp_syn_retries": setting("tcp_syn_retries", 6),
        "tcp_syn_linear_timeouts": setting("tcp_syn_linear_timeouts"),
        "tcp_retries2": setting("tcp_retries2", 15),
        "tcp_orphan_retries": setting("tcp_orphan_retries"),
        "tcp_synack_retries": setting("tcp_synack_retries", 5),
        "tcp_rto_max_ms": setting("tcp_rto_max_ms", 120_000),
        "tcp_timestamps": setting("tcp_timestamps", 1),
        "somaxconn": setting("somaxconn", 4096, "core"),
    }


def _peer(found: KernelSocket, listened: set[int]) -> str:
    """Return the peer to group by: a client's port is chance, a server's is what it is for."""
    if found.local_port in listened:
        return text_of(found.remote, 0).removesuffix(":*")
    return text_of(found.remote, found.remote_port)


def _holders(found: Finding, chosen: list[KernelSocket], look: Look, watching: Watching) -> None:
    known: dict[tuple[int, str], Holding] = {}
    for each in chosen:
        for holder in look.holders.of(each.inode):
            key = holder.pid, "holds"
            mine = known.setdefault(key, Holding(*key[:1], holder.name, holder.command, "holds"))
            mine.count += 1
            mine.descriptors += holder.descriptors
        if not look.holders.of(each.inode):
            owner = None if each.inode else watching.owner_of(each)
            if owner is not None:
                key = owner.pid, owner.how
                mine = known.setdefault(key, Holding(*owner))
                mine.count += 1
            elif each.inode:
                found.unseen += 1
            else:
                found.nobody += 1
    found.holders = sorted(known.values(), key=lambda each: (-each.count, each.pid))
    for holding in found.holders:
        holding.descriptors.sort()


def _ages(found: Finding, chosen: list[KernelSocket], watching: Watching, now: int) -> None:
    ages = []
    for each in chosen:
        age = watching.age_of(each, now)
        if age is not None:
            ages.append(age)
    if ages:
        found.oldest = max(ages)
        found.youngest = min(ages)


def _queues(found: Finding, chosen: list[KernelSocket]) -> None:
    if found.state is State.LISTEN:
        return
    # Until it is read, the peer's FIN counts as one octet; so does our SYN or FIN until its ACK.
    behind = 1 if found.state in _AFTER_THEIR_FIN else 0
    ours = 1 if found.state in _OURS_UNACKNOWLEDGED else 0
    for each in chosen:
        if each.unread > behind:
            found.unread_sockets += 1
            found.unread += each.unread - behind
        if each.unsent > ours:
            found.unsent_sockets += 1
            found.unsent += each.unsent - ours
        found.window_closed += each.timer == _PERSIST
        if each.retransmits and each.timer in _PROBES:
            found.probing += 1
            found.most_probes = max(found.most_probes, each.retransmits)
        elif each.retransmits:
            found.retransmitting += 1
            found.most_retransmits = max(found.most_retransmits, each.retransmits)
        found.timers[each.timer] = found.timers.get(each.timer, 0) + 1
    left = [each.expires * SECOND // 1000 for each in chosen if each.timer]
    if left:
        found.next_timer, found.last_timer = min(left), max(left)


def _listeners(sockets: list[KernelSocket], holders: Holders) -> list[Listening]:
    """Return the listeners, the fullest first; a half-open connection has the closest."""
    by_local: dict[tuple[bytes, int], Listening] = {}
    for each in sockets:
        if each.state is State.LISTEN:
            key = each.local if any(each.local) else b"", each.local_port
            local = text_of(each.local, each.local_port)
            mine = by_local.setdefault(key, Listening(local, 0, 0, 0, 0, 0))
            mine.waiting += each.unread
            mine.backlog += each.unsent
            for holder in holders.of(each.inode):
                mine.name = mine.name or holder.name
                if holder.pid not in mine.pids:
                    mine.pids.append(holder.pid)
    for each in sockets:
        if each.state is State.SYN_RECEIVED:
            port = each.local_port
            found = by_local.get((each.local, port)) or by_local.get((b"", port))
            if found is not None:
                found.half_open += 1
                found.resent += each.retransmits > 0
                found.most_resent = max(found.most_resent, each.retransmits)
    return sorted(by_local.values(), key=lambda e: (-e.half_open, -e.waiting, e.local))


def _destinations(sockets: list[KernelSocket], listened: set[int], reuse: int) -> list[Destination]:
    """Return where our side called, the fullest first: each has the whole port range.

    `reuse` is tcp_tw_reuse: 1 allows it everywhere, 2 on loopback.
    """
    low, high = port_range()
    ports = high - low + 1
    groups: dict[tuple[bytes, bytes, int], list[KernelSocket]] = {}
    for each in sockets:
        if each.remote_port and each.local_port not in listened and low <= each.local_port <= high:
            groups.setdefault((each.local, each.remote, each.remote_port), []).append(each)
    found = []
    for (local, remote, port), group in groups.items():
        waits = [each.expires * SECOND // 1000 for each in group if each.state is State.TIME_WAIT]
        if not waits:
            continue
        ages = [max(TIME_WAIT_LENGTH - left, 0) for left in waits]
        again = reuse == 1 or (reuse == 2 and (_is_loopback(local) or _is_loopback(remote)))
        span = max(min(_RATE_OVER, max(ages)), SECOND)
        rate = sum(age <= span for age in ages) * SECOND / span
        leaving = sum(left <= span for left in waits) * SECOND / span
        levels = round(rate * TIME_WAIT_LENGTH / SECOND) + len(group) - len(waits)
        free, net = ports - len(group), rate - leaving
        runs_out = round(max(free, 0) / net * SECOND) if levels > ports and net > 0 else None
        if again:
            runs_out = None
        found.append(
            Destination(
                text_of(local, 0).removesuffix(":*"),
                text_of(remote, port),
                len(waits),
                len(group),
                ports,
                rate,
                levels,
                runs_out,
                sum(age > _REUSED_AFTER for age in ages) if again else 0,
            )
        )
    return sorted(found, key=lambda each: (-each.used, each.remote))


def _is_loopback(address: bytes) -> bool:
    return ip_address(plain_address(address)).is_loopback
