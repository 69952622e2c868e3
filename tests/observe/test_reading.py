"""Connections as they end, however the capture is read."""

import struct
from pathlib import Path

from tests.observe.scenarios import SCENES
from tests.observe.worlds import EPOCH, chance_world

from lastack.observe import Teardown, read, verdict_on
from lastack.observe.connection import connection_of, transitions_of
from lastack.observe.core.scan import LINGER, share_of
from lastack.observe.info import connection_info
from lastack.observe.reading import Observer
from lastack.sim.talk import Conversation
from lastack.units import SECOND


def seen() -> list[tuple[int, bytes]]:
    """The packets of one conversation."""
    world = chance_world(3)
    Conversation(world, bytes(2000), bytes(1000), left_closes_first=True).run()
    return [(EPOCH + time, one.packet.to_bytes()) for time, one in world.captured("left")]


def test_what_comes_long_after_the_end_is_another_connection() -> None:
    """Whether or not room was made in between: the same for every way of sharing out."""
    packets = seen()
    end = packets[-1][0]
    for late, count in ((LINGER - SECOND, 1), (LINGER + SECOND, 2)):
        observer = Observer()
        for time, data in packets:
            observer.packet_seen(time, data)
        observer.packet_seen(end + late, packets[-1][1])
        assert len(observer.close()) == count


def test_a_syn_captured_again_after_the_end_begins_nothing() -> None:
    """Its number is that of the connection before; with another number it is another one."""
    packets = seen()
    syn = packets[0][1]
    at = (syn[0] & 15) * 4 + 4
    other = syn[:at] + bytes(4) + syn[at + 4 :]
    for late, count in ((syn, 1), (other, 2)):
        observer = Observer()
        for time, data in packets:
            observer.packet_seen(time, data)
        observer.packet_seen(packets[-1][0] + SECOND, late)
        flows = observer.close()
        assert len(flows) == count and flows[0].over


def test_a_record_has_the_time_in_each_state_with_its_transitions() -> None:
    """They add up to its whole life, where each was certain."""
    observer = Observer()
    for time, data in seen():
        observer.packet_seen(time, data)
    (flow,) = observer.close()
    record = connection_of(flow, "x", steps=True)
    assert sum(record.a.spent.values()) == record.last - record.first
    assert record.transitions[0].section == "3.10.1"
    assert record.capture == "x" and record.transitions == transitions_of(flow)


def test_a_capture_tells_views_what_it_knows_and_none_of_the_rest() -> None:
    """ConnectionInfo of either end; windows and timers are not in a capture."""
    observer = Observer()
    for time, data in seen():
        observer.packet_seen(time, data)
    record = connection_of(observer.close()[0])
    mine, theirs = connection_info(record), connection_info(record, of_a=False)
    assert (mine.local, mine.remote) == (theirs.remote, theirs.local)
    assert mine.bytes_sent == theirs.bytes_received == record.a.octets
    assert mine.cwnd is None and mine.rto is None


def test_both_directions_fall_to_the_same_share() -> None:
    """And connections spread evenly, even where ports come in steps of two."""
    counts = [0, 0]
    for port in range(40000, 42000, 2):
        ports = port.to_bytes(2, "big"), (443).to_bytes(2, "big")
        one, other = bytes((10, 0, 0, 1)), bytes((10, 9, 8, 7))
        share = share_of(one + other + ports[0] + ports[1], 0, 4, 2)
        assert share == share_of(other + one + ports[1] + ports[0], 0, 4, 2)
        counts[share] += 1
    assert min(counts) > 350


def test_a_capture_whose_statistics_say_that_it_went_on_shows_who_is_stuck(tmp_path: Path) -> None:
    """There is one connection alone, and its last segment is not the end of what was watched."""
    scene, found = SCENES["stuck in CLOSE-WAIT"].play(), []
    path = tmp_path / "one.pcapng"
    for seconds in (1, 100):
        until = EPOCH + seconds * SECOND
        words = struct.pack("<IIIHHII", 0, 0, 0, 3, 8, until >> 32, until & 0xFFFFFFFF)
        block = struct.pack("<II", 5, len(words) + 12) + words + struct.pack("<I", len(words) + 12)
        path.write_bytes(scene.capture("left") + block)
        found += [verdict_on(flow).teardown for flow in read(path)]
    assert found == [Teardown.BEING_CLOSED, Teardown.STUCK_IN_CLOSE_WAIT]
