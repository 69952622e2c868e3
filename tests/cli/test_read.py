"""`lastack read` as a user meets it: what it prints, for which captures, with which exit code."""

import gzip
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from tests.observe.scenarios import SCENES
from tests.observe.worlds import Tapped, chance_world

from lastack.cli.read_data import Found
from lastack.cli.read_stream import for_the_eye
from lastack.observe.captures import Capture
from lastack.observe.connection import states_text
from lastack.observe.core.ends import states_in
from lastack.observe.many import Question, summarize
from lastack.observe.summary import Wanted
from lastack.sim.talk import Conversation
from lastack.units import MS, SECOND
from lastack.wire.capture import CaptureWriter

TESTS = Path(__file__).parents[1]


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
    assert "1 connection," in text.splitlines()[0]
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
        assert "1 connection," in done.stdout.decode()
        assert len(done.stderr.decode().splitlines()) == 1


def test_filters_leave_the_connections_that_are_asked_for(capture: Path) -> None:
    """By host, port, state in any spelling, and verdict in either language."""
    for words in (["--host", "10.0.0.0/8"], ["--port", "80"], ["--state", "time_wait"]):
        assert "10.0.0.1:" in said(str(capture), *words)
    for words in (["--host", "1.2.3.4"], ["--port", "81"], ["--state", "LISTEN"],
                  ["--verdict", "no-answer"]):  # fmt: skip
        assert "10.0.0.1:" not in said(str(capture), *words)
    assert "10.0.0.1:" in said(str(capture), "--verdict", "完整")
    assert run(str(capture), "--verdict", "splendid").returncode == 2


def test_a_folder_gives_its_captures_and_names_what_is_none(capture: Path, tmp_path: Path) -> None:
    """Several captures are read by several processes, with the same results."""
    for name in ("x.pcapng", "y.pcapng"):
        (tmp_path / name).write_bytes(capture.read_bytes())
    (tmp_path / "notes.txt").write_text("no capture")
    done = run(str(tmp_path), "--jobs", "1")
    assert done.returncode == 0
    assert done.stderr.decode().count("\n") == 1 and "notes.txt" in done.stderr.decode()
    assert done.stdout.decode().count("1 connection,") == 2
    assert run(str(tmp_path), "--jobs", "2").stdout == done.stdout


def test_captures_without_a_connection_that_was_asked_for_are_one_line(
    capture: Path, tmp_path: Path
) -> None:
    """How many they are; those that have one are told of as ever."""
    other = tmp_path / "other.pcapng"
    other.write_bytes(SCENES["abort in ESTABLISHED"].play().capture("left"))
    for name in ("x.pcapng", "y.pcapng"):
        (tmp_path / name).write_bytes(capture.read_bytes())
    text = said(str(tmp_path), "--verdict", "abort")
    assert text.count("x.pcapng") == text.count("y.pcapng") == 0
    assert text.startswith(f"{other}\n") and text.endswith("2 captures hold no such connection\n")
    none = said(str(tmp_path), "--port", "81", "--lang", "zh")
    assert none == "3 个抓包中没有符合条件的连接\n"


def test_a_file_of_a_folder_that_may_not_be_read_is_named_with_the_reason(
    capture: Path, tmp_path: Path
) -> None:
    """It may be a capture: exit code 1, as for a damaged one. What is something else is not."""
    (tmp_path / "x.pcapng").write_bytes(capture.read_bytes())
    (tmp_path / "closed.pcap").symlink_to("/proc/self/mem")
    done = run(str(tmp_path))
    assert done.returncode == 1 and "1 connection," in done.stdout.decode()
    assert "closed.pcap cannot be read: " in done.stderr.decode()


def test_connections_that_were_given_up_are_counted(tmp_path: Path) -> None:
    """The summary has a line, JSON a number; what was seen of them counts."""
    path = tmp_path / "flood.pcap"
    with path.open("wb") as file:
        writer = CaptureWriter(file)
        for i in range(9000):
            tcp = struct.pack("!HHIIBBHHH", 1000 + i, 80, 7, 0, 5 << 4, 2, 1000, 0, 0)
            source = (0x0B000000 + i).to_bytes(4, "big")
            head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0)
            writer.write(head + source + b"\n\0\0\2" + tcp, i * MS // 10)
        writer.flush()
    text = said(str(path), "--most-open", "1000")
    assert "9,000 connections" in text and "given up while open" in text
    assert "SYN flood at 10.0.0.2:80: 9,000 handshakes" in text
    asked = ("--most-open", "1000", "--json", "--host", "11.0.0.0/25")
    *connections, group, summary = lines_of(said(str(path), *asked))
    assert (group["type"], group["group"], group["count"]) == ("group", "SYN flood", 128)
    evicted = [one["evicted"] for one in connections if one["type"] == "connection"]
    assert evicted == [True] * 128 and 7000 < int(str(summary["evicted"])) < 9000


def test_what_to_look_at_is_said_with_a_place_and_an_example(tmp_path: Path) -> None:
    """Broken rules with their section; what happened besides; Zeek's words above the ladder."""
    path = tmp_path / "odd.pcap"
    odd = SCENES["blind RST rejected"].play()
    odd.forges(True, "F. 100:100(0) ack 1 win 500", wait=0)
    odd.forges(True, "P. 200:205(5) ack 1 win 500")
    path.write_bytes(odd.capture("right"))
    text = said(str(path))
    assert "look at  #1 blind reset rejected at 10.0.0.1:49152: " in text
    assert "look at  #1 10.0.0.1:49152 sent text after its own FIN (RFC 9293 3.10.4)" in text
    ladder, why = (said(str(path), option, "1") for option in ("--connection", "--why"))
    for one in (ladder, why):
        assert "Zeek: S2 ShADdrFa" in one and "A broke a rule: text after its own FIN" in one
    found = lines_of(said(str(path), "--json"))
    (broken,) = (one for one in found if one["type"] == "violation")
    assert (broken["end"], broken["section"]) == ("a", "RFC 9293 3.10.4")
    assert f"(RFC 9293 3.10.4): #{broken['packet']}" in why
    assert found[0]["also"] == "blind reset rejected"
    assert found[0]["broken_a"] == "text after fin (RFC 9293 3.10.4)" and not found[0]["broken_b"]
    assert said(str(path), "--verdict", "blind-reset-rejected", "--csv").count("\n") == 2


@pytest.mark.parametrize("name", ("only the client's side", "split handshake", "backscatter"))
def test_what_is_odd_about_a_handshake_or_a_tap_is_to_be_looked_at(
    tmp_path: Path, name: str
) -> None:
    """Whoever reads the summary must know, before anything is concluded from the rest."""
    path = tmp_path / "odd.pcap"
    with path.open("wb") as file:
        writer = CaptureWriter(file)
        for number, (time, passage) in enumerate(SCENES[name].play().captured("left")):
            if SCENES[name].seen(number, passage):
                writer.write(passage.intact.to_bytes(), time)
        writer.flush()
    (trouble,) = (
        str(one)
        for one in (SCENES[name].handshake, SCENES[name].teardown)
        if str(one) in {"half seen", "split handshake", "backscatter"}
    )
    assert f"look at  #1 {trouble} at 10.0.0." in said(str(path))


def lines_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_says_what_its_page_says(capture: Path) -> None:
    """docs/json.md names every type and every field."""
    page = (TESTS.parent / "docs" / "json.md").read_text(encoding="utf-8")
    page = page[page.index("## From `lastack read --json`") :]
    found = lines_of(said(str(capture), "--json", "--packets"))
    kinds = {"connection", "transition", "packet", "summary"}
    assert {line["type"] for line in found} == kinds and found[-1]["type"] == "summary"
    for line in found:
        assert f"### `{line['type']}`" in page
        assert all(f"`{name}`" in page for name in line if name not in ("schema", "type"))


@pytest.mark.parametrize("packets", [False, True])
def test_what_passed_is_remembered_for_the_packets_alone(tmp_path: Path, packets: bool) -> None:
    """Without a second look, memory does not grow with the connections that went another way."""
    path = tmp_path / "crossed.pcapng"
    path.write_bytes(SCENES["simultaneous close"].play().capture("left"))
    found = Found(Capture(str(path), (str(path),)), Question(Wanted(port=80)), packets)
    assert len(list(found.connections(False, None))) == 1
    assert bool(found.corrections.ways) == bool(found.numbers) == packets


def test_the_states_beside_each_segment_follow_from_the_changes(tmp_path: Path) -> None:
    """What was refuted later does not count, in JSON as in Parquet."""
    parquet = pytest.importorskip("pyarrow.parquet")
    refuted = 0
    for seed in range(12):
        path = tmp_path / f"{'abcdefghijkl'[seed]}.pcapng"
        path.write_bytes(conversation(seed, 3000).capture("left"))
        found = lines_of(said(str(path), "--json", "--packets"))
        changes = [one for one in found if one["type"] == "transition"]
        refuted += sum(one["evidence"] == "refuted" for one in changes)
        packets = [one for one in found if one["type"] == "packet"]
        for end in "ab":
            held = [c for c in changes if c["end"] == end and c["evidence"] != "refuted"]
            for packet in packets:
                done = [c["after"] for c in held if int(str(c["packet"])) <= packet["packet"]]
                assert packet[f"state_{end}"] == (done or [held[0]["before"]])[-1]
        out = tmp_path / f"out{seed}"
        said(str(path), "--parquet", str(out))
        (file,) = (out / "packets").iterdir()
        table = parquet.read_table(file).to_pylist()
        assert len(table) == len(packets)
        for row, packet in zip(table, packets):
            for end in "ab":
                assert states_text(states_in(row[f"state_{end}"])) == packet[f"state_{end}"]
    assert refuted


def test_a_connection_is_drawn_and_explained(capture: Path, tmp_path: Path) -> None:
    """The ladder, as text, SVG and page; each change with its section and its evidence."""
    svg, page = tmp_path / "one.svg", tmp_path / "one.html"
    text = said(str(capture), "--connection", "1", "--svg", str(svg), "--html", str(page))
    assert "SYN-SENT" in text and "◀" in text and "LISTEN" in text
    assert max(map(cell_len, text.splitlines())) <= 100
    assert svg.read_text().startswith("<svg") and "TIME-WAIT" in page.read_text()
    assert said(str(capture), "--connection", "1", "--ascii").isascii()
    why = said(str(capture), "--why", "1")
    assert "CLOSED -> SYN-SENT" in why and "RFC 9293 3.10.1" in why and "shown by packet" in why
    assert max(map(cell_len, why.splitlines())) <= 100
    assert run(str(capture), "--why", "9").returncode == 2


def test_a_name_of_any_octets_is_written_plainly(capture: Path, tmp_path: Path) -> None:
    """It commands no terminal, takes one line, and is a name in a table as well."""
    for name in (b"\xff.pcap", b"a\x1b[31m\n.pcap"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(
            capture.read_bytes()[:-9]
        )
    done = run(str(tmp_path), "--most", "0")
    for text in (done.stdout, done.stderr):
        assert b"\x1b" not in text and text.count(b"a\\x1b[31m\\n.pcap") == 1
        assert text.count(b"\\udcff.pcap") == 1
    pytest.importorskip("pyarrow")
    assert run(str(tmp_path), "--parquet", str(tmp_path / "tables")).returncode == 1
    names = sorted(one.name for one in (tmp_path / "tables" / "connections").iterdir())
    assert names[1] == "0001-\\udcff.pcap.parquet"


def test_what_does_not_go_together_is_refused(capture: Path) -> None:
    """Nothing that was asked for is left out silently."""
    for words in (
        ["--svg", "x.svg"], ["--html", "x.html"], ["--all"], ["--packets"], ["--csv", "--json"],
        ["--connection", "1", "--why", "1"], ["--stream", "1", "--json"], ["--output", "x"],
        ["--connection", "1", "--port", "80"], ["--stream", "1", "--state", "CLOSED"],
    ):  # fmt: skip
        done = run(str(capture), *words)
        assert (done.returncode, done.stdout) == (2, b"") and b"--help" in done.stderr


def test_one_connection_is_given_as_data(tmp_path: Path) -> None:
    """`--connection N --json` has its lines alone, `--csv` its line."""
    path = tmp_path / "two.pcap"
    with path.open("wb") as file:
        writer = CaptureWriter(file)
        for late in (0, 100 * SECOND):
            for time, data in SCENES["normal"].play().octets("left"):
                writer.write(data, late + time)
        writer.flush()
    lines = lines_of(said(str(path), "--connection", "2", "--json"))
    assert {line["connection"] for line in lines if line["type"] != "summary"} == {2}
    assert {line["type"] for line in lines} == {"connection", "transition", "summary"}
    assert said(str(path), "--why", "2", "--csv").count("\n") == 2


def test_the_stream_of_a_connection_is_given_as_it_was_sent(tmp_path: Path) -> None:
    """Raw on stdout or into a file; one side, or both in the order of the capture."""
    world = chance_world(3)
    Conversation(world, b"question " * 500, b"answer " * 700).run()
    path = tmp_path / "talk.pcapng"
    path.write_bytes(world.capture("right"))
    asked = run(str(path), "--stream", "1", "--side", "a")
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, b"question " * 500, b"")
    out = tmp_path / "answer"
    assert not said(str(path), "--stream", "1", "--side", "b", "-o", str(out))
    assert out.read_bytes() == b"answer " * 700
    both = run(str(path), "--stream", "1").stdout
    assert len(both) == 500 * 9 + 700 * 7
    assert run(str(path), "--stream", "2").returncode == 2
    assert run("-", "--stream", "1", stdin=path.read_bytes()).returncode == 2


def test_what_is_missing_in_a_stream_is_said_on_stderr(tmp_path: Path) -> None:
    """Exit code 1, and not an octet more than was captured."""
    world = Tapped(5)
    Conversation(world, bytes(range(256)) * 100, b"").run()
    path = tmp_path / "holes.pcap"
    with path.open("wb") as file:
        writer = CaptureWriter(file)
        for i, (time, passage) in enumerate(world.captured("left")):
            if i not in (5, 6):
                writer.write(passage.packet.to_bytes(), time + SECOND)
        writer.flush()
    done = run(str(path), "--stream", "1", "--side", "a", "--lang", "zh")
    assert done.returncode == 1 and "未被抓取" in done.stderr.decode()
    assert 0 < len(done.stdout) < 25_600


def test_a_terminal_is_not_commanded_by_what_was_captured() -> None:
    """Control characters are written out; line ends stay."""
    assert for_the_eye(b"a\x1b[2J\r\nb\t\xff") == b"a\\x1b[2J\nb\t\\xff"
    assert for_the_eye("答案 é".encode()) == "答案 é".encode()


def test_csv_has_a_heading_and_a_line_a_connection(capture: Path) -> None:
    """Comma-separated, for what reads nothing else."""
    heading, line = said(str(capture), "--csv").splitlines()
    assert heading.startswith("capture,connection,a,b,") and line.count(",") == heading.count(",")


def test_one_capture_shared_out_gives_what_one_process_finds(tmp_path: Path) -> None:
    """Numbers, counts and the connections shown are the same."""
    path = tmp_path / "many.pcap"
    with path.open("wb") as file:
        writer = CaptureWriter(file)
        for seed in range(8):
            for time, passage in conversation(seed, 2000).captured("left"):
                data = bytearray(passage.packet.to_bytes())
                data[14] = data[18] = seed  # each conversation has addresses of its own
                writer.write(bytes(data), time + seed * SECOND)
        writer.flush()
    question = Question(Wanted(), 5)
    one = summarize(Capture(str(path), (str(path),)), question)
    two = summarize(Capture(str(path), (str(path),)), question, 0, 3)
    for share in (1, 2):
        two.merge(summarize(Capture(str(path), (str(path),)), question, share, 3))
    two.renumber()
    assert one.connections == two.connections == 8 and one.segments == two.segments
    assert one.teardowns == two.teardowns and one.packets == two.packets
    assert one.shown.connections() == two.shown.connections()
    assert one.resent.connections() == two.resent.connections()
    assert one.troubles == two.troubles and one.examples == two.examples
    assert (one.sent, one.sent_again) == (two.sent, two.sent_again)
