"""Our endpoint and Linux's over the same emulated path: who is faster, and do they share fairly?

    make compiled
    sudo python bench/beside.py --congestion reno,cubic --delays 1,10,50,100 --rounds 5
    sudo python bench/beside.py --fairness --seconds 30 --delays 10,50 --losses 0
    sudo python bench/beside.py --soak 60

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
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from math import sqrt
from pathlib import Path
from random import Random

from bed import LINUX, Bed, Sample, Transfer, carry, finished
from path import RIGHT_KERNEL, queue_of
from stacks import COMPILED, SOURCE

SEGMENT = 1448
CONTROLLERS = ("reno", "cubic")


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
        self.values: dict[str, dict[int, float]] = {}
        """By contestant and seed, Mbit/s."""
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
    options = [*cell.options, "--seed", str(seed)]
    if given.record:
        name = f"{cell.congestion}-{cell.loss}-{cell.delay}-{contestant}-{seed}.pcapng"
        options += ["--record", str(Path(given.record, name.replace(" ", "-")))]
    return carry(given, Transfer(contestant, cell.size, options, cell.congestion))


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
                cell.values.setdefault(contestant, {})[seed] = float(str(sample["value"]))
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
    """One line a cell: Linux's median, and of each other contestant the median ratio to it.

    A ratio is of two transfers with the same seed: seeds differ far more than contestants do.
    """
    others = [name for name in contestants if name != LINUX]
    yield (
        "| controller | loss | delay | queue | octets | Linux, Mbit/s | "
        + " | ".join(f"{name} / Linux" for name in others)
        + " | sent again, Linux | ours |"
    )
    yield "|---|---|---|---|---|---|" + "---|" * (len(others) + 2)
    for cell in cells:
        reference = cell.values.get(LINUX, {})
        row = [cell.congestion, f"{cell.loss:g} %", f"{cell.delay:g} ms", f"{cell.queue}"]
        row += [f"{cell.size:,}", middle(list(reference.values()), 2)]
        for name in others:
            pairs = cell.values.get(name, {}).items()
            row.append(middle([v / reference[s] for s, v in pairs if s in reference], 3))
        for name in (LINUX, "ours"):
            row.append(f"{statistics.median(cell.resent.get(name, [0])):g}")
        yield "| " + " | ".join(row) + " |"


def middle(values: list[float], digits: int) -> str:
    """Return the median, and between which values all lie."""
    if not values:
        return "none"
    least, most = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return f"{statistics.median(values):.{digits}f} ({least} to {most})"


def jain(values: list[float]) -> float:
    """Return Jain's index of fairness: 1 where all have the same."""
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))


def shared(given: argparse.Namespace, congestion: str, delay: float, seed: int) -> list[float]:
    """Let our flow and the kernel's share a path; return what each received, Mbit/s.

    Who begins is another one each time.
    """
    cell = Cell(given, congestion, given.losses[0], delay)
    received = []
    order = given.share if seed % 2 else given.share[::-1]
    with Bed(given, [*cell.options, "--seed", str(seed)]) as bed:
        takes = []
        time_given = ("--seconds", str(given.seconds))
        for number, who in enumerate(order):
            port = ("--port", str(9001 + number), "--congestion", congestion)
            takes.append(bed.start("right", "kernel", "receive", *port, *time_given))
            bed.start("left", who, "send", *port, "--to", RIGHT_KERNEL, "--preset", given.preset)
        for process in takes:
            got = finished(process, given.patience + given.seconds)
            elapsed = int(str(got["ended_ns"])) - int(str(got["began_ns"]))
            received.append(int(str(got["bytes"])) * 8e3 / elapsed)
    return received if seed % 2 else received[::-1]


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


def soak(given: argparse.Namespace) -> bool:
    """Carry transfers under random conditions; return whether one failed."""
    failed = False
    with ThreadPoolExecutor(given.at_once) as pool:
        seeds = range(given.seed, given.seed + given.soak)
        for said in pool.map(lambda seed: under_random_conditions(given, seed), seeds):
            failed = failed or "error" in said
            if given.json or "error" in said:
                print(json.dumps(said), flush=True)
    print(f"{given.soak} transfers under random conditions", file=sys.stderr)
    return failed


def under_random_conditions(given: argparse.Namespace, seed: int) -> Sample:
    """Carry one transfer; all about it is drawn from the seed, and no kernel-to-kernel one."""
    draw = Random(seed)
    wanted = Transfer(
        draw.choice(["ours", "to us", "us to us"]),
        round(10 ** draw.uniform(0, 5.8)),
        ["--delay", f"{draw.choice([0.2, 1, 5, 20, 50])}", "--seed", str(seed)],
        draw.choice(given.congestion),
    )
    harms = {"loss": 5.0, "reorder": 10.0, "duplicate": 5.0, "corrupt": 1.0}
    for name, most in harms.items():
        wanted.options += [f"--{name}", f"{draw.choice([0, draw.uniform(0, most)]):.3f}%"]
    wanted.options += [
        "--rate",
        f"{draw.choice([2, 20, 60])}",
        "--queue",
        f"{draw.randint(5, 200)}",
    ]
    wanted.options += ["--jitter", f"{draw.choice([0, 1, 10])}", *draw.choice([[], ["--both"]])]
    alike = argparse.Namespace(**vars(given))
    alike.preset = draw.choice(["rfc", "linux", "freebsd"])
    about: Sample = {"schema": 1, "type": "soak", "seed": seed, "preset": alike.preset}
    about |= {"bytes": wanted.size, "path_options": " ".join(wanted.options)}
    about |= {"sender": wanted.sender, "receiver": wanted.receiver}
    try:
        return about | carry(alike, wanted)
    except (RuntimeError, OSError, ValueError) as error:
        return about | {"error": str(error)}


def arguments() -> argparse.Namespace:
    """Read the command line."""

    def numbers(text: str) -> list[float]:
        return [float(word) for word in text.split(",")]

    def words(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--congestion", type=words, default=[*CONTROLLERS])
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
    parser.add_argument("--soak", type=int, default=0, help="so many under random conditions")
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
    if given.soak:
        failed = soak(given)
    elif given.fairness:
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
