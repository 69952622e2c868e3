"""`lastack serve` and `lastack fetch` as processes of their own, in the namespace of the test."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from by_hand import KERNEL_V4, KERNEL_V6, OURS_V4, OURS_V6

import lastack

HERE = Path(lastack.__file__).parent.parent
ADDRESSES = (f"{OURS_V4}/24", f"{OURS_V6}/64")
URLS = {4: f"http://{OURS_V4}", 6: f"http://[{OURS_V6}]"}
OURS = {4: OURS_V4, 6: OURS_V6}
KERNELS = {4: KERNEL_V4, 6: KERNEL_V6}


def needs(*programs: str) -> None:
    """Skip the test where one of these programs is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


def command(*words: str) -> list[str]:
    """Return the command line of `lastack ...` for the build under test."""
    return [sys.executable, "-m", "lastack", *words]


def environment() -> dict[str, str]:
    """Return an environment in which the build under test is found."""
    return {**os.environ, "PYTHONPATH": str(HERE), "NO_COLOR": "1"}


def run(*words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[bytes]:
    """Run `lastack ...` to its end."""
    return subprocess.run(
        command(*words), capture_output=True, timeout=timeout, env=environment(), check=False
    )


class Served:
    """A running server; `records` are the lines of JSON that it has printed so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.records: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.changed:
                self.records.append(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of a type."""
        return [record for record in list(self.records) if record["type"] == kind]

    def states(self) -> dict[tuple[str, str], str]:
        """Return (local, remote) -> state of every connection that is not CLOSED."""
        found: dict[int, tuple[str, str, str]] = {}
        for record in self.of("state_changed"):
            found[record["connection"]] = (record["local"], record["remote"], record["to"])
        return {(one, other): to for one, other, to in found.values() if to != "CLOSED"}

    def await_record(self, kind: str, seconds: float = 20.0) -> dict[str, Any]:
        """Wait for a record of a type and return it."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: self.of(kind) or self.process.poll() is not None, seconds
            ), f"no {kind}"
        assert self.of(kind), self.process.stderr and self.process.stderr.read()
        return self.of(kind)[0]

    def await_change(self, seconds: float) -> None:
        """Wait until there is one more record, or for some time."""
        before = len(self.records)
        with self.changed:
            self.changed.wait_for(lambda: len(self.records) > before, seconds)

    def ends(self, which: signal.Signals = signal.SIGINT, seconds: float = 20.0) -> int:
        """Signal it, wait for its end and return its exit code."""
        self.process.send_signal(which)
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code


@contextmanager
def served(directory: Path, *options: str) -> Iterator[Served]:
    """Run `lastack serve --json` on tun0 with an address of each family."""
    words = command("serve", "--link", "tun:tun0", "--json", *options, *ADDRESSES, str(directory))
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    server = Served(process)
    try:
        server.await_record("serve")
        yield server
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()


def write_random(path: Path, size: int, seed: int) -> str:
    """Write pseudo-random octets from a seed and return their SHA-256."""
    seen = hashlib.sha256()
    random = Random(seed)
    with open(path, "wb") as file:
        while size > 0:
            piece = random.randbytes(min(size, 1 << 20))
            file.write(piece)
            seen.update(piece)
            size -= len(piece)
    return seen.hexdigest()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def deadline(seconds: float) -> float:
    """Return a time so many seconds from now."""
    return time.monotonic() + seconds
