"""The rig: namespaces that one measurement makes and removes again.

Two shapes. `veth`: two kernels joined by a veth pair, the stack under test in a namespace of its
own. `tun`: one kernel, with a TUN device that the stack under test opens. In both the client is an
ordinary program on kernel sockets in the namespace `peer`.
"""

import os
import subprocess
import time
from pathlib import Path
from types import TracebackType

from services import DEVICE, MTU, PEER_ADDRESS, PREFIX_LENGTH, STACK_ADDRESS

STACK_CPU = 0
PEER_CPU = 1

CONGESTION = "net/ipv4/tcp_congestion_control"
_SYSCTLS = (
    # What the client closes leaves TIME-WAIT entries behind: it must not run out of ports.
    ("net/ipv4/ip_local_port_range", "1024 65535"),
    ("net/ipv4/tcp_tw_reuse", "1"),
    ("net/ipv4/tcp_max_syn_backlog", "8192"),
    ("net/core/somaxconn", "8192"),
    ("net/ipv6/conf/all/disable_ipv6", "1"),
    ("net/ipv6/conf/default/disable_ipv6", "1"),
)


class Rig:
    """One rig of the given shape, a context manager; `pin` gives client and stack a core each.

    `congestion` names what the kernels on both sides use; "" leaves them what the machine has.
    """

    def __init__(self, shape: str, pin: bool = True, congestion: str = "") -> None:
        self.shape = shape
        self.congestion = congestion
        self.pin = pin and (os.cpu_count() or 1) > PEER_CPU
        tag = f"lastack-bench-{os.getpid()}"
        self.peer = f"{tag}-peer"
        self.host = f"{tag}-host" if shape == "veth" else self.peer
        self._started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> "Rig":
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def _make(self) -> None:
        for name in {self.peer, self.host}:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            script = "; ".join(f"echo {v} >/proc/sys/{k} || true" for k, v in _SYSCTLS)
            if self.congestion:
                script += f"; echo {self.congestion} >/proc/sys/{CONGESTION} || exit 1"
            command = ["ip", "netns", "exec", name, "sh", "-c", script]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"this kernel does not let us use {self.congestion}")
        if self.shape == "veth":
            ip(
                *("-n", self.peer, "link", "add", DEVICE, "mtu", str(MTU), "type", "veth"),
                *("peer", "name", DEVICE, "mtu", str(MTU), "netns", self.host),
            )
            self._up(self.host, STACK_ADDRESS)
        else:
            ip("-n", self.peer, "tuntap", "add", "dev", DEVICE, "mode", "tun")
        self._up(self.peer, PEER_ADDRESS)

    def _up(self, namespace: str, address: str) -> None:
        ip("-n", namespace, "address", "add", f"{address}/{PREFIX_LENGTH}", "dev", DEVICE)
        ip("-n", namespace, "link", "set", DEVICE, "mtu", str(MTU), "up")

    def _remove(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        for name in {self.peer, self.host}:
            if Path("/run/netns", name).exists():
                ip("netns", "delete", name)

    def start_stack(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        """Start a server and wait until it says that it is ready."""
        process = self._start(self.host, STACK_CPU, command, environment)
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        while line and line != "ready":
            line = process.stdout.readline().strip()
        if line != "ready":
            process.wait()
            assert process.stderr is not None
            raise RuntimeError(
                f"{' '.join(command)} did not start: {process.stderr.read()[-2000:]}"
            )
        return process

    def run_peer(self, command: list[str], timeout: float) -> str:
        """Run a client to its end and return what it printed."""
        process = self._start(self.peer, PEER_CPU, command, {})
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise RuntimeError(f"no end after {timeout:.0f} s") from None
        if process.returncode != 0:
            raise RuntimeError(err.strip().splitlines()[-1] if err.strip() else "the client failed")
        return out

    def _start(
        self, namespace: str, cpu: int, command: list[str], environment: dict[str, str]
    ) -> subprocess.Popen[str]:
        pinned = ["taskset", "-c", str(cpu)] if self.pin else []
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *pinned, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        )
        self._started.append(process)
        return process


def wait_for_quiet(patience: float) -> bool:
    """Wait until nobody else uses the machine's cores; False when that took too long."""
    end = time.monotonic() + patience
    while True:
        idle, total = _cores()
        time.sleep(0.2)
        idle_now, total_now = _cores()
        if idle_now - idle >= 0.85 * (total_now - total):
            return True
        if time.monotonic() > end:
            return False


def _cores() -> tuple[int, int]:
    """Ticks that all cores have been idle, and have been."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    ticks = [int(word) for word in words[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def ip(*words: str) -> None:
    """Run `ip`; raises RuntimeError with its own words when it fails."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
