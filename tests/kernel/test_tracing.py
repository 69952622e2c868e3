"""The tracepoint and the notices of ended sockets: who closed what, what was lost, what is left."""

import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from held_sockets import UNPRIVILEGED, closed_by_client
from namespaces import Namespace
from tracefs import mounted_tracefs, why_no_tracefs, with_tracefs

from lastack.observe.core.diag import KernelSocket
from lastack.observe.findings import finding_of
from lastack.observe.sockets import Destroyed
from lastack.observe.tracing import Tracing, change_of
from lastack.observe.watching import Source, Watching, key_of
from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.view.why import missing_words

S = State


@pytest.fixture
def tracefs(namespace: Namespace) -> Iterator[Path]:
    """A mounted tracefs, which only we see."""
    reason = why_no_tracefs()
    if reason:
        pytest.skip(f"tracefs cannot be mounted: {reason}")
    with mounted_tracefs() as place:
        yield place


def instance(tracefs: Path, pid: int) -> Path:
    """Wait until a process traces, and return its instance."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        for each in tracefs.glob(f"instances/lastack-{pid}-*"):
            enabled = each / "events/sock/inet_sock_set_state/enable"
            if enabled.read_text().startswith("1"):
                return each
        select.select([], [], [], 0.01)
    raise AssertionError("nobody traces")


def lastack(*words: str) -> "subprocess.Popen[str]":
    """Start the command where tracefs is mounted."""
    return subprocess.Popen(
        with_tracefs(sys.executable, "-m", "lastack", *words), stdout=subprocess.PIPE, text=True
    )


def test_why_time_wait_names_the_process_that_closed(tracefs: Path) -> None:
    """Nobody holds them, and who closed them has ended: the tracepoint told as it happened."""
    with Watching(places=(str(tracefs),)) as watching:
        client = closed_by_client(40)
        for _ in range(600):  # the kernel's worker that tells may be late
            look = watching.look()
            if watching.heard.ended >= 40:
                break
            select.select([], [], [], 0.05)
        found = finding_of(S.TIME_WAIT, look, watching)
    assert Source("tracepoint", "") in found.sources
    closers = {(each.pid, each.how): each.count for each in found.holders}
    assert closers == {(client.pid, "closed"): 40}
    [destination] = found.destinations
    assert destination.remote == "127.0.0.1:7002"
    assert (destination.time_waits, destination.used) == (40, 40)
    assert destination.levels > 40 or destination.runs_out is not None
    assert found.heard.changes >= 40 * 8
    assert (found.heard.ended >= 40, found.heard.changes_lost, found.heard.ended_lost) == (
        True, 0, 0,
    )  # fmt: skip


def test_the_command_finds_the_closer_where_tracefs_is_mounted(tracefs: Path) -> None:
    """At its usual place, without being told; nothing is left behind."""
    with lastack("why", "TIME-WAIT", "--for", "3s", "--json") as asked:
        place = instance(tracefs, asked.pid)
        client = closed_by_client(30)
        said = json.loads(asked.communicate(timeout=60)[0])
    assert said["sources"]["tracepoint"] == ""
    assert [(each["pid"], each["how"], each["count"]) for each in said["holders"]] == [
        (client.pid, "closed", 30)
    ]
    assert said["heard"]["changes"] >= 30 * 8
    assert not place.exists()


def test_without_privilege_the_command_says_what_it_wants(tracefs: Path) -> None:
    """The mount is there and is root's alone; the rest is told."""
    asked = with_tracefs(sys.executable, "-c", UNPRIVILEGED, "why", "TIME-WAIT", "--lang", "en")
    with halves(7005)[0]:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
        said = subprocess.run([*asked, "--json"], capture_output=True, timeout=60, check=True)
    assert "who closes what (the tracepoint sock:inet_sock_set_state needs root)" in " ".join(
        done.stdout.split()
    )
    assert json.loads(said.stdout)["sources"]["tracepoint"] == "privilege"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("words", [("watch", "--json"), ("why", "TIME-WAIT", "--for", "1h")])
def test_a_signal_leaves_nothing_behind(
    tracefs: Path, words: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    """Ctrl-C, kill, and a terminal that is closed."""
    with lastack(*words) as asked:
        place = instance(tracefs, asked.pid)
        asked.send_signal(number)
        asked.communicate(timeout=60)
    assert asked.returncode == code
    assert not place.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_live_view_in_order(
    tracefs: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The terminal is given back, and nothing is left behind."""
    pytest.importorskip("textual")
    if shutil.which("script") is None:
        pytest.skip("no script(1) to make a terminal")
    asked = shlex.join(with_tracefs(sys.executable, "-m", "lastack", "watch", "--lang", "en"))
    note, screen = tmp_path / "pid", tmp_path / "screen"
    with subprocess.Popen(
        ["script", "-qefc", f"echo $$ > {note}; exec {asked}", str(screen)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as terminal:
        while not note.exists() or not note.read_text().endswith("\n"):
            select.select([], [], [], 0.01)
        place = instance(tracefs, int(note.read_text()))
        while b"By listener" not in screen.read_bytes() and terminal.poll() is None:
            select.select([], [], [], 0.01)
        os.kill(int(note.read_text()), number)
        assert terminal.wait(60) == code
    assert not place.exists()
    assert screen.read_bytes().rindex(b"\x1b[?1049l") > screen.read_bytes().rindex(b"\x1b[?1049h")


def test_what_a_killed_process_left_the_next_removes(tracefs: Path) -> None:
    """Nobody can clean up behind himself when he is killed."""
    with lastack("watch", "--json") as asked:
        place = instance(tracefs, asked.pid)
        asked.kill()
        asked.communicate(timeout=60)
    assert place.exists()
    with Tracing((str(tracefs),)) as tracing:
        assert Path(tracing.place).exists()
        assert not place.exists()


def test_the_instance_is_removed_also_by_an_interruption(tracefs: Path) -> None:
    """An exception in the middle leaves nothing behind."""
    with pytest.raises(KeyboardInterrupt), Tracing((str(tracefs),)) as tracing:
        assert Path(tracing.place).is_dir()
        raise KeyboardInterrupt
    assert not Path(tracing.place).exists()


def test_changes_that_were_lost_are_counted_and_said(tracefs: Path) -> None:
    """The kernel overwrites what nobody reads in time."""
    with Watching(places=(str(tracefs),)) as watching:
        (instance(tracefs, os.getpid()) / "buffer_size_kb").write_text("4")
        closed_by_client(300)
        watching.look()
        assert watching.heard.changes_lost > 0
        said = missing_words(watching.sources, watching.heard)
    assert any(f"{watching.heard.changes_lost:,} changes of state" in each for each in said)


def test_notices_of_ended_sockets_that_were_lost_are_counted_and_said(
    namespace: Namespace,
) -> None:
    """ENOBUFS: the kernel had more to say than it could keep."""
    with Watching(places=()) as watching:
        assert watching._destroyed is not None
        with closing(socket.socket(fileno=os.dup(watching._destroyed.fileno()))) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        closed_by_client(50)
        for _ in range(600):  # the kernel's worker that tells may be late
            watching.hear()
            if watching.heard.ended_lost:
                break
            select.select([], [], [], 0.05)
    assert watching.heard.ended_lost > 0
    said = missing_words(watching.sources, watching.heard)
    assert any(f"lost {watching.heard.ended_lost} times" in each for each in said)


def test_thousands_of_ends_between_two_hearings_are_all_heard(namespace: Namespace) -> None:
    """Each connection of ours has two ends, and the kernel's own room would not do."""
    with Destroyed() as ended:
        closed_by_client(1000)
        heard = 0
        for _ in range(600):  # the kernel's worker that tells may be late
            heard += sum(7002 in (each.local_port, each.remote_port) for each in ended)
            if heard >= 1000:
                break
            select.select([], [], [], 0.05)
    assert ended.lost == 0
    assert heard >= 1000


def halves(port: int) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection."""
    with socket.create_server(("127.0.0.1", port)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def of(watching: Watching, state: State) -> tuple[KernelSocket, Any]:
    """Wait until one socket is in a state (an ACK may be delayed); return it and its age."""
    for _ in range(100):
        look = watching.look()
        for found in look.sockets:
            if found.state is state:
                return found, watching.age_of(found, look.time)
    raise AssertionError(f"none is in {state}")


def test_an_age_is_that_of_the_event(tracefs: Path) -> None:
    """Also of what no process holds any more, whose timer began later than its state."""
    with Watching(places=(str(tracefs),)) as watching:
        client, server = halves(7003)
        before = time.monotonic_ns()
        client.shutdown(socket.SHUT_WR)
        after = time.monotonic_ns()
        for state in (S.FIN_WAIT_2, S.CLOSE_WAIT):
            found, age = of(watching, state)
            now = time.monotonic_ns()
            assert (age.exact, age.by) == (True, "event")
            assert now - after - SECOND < age.time < now - before
            assert abs(watching.entered[key_of(found)][1] - before) < after - before + SECOND
        began = watching.entered[key_of(of(watching, S.FIN_WAIT_2)[0])][1]
        client.close()
        found, age = of(watching, S.FIN_WAIT_2)
        assert found.inode == 0
        assert watching.entered[key_of(found)] == (S.FIN_WAIT_2, began)
        server.close()
        found, age = of(watching, S.TIME_WAIT)
        assert (age.exact, age.by) == (True, "timer")
        owner = watching.owner_of(found)
    assert owner is not None
    assert (owner.pid, owner.how) == (os.getpid(), "closed")


def test_a_look_in_between_does_not_forget_who_has_closed(tracefs: Path) -> None:
    """shutdown() closes, and the process still holds it until it is in TIME-WAIT."""
    with Watching(places=(str(tracefs),)) as watching:
        client, server = halves(7004)
        client.shutdown(socket.SHUT_WR)
        watching.look()
        server.close()
        client.close()
        owner = watching.owner_of(of(watching, S.TIME_WAIT)[0])
    assert owner is not None
    assert owner.how == "closed"


SIX = (
    "  a-b c-4711    (   4700) [001] ..s2. 12.000345678: inet_sock_set_state: family=AF_INET6 "
    "protocol=IPPROTO_TCP sport=80 dport=5 saddr=0.0.0.0 daddr=0.0.0.0 saddrv6=2001:db8::1 "
    "daddrv6=fe80::2 oldstate=TCP_FIN_WAIT1 newstate=TCP_FIN_WAIT2"
)
FOUR = (
    "  x-7    (-------) [000] ..... 1.5: inet_sock_set_state: family=AF_INET "
    "protocol=IPPROTO_TCP sport=1 dport=2 saddr=10.0.0.1 daddr=10.0.0.2 saddrv6=::ffff:10.0.0.1 "
    "daddrv6=::ffff:10.0.0.2 oldstate=TCP_ESTABLISHED newstate=TCP_CLOSE_WAIT"
)


def test_a_line_of_the_trace_is_read() -> None:
    """With the process where the kernel knows it; what is no such line is none."""
    six, four = change_of(SIX), change_of(FOUR)
    assert six is not None and four is not None
    assert (six.time, six.process, six.thread, six.name) == (12_000_345_678, 4700, 4711, "a-b c")
    assert (six.called, six.before, six.after) == (False, S.FIN_WAIT_1, S.FIN_WAIT_2)
    assert six.key == (
        socket.inet_pton(socket.AF_INET6, "2001:db8::1"), 80,
        socket.inet_pton(socket.AF_INET6, "fe80::2"), 5,
    )  # fmt: skip
    assert (four.process, four.called, four.key[0]) == (0, True, bytes([10, 0, 0, 1]))
    assert change_of("CPU:1 [LOST 12 EVENTS]") is None
