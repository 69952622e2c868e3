"""Captures at URLs, and captures read by a dask cluster: the same results as from a file, here."""

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.observe.worlds import chance_world

from lastack.cli.read import read as read_command
from lastack.errors import LastackError
from lastack.observe.captures import Capture, captures_in
from lastack.observe.many import WORTH_SHARING, Processes, Question, summaries
from lastack.observe.reading import read
from lastack.observe.summary import Summary, Wanted
from lastack.sim.talk import Conversation
from lastack.units import SECOND
from lastack.wire.capture import CaptureWriter

fsspec = pytest.importorskip("fsspec")
MemoryFileSystem = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem


def capture_of(seeds: range) -> bytes:
    """A capture of several conversations, each between addresses of its own."""
    file = io.BytesIO()
    writer = CaptureWriter(file)
    for seed in seeds:
        world = chance_world(seed)
        Conversation(world, bytes(2000), bytes(1000), left_closes_first=True).run()
        for time, passage in world.captured("left"):
            data = bytearray(passage.packet.to_bytes())
            data[14] = data[18] = seed + 1
            writer.write(bytes(data), time + seed * SECOND)
    writer.flush()
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three captures, one of them compressed, and something else."""
    place = tmp_path_factory.mktemp("captures")
    (place / "x.pcap").write_bytes(capture_of(range(4)))
    (place / "y.pcap.gz").write_bytes(gzip.compress(capture_of(range(4, 6))))
    (place / "z.pcap").write_bytes(capture_of(range(6, 9))[:-20])
    (place / "notes.txt").write_text("no capture")
    return place


def told(summary: Summary) -> tuple[object, ...]:
    """What a summary amounts to, without the capture's name."""
    bests = (summary.shown, summary.resent, summary.stuck)
    shown = [(one.number, one.a, one.b, one.teardown) for b in bests for one in b.connections()]
    return (
        summary.packets, summary.segments, summary.connections, summary.octets, summary.first,
        summary.last, summary.skipped, summary.handshakes, summary.teardowns, summary.problem,
        shown,
    )  # fmt: skip


def test_a_url_is_read_as_a_file_is(folder: Path) -> None:
    """A file, a folder, and what a `*` matches; file:// and memory:// alike."""
    for name in ("x.pcap", "y.pcap.gz"):
        with fsspec.open(f"memory://captures/{name}", "wb") as file:
            file.write((folder / name).read_bytes())
    here = [flow.number for flow in read(folder / "x.pcap")]
    assert len(here) == 4
    for url in (f"file://{folder}/x.pcap", "memory://captures/x.pcap", "memory://captures/*.pcap"):
        assert [flow.number for flow in read(url)] == here
    found, passed_over = captures_in([f"file://{folder}"])
    assert [Path(one.name).name for one in found] == ["x.pcap", "y.pcap.gz", "z.pcap"]
    assert [Path(name).name for name, _ in passed_over] == ["notes.txt"]
    assert [one.size for one in found] == [one.size for one in captures_in([str(folder)])[0]]
    assert all(one.again for one in found)


def test_a_url_that_cannot_be_opened_is_an_error_of_the_system() -> None:
    """No such file, no such protocol."""
    with pytest.raises(FileNotFoundError):
        list(read("memory://captures/nowhere"))
    with pytest.raises(LastackError, match="nosuch"):
        list(read("nosuch://captures/x"))


class LibraryError(Exception):
    """What a library for some storage raises: no OSError."""


class Failing(MemoryFileSystem):  # type: ignore[misc]
    """A storage whose files fail at octet `fails_at`, and which has nothing to say of `closed`."""

    protocol = "failing"
    fails_at = 0

    def open(self, path: str, mode: str = "rb", **_: object) -> "FailingFile":
        return FailingFile(self.store[path].getvalue(), self.fails_at)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(MemoryFileSystem._strip_protocol(path.replace("failing://", "memory://")))

    def isdir(self, path: str) -> bool:
        if "closed" in path:
            raise LibraryError("no credentials")
        return bool(super().isdir(path))


class FailingFile(io.BytesIO):
    def __init__(self, data: bytes, fails_at: int) -> None:
        super().__init__(data)
        self._fails_at = fails_at

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self._fails_at:
            raise LibraryError("the token has expired")
        left = self._fails_at - self.tell()
        return super().read(left if size is None or size < 0 else min(size, left))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"], ["--parquet"]], ids=" ".join)
def test_a_library_that_fails_on_the_way_is_as_a_damaged_file(
    pack: Callable[[bytes], bytes], form: list[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """What was read before counts; one line names the URL. A compressed one, and all forms."""
    fsspec.register_implementation("failing", Failing, clobber=True)
    data = capture_of(range(4))
    with fsspec.open("memory://tokens/x", "wb") as file:
        file.write(pack(data))
    url = "failing://tokens/x"
    if form == ["--parquet"]:
        pytest.importorskip("pyarrow", reason="the extra `read` is not installed")
        form = [*form, str(tmp_path)]
    for part in (0.0, 0.6):
        Failing.fails_at = int(len(pack(data)) * part)
        assert read_command.main([url, *form], standalone_mode=False) == 1
        said = capsys.readouterr()
        assert said.err.count("\n") == 1 and said.err.startswith(f"lastack: {url}: ")
        assert "the token has expired" in said.err
        if part and not form:
            assert "2 connections" in said.out or "3 connections" in said.out


def test_a_library_that_fails_before_is_an_error_of_the_system() -> None:
    """One that names the URL."""
    fsspec.register_implementation("failing", Failing, clobber=True)
    with pytest.raises(LastackError, match="failing://closed/x: no credentials"):
        captures_in(["failing://closed/x"])


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a scheduler on loopback with two workers, each a process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as made:
        yield made.scheduler_address


def test_a_cluster_gives_what_one_process_does(cluster: str, folder: Path) -> None:
    """Several captures, and one that is shared out; the damage of one is told."""
    from lastack.observe.cluster import Cluster

    question = Question(Wanted(), 5)
    captures, _ = captures_in([str(folder)])
    with Cluster(cluster) as workers:
        assert (workers.count, workers.near) == (2, False)
        theirs = list(summaries(captures, question, workers))
        ours = list(summaries(captures, question, Processes(1)))
        assert [told(one) for one in theirs] == [told(one) for one in ours]
        assert theirs[2].problem
        for name in (str(folder / "x.pcap"), f"file://{folder}/x.pcap"):
            (one,) = summaries([Capture(name, (name,))], question, workers)
            assert told(one) == told(ours[0])


@pytest.mark.parametrize("form", [["--json"], ["--json", "--packets"], ["--csv"]], ids=" ".join)
def test_lines_from_a_cluster_and_from_processes_are_those_of_one_process(
    cluster: str, folder: Path, capsys: pytest.CaptureFixture[str], form: list[str]
) -> None:
    """Octet by octet, in the order of the captures; of one capture, too, and of a selection."""
    for words in ([str(folder)], [str(folder / "x.pcap")], [str(folder), "--verdict", "complete"]):
        pages = []
        for who in (["--jobs", "1"], ["--jobs", "2"], ["--dask", cluster]):
            read_command.main([*words, *form, *who], standalone_mode=False)
            pages.append(capsys.readouterr())
        assert pages[0] == pages[1] == pages[2]
        assert pages[0].out.count("\n") > 4
        assert ("z.pcap: " in pages[0].err) == (words[0] == str(folder))


def test_no_more_captures_are_begun_than_may_wait(cluster: str) -> None:
    """And whoever watches hears of each that is done before its turn has come."""
    from lastack.observe.cluster import Cluster

    heard: list[int] = []
    taken: list[int] = []
    with Cluster(cluster) as workers:
        for result in workers.each(abs, [-4, -3, -2, -1, 0], heard.append, most=2):
            assert len(heard) <= len(taken) + 2
            taken.append(result)
            assert set(taken) <= {4 - place for place in heard}
    assert taken == [4, 3, 2, 1, 0] and sorted(heard) == [0, 1, 2, 3, 4]


def test_a_cluster_that_is_not_there_is_an_error_of_the_system() -> None:
    """Within the patience."""
    pytest.importorskip("distributed")
    from lastack.observe.cluster import Cluster

    with pytest.raises(ConnectionRefusedError, match="no dask scheduler"):
        Cluster("tcp://127.0.0.1:1", patience=0.5)


def test_one_capture_is_shared_out_over_a_cluster(cluster: str, tmp_path: Path) -> None:
    """From WORTH_SHARING on; numbers and counts are those of one process."""
    from lastack.observe.cluster import Cluster

    path = tmp_path / "big.pcap"
    data = capture_of(range(8))
    rest = WORTH_SHARING - len(data)
    with path.open("wb") as file:
        file.write(data)
        writer = CaptureWriter(file)  # a second section of a pcapng
        for _ in range(rest // 60_000 + 1):
            writer.write(bytes(60_000), 0)
        writer.flush()
    capture = Capture(str(path), (str(path),))
    question = Question(Wanted(), 5)
    with Cluster(cluster) as workers:
        (theirs,) = summaries([capture], question, workers)
    (ours,) = summaries([capture], question, Processes(1))
    assert told(theirs) == told(ours) and ours.connections == 8


def test_the_command_prints_the_same_from_a_cluster(
    cluster: str, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Summaries and tables, and the tables of Parquet."""
    pages = []
    for words in (["--dask", cluster], ["--jobs", "1"]):
        assert read_command.main([str(folder), *words], standalone_mode=False) == 1
        pages.append(capsys.readouterr())
    assert pages[0] == pages[1] and pages[0].out.count("connections") >= 3
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `read` is not installed")
    for words, name in ((["--dask", cluster], "theirs"), (["--jobs", "1"], "ours")):
        arguments = [str(folder), *words, "--parquet", str(tmp_path / name)]
        assert read_command.main(arguments, standalone_mode=False) == 1
    files = sorted((tmp_path / "ours").rglob("*.parquet"))
    assert len(files) == 9
    for file in files:
        theirs = tmp_path / "theirs" / file.relative_to(tmp_path / "ours")
        assert parquet.read_table(theirs).equals(parquet.read_table(file))
    url = f"file://{tmp_path}/at a url"
    assert read_command.main([str(folder), "--parquet", url], standalone_mode=False) == 1
    for file in files:
        there = tmp_path / "at a url" / file.relative_to(tmp_path / "ours")
        assert parquet.read_table(there).equals(parquet.read_table(file))
