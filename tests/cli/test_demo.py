"""`lastack demo`: the play ends well, looks right, and is the same every time."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from lastack.cli.demo import demo
from lastack.tcp.states import State
from lastack.wire.capture import read_capture

DOCS = Path(__file__).parents[2] / "docs"

PLAYS = (
    "",
    "--loss 10% --seed 7",
    "--loss 20% --reorder 10% --duplicate 10% --seed 11 --bytes 20k",
    "--simultaneous-open",
    "--simultaneous-close",
    "--simultaneous-open --simultaneous-close --loss 10% --seed 2",
    "--half-close --loss 5% --seed 3",
    "--rst",
    "--bytes 0",
    "--preset linux --delay 1ms --bytes 100k",
    "--preset freebsd --loss 5%",
)


def play(arguments: str | Sequence[str]) -> Result:
    """Run the command in this process."""
    words = arguments.split() if isinstance(arguments, str) else list(arguments)
    return CliRunner().invoke(
        demo, ["--lang", "en", *words], standalone_mode=False, catch_exceptions=False
    )


@pytest.mark.parametrize("arguments", PLAYS)
def test_every_play_ends_well_and_fits_the_page(arguments: str) -> None:
    """Every byte once and in order, both ends CLOSED: exit 0."""
    done = play(arguments)
    assert done.return_value == 0, done.output
    assert max(map(cell_len, done.stdout.splitlines())) <= 100
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", ["--loss 10% --seed 7", "--bytes 1M --loss 5% --json"])
def test_the_same_seed_gives_the_same_output(arguments: str) -> None:
    """Byte for byte; another seed gives another one."""
    assert play(arguments).stdout_bytes == play(arguments).stdout_bytes
    assert play(arguments).stdout_bytes != play(f"{arguments} --seed 8").stdout_bytes


def test_the_ladder_tells_the_whole_life() -> None:
    """RFC 9293 figures 6 and 12: both paths, in order, and 2MSL at the end."""
    lines = play("").stdout.splitlines()
    left = [line[9:21].strip() for line in lines if line[9:21].strip() in set(map(str, State))]
    assert left == [
        "CLOSED", "SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED",
    ]  # fmt: skip
    right = [line[88:].strip() for line in lines if line[88:].strip() in set(map(str, State))]
    assert right == ["LISTEN", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED"]
    assert any(line.startswith("240.") and "2MSL passed" in line for line in lines)


def test_a_simultaneous_open_and_close_pass_through_their_states() -> None:
    """RFC 9293 figures 7 and 13: SYN-SENT, SYN-RECEIVED and CLOSING at both ends."""
    text = play("--simultaneous-open --simultaneous-close").stdout
    for state in ("SYN-SENT", "SYN-RECEIVED", "CLOSING", "TIME-WAIT"):
        assert text.count(state) == 2, state


def test_loss_is_told_with_its_reason() -> None:
    """Which segment, and what brought it back."""
    text = play("--loss 10% --seed 7").stdout
    assert "✗ lost" in text
    assert "retransmission (RTO 1 s)" in text


def test_a_long_ladder_is_shortened_unless_all_of_it_is_wanted() -> None:
    """1 MB is many hundreds of rungs."""
    short, full = play("--bytes 1M").stdout, play("--bytes 1M --all").stdout
    assert "rungs not shown (--all shows them)" in short
    assert "not shown" not in full
    assert len(short.splitlines()) < 120 < 700 < len(full.splitlines())


def test_ascii_stays_ascii_and_chinese_fits() -> None:
    """Any terminal; both languages."""
    assert play("--ascii --loss 10% --seed 7").stdout.isascii()
    chinese = play("--lang zh --loss 10% --seed 7").stdout
    assert "重传（RTO 1 s）" in chinese
    assert max(map(cell_len, chinese.splitlines())) <= 100


def test_json_is_one_documented_object_a_line() -> None:
    """docs/json.md names every type and every field."""
    records = [json.loads(line) for line in play("--json --loss 10% --seed 7").stdout.splitlines()]
    documented = (DOCS / "json.md").read_text(encoding="utf-8")
    assert {"demo", "rung", "state_changed", "connection", "summary"} <= {
        r["type"] for r in records
    }
    for record in records:
        assert record["schema"] == 1
        for name in (record["type"], *record):
            assert name in ("schema", "type") or f"`{name}`" in documented, name
    assert records[-1]["verdict"] == "passed"


def test_the_recording_holds_what_the_client_saw(tmp_path: Path) -> None:
    """pcapng: all that it sent and all that reached it, in order of time."""
    file = tmp_path / "demo.pcapng"
    assert play(["--record", str(file), "--loss", "10%", "--seed", "7"]).return_value == 0
    with file.open("rb") as capture:
        records = list(read_capture(capture))
    times = [record.time_ns for record in records]
    assert len(times) > 10
    assert times == sorted(times)


def test_the_ladder_is_to_be_had_as_svg(tmp_path: Path) -> None:
    """For a paper."""
    file = tmp_path / "ladder.svg"
    assert play(["--svg", str(file)]).return_value == 0
    assert file.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    "arguments", ["--rst --half-close", "--half-close --simultaneous-close", "--loss 95%"]
)
def test_plays_that_make_no_sense_are_refused(arguments: str) -> None:
    """Usage, exit 2."""
    done = CliRunner().invoke(demo, arguments.split())
    assert done.exit_code == 2
    assert done.stdout == ""
