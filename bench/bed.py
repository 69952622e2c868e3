"""The bed of the side-by-side: two namespaces, the path between them, and one transfer over it."""

import argparse
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path

from contestant import expected
from path import RIGHT_KERNEL
from rig import ip

HERE = Path(__file__).resolve().parent
LEFT_OURS = "10.77.1.2"
RIGHT_OURS = "10.78.1.2"
LINUX = "linux"
PAIRS = {
    LINUX: ("kernel", "kernel"),
    "ours": ("ours", "kernel"),
    "to us": ("kernel", "ours"),
    "us to us": ("ours", "ours"),
}
"""Contestant -> who sends, who receives."""
PRIORITY = 20
"""Of the forwarder in SCHED_FIFO; those at the ends have one less."""
_SYSCTLS = (
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/tcp_no_metrics_save", "1"),  # a transfer shall not learn from the one before it
    ("net/ipv6/conf/all/disable_ipv6", "1"),
    ("net/ipv6/conf/default/disable_ipv6", "1"),
)
_numbers = count(1)
_making = threading.Lock()
Sample = dict[str, object]


class Bed:
    """Two namespaces and the path between them; a context manager that removes what it made."""

    def __init__(self, given: argparse.Namespace, options: list[str]) -> None:
        self.given = given
        tag = f"lastack-beside-{os.getpid()}-{next(_numbers)}"
        self.left = f"{tag}-left"
        self.right = f"{tag}-right"
        self.options = options
        self.environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self.environment["PYTHONPATH"] = str(given.tree)
        self._started: list[subprocess.Popen[str]] = []
        self._forwarder: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Bed":
        try:
            with _making:
                for name in (self.left, self.right):
                    ip("netns", "add", name)
                    ip("-n", name, "link", "set", "lo", "up")
                    script = "; ".join(f"echo {v} >/proc/sys/{k}" for k, v in _SYSCTLS)
                    subprocess.run(
                        ["ip", "netns", "exec", name, "sh", "-c", script],
                        check=False,
                        capture_output=True,
                    )
            command = [sys.executable, str(HERE / "path.py"), self.left, self.right, "--json"]
            self._forwarder = self._start([*command, *self.options], PRIORITY)
            self._until_ready(self._forwarder)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def start(self, side: str, who: str, role: str, *options: str) -> subprocess.Popen[str]:
        """Start one end; a receiver is ready when this returns."""
        space, address = (self.left, LEFT_OURS) if side == "left" else (self.right, RIGHT_OURS)
        command = [sys.executable, str(HERE / "contestant.py"), who, role, "--address", address]
        process = self._start(["ip", "netns", "exec", space, *command, *options], PRIORITY - 1)
        if role == "receive":
            self._until_ready(process)
        return process

    def end(self) -> Sample:
        """End the forwarder and return what it says of the packets."""
        forwarder = self._forwarder
        assert forwarder is not None
        forwarder.terminate()
        return finished(forwarder, 10)

    def _start(self, command: list[str], priority: int) -> subprocess.Popen[str]:
        if not self.given.ordinary:
            command = [*command, "--priority", str(priority)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        self._started.append(process)
        return process

    def _until_ready(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None and process.stderr is not None
        if process.stdout.readline().strip() != "ready":
            process.wait()
            raise RuntimeError(f"did not start: {process.stderr.read()[-2000:]}")

    def _remove(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        for name in (self.left, self.right):
            if Path("/run/netns", name).exists():
                with suppress(RuntimeError):
                    ip("netns", "delete", name)


def finished(process: subprocess.Popen[str], patience: float) -> Sample:
    """Wait for the end of one end, and return what it says."""
    try:
        out, err = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no end after {patience:.0f} s") from None
    if process.returncode:
        raise RuntimeError(err.strip().splitlines()[-1] if err.strip() else "it failed")
    said: Sample = json.loads(out.splitlines()[-1])
    return said


class Transfer:
    """What is to be carried, how, and over what: `options` are those of `path.py`."""

    def __init__(self, contestant: str, size: int, options: list[str], congestion: str) -> None:
        self.sender, self.receiver = PAIRS[contestant]
        self.size = size
        self.options = options
        self.congestion = congestion


def carry(given: argparse.Namespace, wanted: Transfer) -> Sample:
    """Carry octets from one end to the other; raises RuntimeError unless the same came."""
    target = RIGHT_OURS if wanted.receiver == "ours" else RIGHT_KERNEL
    with Bed(given, wanted.options) as bed:
        to = ("--congestion", wanted.congestion, "--preset", given.preset)
        takes = bed.start("right", wanted.receiver, "receive", *to)
        size = ("--to", target, "--bytes", str(wanted.size))
        sends = bed.start("left", wanted.sender, "send", *to, *size)
        got = finished(takes, given.patience)
        sent = finished(sends, given.patience)
        path = bed.end()
    if got["bytes"] != wanted.size or got["sha256"] != expected(wanted.size):
        raise RuntimeError(f"{got['bytes']} of {wanted.size} octets came, or not those sent")
    elapsed = int(str(got["ended_ns"])) - int(str(sent["began_ns"]))
    value = wanted.size * 8e3 / elapsed
    return {"value": value, "elapsed_ns": elapsed, "resent": sent["resent"], "path": path}
