"""Measure lastack, the kernel and other stacks in one run, in namespaces made and removed here.

    sudo python bench/run.py --seconds 2 --rounds 3 --only bulk_in,bulk_out --stacks veth,compiled

Every round takes every workload through every stack, forwards and backwards in turn; the table
shows medians, and in brackets the ratio to the kernel over veth in this same run.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rig import CONGESTION, Rig, wait_for_quiet
from stacks import REFERENCE, Stack, install_peers, stacks

WORKLOADS = {
    "bulk_in": ("bulk in", "MB/s"),
    "bulk_out": ("bulk out", "MB/s"),
    "request_1": ("requests, 1 connection", "/s"),
    "request_64": ("requests, 64 connections", "/s"),
    "connect_32": ("connect+echo+close, 32 at once", "/s"),
    "memory": ("memory per idle connection", "B"),
    "idle": ("CPU, 1,000 connections idle", "%"),
    "check": ("there and back, SHA-256", "MB/s"),
}
ONCE = ("memory", "idle", "check")
"""Measured in the first round only: they say the same each time."""
CLIENT = Path(__file__).resolve().parent / "client.py"
Samples = dict[tuple[str, str], list[float]]


def measure(stack: Stack, workload: str, given: argparse.Namespace) -> dict[str, object]:
    """One workload through one stack on a fresh rig, once the machine is quiet."""
    quiet = wait_for_quiet(given.patience)
    with Rig(stack.shape, not given.no_pin, given.congestion) as rig:
        server = rig.start_stack(stack.command, stack.environment)
        command = [sys.executable, str(CLIENT), workload, "--server", str(server.pid)]
        command += ["--seconds", str(given.seconds), "--bytes", str(stack.check_bytes)]
        result: dict[str, object] = json.loads(rig.run_peer(command, given.seconds + 120))
    result["quiet"] = quiet
    return result


def say(given: argparse.Namespace, text: str) -> None:
    if not given.quiet:
        print(text, file=sys.stderr, flush=True)


def rounds(given: argparse.Namespace, chosen: list[Stack]) -> Iterator[dict[str, object]]:
    """Every sample of the run, one dictionary each."""
    for number in range(given.rounds):
        order = chosen if number % 2 == 0 else chosen[::-1]
        for workload in given.only:
            if number and workload in ONCE:
                continue
            for stack in order:
                sample: dict[str, object] = {"round": number, "stack": stack.name}
                sample["workload"] = workload
                try:
                    sample.update(measure(stack, workload, given))
                    shown = f"{sample['value']:12,.1f} {WORKLOADS[workload][1]}"
                    shown += f"  (server {sample['server_cpu']:.2f} s of CPU)"
                    if not sample["quiet"]:
                        shown += "  the machine was busy"
                except (RuntimeError, OSError, ValueError) as error:
                    sample["error"] = str(error)
                    shown = f"failed: {error}"
                say(given, f"round {number + 1}  {workload:11} {stack.name:17} {shown}")
                yield sample


def table(samples: Samples, chosen: list[Stack], workloads: list[str]) -> str:
    """Medians, and ratios to the reference where it was measured."""
    rows = [["", *(stack.name for stack in chosen)]]
    for workload in workloads:
        title, unit = WORKLOADS[workload]
        reference = samples.get((workload, REFERENCE))
        row = [f"{title}, {unit}" if unit != "/s" else f"{title}, per second"]
        for stack in chosen:
            values = samples.get((workload, stack.name))
            row.append(cell(values, None if workload in ONCE else reference))
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join([r[0].ljust(widths[0]), *map(str.rjust, r[1:], widths[1:])]) for r in rows]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)


def cell(values: list[float] | None, reference: list[float] | None) -> str:
    if not values:
        return "-"
    middle = statistics.median(values)
    shown = f"{middle:,.0f}" if middle >= 100 else f"{middle:,.1f}"
    if not reference:
        return shown
    ratio = middle / statistics.median(reference)
    return f"{shown} ({ratio:.2f})" if ratio >= 0.1 else f"{shown} ({ratio:.4f})"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each sample")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(WORKLOADS), help="workloads, by commas")
    parser.add_argument("--stacks", default="", help="stacks, by commas (default: all there are)")
    parser.add_argument("--json", action="store_true", help="one object a sample on stdout")
    parser.add_argument(
        "--congestion",
        default=Path("/proc/sys", CONGESTION).read_text().strip(),
        help="of the kernels' TCP on both sides (default: what this machine uses, %(default)s)",
    )
    parser.add_argument(
        "--before",
        type=Path,
        help="another tree of lastack, as the stack `before`: did it get slower?",
    )
    parser.add_argument("--no-pin", action="store_true", help="let the scheduler choose cores")
    parser.add_argument(
        "--patience", type=float, default=20, help="seconds to wait for a quiet machine"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--install-peers", action="store_true", help="get PyTCP from PyPI first")
    given = parser.parse_args()
    given.only = [word for word in given.only.split(",") if word]
    for word in given.only:
        if word not in WORKLOADS:
            parser.error(f"no workload {word!r}; there are {', '.join(WORKLOADS)}")
    return given


def choose(given: argparse.Namespace) -> list[Stack]:
    """The stacks asked for that can be measured here; the others are named with the reason."""
    known = {stack.name: stack for stack in stacks(given.before)}
    wanted = [word for word in given.stacks.split(",") if word] or list(known)
    chosen = []
    for name in wanted:
        if name not in known:
            raise SystemExit(f"no stack {name!r}; there are {', '.join(known)}")
        if known[name].absent:
            say(given, f"without {name}: {known[name].absent}")
        else:
            chosen.append(known[name])
    return chosen


def main() -> int:
    given = arguments()
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        print("the bench makes namespaces and devices: run it as root (sudo)", file=sys.stderr)
        return 3
    if shutil.which("ip") is None:
        print("the bench needs ip: apt-get install iproute2", file=sys.stderr)
        return 3
    if given.install_peers:
        install_peers()
    chosen = choose(given)
    samples: Samples = {}
    failed = False
    started = time.time_ns()
    for sample in rounds(given, chosen):
        if given.json:
            print(json.dumps({"schema": 1, "type": "sample", **sample}), flush=True)
        if "error" in sample:
            failed = True
        else:
            key = (str(sample["workload"]), str(sample["stack"]))
            samples.setdefault(key, []).append(float(str(sample["value"])))
    if given.json:
        about = {"schema": 1, "type": "bench", "time_ns": started, "seconds": given.seconds}
        about |= {"rounds": given.rounds, "kernel": platform.release()}
        about["congestion"] = given.congestion
        about |= {"python": platform.python_version(), "cores": os.cpu_count()}
        print(json.dumps(about))
    else:
        print(table(samples, chosen, given.only))
        print()
        print(
            f"medians of {given.rounds} rounds of {given.seconds:g} s; in brackets the ratio to "
            f"{REFERENCE}; MTU 1500, Linux {platform.release().split('-')[0]} "
            f"({given.congestion}), Python {platform.python_version()}, {os.cpu_count()} cores"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
