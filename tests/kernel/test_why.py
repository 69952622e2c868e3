"""`lastack why` and `lastack watch --once` about planted troubles, in a namespace of their own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from by_hand import KERNEL_V4
from every_state import EveryState, Stranger
from held_sockets import LEAKING_SERVER, UNPRIVILEGED, closed_by_client, process
from namespaces import Namespace
from rich.cells import cell_len

from lastack.link.tun import TunLink
from lastack.observe.findings import finding_of
from lastack.observe.watching import Source, Watching
from lastack.tcp.states import State
from lastack.wire.segment import ACK, SYN

S = State
ROOT = Path(__file__).parents[2]
LEAKED = 25


def lastack(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lastack", *words],
        stdin=subprocess.DEVNULL,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def objects(*words: str) -> list[dict[str, Any]]:
    said = lastack(*words, "--json").splitlines()
    return [json.loads(line) for line in said if line.startswith("{")]


@pytest.fixture
def leak(namespace: Namespace) -> Iterator[int]:
    """The pid of a server that leaves its connections in CLOSE-WAIT, each with data unread."""
    with process(LEAKING_SERVER, str(LEAKED)) as server:
        assert server.stdout is not None
        server.stdout.readline()
        for _ in range(LEAKED):
            with socket.create_connection(("127.0.0.1", 7001)) as client:
                client.sendall(b"hello")
        yield server.pid


def test_why_close_wait_names_the_process_that_leaks(leak: int) -> None:
    """Who, how many, which descriptors, the peer, what is unread, who must act."""
    text = lastack("why", "CLOSE-WAIT", "--lang", "en")
    assert f"{LEAKED} sockets" in text
    assert f"pid {leak} " in text
    assert f"127.0.0.1 ×{LEAKED}" in text
    assert f"unread bytes in {LEAKED} of them, {LEAKED * 5} in all" in text
    assert f"Who must act: pid {leak}." in text
    assert "no timer runs" in text
    [said] = objects("why", "CLOSE-WAIT")
    [holder] = said["holders"]
    assert (holder["pid"], holder["how"], holder["count"]) == (leak, "holds", LEAKED)
    assert len(holder["descriptors"]) == LEAKED
    assert said["oldest"]["exact"] and said["oldest"]["by"] == "silence"


def test_an_earlier_look_tells_who_held_what_is_in_time_wait_now(namespace: Namespace) -> None:
    """Without the tracepoint a look while the connection was open has to do."""
    with Watching(places=()) as watching, socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        there, _ = server.accept()
        watching.look()
        client.close()
        there.close()
        found = finding_of(S.TIME_WAIT, watching.look(), watching)
    assert Source("tracepoint", "absent") in found.sources
    assert [(each.pid, each.how) for each in found.holders] == [(os.getpid(), "held")]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("state", list(State), ids=str)
def test_why_has_words_for_each_state(
    device: Callable[..., TunLink], state: State, language: str
) -> None:
    """At most 100 columns; `--ascii` is ASCII where English is asked for."""
    with ExitStack() as kept:
        EveryState(device(), 4, kept)
        text = lastack("why", str(state), "--lang", language, "--for", "0")
        assert text.startswith(str(state))
        assert max(map(cell_len, text.splitlines())) <= 100
        if language == "en":
            assert lastack("why", str(state), "--lang", "en", "--for", "0", "--ascii").isascii()


def test_why_syn_received_tells_of_the_backlog(device: Callable[..., TunLink]) -> None:
    """The listener, how many are half-open of how many may be, what was sent again, counters."""
    with ExitStack() as kept:
        every = EveryState(device(), 4, kept)
        every.half_open.hears(SYN | ACK)  # again: nobody has answered
        [said] = objects("why", "SYN-RECEIVED")
    assert (said["count"], said["nobody"]) == (1, 1)
    assert said["retransmitting"] == 1
    assert said["most_retransmits"] >= 1  # on a busy machine the next is due before we look
    [listener] = said["listeners"]
    assert listener["local"].endswith(f":{every.port}")
    assert (listener["half_open"], listener["waiting"]) == (1, 0)
    assert (listener["resent"], listener["most_resent"]) == (1, said["most_retransmits"])
    assert listener["backlog"] > 0
    assert {"ListenOverflows", "SyncookiesSent", "TCPReqQFullDrop"} <= said["counters"].keys()


@pytest.mark.parametrize(
    ("cookies", "counter", "words"),
    [
        ("1", "SyncookiesSent", "SYN cookies come when a backlog is full"),
        ("0", "TCPReqQFullDrop", "SYN cookies are off"),
    ],
)
def test_why_syn_received_tells_what_becomes_of_a_full_backlog(
    device: Callable[..., TunLink], cookies: str, counter: str, words: str
) -> None:
    """A request more than fills the queue: a cookie, or it is dropped."""
    link = device()
    Path("/proc/sys/net/ipv4/tcp_syncookies").write_text(cookies)
    with socket.create_server((KERNEL_V4, 7010), backlog=1):
        for port in (4001, 4002):  # the kernel takes one more than the backlog
            Stranger(link, 4, port, 7010).calls()
        late = Stranger(link, 4, 4003, 7010)
        late.says(SYN)
        if cookies == "1":
            late.hears(SYN | ACK)
        [said] = objects("why", "SYN-RECEIVED")
        text = lastack("why", "SYN-RECEIVED", "--lang", "en")
    assert said["counters"][counter] == 1
    [listener] = said["listeners"]
    assert (listener["half_open"], listener["backlog"]) == (2, 1)
    assert f"listener {KERNEL_V4}:7010 (pid {os.getpid()} " in text
    assert "): 2 half-open of 1" in " ".join(text.split())
    assert f"{counter} 1" in text
    assert words in text


@pytest.mark.parametrize(("closed", "words"), [(40, "the ports run out in"), (50, "no port is")])
def test_why_time_wait_tells_when_the_ports_run_out(
    namespace: Namespace, closed: int, words: str
) -> None:
    """Of fifty ports towards one destination."""
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40049")
    Path("/proc/sys/net/ipv4/tcp_tw_reuse").write_text("0")
    closed_by_client(closed)
    text = lastack("why", "TIME-WAIT", "--lang", "en", "--for", "0")
    [said] = objects("why", "TIME-WAIT", "--for", "0")
    assert f"{closed} in TIME-WAIT, {closed} of 50 ports ({closed / 50:.1%}) in use" in text
    assert words in text
    [destination] = said["destinations"]
    assert (destination["used"], destination["ports"]) == (closed, 50)
    assert destination["levels"] > 50


SENDS_AND_ENDS = """
import socket
server = socket.create_server(("127.0.0.1", 7006))
print("ready", flush=True)
client = server.accept()[0]
client.setblocking(False)
try:
    while True:
        client.send(bytes(65536))
except BlockingIOError:
    input()
"""


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A control group of its own."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    root = next((line.split()[4] for line in lines if " - cgroup2 " in line), "")
    made = Path(root, f"lastack-{os.getpid()}")
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup2 to make a group in: {error.strerror}")
    try:
        yield made
    finally:
        made.rmdir()


def test_the_control_group_is_known_also_of_what_no_process_holds(
    namespace: Namespace, cgroup: Path
) -> None:
    """A server that has ended leaves what it had still to send; its group names the service."""
    joins = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    with subprocess.Popen(
        ["sh", "-c", joins, str(cgroup), sys.executable, "-c", SENDS_AND_ENDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        with socket.create_connection(("127.0.0.1", 7006)) as client:
            *_, watch = objects("watch", "--once", "--pid", str(server.pid))
            assert watch["talkers"]["cgroup"][0]["name"] == f"/{cgroup.name}"
            server.communicate("")
            [orphan, _] = objects("watch", "--once", "--state", "FIN-WAIT-1")
            [said] = objects("why", "FIN-WAIT-1")
            text = lastack("why", "FIN-WAIT-1", "--lang", "en")
            assert client.getsockname()[1] == int(orphan["remote"].rpartition(":")[2])
    assert (orphan["inode"], orphan["cgroup"]) == (0, f"/{cgroup.name}")
    assert orphan["process"] == f"({cgroup.name})"
    assert said["cgroups"] == [{"cgroup": f"/{cgroup.name}", "count": 1}]
    assert f"control group /{cgroup.name} ×1" in text


def test_why_counts_octets_of_text_and_says_when_the_kernel_gives_up(
    device: Callable[..., TunLink],
) -> None:
    """A FIN that is not acknowledged, or not read, is no text; settings are read."""
    Path("/proc/sys/net/ipv4/tcp_orphan_retries").write_text("7")
    Path("/proc/sys/net/ipv4/tcp_syn_retries").write_text("5")
    with ExitStack() as kept:
        EveryState(device(), 4, kept)
        for state in (S.FIN_WAIT_1, S.CLOSING, S.LAST_ACK):
            [said] = objects("why", str(state))
            assert (said["unsent"], said["unread"]) == (0, 0), state
            text = " ".join(lastack("why", str(state), "--lang", "en").split())
            assert "nothing unacknowledged but the FIN" in text
            assert "for 51 s where no process holds it (tcp_orphan_retries 7)" in text
            assert f"(tcp_retries2 {said['settings']['tcp_retries2']})" in text
        [said] = objects("why", "SYN-SENT")
        tries = 5 + said["settings"]["tcp_syn_linear_timeouts"]
        text = " ".join(lastack("why", "SYN-SENT", "--lang", "en").split())
        assert f"after {tries} retransmissions" in text
        [said] = objects("why", "CLOSE-WAIT")
        assert said["unread"] == 0


def test_watch_once_counts_and_lists(leak: int) -> None:
    """Counts by state, the process, and with filters only what is meant."""
    *sockets, watch = objects("watch", "--once", "--state", "CLOSE-WAIT")
    assert {each["state"] for each in sockets} == {"CLOSE-WAIT"}
    assert watch["count"] == watch["states"]["CLOSE-WAIT"] == len(sockets) == LEAKED
    assert watch["talkers"]["process"][0]["name"].endswith(f"[{leak}]")
    assert watch["talkers"]["listener"][0] == {
        "name": "*:7001", "sockets": LEAKED, "in": 5 * LEAKED, "out": 0,
    }  # fmt: skip
    assert objects("watch", "--once", "--pid", str(leak))[-1]["count"] == LEAKED + 1
    assert objects("watch", "--once", "--host", "10.1.1.1")[-1]["count"] == 0
    assert objects("watch", "--once", "--port", "7001")[-1]["states"]["LISTEN"] == 1
    text = lastack("watch", "--once", "--names", "linux", "--lang", "en")
    assert "CLOSE_WAIT" in text and "By listener" in text


def test_kill_wants_a_selection_and_a_confirmation(leak: int) -> None:
    """Without a terminal to ask at, and without --yes, nothing is destroyed."""
    assert "needs a selection" in lastack("watch", "--kill", "--lang", "en", code=2)
    said = lastack("watch", "--kill", "--port", "7001", "--most", "1", "--yes", code=2)
    assert "--most limits the table alone" in said
    said = lastack("watch", "--kill", "--pid", str(leak), "--lang", "en", code=2)
    assert "give --yes" in said
    assert "no socket is meant" in lastack(
        "watch", "--kill", "--pid", "1", "--port", "7001", "--yes", "--lang", "en", code=1
    )
    assert objects("watch", "--once", "--pid", str(leak))[-1]["count"] == LEAKED + 1


@pytest.mark.parametrize(("answer", "code", "left"), [(b"n\n", 130, LEAKED), (b"y\n", 0, 0)])
def test_kill_asks_at_a_terminal(leak: int, answer: bytes, code: int, left: int) -> None:
    """It shows what is meant, and how many."""
    ours, theirs = os.openpty()
    with closing(os.fdopen(ours, "r+b", 0)) as terminal:
        asked = subprocess.Popen(
            [sys.executable, "-m", "lastack", "watch", "--kill", "--state", "CLOSE-WAIT"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        os.close(theirs)
        seen = b""
        while f"Destroy {LEAKED} sockets?".encode() not in seen:
            seen += terminal.read(4096)
        assert seen.count(b"CLOSE-WAIT") == LEAKED
        terminal.write(answer)
        assert asked.wait(60) == code
    states = objects("watch", "--once", "--port", "7001")[-1]["states"]
    assert (states["CLOSE-WAIT"], states["LISTEN"]) == (left, 1)


def test_kill_destroys_what_is_meant_and_nothing_else(leak: int) -> None:
    """The leaker's connections; its listener and everybody else's connections live on."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as there,
    ):
        told = lastack("watch", "--kill", "--pid", str(leak), "--yes", "--names", "linux", "--json")
        assert told.count("CLOSE_WAIT ") == LEAKED
        [said] = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        assert (said["type"], said["count"], said["ended"]) == ("killed", LEAKED, 0)
        there.sendall(b"alive")
        assert client.recv(5) == b"alive"
    assert objects("watch", "--once", "--pid", str(leak))[-1]["states"]["CLOSE-WAIT"] == 0
    assert objects("watch", "--once", "--port", "7001")[-1]["states"]["LISTEN"] == 1
    text = lastack(
        "watch", "--kill", "--port", "7001", "--state", "LISTEN", "--yes", "--lang", "en"
    )
    assert text.splitlines()[-1] == "1 destroyed"


WITHOUT_TEXTUAL = """
import sys
sys.modules["textual"] = None
from lastack.cli.main import main
main(sys.argv[1:])
"""


def python(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *words], text=True, capture_output=True, timeout=60
    )


def test_without_privilege_it_still_lists_and_says_what_it_cannot_see(leak: int) -> None:
    """Counts, ages and peers are there for everybody; one line tells what is not."""
    done = python(UNPRIVILEGED, "why", "CLOSE-WAIT", "--for", "100ms", "--lang", "en")
    assert done.returncode == 0, done.stderr
    assert f"{LEAKED} sockets, oldest" in done.stdout
    assert f"{LEAKED} held by processes that cannot be seen from here" in done.stdout
    said = " ".join(done.stdout.partition("Not seen: ")[2].split())
    assert "who closes what" in said
    assert "the processes of others" in said
    refused = python(
        UNPRIVILEGED, "watch", "--kill", "--state", "CLOSE-WAIT", "--yes", "--lang", "en"
    )
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.splitlines()[-1] == (
        "lastack: not destroyed: it needs CAP_NET_ADMIN (root)"
    )


def test_the_live_view_without_textual_is_an_error_in_words() -> None:
    """What to install, and what works without it."""
    done = python(WITHOUT_TEXTUAL, "watch")
    assert done.returncode == 1
    assert done.stderr.startswith("lastack: the live view needs textual: pip install")
    assert "--once works without it" in done.stderr


def test_the_json_is_documented(leak: int) -> None:
    """docs/json.md names every field."""
    documented = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    for each in [
        *objects("watch", "--once"),
        *objects("why", "TIME-WAIT"),
        *objects("why", "LISTEN"),
    ]:
        for name in each.keys() - {"schema", "type"}:
            assert f"`{name}`" in documented, name
