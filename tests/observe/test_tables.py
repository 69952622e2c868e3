"""The columns that the compiled part fills say what the library's objects say."""

import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.observe.mangled import WAYS, Packets, written_together
from tests.observe.worlds import chance_world

from lastack.observe.captures import Capture
from lastack.observe.connection import connection_of, transitions_of
from lastack.observe.core.flow import Flow
from lastack.observe.core.scan import Scanner
from lastack.observe.core.table import Table, half_of, tag_of
from lastack.observe.many import Question
from lastack.observe.parquet import write_parquet
from lastack.observe.reading import Observer, read
from lastack.observe.second import Corrections, Seen, segments
from lastack.observe.summary import Wanted
from lastack.observe.tables import (
    CONNECTIONS,
    PACKETS,
    TRANSITIONS,
    Record,
    connection_row,
    transition_rows,
)
from lastack.sim.talk import Conversation

CONVERSATIONS = st.lists(
    st.tuples(st.integers(0, 2**32), st.sampled_from(WAYS)), min_size=1, max_size=4
)


def packets_of(seed: int) -> Packets:
    """What two hosts say on a path of the seed's quality, captured at one of them."""
    random = Random(seed)
    world = chance_world(seed)
    octets = bytes(random.randrange(6000)), bytes(random.randrange(3000))
    Conversation(world, *octets, left_closes_first=random.random() < 0.7).run()
    return world.octets(random.choice(("left", "right")))


def packet_record(seen: Seen) -> Record:
    """The row of a segment, made of its object."""
    states = [sum(1 << state for state in one) for one in (seen.states_a, seen.states_b)]
    return {
        "packet": seen.packet,
        "time_ns": seen.time,
        "connection": seen.connection,
        "from_a": seen.from_a,
        "flags": seen.flags,
        "seq": seen.seq,
        "ack": seen.ack,
        "window": seen.window,
        "length": seen.length,
        "remarks": int(seen.remarks),
        "state_a": states[0],
        "state_b": states[1],
    }


def from_objects(path: Path) -> dict[str, list[Record]]:
    """The three tables, made of the library's objects."""
    corrections = Corrections()
    connections: list[Record] = []
    transitions: list[Record] = []
    for flow in read(path):
        corrections.note(flow)
        connections.append(connection_row(connection_of(flow, str(path))))
        record = connection_of(flow, str(path), steps=True)
        transitions += transition_rows(record)
    seen = segments(Capture(str(path), (str(path),)), corrections)
    return {
        "connections": connections,
        "transitions": transitions,
        "packets": [packet_record(one) for one in seen],
    }


def in_order(rows: list[Record]) -> list[Record]:
    """A step that was found out late stands behind later ones in the file."""
    return sorted(rows, key=lambda row: (row["connection"], row.get("end"), row.get("packet")))


@settings(max_examples=25)
@given(CONVERSATIONS)
def test_parquet_has_what_the_objects_have(parts: list[tuple[int, Any]]) -> None:
    """Every value of every row, and the types that docs/reading.md promises."""
    parquet = pytest.importorskip("pyarrow.parquet")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "some.pcap")
        written_together(path, [way(Random(seed), packets_of(seed)) for seed, way in parts])
        given = Capture(str(path), (str(path),)), Question(Wanted()), name, 0
        assert write_parquet(given) == ""
        for table, rows in from_objects(path).items():
            columns = {"connections": CONNECTIONS, "transitions": TRANSITIONS, "packets": PACKETS}
            found = parquet.read_table(Path(name, table, "0000-some.pcap.parquet"))
            types = {field.name: str(field.type) for field in found.schema}
            assert types == columns[table]
            assert in_order(found.to_pylist()) == in_order(rows)


def test_a_capture_of_nothing_gives_tables_of_nothing(tmp_path: Path) -> None:
    """The files are there, with their columns."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = written_together(tmp_path / "none.pcap", [])
    write_parquet((Capture(str(path), (str(path),)), Question(Wanted()), str(tmp_path), 7))
    for table, columns in (("connections", CONNECTIONS), ("transitions", TRANSITIONS)):
        found = parquet.read_table(tmp_path / table / "0007-none.pcap.parquet")
        assert found.num_rows == 0 and found.column_names == list(columns)


KEYS = st.sampled_from((4, 16)).flatmap(
    lambda half: st.lists(
        st.sampled_from((0, 1, 255)), min_size=2 * half + 4, max_size=2 * half + 4
    )
)


@given(st.lists(st.tuples(st.booleans(), KEYS), max_size=60))
def test_the_table_finds_both_directions_of_what_is_in_it(doings: list[tuple[bool, Any]]) -> None:
    """As a dictionary of both keys does, whatever comes and goes."""
    table, model = Table(), dict[bytes, Flow]()
    for number, (comes, octets) in enumerate(doings):
        key = bytes(octets)
        half = int(half_of(key))
        back = key[half : 2 * half] + key[:half] + key[-2:] + key[-4:-2]
        flow = table.find(b"xy" + key, 2, half)
        assert flow is model.get(key, model.get(back))
        if flow is None and comes:
            flow = model[key] = Flow(number, key, 0)
            table.add(flow)
        elif flow is not None:
            assert table.from_a == (key in model)
            if not comes:
                table.remove(flow)
                del model[flow.key]
        assert len(table) == len(model)
    assert set(table.values()) == set(model.values())


def test_addresses_and_ports_that_rise_together_do_not_collide() -> None:
    """As those of a flood or a scan do, from either end."""
    tags = set()
    for i in range(4000):
        address, port = (0x0B000000 + i).to_bytes(4, "big"), (1000 + i).to_bytes(2, "big")
        tags.add(tag_of(address + b"\n\0\0\2" + port + b"\0\x50", 0, 4))
        tags.add(tag_of(b"\n\0\0\2" + address + b"\0\x51" + port, 0, 4))
        tags.add(tag_of(address + address + b"\0\x52" + port, 0, 4))
    assert len(tags) > 11_900


def test_the_table_grows_and_forgets() -> None:
    """Thousands at a time, many more one after the other."""
    table, kept = Table(), list[Flow]()
    for number in range(20_000):
        key = number.to_bytes(4, "big") + bytes(4) + b"\x04\x00\x00\x50"
        flow = Flow(number, key, 0)
        table.add(flow)
        kept.append(flow)
        if len(kept) > 3000:
            table.remove(kept.pop(number % 2000))
    assert len(table) == len(kept) == 3000
    assert all(table.find(flow.key, 0, 4) is flow for flow in kept)


def test_a_packet_behind_a_longer_header_belongs_to_the_same_connection() -> None:
    """IPv4 options lead by another way through the code."""
    world = chance_world(3)
    Conversation(world, bytes(3000), bytes(10), left_closes_first=True).run()
    scanner, observer = Scanner(), Observer()
    for time, data in world.octets("left"):
        longer = bytes([0x46]) + data[1:2] + (len(data) + 4).to_bytes(2, "big")
        scanner.packet(longer + data[4:20] + b"\1\1\1\0" + data[20:], 0, len(data) + 4, 101, time)
        observer.packet_seen(time, data)
    (one,), (other,) = scanner.flows.values(), observer.close()
    assert transitions_of(one) == transitions_of(other)
