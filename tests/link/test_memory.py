"""The wire in memory: what it promises about time, order, harm and chance."""

import copy
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lastack
from lastack.link.base import Offload
from lastack.link.memory import (
    LOST,
    QUEUE_FULL,
    SCRIPTED,
    Dropping,
    MemoryWire,
    Passage,
)
from lastack.units import MS, NEVER, SECOND
from lastack.wire.checksum import checksum, checksum_holds
from lastack.wire.packet import CHECKSUM_OWED, CHECKSUM_PRESENT, Packet

HARM = {"loss": 0.2, "reorder": 0.2, "duplicate": 0.2, "corrupt": 0.2}


def numbered(number: int, size: int = 60) -> Packet:
    return Packet(number.to_bytes(4, "big") + bytes(size - 4))


def arrivals(wire: MemoryWire) -> list[tuple[int, bytes]]:
    """Run a wire until it is empty; return (time, packet) of all that reach b."""
    found = []
    while (moment := wire.next_deadline()) < NEVER:
        wire.advance(moment)
        while wire.a.receive() is not None:
            pass
        while (packet := wire.b.receive()) is not None:
            found.append((moment, packet.to_bytes()))
    return found


def numbers(found: list[tuple[int, bytes]]) -> list[int]:
    return [int.from_bytes(data[:4], "big") for _, data in found]


def test_a_packet_arrives_after_the_delay_and_not_before() -> None:
    """Time is told, never read."""
    wire = MemoryWire(Random(1), delay=10 * MS)
    wire.advance(5 * MS)
    assert wire.a.send(numbered(7))
    assert wire.next_deadline() == 15 * MS
    wire.advance(15 * MS - 1)
    assert wire.b.receive() is None
    wire.advance(15 * MS)
    assert wire.next_deadline() == 15 * MS
    packet = wire.b.receive()
    assert packet is not None and packet.to_bytes() == numbered(7).data
    assert (wire.next_deadline(), wire.in_flight, wire.a.receive()) == (NEVER, 0, None)


def test_both_directions_are_apart() -> None:
    """What one end sends the other receives."""
    wire = MemoryWire(Random(1))
    wire.a.send(numbered(1))
    wire.b.send(numbered(2))
    wire.advance(SECOND)
    at_a, at_b = wire.a.receive(), wire.b.receive()
    assert at_a is not None and at_b is not None
    assert (at_a.data[3], at_b.data[3]) == (2, 1)


def test_parts_arrive_in_one_piece_and_nothing_of_the_sender_is_kept() -> None:
    """A view of the user's buffer must not travel: it would lock the buffer and change with it."""
    buffer = bytearray(b"users octets")
    wire = MemoryWire(Random(1))
    wire.a.send(Packet(b"xheadx", 1, 5, (memoryview(buffer), b"!"), 13))
    buffer.extend(b"free again")
    buffer[0] = 0
    wire.advance(SECOND)
    packet = wire.b.receive()
    assert packet is not None
    assert (packet.data, packet.length) == (b"headusers octets!", 17)


@given(st.integers(0, 2**32), st.integers(0, 60))
def test_jitter_keeps_the_order(seed: int, count: int) -> None:
    """Only `reorder` reorders."""
    wire = MemoryWire(Random(seed), delay=MS, jitter=50 * MS)
    for number in range(count):
        wire.advance(number * MS)
        wire.a.send(numbered(number))
    found = arrivals(wire)
    assert numbers(found) == list(range(count))
    assert all(MS <= time - n * MS <= 51 * MS + count * MS for n, (time, _) in enumerate(found))


def test_reordering_holds_packets_back() -> None:
    """A packet that is held back is overtaken by those behind it."""
    wire = MemoryWire(Random(3), delay=10 * MS, reorder=0.2)
    for number in range(100):
        wire.advance(number * MS)
        wire.a.send(numbered(number))
    order = numbers(arrivals(wire))
    assert sorted(order) == list(range(100))
    assert order != list(range(100))


def test_loss_and_duplication_come_as_often_as_asked() -> None:
    """Probabilities are per packet."""
    fates: list[Passage] = []
    wire = MemoryWire(Random(5), loss=0.1, duplicate=0.2, trace=fates.append)
    for number in range(5000):
        wire.a.send(numbered(number))
    lost = [fate for fate in fates if fate.lost]
    copies = [fate for fate in fates if fate.copy]
    assert 420 < len(lost) < 580
    assert 800 < len(copies) < 1000
    assert all(fate.fate == LOST and fate.arrives_at == NEVER for fate in lost)
    assert len(arrivals(wire)) == 5000 - len(lost) + len(copies)


@given(st.integers(0, 2**32), st.integers(20, 1500))
def test_corruption_is_always_found_by_the_checksum(seed: int, size: int) -> None:
    """RFC 1071: an error of at most 15 neighbouring bits never keeps the sum."""
    body = Random(seed).randbytes(size)
    summed = checksum(b"\0\0" + body).to_bytes(2, "big") + body
    wire = MemoryWire(Random(seed), corrupt=1.0)
    wire.a.send(Packet(summed))
    (_, arrived), *rest = arrivals(wire)
    assert not rest and len(arrived) == len(summed) and arrived != summed
    assert not checksum_holds(arrived, 0, len(arrived))


def test_an_owed_checksum_is_made_before_the_packet_is_harmed() -> None:
    """Otherwise nobody could see the harm."""
    whole = bytes(range(20)) + bytes(16) + bytes(2) + b"data"
    packet = Packet(
        whole,
        gso_size=2,
        checksum=CHECKSUM_OWED,
        checksum_start=20,
        checksum_offset=16,
    )
    wire = MemoryWire(Random(1), corrupt=1.0, a_offload=Offload(checksum=True))
    wire.a.send(packet)
    wire.advance(SECOND)
    arrived = wire.b.receive()
    assert arrived is not None
    assert (arrived.checksum, arrived.gso_size) == (CHECKSUM_PRESENT, 2)
    wire.corrupt = 0.0
    wire.a.send(packet)
    wire.advance(2 * SECOND)
    arrived = wire.b.receive()
    assert arrived is not None
    assert (arrived.checksum, arrived.checksum_start, arrived.data) == (CHECKSUM_OWED, 20, whole)


def test_a_rate_spaces_packets_and_a_full_queue_loses_them() -> None:
    """Tail drop: what finds `queue` packets waiting, beside the one that is being sent, is lost."""
    fates: list[Passage] = []
    wire = MemoryWire(Random(1), delay=0, rate=8_000_000, queue=3, trace=fates.append)
    for number in range(6):
        wire.a.send(numbered(number, 1000))
    found = arrivals(wire)
    assert [time for time, _ in found] == [MS, 2 * MS, 3 * MS, 4 * MS]
    assert numbers(found) == [0, 1, 2, 3]
    assert [fate.fate for fate in fates[4:]] == [QUEUE_FULL, QUEUE_FULL]
    wire.advance(10 * MS)
    wire.a.send(numbered(9, 1000))
    assert wire.next_deadline() == 11 * MS


def test_losses_can_be_scripted() -> None:
    """A rule sees who sends, which packet it is, and the packet."""
    fates: list[Passage] = []
    wire = MemoryWire(Random(1), drop=Dropping(from_a=(2, 4), from_b=(1,)), trace=fates.append)
    for number in range(1, 6):
        wire.a.send(numbered(number))
    wire.b.send(numbered(1))
    wire.b.send(numbered(2))
    assert [fate.number for fate in fates if fate.from_a and not fate.lost] == [1, 3, 5]
    assert [fate.fate for fate in fates if not fate.from_a] == [SCRIPTED, "sent"]
    wire.drop = lambda from_a, number, packet: packet.data[3] == 77
    wire.a.send(numbered(77))
    wire.a.send(numbered(78))
    assert [fate.lost for fate in fates[-2:]] == [True, False]
    assert "dropped by rule" in repr(fates[-2])


@given(st.integers(0, 2**64), st.lists(st.booleans(), max_size=50))
def test_the_same_seed_gives_the_same_fates(seed: int, senders: list[bool]) -> None:
    """Same seed, same world, octet for octet."""

    def fates() -> list[str]:
        told: list[str] = []

        def tell(fate: Passage) -> None:
            told.append(f"{fate!r} {fate.packet.to_bytes().hex()}")

        wire = MemoryWire(Random(seed), jitter=MS, trace=tell, **HARM)
        for time, from_a in enumerate(senders):
            wire.advance(time * MS)
            (wire.a if from_a else wire.b).send(numbered(time))
        return told + [str(arrival) for arrival in arrivals(wire)]

    assert fates() == fates()


def test_more_loss_leaves_the_other_fates_as_they_were() -> None:
    """Every packet draws the same number of times, so two worlds can be compared."""

    def harmed(loss: float) -> set[int]:
        fates: list[Passage] = []
        wire = MemoryWire(Random(9), loss=loss, corrupt=0.2, trace=fates.append)
        for number in range(200):
            wire.a.send(numbered(number))
        return {fate.number for fate in fates if fate.corrupted}

    assert harmed(0.3) < harmed(0.0)


@pytest.mark.skipif(lastack.COMPILED, reason="compiled objects cannot be copied")
def test_a_wire_can_be_copied_with_all_that_is_on_its_way() -> None:
    """All is plain data: a world can branch."""
    wire = MemoryWire(Random(4), jitter=MS, **HARM)
    for number in range(50):
        wire.a.send(numbered(number))
    wire.advance(10 * MS)
    branch = copy.deepcopy(wire)
    for one in (wire, branch):
        one.a.send(numbered(99))
    assert arrivals(wire) == arrivals(branch)


@pytest.mark.parametrize("bad", [{"loss": 1.1}, {"corrupt": -0.1}, {"delay": -1}, {"rate": -5}])
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    """Bad input: a clear error."""
    with pytest.raises(ValueError, match=next(iter(bad))):
        MemoryWire(Random(1), **bad)  # type: ignore[arg-type]


def test_what_finds_many_waiting_is_marked_if_it_can_be() -> None:
    """RFC 3168 5: CE instead of a drop; what is not ECN-capable passes as it is."""
    wire = MemoryWire(Random(1), delay=0, rate=8_000_000, mark=2)  # an octet a microsecond
    plain, capable = (Packet(bytes((0x45, ecn)) + bytes(998)) for ecn in (0, 2))
    for packet in (capable, capable, capable, capable, plain):
        wire.a.send(Packet(packet.data))
    assert wire.waiting(True) == 4
    assert wire.queueing_time(True) == 5 * MS
    wire.advance(10 * MS)
    ecn = [packet.data[1] for packet in iter(wire.b.receive, None)]
    assert ecn == [2, 2, 2, 3, 0]
