"""`lastack read` from files, pipes and standard input, packed, in pieces, by several processes."""

import gzip
import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from tests.observe.worlds import chance_world

from lastack.observe.captures import captures_in
from lastack.observe.many import WORTH_SHARING
from lastack.sim.talk import Conversation
from lastack.units import SECOND
from lastack.wire.capture import CaptureWriter, read_capture

BAR_FROM = 32 << 20


def capture_of(conversations: int, size: int = 0) -> bytes:
    """A capture of conversations between addresses of their own, with other packets up to a size.

    It is pcapng.
    """
    file = io.BytesIO()
    writer = CaptureWriter(file)
    for seed in range(conversations):
        world = chance_world(seed)
        Conversation(world, bytes(2000), bytes(1000), left_closes_first=True).run()
        for time, passage in world.captured("left"):
            data = bytearray(passage.packet.to_bytes())
            data[14] = data[18] = seed + 1
            writer.write(bytes(data), time + seed * SECOND)
        writer.flush()
        while file.tell() < size * (seed + 1) // conversations:
            writer.write(bytes(60_000), seed * SECOND)
            writer.flush()
    return file.getvalue()


def reading(*arguments: str, **more: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "100", "TERM": "xterm"}
    return subprocess.Popen(
        [sys.executable, "-m", "lastack", "read", *arguments],
        env=environment,
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )


def printed(*arguments: str, stdin: bytes = b"") -> str:
    """What is printed on stdout, all having gone well; without the line that names the capture."""
    out, err = reading(*arguments).communicate(stdin, timeout=100)
    assert err == b""
    return out.decode()


def zstd(data: bytes) -> bytes:
    library = pytest.importorskip("zstandard", reason="the extra `read` is not installed")
    return bytes(library.ZstdCompressor().compress(data))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd], ids=["plain", "gzip", "zstd"])
def test_packed_or_not_it_comes_from_a_file_a_pipe_or_standard_input(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """The first octets say how it is packed, not the name."""
    data = capture_of(2)
    plain = tmp_path / "plain"
    plain.write_bytes(data)
    wanted = printed(str(plain))
    assert "2 connections" in wanted
    packed = tmp_path / "packed"
    packed.write_bytes(pack(data))
    assert printed(str(packed)) == wanted
    assert printed("-", stdin=pack(data)) == wanted
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = Thread(target=pipe.write_bytes, args=(pack(data),))
    writing.start()
    assert printed(str(pipe)) == wanted
    writing.join()


def test_the_files_of_a_rotated_series_are_one_capture(tmp_path: Path) -> None:
    """Connections go on from file to file; trace.pcap10 comes after trace.pcap9."""
    records = sorted(read_capture(io.BytesIO(capture_of(3))), key=lambda one: one.time_ns)
    part = len(records) // 11
    paths = []
    for place in range(len(records) // part):
        path = tmp_path / f"trace.pcap{place}"
        with path.open("wb") as file:
            writer = CaptureWriter(file)
            for one in records[place * part : (place + 1) * part]:
                writer.write(one.data, one.time_ns)
            writer.flush()
        paths.append(str(path))
    single = tmp_path / "whole.pcap"
    with single.open("wb") as file:
        writer = CaptureWriter(file)
        for one in records[: part * len(paths)]:
            writer.write(one.data, one.time_ns)
        writer.flush()
    wanted = printed(str(single))
    assert "3 connections" in wanted
    assert printed(*paths) == wanted
    single.unlink()
    assert printed(str(tmp_path)) == wanted


def test_a_file_without_a_packet_belongs_to_the_series_of_its_name(tmp_path: Path) -> None:
    """The last one, begun and not yet written to; in a ring the oldest may stand behind it."""
    header = io.BytesIO()
    CaptureWriter(header).flush()
    records = sorted(read_capture(io.BytesIO(capture_of(1))), key=lambda one: one.time_ns)
    half = len(records) // 2
    for name, part in (("trace1", records[:half]), ("trace2", records[half:])):
        with (tmp_path / name).open("wb") as file:
            writer = CaptureWriter(file)
            for one in part:
                writer.write(one.data, one.time_ns)
            writer.flush()
    wanted = printed(str(tmp_path))
    assert "1 connection," in wanted
    empty = tmp_path / "trace3"
    empty.write_bytes(header.getvalue())
    assert printed(str(tmp_path)) == wanted
    (tmp_path / "trace4").write_bytes((tmp_path / "trace1").read_bytes())
    captures, _ = captures_in([str(tmp_path)])
    assert [len(one.files) for one in captures] == [3, 1]
    empty.rename(tmp_path / "other")
    assert len(captures_in([str(tmp_path)])[0]) == 3


def test_a_capture_shared_out_over_two_processes_prints_what_one_does(tmp_path: Path) -> None:
    """From WORTH_SHARING on."""
    path = tmp_path / "big.pcap"
    path.write_bytes(capture_of(8, WORTH_SHARING + 1))
    assert path.stat().st_size > WORTH_SHARING
    for sort in ("number", "resent"):
        arguments = (str(path), "--sort", sort, "--most", "3")
        one = printed(*arguments, "--jobs", "1")
        assert "8 connections" in one
        assert printed(*arguments, "--jobs", "2") == one


def on_a_terminal(*arguments: str) -> tuple[bytes, bytes]:
    """What goes to stdout, a pipe, and to stderr, a terminal."""
    master, slave = pty.openpty()
    process = reading(*arguments, stderr=slave)
    os.close(slave)
    out: list[bytes] = []
    hearing = Thread(target=lambda: out.append(process.communicate(timeout=100)[0]))
    hearing.start()
    said = b""
    with suppress(OSError):  # the terminal's other end is closed
        while data := os.read(master, 1 << 16):
            said += data
    hearing.join()
    os.close(master)
    assert process.returncode == 0
    return out[0], said


@pytest.mark.parametrize("form", [["--jobs", "1"], ["--json"], ["--csv"]], ids=" ".join)
def test_a_bar_is_drawn_on_a_terminal_alone_and_stays_out_of_the_data(
    tmp_path: Path, form: list[str]
) -> None:
    """Even where stdout is a file and stderr a terminal; short captures have no bar."""
    path = tmp_path / "big.pcap"
    path.write_bytes(capture_of(2, BAR_FROM + 1))
    wanted = printed(str(path), *form)
    out, bar = on_a_terminal(str(path), *form)
    assert out.decode() == wanted
    assert b"MB" in bar
    path.write_bytes(capture_of(2))
    assert on_a_terminal(str(path), *form)[1] == b""


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]], ids=" ".join)
def test_the_bar_advances_by_captures_where_processes_read_them(
    tmp_path: Path, form: list[str]
) -> None:
    """Long ones and short ones; the data is that of one process."""
    for place in range(3):
        (tmp_path / f"{'xyz'[place]}.pcap").write_bytes(capture_of(1, BAR_FROM // 2))
    wanted = printed(str(tmp_path), *form, "--jobs", "1")
    out, bar = on_a_terminal(str(tmp_path), *form, "--jobs", "2")
    assert out.decode() == wanted
    assert b"MB" in bar
