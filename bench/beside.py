"""Our endpoint and Linux's over the same emulated path: who is faster, and do they share fairly?

    make compiled
    sudo python bench/beside.py --congestion reno,cubic --delays 1,10,50,100 --rounds 5
    sudo python bench/beside.py --fairness --seconds 30 --delays 10,50

Two network namespaces are joined by the forwarder of `path.py`. The reference is a transfer from
kernel to kernel; beside it the same octets go from our endpoint to the kernel (`ours`), and from
the kernel to our endpoint (`to us`). A round gives each of them the same seed, and so the same fate
for the n-th packet. With --fairness our flow and the kernel's share one path instead. The
namespaces are removed at the end. Exit code 1: a transfer failed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count, product
from math import sqrt
from pathlib import Path

from contestant import expected
from path import RIGHT_KERNEL, queue_of
from rig import ip
from stacks import COMPILED, SOURCE

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
SEGMENT = 1448
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


class Cell:
    """One place of the table: a controller, a loss in percent, a delay one way in milliseconds."""

    def __init__(self, given: argparse.Namespace, congestion: str, loss: float, delay: float):
        self.congestion = congestion
        self.loss = loss
        self.delay = delay
        self.rate = given.rate
        self.size = size_of(given.rate, loss, delay, given.seconds)
        self.queue = queue_of(given.rate, delay, given.queue)
        self.options = ["--delay", str(delay), "--rate", str(given.rate), "--loss", f"{loss}%"]
        self.options += ["--queue", str(self.queue)]
        self.values: dict[str, list[float]] = {}
        self.resent: dict[str, list[int]] = {}


def size_of(rate: float, loss: float, delay: float, seconds: float) -> int:
    """Return the octets of a transfer that takes about so many seconds.

    At most what the path carries; with losses what Reno reaches by the square-root law.
    """
    speed = rate * 1e6 / 8 * 0.95
    if loss:
        speed = min(speed, SEGMENT / (2 * delay / 1e3) * 1.22 / sqrt(loss / 100))
    return max(round(speed * seconds), 200_000)


def transfer(given: argparse.Namespace, cell: Cell, contestant: str, seed: int) -> Sample:
    """Carry the octets of one cell from one end to the other."""
    sender, receiver = PAIRS[contestant]
    target = RIGHT_OURS if receiver == "ours" else RIGHT_KERNEL
    options = [*cell.options, "--seed", str(seed)]
    if given.record:
        name = f"{cell.congestion}-{cell.loss}-{cell.delay}-{contestant}-{seed}.pcapng"
        options += ["--record", str(Path(given.record, name.replace(" ", "-")))]
    with Bed(given, options) as bed:
        to = ("--congestion", cell.congestion, "--preset", given.preset)
        takes = bed.start("right", receiver, "receive", *to)
        sends = bed.start("left", sender, "send", *to, "--to", target, "--bytes", str(cell.size))
        got = finished(takes, given.patience)
        sent = finished(sends, given.patience)
        path = bed.end()
    if got["bytes"] != cell.size or got["sha256"] != expected(cell.size):
        raise RuntimeError(f"{got['bytes']} of {cell.size} octets came, or others than were sent")
    elapsed = int(str(got["ended_ns"])) - int(str(sent["began_ns"]))
    value = cell.size * 8e3 / elapsed
    return {"value": value, "elapsed_ns": elapsed, "resent": sent["resent"], "path": path}


def measured(given: argparse.Namespace) -> tuple[list[Cell], bool]:
    """Run all cells, several transfers at a time; return them and whether one failed."""
    cells = [
        Cell(given, congestion, loss, delay)
        for congestion, loss, delay in product(given.congestion, given.losses, given.delays)
    ]
    jobs = [
        (cell, contestant, given.seed + number)
        for cell in cells
        for number in range(given.rounds)
        for contestant in (given.contestants if number % 2 == 0 else given.contestants[::-1])
    ]
    failed = False
    with ThreadPoolExecutor(given.at_once) as pool:
        runs = [pool.submit(attempt, given, *job) for job in jobs]
        for (cell, contestant, seed), run in zip(jobs, runs, strict=True):
            sample = run.result()
            failed = failed or "error" in sample
            if "error" not in sample:
                cell.values.setdefault(contestant, []).append(float(str(sample["value"])))
                cell.resent.setdefault(contestant, []).append(int(str(sample["resent"])))
            about: Sample = {"schema": 1, "type": "transfer", "congestion": cell.congestion}
            about |= {"loss": cell.loss, "delay": cell.delay, "contestant": contestant}
            say(given, about | {"seed": seed, "bytes": cell.size} | sample)
    return cells, failed


def attempt(given: argparse.Namespace, cell: Cell, contestant: str, seed: int) -> Sample:
    """Return a sample, or the error that it ended with."""
    try:
        return transfer(given, cell, contestant, seed)
    except (RuntimeError, OSError, ValueError) as error:
        return {"error": str(error)}


def say(given: argparse.Namespace, sample: Sample) -> None:
    """Print a sample: as JSON on stdout, or as a line on stderr."""
    if given.json:
        print(json.dumps(sample), flush=True)
        return
    place = f"{sample['congestion']:6} loss {sample['loss']:4} %  delay {sample['delay']:5} ms"
    if "error" in sample:
        what = f"failed: {sample['error']}"
    else:
        what = f"{sample['value']:8.3f} Mbit/s  {sample['resent']:5} sent again"
    print(f"{place}  {sample['contestant']:8} {what}", file=sys.stderr, flush=True)


def table(cells: list[Cell], contestants: list[str]) -> Iterator[str]:
    """One line a cell: medians of Linux, and the ratio of each other contestant to it."""
    others = [name for name in contestants if name != LINUX]
    yield (
        "| controller | loss | delay | queue | octets | Linux, Mbit/s | "
        + " | ".join(f"{name} / Linux" for name in others)
        + " | sent again, Linux | ours |"
    )
    yield "|---|---|---|---|---|---|" + "---|" * (len(others) + 2)
    for cell in cells:
        reference = statistics.median(cell.values.get(LINUX, [0.0]))
        row = [cell.congestion, f"{cell.loss:g} %", f"{cell.delay:g} ms", f"{cell.queue}"]
        row += [f"{cell.size:,}", f"{reference:.2f} ({spread(cell.values.get(LINUX, []))})"]
        for name in others:
            values = cell.values.get(name)
            ratio = statistics.median(values) / reference if values and reference else 0.0
            row.append(f"{ratio:.2f} ({spread(values or [])})")
        for name in (LINUX, "ours"):
            row.append(f"{statistics.median(cell.resent.get(name, [0])):g}")
        yield "| " + " | ".join(row) + " |"


def spread(values: list[float]) -> str:
    """Say how far the runs lie apart, as a share of their median."""
    if not values:
        return "none"
    share = (max(values) - min(values)) / 2 / statistics.median(values)
    return f"±{share * 100:.0f} %"


def jain(values: list[float]) -> float:
    """Return Jain's index of fairness: 1 where all have the same."""
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))


def shared(given: argparse.Namespace, congestion: str, delay: float, seed: int) -> list[float]:
    """Let our flow and the kernel's share a path; return what each received, Mbit/s, ours first."""
    cell = Cell(given, congestion, given.losses[0], delay)
    received = []
    with Bed(given, [*cell.options, "--seed", str(seed)]) as bed:
        takes = []
        time_given = ("--seconds", str(given.seconds))
        for number, who in enumerate(given.share):
            port = ("--port", str(9001 + number), "--congestion", congestion)
            takes.append(bed.start("right", "kernel", "receive", *port, *time_given))
            bed.start("left", who, "send", *port, "--to", RIGHT_KERNEL, "--preset", given.preset)
        for process in takes:
            got = finished(process, given.patience + given.seconds)
            elapsed = int(str(got["ended_ns"])) - int(str(got["began_ns"]))
            received.append(int(str(got["bytes"])) * 8e3 / elapsed)
    return received


def fairness(given: argparse.Namespace) -> None:
    """Print Jain's index for each controller and delay."""
    print("| controller | delay | " + " | ".join(f"{w}, Mbit/s" for w in given.share) + " | Jain |")
    print("|---|---|" + "---|" * (len(given.share) + 1))
    for congestion, delay in product(given.congestion, given.delays):
        runs = [shared(given, congestion, delay, given.seed + i) for i in range(given.rounds)]
        middle = sorted(runs, key=jain)[len(runs) // 2]
        print(
            f"| {congestion} | {delay:g} ms | "
            + " | ".join(f"{value:.2f}" for value in middle)
            + f" | {jain(middle):.3f} |",
            flush=True,
        )


def arguments() -> argparse.Namespace:
    """Read the command line."""

    def numbers(text: str) -> list[float]:
        return [float(word) for word in text.split(",")]

    def words(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--congestion", type=words, default=["reno", "cubic"])
    parser.add_argument("--losses", type=numbers, default=[0, 0.1, 0.5, 1, 2], help="percent")
    parser.add_argument("--delays", type=numbers, default=[1, 10, 50, 100], help="one way, ms")
    parser.add_argument("--rate", type=float, default=20.0, help="Mbit/s")
    parser.add_argument("--queue", type=float, default=1.0, help="times rate x 2 delays")
    parser.add_argument("--seconds", type=float, default=6.0, help="about, of each transfer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--contestants", type=words, default=[LINUX, "ours", "to us"])
    parser.add_argument("--preset", default="linux", help="the Config of our endpoint")
    parser.add_argument("--fairness", action="store_true", help="flows that share one path")
    parser.add_argument("--share", type=words, default=["ours", "kernel"], help="whose flows")
    parser.add_argument(
        "--at-once", type=int, default=3, help="transfers, each on a path of its own"
    )
    parser.add_argument("--patience", type=float, default=120.0, help="seconds for one transfer")
    parser.add_argument("--record", default="", help="a folder for captures of the left end")
    parser.add_argument("--tree", type=Path, default=COMPILED, help="the lastack that is measured")
    parser.add_argument("--ordinary", action="store_true", help="without real-time priority")
    parser.add_argument("--json", action="store_true", help="one object a transfer on stdout")
    given = parser.parse_args()
    if not (given.tree / "lastack").is_dir():
        given.tree = SOURCE
    return given


def main() -> int:
    """Measure, and print the table."""
    given = arguments()
    began = time.monotonic()
    busy = os.getloadavg()[0]
    failed = False
    if given.fairness:
        fairness(given)
    else:
        cells, failed = measured(given)
        if not given.json:
            print("\n".join(table(cells, given.contestants)))
    if not given.json:
        print(
            f"\n{time.monotonic() - began:.0f} s; load {busy:.1f} to {os.getloadavg()[0]:.1f} on "
            f"{os.cpu_count()} cores; rate {given.rate:g} Mbit/s, medians of {given.rounds} runs"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
