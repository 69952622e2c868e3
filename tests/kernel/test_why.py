"""`lastack why` and `lastack watch --once` about planted troubles, in a namespace of their own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from every_state import EveryState
from held_sockets import LEAKING_SERVER, process
from namespaces import Namespace
from rich.cells import cell_len

from lastack.link.tun import TunLink
from lastack.observe.findings import finding_of
from lastack.observe.watching import Source, Watching
from lastack.tcp.states import State

S = State
ROOT = Path(__file__).parents[2]
LEAKED = 25


def lastack(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lastack", *words],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def objects(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lastack(*words, "--json").splitlines()]


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
    """The listener, how many are half-open of how many may be, and the counters."""
    with ExitStack() as kept:
        every = EveryState(device(), 4, kept)
        [said] = objects("why", "SYN-RECEIVED")
    assert (said["count"], said["nobody"]) == (1, 1)
    [listener] = said["listeners"]
    assert listener["local"].endswith(f":{every.port}")
    assert (listener["half_open"], listener["waiting"]) == (1, 0)
    assert listener["backlog"] > 0
    assert {"ListenOverflows", "SyncookiesSent", "TCPReqQFullDrop"} <= said["counters"].keys()


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
    """Nothing is destroyed without both; then the connections are gone, the listener is not."""
    assert "needs a selection" in lastack("watch", "--kill", "--lang", "en", code=2)
    lastack("watch", "--kill", "--pid", str(leak), code=130)
    assert objects("watch", "--once", "--pid", str(leak))[-1]["count"] == LEAKED + 1
    assert f"{LEAKED} destroyed" in lastack(
        "watch", "--kill", "--pid", str(leak), "--yes", "--lang", "en"
    )
    assert objects("watch", "--once", "--pid", str(leak))[-1]["states"]["CLOSE-WAIT"] == 0
    assert objects("watch", "--once", "--port", "7001")[-1]["states"]["LISTEN"] == 1


UNPRIVILEGED = """
import os, sys
import lastack.cli.why, lastack.cli.watch
b"".decode("ascii")
from lastack.cli.main import main
os.setgroups([]), os.setgid(65534), os.setuid(65534)
main(sys.argv[1:])
"""
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
    refused = python(UNPRIVILEGED, "watch", "--kill", "--state", "CLOSE-WAIT", "--yes")
    assert (refused.returncode, refused.stdout) == (3, "")


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
