"""The pieces of a host, each by itself: ports, routes, sequence numbers, deadlines, TIME-WAIT."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_stacks import LEFT, RIGHT, at

from lastack.stack.demux import Demux, Slot, key_of
from lastack.stack.isn import SequenceNumbers
from lastack.stack.mtus import LIFETIME, PathMtus
from lastack.stack.ports import Binding, Ports, overlap
from lastack.stack.routes import Interface, Routes
from lastack.stack.schedule import Schedule
from lastack.stack.time_waits import TimeWaits
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.time_wait import TimeWait
from lastack.units import NEVER, SECOND, US
from lastack.wire.address import Endpoint, pack_address

SOMEWHERE = Endpoint(bytes(4), 1)


def test_the_key_is_the_slice_of_an_arriving_packet() -> None:
    """IPv4: packet[12:24], from the remote side's view."""
    key = key_of(at(LEFT, 0x1234), at(RIGHT, 0x5678))
    assert key == pack_address(RIGHT) + pack_address(LEFT) + bytes.fromhex("56781234")


def test_ephemeral_ports_stay_in_range_skip_what_is_used_and_run_out() -> None:
    """RFC 6056 3.3.4: every port of the range is tried before giving up."""
    ports = Ports((5000, 5009), Random(1))
    ports.bind(b"", 5003, False)
    used: set[bytes] = set()
    chosen = []
    while port := ports.choose(b"head", used, ()):
        used.add(b"head" + port.to_bytes(2, "big"))
        chosen.append(port)
    assert sorted(chosen) == [5000, 5001, 5002, *range(5004, 5010)]


def test_ephemeral_ports_of_one_destination_say_nothing_about_another() -> None:
    """RFC 6056 3.3.4: the offset is a keyed hash of the destination, and of the key."""
    one, two = Ports((1024, 65535), Random(1)), Ports((1024, 65535), Random(2))
    first = [one.choose(bytes([i]) * 10, (), ()) for i in range(50)]
    again = [two.choose(bytes([i]) * 10, (), ()) for i in range(50)]
    assert len(set(first)) > 45 and sum(a == b for a, b in zip(first, again, strict=True)) < 3


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (b"", b"\x0a\0\0\1", True),
        (bytes(4), b"\x0a\0\0\1", True),
        (b"\x0a\0\0\1", b"\x0a\0\0\1", True),
        (b"\x0a\0\0\1", b"\x0a\0\0\2", False),
        (bytes(4), bytes(16), False),
        (b"", bytes(16), True),
    ],
)
def test_two_bindings_clash_where_their_addresses_overlap(a: bytes, b: bytes, wanted: bool) -> None:
    """Any address overlaps with each of its family."""
    assert overlap(a, b) is overlap(b, a) is wanted


def test_reuse_lets_bindings_stand_together_until_one_listens() -> None:
    """SO_REUSEADDR on both, and none in LISTEN."""
    ports = Ports((5000, 5009), Random(1))
    first = ports.bind(bytes(4), 80, True)
    assert ports.clash(bytes(4), 80, False)
    assert not ports.clash(bytes(4), 80, True)
    first.listening = True
    assert ports.clash(bytes(4), 80, True)
    ports.release(first)
    ports.release(first)
    assert not ports.clash(bytes(4), 80, False) and not ports.is_bound(80)
    assert isinstance(first, Binding)


def test_the_longest_prefix_gives_interface_and_source() -> None:
    """Source address selection by prefix, a default interface for the rest."""
    routes = Routes(
        [
            Interface("wide", ["10.0.0.1/8", "fe80::1/64", "fd00::1/64"]),
            Interface("narrow", ["10.1.0.1/16"], default=False),
        ]
    )
    for destination, name, source in (
        ("10.1.2.3", "narrow", "10.1.0.1"),
        ("10.2.2.3", "wide", "10.0.0.1"),
        ("192.0.2.1", "wide", "10.0.0.1"),
        ("fd00::9", "wide", "fd00::1"),
        ("fe80::9", "wide", "fe80::1"),
        ("2001:db8::1", "wide", "fd00::1"),
    ):
        route = routes.find(pack_address(destination))
        assert route is not None
        assert (route.interface.name, route.source) == (name, pack_address(source)), destination
    assert Routes([Interface("v4", ["10.0.0.1/8"])]).find(bytes(15) + b"\1") is None


def test_who_is_many_and_who_cannot_have_sent() -> None:
    """MUST-57, MUST-63; a /31 has no broadcast (RFC 3021)."""
    routes = Routes([Interface("a", ["10.0.0.1/24", "10.9.0.0/31"])])
    many = ["10.0.0.255", "255.255.255.255", "224.0.0.1", "ff02::1"]
    one = ["10.0.0.254", "10.9.0.1", "192.0.2.255", "fd00::1"]
    assert all(routes.is_many(pack_address(text)) for text in many)
    assert not any(routes.is_many(pack_address(text)) for text in one)
    bad = ["0.0.0.0", "240.0.0.1", "127.0.0.1", "::", "::1", *many]
    assert all(routes.is_bad_source(pack_address(text)) for text in bad)
    assert not any(routes.is_bad_source(pack_address(text)) for text in one)


def test_an_mtu_below_what_ip_needs_is_refused() -> None:
    """RFC 791 3.2."""
    with pytest.raises(ValueError, match="68"):
        Interface("tiny", [], 67)


def test_sequence_numbers_tick_and_differ_by_connection_and_by_host() -> None:
    """RFC 6528 3, MUST-8: 4 us a step; SHLD-1, MUST-9: a keyed hash of the 4-tuple."""
    ours, theirs = SequenceNumbers(Random(1)), SequenceNumbers(Random(2))
    iss, offset = ours.choose(b"key", 0)
    later, same = ours.choose(b"key", 40 * US)
    assert (later - iss) & 0xFFFFFFFF == 10 and offset == same
    for other in (ours.choose(b"yek", 0), theirs.choose(b"key", 0)):
        assert other[0] != iss and other[1] != offset
    assert 0 <= iss <= 0xFFFFFFFF and 0 <= offset <= 0xFFFFFFFF


def slot_of(demux: Demux, number: int) -> Slot:
    remote = Endpoint(number.to_bytes(4, "big"), 1)
    connection = Connection(number, SOMEWHERE, remote, Config(strict=True), 0, 0, 1500)
    slot = Slot(key_of(SOMEWHERE, remote), connection, None)
    demux.add(slot)
    return slot


def test_a_deadline_that_moves_later_costs_no_place() -> None:
    """Lazy: the retransmission timer restarts with every ACK (RFC 6298 5.3)."""
    demux = Demux()
    schedule = Schedule(demux)
    slot = slot_of(demux, 1)
    timers = slot.connection.tcb.timers
    for time in range(100, 200):
        timers.retransmit = time
        schedule.add(slot, slot.connection.next_deadline())
    assert len(schedule.heap) == 1 and schedule.next_deadline() == 199
    assert schedule.due(198) == [] and schedule.due(199) == [slot]


def test_a_short_timer_beside_a_long_one_leaves_no_trail() -> None:
    """A delayed ACK every 40 ms beside a keep-alive of two hours: two places, not thousands."""
    demux = Demux()
    schedule = Schedule(demux)
    slot = slot_of(demux, 1)
    timers = slot.connection.tcb.timers
    for now in range(1000):
        timers.keepalive = now + 100_000
        timers.delayed_ack = now + 1
        schedule.add(slot, slot.connection.next_deadline())
        assert schedule.due(now + 1) == [slot]
        timers.delayed_ack = NEVER
        schedule.add(slot, slot.connection.next_deadline())
        assert len(schedule.heap) <= 2 and len(slot.places or ()) == len(schedule.heap)
    assert schedule.next_deadline() == timers.keepalive


def test_the_places_of_the_dead_are_swept() -> None:
    """Churn leaves no heap of old deadlines behind."""
    demux = Demux()
    schedule = Schedule(demux)
    for number in range(1, 2000):
        slot = slot_of(demux, number)
        slot.connection.tcb.timers.keepalive = 10**9
        schedule.add(slot, 10**9)
        demux.remove(slot)
        schedule.forget(slot)
        assert len(schedule.heap) < 200
    assert schedule.next_deadline() == NEVER and schedule.dead == 0


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 50)), max_size=60))
def test_the_schedule_forgets_nobody(changes: list[tuple[int, int]]) -> None:
    """Whatever deadlines do, each comes up when it is due, and never early."""
    demux = Demux()
    schedule = Schedule(demux)
    slots = {number: slot_of(demux, number) for number in range(1, 6)}
    now = 0
    for number, wait in changes:
        slots[number].connection.tcb.timers.retransmit = now + wait
        schedule.add(slots[number], now + wait)
        now += 7
        due = {slot.connection.number for slot in schedule.due(now)}
        wanted = {n for n, s in slots.items() if s.connection.next_deadline() <= now}
        assert due == wanted
        for n in due:
            slots[n].connection.tcb.timers.retransmit = NEVER
        rest = [s.connection.next_deadline() for s in slots.values()]
        assert schedule.next_deadline() == min(rest)


def entry(number: int, expires: int) -> TimeWait:
    made = TimeWait(SOMEWHERE, SOMEWHERE, number)
    made.expires = expires
    return made


def test_time_wait_entries_leave_in_order_whatever_their_length() -> None:
    """A connection's own MSL decides; a restarted 2MSL counts anew."""
    table = TimeWaits()
    entries = [entry(1, 300), entry(2, 100), entry(3, 200)]
    for one in entries:
        table.add(bytes([one.number]), one)
    entries[1].expires = 250
    assert table.next_deadline() == 200
    assert table.expired(199) == [] and table.expired(260) == [entries[2], entries[1]]
    assert table.remove(b"\1") is entries[0] and table.remove(b"\1") is None
    assert table.next_deadline() == NEVER and not table.heap


def test_reopening_again_and_again_leaves_no_trail_in_the_table() -> None:
    """Removed entries are swept from the heap."""
    table = TimeWaits()
    for number in range(5000):
        table.add(b"key", entry(number, 10**9))
        assert table.remove(b"key") is not None
        assert len(table.heap) < 200
    table.add(b"key", entry(1, 5))
    table.add(b"other", entry(2, 4))
    oldest = table.remove_oldest()
    assert oldest is not None and oldest.number == 2


def test_a_path_mtu_is_remembered_for_a_while() -> None:
    """RFC 1191 6.3: after ten minutes the path may have changed. The cache is bounded."""
    mtus = PathMtus()
    mtus.lower(b"a", 1400, 0)
    mtus.lower(b"a", 1450, 0)
    assert mtus.get(b"a", LIFETIME - 1) == 1400 and mtus.get(b"b", 0) == 65535
    assert mtus.get(b"a", LIFETIME) == 65535
    for i in range(3000):
        mtus.lower(i.to_bytes(4, "big"), 600, SECOND)
    assert len(mtus.known) == 1024
