"""`lastack read` as a user meets it: what it prints, for which captures, with which exit code."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from tests.observe.worlds import Tapped, chance_world

from lastack.sim.talk import Conversation


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `python -m lastack read` in a plain environment and return what it did."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "lastack", "read", *arguments],
        input=stdin, capture_output=True, timeout=60, check=False, env=environment,
    )  # fmt: skip


def said(*arguments: str, code: int = 0, stdin: bytes = b"") -> str:
    done = run(*arguments, stdin=stdin)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


def conversation(seed: int = 1, octets: int = 20_000) -> Tapped:
    """Two hosts open, talk and close over a link of the seed's quality."""
    world = chance_world(seed)
    Conversation(world, bytes(octets), bytes(octets // 2), left_closes_first=True).run()
    return world


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of one connection with loss."""
    path = tmp_path_factory.mktemp("captures") / "one.pcapng"
    path.write_bytes(conversation().capture("left"))
    return path


def test_a_summary_comes_first_then_the_connections(capture: Path) -> None:
    """Counts, verdicts, endpoints; nothing wider than a hundred columns."""
    text = said(str(capture))
    assert "1 connections" in text.splitlines()[0]
    assert "complete" in text and "10.0.0.1:" in text and "TIME-WAIT" in text
    assert max(map(cell_len, text.splitlines())) <= 100
    assert said(str(capture), "--ascii").isascii()
    assert "连接" in said(str(capture), "--lang", "zh")


def test_it_reads_what_it_is_given_through_a_pipe_or_compressed(
    capture: Path, tmp_path: Path
) -> None:
    """`-` is standard input; gzip is seen by its first octets."""
    plain = said(str(capture))
    assert said("-", stdin=capture.read_bytes()) == plain
    packed = tmp_path / "one.gz"
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    assert said(str(packed)) == plain


def test_a_cut_capture_gives_what_it_holds_a_line_and_exit_code_1(
    capture: Path, tmp_path: Path
) -> None:
    """The same for a compressed one."""
    data = capture.read_bytes()
    for name, held in (("cut", data[: len(data) // 2]), ("cut.gz", gzip.compress(data)[:-400])):
        path = tmp_path / name
        path.write_bytes(held)
        done = run(str(path))
        assert done.returncode == 1
        assert "1 connections" in done.stdout.decode()
        assert len(done.stderr.decode().splitlines()) == 1


def test_filters_leave_the_connections_that_are_asked_for(capture: Path) -> None:
    """By host, port, state in any spelling, and verdict."""
    for words in (["--host", "10.0.0.0/8"], ["--port", "80"], ["--state", "time_wait"]):
        assert "10.0.0.1:" in said(str(capture), *words)
    for words in (["--host", "1.2.3.4"], ["--port", "81"], ["--state", "LISTEN"],
                  ["--verdict", "no-answer"]):  # fmt: skip
        assert "10.0.0.1:" not in said(str(capture), *words)
    assert run(str(capture), "--verdict", "splendid").returncode == 2


def test_a_folder_gives_its_captures_and_names_what_is_none(capture: Path, tmp_path: Path) -> None:
    """Several captures are read by several processes, with the same results."""
    for name in ("x.pcapng", "y.pcapng"):
        (tmp_path / name).write_bytes(capture.read_bytes())
    (tmp_path / "notes.txt").write_text("no capture")
    done = run(str(tmp_path), "--jobs", "1")
    assert done.returncode == 0
    assert done.stderr.decode().count("\n") == 1 and "notes.txt" in done.stderr.decode()
    assert done.stdout.decode().count("1 connections") == 2
    assert run(str(tmp_path), "--jobs", "2").stdout == done.stdout
