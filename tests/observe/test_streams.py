"""What the ends said, put together again from a capture: as they sent it, and never more."""

import io
import struct
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.observe.scenarios import Scene
from tests.observe.test_robust import mutated
from tests.observe.worlds import EPOCH, Tapped, chance_world, written

from lastack.observe import Piece, What, stream
from lastack.observe import streams as module
from lastack.observe.streams import NoSuchConnection, Reassembly
from lastack.sim.talk import Conversation
from lastack.units import MS, SECOND
from lastack.wire.capture import CaptureError, CaptureWriter
from lastack.wire.segment import SYN

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
START = 0xFFFFFF00
"""The first octet of a stream whose numbers soon begin again at 0."""


def talk(seed: int, left: int, right: int) -> tuple[Tapped, Conversation]:
    """A world of the seed, where both ends say something that can be told apart anywhere."""
    world = chance_world(seed)
    random = Random(seed)
    conversation = Conversation(world, random.randbytes(left), random.randbytes(right))
    conversation.run()
    return world, conversation


def said(pieces: list[Piece], side: str) -> bytes:
    return b"".join(one.data for one in pieces if one.side == side)


@given(
    seed=st.integers(0, 1 << 30),
    left=st.integers(0, 30_000),
    right=st.integers(0, 30_000),
    where=st.sampled_from(("left", "right")),
)
@settings(max_examples=40, deadline=None)
def test_a_stream_is_what_the_application_sent(
    tmp_path_factory: pytest.TempPathFactory, seed: int, left: int, right: int, where: str
) -> None:
    """Loss, reordering and duplicates, seen at either end: every octet once and in order."""
    world, conversation = talk(seed, left, right)
    folder = tmp_path_factory.mktemp("streams")
    path = written(folder, "capture.pcapng", world.capture(where))
    pieces = list(stream(path, number=1))
    a, b = (conversation.left.data, conversation.right.data)
    assert {one.what for one in pieces} <= {What.TEXT}
    assert said(pieces, "a") == a == bytes(conversation.right.received)
    assert said(pieces, "b") == b == bytes(conversation.left.received)
    assert said(list(stream(path, number=1, side="b")), "a") == b""


@given(
    seed=st.integers(0, 1 << 30), holes=st.integers(1, 12), where=st.sampled_from(("left", "right"))
)
@settings(max_examples=40, deadline=None)
def test_what_is_missing_in_a_capture_is_said_and_never_made_up(
    tmp_path_factory: pytest.TempPathFactory, seed: int, holes: int, where: str
) -> None:
    """Packets without SYN are taken out of the capture: the pieces are where they were."""
    world, conversation = talk(seed, 20_000, 20_000)
    packets = world.captured(where)
    random = Random(seed)
    left_out = {random.randrange(3, len(packets)) for _ in range(holes)}
    file = io.BytesIO()
    writer = CaptureWriter(file)
    for i, (time, passage) in enumerate(packets):
        packet = passage.packet if passage.from_a != (where == "left") else passage.intact
        octets = packet.to_bytes()
        if i not in left_out or octets[33] & SYN:
            writer.write(octets, EPOCH + time)
    writer.flush()
    folder = tmp_path_factory.mktemp("streams")
    pieces = list(stream(written(folder, "capture.pcapng", file.getvalue()), number=1))
    for side, data in (("a", conversation.left.data), ("b", conversation.right.data)):
        at = 0
        for one in pieces:
            if one.side != side:
                continue
            assert one.what in (What.TEXT, What.GAP) and one.offset == at
            at += one.count
            if one.what is What.TEXT:
                assert one.data == data[one.offset : at] and one.count == len(one.data)
        assert at <= len(data) + 1  # where no FIN was captured, its ACK counts for an octet


def gathered(*texts: tuple[int, bytes], end: int = -1) -> list[Piece]:
    """What one direction gives of texts at offsets behind START."""
    one = Reassembly("a", START, end if end < 0 else (START + end) & 0xFFFFFFFF)
    pieces: list[Piece] = []
    for offset, data in texts:
        pieces += one.text((START + offset) & 0xFFFFFFFF, data)
    return [*pieces, *one.close()]


def test_numbers_begin_again_at_0() -> None:
    """Offsets go on where sequence numbers wrap."""
    data = Random(1).randbytes(1000)
    pieces = gathered((500, data[500:]), (0, data[:300]), (300, data[300:500]))
    assert said(pieces, "a") == data and [one.offset for one in pieces] == [0, 300, 500]


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 40)), min_size=1, max_size=40),
    st.integers(0, 1 << 30),
)
def test_overlaps_give_every_octet_once(spans: list[tuple[int, int]], seed: int) -> None:
    """However texts overlap: all that was captured is given, in order, and the rest are gaps."""
    data = Random(seed).randbytes(140)
    pieces = gathered(*((at, data[at : at + count]) for at, count in spans))
    seen = {octet for at, count in spans for octet in range(at, at + count)}
    given = set()
    at = 0
    for one in pieces:
        assert one.offset == at
        at += one.count
        if one.what is What.TEXT:
            assert one.data == data[one.offset : at]
            given |= set(range(one.offset, at))
    assert given == seen


def test_what_came_first_counts_and_a_difference_is_said() -> None:
    """Both for what was given already and for what waits behind a gap."""
    first, waits = gathered((0, b"abcd"), (0, b"abXY")), gathered((2, b"cd"), (0, b"abXd"))
    assert said(first, "a") == said(waits, "a") == b"abcd"
    assert (first[-1].what, first[-1].count) == (What.DIFFERENT, 2)
    assert (waits[-1].what, waits[-1].count) == (What.DIFFERENT, 1)


def test_nothing_stands_behind_the_end_of_a_stream_or_out_of_any_window() -> None:
    """What is left out is counted."""
    behind = gathered((0, b"abcd"), (4, b"ef"), end=4)
    assert said(behind, "a") == b"abcd"
    assert [(one.what, one.count) for one in behind[1:]] == [(What.BEHIND_FIN, 2)]
    outside = gathered((0, b"abcd"), ((1 << 30) + 4, b"far"), (-9, b"before"))
    assert said(outside, "a") == b"abcd"
    assert [(one.what, one.count) for one in outside[1:]] == [(What.OUTSIDE, 9)]


def test_an_end_that_was_not_captured_is_missing() -> None:
    """The FIN tells how long the stream was."""
    *_, last = gathered((0, b"abcd"), end=9)
    assert (last.what, last.offset, last.count) == (What.GAP, 4, 5)


def test_a_gap_that_was_acknowledged_holds_nothing_up_for_long() -> None:
    """Nor does one that was not, beyond a bound: memory does not grow with the capture."""
    some = bytes(1 << 16)
    one = Reassembly("a", 0)
    for i in range(17):
        assert not list(one.text(100 + (i << 16), some))
    assert next(piece.what for piece in one.acknowledged(200)) is What.GAP
    other = Reassembly("a", 0)
    pieces: list[Piece] = []
    for i in range((module.MOST_HELD >> 16) + 1):
        pieces += other.text(100 + (i << 16), some)
    assert pieces[0] == Piece("a", What.GAP, 0, 100) and len(pieces) > 1000


Given = tuple[bool, int, int, int, bytes]


def capture_of(folder: Path, *segments: Given, tunnel: bytes = b"", name: str = "one") -> Path:
    """A capture of segments given as (from a, flags, seq, ack, text), each behind `tunnel`."""
    file = io.BytesIO()
    writer = CaptureWriter(file)
    for i, (from_a, flags, seq, ack, text) in enumerate(segments):
        ports, addresses = ((1000, 80), (A, B)) if from_a else ((80, 1000), (B, A))
        tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, 5 << 4, flags, 1000, 0, 0) + text
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, *addresses)
        writer.write(tunnel + head + tcp, EPOCH + i * MS)
    writer.flush()
    return written(folder, f"{name}.pcapng", file.getvalue())


def test_text_in_a_syn_belongs_to_the_stream(tmp_path: Path) -> None:
    """RFC 7413: whether the SYN-ACK takes it, or it is sent again."""
    opening = (True, 2, 99, 0, b"in the SYN, "), (False, 0x12, 500, 100, b"")
    again = (True, 0x10, 100, 501, b"in the SYN, "), (True, 0x10, 112, 501, b"and behind")
    for rest in (again, again[1:]):
        pieces = list(stream(capture_of(tmp_path, *opening, *rest), number=1))
        assert said(pieces, "a") == b"in the SYN, and behind"
        assert {one.what for one in pieces} == {What.TEXT}


TALK: tuple[Given, ...] = (
    (True, 2, 99, 0, b""),
    (False, 0x12, 500, 100, b""),
    (True, 0x18, 100, 501, b"first, "),
    (True, 0x18, 107, 501, b"second"),
    (False, 0x18, 501, 113, b"answer"),
)


def test_a_stream_goes_on_in_the_next_file_of_a_series(tmp_path: Path) -> None:
    """The files of a rotated capture are one."""
    files = [capture_of(tmp_path, *TALK[:3], name="x0"), capture_of(tmp_path, *TALK[3:], name="x1")]
    pieces = list(stream(*files, number=1))
    assert said(pieces, "a") == b"first, second" and said(pieces, "b") == b"answer"


def test_a_stream_in_a_tunnel_is_like_any_other(tmp_path: Path) -> None:
    """GRE in IPv4, the total length left at 0 as offload leaves it."""
    outer = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 1, 0, 64, 47, 0, B, A) + b"\0\0\x08\0"
    pieces = list(stream(capture_of(tmp_path, *TALK, tunnel=outer), number=1))
    assert said(pieces, "a") == b"first, second" and said(pieces, "b") == b"answer"
    assert [one.side for one in pieces] == ["a", "a", "b"]


def test_streams_of_mutated_captures_lie_end_to_end(tmp_path: Path) -> None:
    """Whatever is in the file: pieces and gaps without overlap, no exception but CaptureError."""
    for seed in range(150):
        path = written(tmp_path, "mutated", mutated(Random(seed)))
        at = {"a": 0, "b": 0}
        try:
            for one in stream(path, number=1):
                if one.what in (What.TEXT, What.GAP):
                    assert one.offset == at[one.side] and one.count > 0, seed
                    at[one.side] += one.count
                    assert one.what is What.GAP or len(one.data) == one.count, seed
        except (CaptureError, NoSuchConnection):
            pass


def test_a_stream_whose_beginning_was_not_captured_says_so(tmp_path: Path) -> None:
    """Its first captured octet is number 0; a keep-alive's octet is none of it."""
    middle = (
        (True, 0x10, 700, 500, b"known"),
        (True, 0x10, 704, 500, b"?"),
        (True, 0x10, 705, 500, b" end"),
    )
    first, *rest = stream(capture_of(tmp_path, *middle), number=1, side="a")
    assert first.what is What.MIDDLE and said(rest, "a") == b"known end"
    assert {one.what for one in rest} == {What.TEXT}


def test_what_comes_after_a_reset_is_left_out(tmp_path: Path) -> None:
    """Whoever aborted has no connection any more; a reset that is not believed ends nothing."""
    world = Scene()
    world.opens()
    world.says(True, b"before", wait=SECOND)
    world.acts(False, "abort", wait=0)
    world.says(True, b"after")
    path = written(tmp_path, "abort.pcapng", world.capture("right"))
    pieces = list(stream(path, number=1))
    assert said(pieces, "a") == b"before"
    assert [(one.what, one.count) for one in pieces[1:]] == [(What.AFTER_RESET, 5)]
    blind = Scene()
    blind.opens()
    blind.says(True, b"before ")
    blind.forges(False, "R 4000:4000(0)")
    blind.says(True, b"and after")
    path = written(tmp_path, "blind.pcapng", blind.capture("right"))
    assert said(list(stream(path, number=1)), "a") == b"before and after"


def test_a_cut_capture_gives_what_it_holds_and_then_raises(tmp_path: Path) -> None:
    """As `read` does; and a number that is not there is no connection."""
    world, conversation = talk(1, 5000, 0)
    path = written(tmp_path, "cut.pcapng", world.capture("left")[:3000])
    pieces: list[Piece] = []
    with pytest.raises(CaptureError):
        for piece in stream(path, number=1, side="a"):
            pieces.append(piece)
    data = said(pieces, "a")
    assert data and conversation.left.data.startswith(data)
    with pytest.raises(NoSuchConnection, match="no connection 2; there are 1"):
        list(stream(written(tmp_path, "whole.pcapng", world.capture("left")), number=2))


def test_what_is_held_behind_a_gap_is_bounded_in_pieces_too() -> None:
    """Octets one by one, each behind a gap of its own: beyond the bound the first are given."""
    one, places = Reassembly("a", 0), list(range(1, 6 * module.MOST_PIECES, 2))
    Random(5).shuffle(places)
    given = [piece for place in places for piece in one.text(place, b"x")]
    assert any(piece.what is What.TEXT for piece in given)
    left = [piece for piece in one.close() if piece.what is What.TEXT]
    assert len(left) == module.MOST_PIECES
