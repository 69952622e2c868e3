"""Every cell of the grid on our own connection, in the preset `rfc` and strict."""

import errno

import pytest
from cells import (
    HERE,
    NOTHING,
    Cell,
    Outcome,
    Step,
    Table,
    read_differences,
    segment_of,
    spelled,
    tables,
    wanted,
    with_timestamp,
)
from peer import LOCAL, REMOTE, THEIRS, Peer

from lastack.tcp.config import preset
from lastack.tcp.events import Notice
from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.wire.notation import Base
from lastack.wire.seq import add, diff, gt, lt
from lastack.wire.stop import Stop

CONFIG = preset("rfc").replace(strict=True, receive_buffer=1000, urgent_inline=True)
HALF_A_SECOND = SECOND // 2
TABLES = {table.name: table for table in tables()}
DELIBERATE = read_differences(HERE / "our_differences.txt").cells
CELLS = [cell for table in TABLES.values() for cell in table.cells]


def way_in(peer: Peer, step: Step, timestamps: bool) -> None:
    """Take one step towards the state of a table."""
    if step.who == "<":
        peer.sends(with_timestamp(step.what) if timestamps else step.what)
    elif step.who == ">":
        peer.pull()
        if not peer.heard:
            assert peer.waits_for_timer() < HALF_A_SECOND  # a delayed ACK
        peer.hears(step.what)
    else:
        user_does(peer, step.what)


def user_does(peer: Peer, what: str) -> None:
    connection = peer.connection
    verb, _, count = what.partition(" ")
    if verb == "listen":
        connection.open_passive(peer.now)
    elif verb == "connect":
        connection.open_active(peer.now)
    elif verb == "reads":
        assert len(peer.reads()) == int(count)
    elif verb == "sends":
        assert peer.writes(bytes(int(count))) == int(count)
    elif verb == "shuts":
        connection.shutdown_write(peer.now)
    elif verb == "closes":
        connection.close(peer.now)
    else:
        assert verb == "nothing", what


def reached(table: Table, timestamps: bool) -> Peer:
    """A fresh connection that real segments have brought into the state of a table."""
    peer = Peer(CONFIG)
    if table.state is State.CLOSED:
        peer.base = Base(THEIRS, 0)
    for step in table.before:
        way_in(peer, step, timestamps)
    peer.hears_nothing()
    peer.is_in(table.state)
    return peer


def acked(peer: Peer, before: int) -> int:
    """How many of the user's octets have been acknowledged since SND.UNA was that."""
    snd = peer.connection.tcb.snd
    first = add(snd.iss, 1)  # the SYN is not the user's, nor is the FIN behind the end
    last = snd.una if lt(snd.una, snd.end) else snd.end
    return max(diff(last, before if gt(before, first) else first), 0)


def told(peer: Peer, unread: int, una: int) -> str:
    """What the user has been told since so much was unread and SND.UNA was that."""
    connection = peer.connection
    notices = connection.notices
    words = []
    if notices & Notice.ESTABLISHED:
        words.append("established")
    if octets := acked(peer, una):
        words.append(f"acked {octets}")
    if notices & Notice.ERROR:
        words.append(errno.errorcode[connection.error])
    elif (new := connection.available - unread) > 0:
        words.append(f"reads {new}")
    if notices & Notice.END_OF_STREAM:
        words.append("end")
    if notices & Notice.URGENT:
        words.append("urgent")
    nobody_there = connection.is_orphan
    return "-" if nobody_there or not words else " ".join(words)


def played(cell: Cell) -> tuple[Outcome, Stop | None, Peer]:
    """What our connection does with the segment of a cell."""
    peer = reached(TABLES[cell.table], cell.timestamps)
    connection = peer.connection
    connection.notices = 0
    unread, una = connection.available, connection.tcb.snd.una
    segment = segment_of(cell.segment, peer.base, REMOTE.port, LOCAL.port)
    peer.story.append(f"{peer.now / SECOND:9.3f} < {cell.segment}")
    stop = connection.segment_arrives(segment, peer.now)
    peer.waits(HALF_A_SECOND)
    peer.pull()
    answers = [spelled(segment, peer.base.reversed()) for segment in peer.heard]
    user = told(peer, unread, una)
    return Outcome("; ".join(answers) or NOTHING, str(connection.state), user), stop, peer


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.table}-{cell.kind}")
def test_a_cell_is_as_the_rfc_has_it(cell: Cell) -> None:
    """RFC 9293 3.10.7, and what it refers to; or as our_differences.txt says and why."""
    found, stop, peer = played(cell)
    expected = DELIBERATE.get((cell.table, cell.kind), wanted(cell))
    assert found == expected, peer.tale(
        f"{cell.table} {cell.kind}, by {cell.section}\n"
        f"expected {expected}\n     got {found} ({stop.name if stop else 'no Stop'})"
    )


def test_what_differs_on_purpose_does_differ() -> None:
    """The list of deliberate differences names cells, and no cell that is as the RFC has it."""
    by_name = {(cell.table, cell.kind): cell for cell in CELLS}
    assert not [name for name, found in DELIBERATE.items() if found == wanted(by_name[name])]


def test_the_grid_has_all_states_both_ways_in_and_many_kinds() -> None:
    """Eleven states, SYN-RECEIVED twice, each with at least 24 kinds of segment."""
    whole = [table for table in TABLES.values() if len(table.cells) >= 24]
    assert {table.state for table in whole} == set(State)
    assert {"syn-received-passive", "syn-received-active"} <= {table.name for table in whole}
    for table in TABLES.values():
        kinds = [cell.kind for cell in table.cells]
        assert len(kinds) == len(set(kinds)), table.name
        agreed = table.state not in (State.CLOSED, State.LISTEN)
        segments = [(cell.segment, agreed and cell.timestamps) for cell in table.cells]
        assert len(segments) == len(set(segments)), table.name


def test_every_cell_names_the_section_it_was_written_from() -> None:
    """An expectation without a source is an opinion."""
    assert not [c for c in CELLS if not c.section[:1].isdigit() and "RFC" not in c.section]
