"""The tracepoint sock:inet_sock_set_state: every change of state, and who made it by a call.

It is read in a tracing instance of its own, made for it and removed with it, so that no other
tracing is disturbed. It sees every network namespace of the machine at once.
"""

import errno
import os
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple

from lastack.errors import error_for
from lastack.observe.core.diag import KERNEL_STATES
from lastack.tcp.states import State

PLACES: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
"""Where tracefs is mounted, if it is."""
_EVENT: Final = "events/sock/inet_sock_set_state/enable"
_PREFIX: Final = "lastack-"
_BUFFER: Final = 1 << 16
_NAMES: Final = (
    "", "TCP_ESTABLISHED", "TCP_SYN_SENT", "TCP_SYN_RECV", "TCP_FIN_WAIT1", "TCP_FIN_WAIT2",
    "TCP_TIME_WAIT", "TCP_CLOSE", "TCP_CLOSE_WAIT", "TCP_LAST_ACK", "TCP_LISTEN", "TCP_CLOSING",
    "TCP_NEW_SYN_RECV",
)  # fmt: skip
_STATES: Final = dict(zip(_NAMES, KERNEL_STATES))
_LINE: Final = re.compile(
    r"\s*(?P<name>.+)-(?P<pid>\d+)\s+\[\d+\]\s+(?P<flags>\S+)\s+(?P<time>[\d.]+): "
    r"inet_sock_set_state: family=(?P<family>\S+) protocol=IPPROTO_TCP "
    r"sport=(?P<sport>\d+) dport=(?P<dport>\d+) saddr=(?P<saddr>\S+) daddr=(?P<daddr>\S+) "
    r"saddrv6=(?P<saddrv6>\S+) daddrv6=(?P<daddrv6>\S+) "
    r"oldstate=(?P<old>\S+) newstate=(?P<new>\S+)"
)

Key = tuple[bytes, int, bytes, int]
"""Local address and port, remote address and port."""


class StateChange(NamedTuple):
    """One change: `time` in nanoseconds of the monotonic clock, `thread` the one that ran.

    `called` tells whether it was in the thread's own call; otherwise an interrupt only happened to
    meet that thread.
    """

    time: int
    thread: int
    name: str
    called: bool
    key: Key
    before: State
    after: State


def change_of(line: str) -> StateChange | None:
    """Read one line of a trace; None for another."""
    found = _LINE.match(line)
    if found is None or found["old"] not in _STATES or found["new"] not in _STATES:
        return None
    suffix = "v6" if found["family"] == "AF_INET6" else ""
    local = ip_address(found[f"saddr{suffix}"]).packed
    remote = ip_address(found[f"daddr{suffix}"]).packed
    seconds, _, fraction = found["time"].partition(".")
    return StateChange(
        int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9]),
        int(found["pid"]),
        found["name"].strip(),
        found["flags"][2:3] == ".",
        (local, int(found["sport"]), remote, int(found["dport"])),
        _STATES[found["old"]],
        _STATES[found["new"]],
    )


class Tracing:
    """The changes of state as they happen; iterate what has come. A context manager.

    Raises OSError: ENOENT where tracefs is not mounted or the kernel has no such tracepoint, EPERM
    or EACCES without privilege. However the block is left, the instance is removed; those that a
    killed process has left behind are removed by the next.
    """

    def __init__(self, places: tuple[str, ...] = PLACES) -> None:
        root = next((each for each in places if os.path.exists(f"{each}/instances")), None)
        if root is None:
            if os.geteuid() and any(os.path.isdir(each) for each in places):
                raise error_for(errno.EACCES, "tracefs")  # not to be looked into
            raise error_for(errno.ENOENT, "tracefs is not mounted")
        _sweep(f"{root}/instances")
        self.place = f"{root}/instances/{_PREFIX}{os.getpid()}-{id(self):x}"
        self._pipe = -1
        self._rest = b""
        os.mkdir(self.place)
        try:
            self._write("trace_clock", "mono")
            self._write(_EVENT, "1")
            self._pipe = os.open(
                f"{self.place}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Tracing":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the instance."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        _remove(self.place)

    def __iter__(self) -> Iterator[StateChange]:
        while self._pipe >= 0:
            try:
                data = os.read(self._pipe, _BUFFER)
            except BlockingIOError:
                return
            if not data:
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                change = change_of(line.decode("utf-8", "replace"))
                if change is not None:
                    yield change

    def _write(self, name: str, value: str) -> None:
        with open(f"{self.place}/{name}", "w", encoding="utf-8") as file:
            file.write(value)


def _remove(place: str) -> None:
    try:
        os.rmdir(place)
    except OSError:
        pass  # it is gone already, or somebody looks into it


def _sweep(instances: str) -> None:
    """Remove the instances whose makers are no more."""
    for name in os.listdir(instances):
        pid = name.removeprefix(_PREFIX).partition("-")[0]
        if name.startswith(_PREFIX) and pid.isdecimal() and not os.path.exists(f"/proc/{pid}"):
            _remove(f"{instances}/{name}")
