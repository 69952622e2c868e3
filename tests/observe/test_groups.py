"""Many connections that are one matter: floods, scans, leaks, piles, and a full backlog."""

import pickle
import struct

from lastack.observe import Observer, verdict_on
from lastack.observe.core.groups import (
    BACKLOG,
    CLOSE_WAIT_LEAK,
    MOST,
    PORT_SCAN,
    SYN_FLOOD,
    TIME_WAIT_PILE,
    Group,
    Groups,
)
from lastack.observe.core.verdicts import STUCK_AFTER
from lastack.units import MS, SECOND

HOST, CLIENT = bytes((10, 0, 0, 2)), bytes((10, 0, 0, 1))
F, S, R, A = 1, 2, 4, 16


class Wire:
    """Puts segments, with numbers relative to 0, before an observer."""

    def __init__(self, most_open: int = 100_000) -> None:
        self.observer = Observer(most_open)
        self.groups = Groups()
        self.now = 1_700_000_000 * SECOND

    def passes(
        self, source: tuple[bytes, int], to: tuple[bytes, int], flags: int, seq: int, ack: int
    ) -> None:
        tcp = struct.pack("!HHIIBBHHH", source[1], to[1], seq, ack, 5 << 4, flags, 1000, 0, 0)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, source[0], to[0])
        self.observer.packet_seen(self.now, ip + tcp)
        self.now += MS // 10
        for flow in self.observer.take_finished():
            self.groups.add(flow, verdict_on(flow))

    def opens(self, client: tuple[bytes, int], server: tuple[bytes, int]) -> None:
        self.passes(client, server, S, 0, 0)
        self.passes(server, client, S | A, 0, 1)
        self.passes(client, server, A, 1, 1)

    def done(self) -> Groups:
        for flow in self.observer.close():
            self.groups.add(flow, verdict_on(flow))
        return self.groups


def test_a_syn_flood_is_named_by_its_victim() -> None:
    """Handshakes that nobody ends, from many sources; the backlog fills by as many."""
    wire = Wire()
    for i in range(500):
        client = (struct.pack("!I", 0x0B000000 + i), 1000 + i)
        wire.passes(client, (HOST, 80), S, 0, 0)
        wire.passes((HOST, 80), client, S | A, 0, 1)
    wire.opens((CLIENT, 5000), (HOST, 443))
    flood, full = wire.done().found()
    assert (flood.kind, flood.place, flood.count) == (SYN_FLOOD, "10.0.0.2:80", 500)
    assert (full.kind, full.place, full.count) == (BACKLOG, "10.0.0.2:80", 500)
    assert full.over_time[-1][1] == 0 and full.until - full.since <= 2 * SECOND
    backlog = wire.groups.backlog("10.0.0.2:80")
    assert backlog is not None and backlog.most == 500
    assert wire.groups.backlog("10.0.0.2:443") is None  # opened within a bucket


def test_handshakes_under_way_at_the_end_are_no_flood_beside_more_that_are_done() -> None:
    """A busy server whose clients are far away: so many are always being opened."""
    wire, client = Wire(), [(struct.pack("!I", 0x0B000000 + i), 1000 + i) for i in range(1000)]
    for i in range(1000):
        wire.passes(client[i], (HOST, 80), S, 0, 0)
        if i >= 300:
            wire.passes((HOST, 80), client[i - 300], S | A, 0, 1)
            wire.passes(client[i - 300], (HOST, 80), A, 1, 1)
    groups = wire.done()
    assert SYN_FLOOD not in [one.kind for one in groups.found()]
    wire.observer = Observer()
    for i in range(1000):
        wire.passes((struct.pack("!I", 0x0C000000 + i), 1000), (HOST, 80), S, 0, 0)
    [flood] = [one for one in wire.done().found() if one.kind == SYN_FLOOD]
    assert flood.count == 1300


def test_a_port_scan_is_named_by_both() -> None:
    """One source, one host, many ports, nothing opened."""
    wire = Wire()
    for port in range(1, 60):
        wire.passes((CLIENT, 40000), (HOST, port), S, 0, 0)
        wire.passes((HOST, port), (CLIENT, 40000), R | A, 0, 1)
    [scan] = wire.done().found()
    assert (scan.kind, scan.place, scan.count) == (PORT_SCAN, "10.0.0.1 at 10.0.0.2", 59)


def test_a_close_wait_leak_has_a_place() -> None:
    """A service that does not close what its clients have closed."""
    wire = Wire()
    for port in range(2000, 2010):
        wire.opens((CLIENT, port), (HOST, 8080))
        wire.passes((CLIENT, port), (HOST, 8080), F | A, 1, 1)
        wire.passes((HOST, 8080), (CLIENT, port), A, 1, 2)
    wire.now += STUCK_AFTER
    wire.opens((CLIENT, 3000), (HOST, 8080))
    [leak] = wire.done().found()
    assert (leak.kind, leak.place, leak.count) == (CLOSE_WAIT_LEAK, "10.0.0.2:8080", 10)


def test_a_time_wait_pile_up_has_a_place() -> None:
    """A client that opens and closes a connection for each question."""
    wire = Wire()
    for port in range(2000, 3200):
        client, server = (CLIENT, port), (HOST, 80)
        wire.opens(client, server)
        wire.passes(client, server, F | A, 1, 1)
        wire.passes(server, client, F | A, 1, 2)
        wire.passes(client, server, A, 2, 2)
    [pile] = wire.done().found()
    assert (pile.kind, pile.count) == (TIME_WAIT_PILE, 1200)
    assert pile.place == "10.0.0.1 to 10.0.0.2:80"


def test_a_client_that_tries_again_and_again_is_no_flood() -> None:
    """Many SYNs without an answer, from one address, each a second after the other."""
    wire = Wire()
    for port in range(2000, 2300):
        wire.passes((CLIENT, port), (HOST, 80), S, 0, 0)
        wire.now += SECOND
    assert not wire.done().found()


def test_a_server_holds_its_time_waits_at_one_place() -> None:
    """It closes first: each of its clients has a port of its own."""
    wire = Wire()
    for port in range(2000, 3200):
        client, server = (CLIENT, port), (HOST, 80)
        wire.opens(client, server)
        wire.passes(server, client, F | A, 1, 1)
        wire.passes(client, server, F | A, 1, 2)
        wire.passes(server, client, A, 2, 2)
    [pile] = wire.done().found()
    assert (pile.kind, pile.place, pile.count) == (TIME_WAIT_PILE, "10.0.0.2:80", 1200)


def test_parts_of_a_capture_make_the_same_groups_as_the_whole() -> None:
    """Each process takes some of the connections, and their groups travel between processes."""
    whole, parts = Groups(), [Groups(), Groups()]
    wire = Wire()
    for i in range(400):
        client = (struct.pack("!I", 0x0B000000 + i), 1000 + i)
        wire.passes(client, (HOST, 80), S, 0, 0)
        wire.passes((HOST, 80), client, S | A, 0, 1)
        wire.passes((CLIENT, 40000), (HOST, i), S, 0, 0)
        wire.now += SECOND // 4
    for i, flow in enumerate(wire.observer.close()):
        whole.add(flow, verdict_on(flow))
        parts[i % 2].add(flow, verdict_on(flow))
    parts[0].merge(pickle.loads(pickle.dumps(parts[1])))
    expected = [vars_of(one) for one in whole.found()]
    assert [vars_of(one) for one in parts[0].found()] == expected
    assert {one[0] for one in expected} == {SYN_FLOOD, PORT_SCAN}


def vars_of(group: Group) -> tuple[object, ...]:
    return group.kind, group.place, group.count, group.since, group.until, group.peers


def test_groups_stay_small_whatever_comes() -> None:
    """More places than are counted: the least ones give way, and that is said."""
    wire = Wire()
    for i in range(6 * MOST):
        wire.passes((CLIENT, 1000), (struct.pack("!I", 0x0B000000 + i), 80), S, 0, 0)
    groups = wire.done()
    assert groups.given_way > 0
    assert all(len(tallies) <= 2 * MOST for tallies in groups.tallies.values())
