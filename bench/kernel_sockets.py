"""How long the kernel's sockets take to list: the library's call beside `ss -tan`, in one run.

`python bench/kernel_sockets.py --sockets 20000` as root: a network namespace of its own is filled
with connections, both ends of which count.
"""

import argparse
import ctypes
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

import lastack
from lastack.link.kernel_side import KernelSide
from lastack.observe.sockets import kernel_sockets

PER_PROCESS = 5_000
_CLONE_NEWNET = 0x40000000


def hold(count: int) -> None:
    """Open so many sockets, connected in pairs, say so and keep them; in a process of its own."""
    kept = [socket.create_server(("127.0.0.1", 0), backlog=128)]
    while len(kept) < count:
        kept.append(socket.create_connection(kept[0].getsockname()))
        kept.append(kept[0].accept()[0])
    print("ready", flush=True)
    sys.stdin.read()


def seconds(call: Callable[[], object], rounds: int) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--hold", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        hold(options.hold)
        return
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "a network namespace cannot be made")
    with KernelSide("lo", []), ExitStack() as kept:
        for first in range(0, options.sockets, PER_PROCESS):
            count = min(PER_PROCESS, options.sockets - first)
            holder = subprocess.Popen(
                [sys.executable, __file__, "--hold", str(count)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            kept.enter_context(holder)
            kept.callback(holder.kill)
            assert holder.stdout is not None and holder.stdout.readline()
        measure(options.rounds)


def measure(rounds: int) -> None:
    """Print what the call and ss take."""
    listed = len(kernel_sockets())
    lines = subprocess.run(["ss", "-Htan"], capture_output=True, check=True).stdout.count(b"\n")
    ours = seconds(kernel_sockets, rounds)
    with_info = seconds(lambda: kernel_sockets(info=True), rounds)
    theirs = seconds(
        lambda: subprocess.run(["ss", "-tan"], stdout=subprocess.DEVNULL, check=True),
        rounds,
    )
    print(
        json.dumps(
            {
                "compiled": lastack.COMPILED,
                "listed": listed,
                "ss_lines": lines,
                "ours_ms": round(ours * 1000, 1),
                "ours_with_tcp_info_ms": round(with_info * 1000, 1),
                "ss_ms": round(theirs * 1000, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
