"""The tracepoint sock:inet_sock_set_state: every change of state, and who made it by a call.

It is read in a tracing instance of its own, made for it and removed with it, so that no other
tracing is disturbed. It sees every network namespace of the machine at once.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, NamedTuple

from lastack.errors import error_for
from lastack.observe.core.diag import KERNEL_STATES
from lastack.tcp.states import State

PLACES: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
"""Where tracefs is mounted, if it is."""
_EVENT: Final = "events/sock/inet_sock_set_state"
_PREFIX: Final = "lastack-"
_BUFFER: Final = 1 << 16
_NAMES: Final = (
    "", "TCP_ESTABLISHED", "TCP_SYN_SENT", "TCP_SYN_RECV", "TCP_FIN_WAIT1", "TCP_FIN_WAIT2",
    "TCP_TIME_WAIT", "TCP_CLOSE", "TCP_CLOSE_WAIT", "TCP_LAST_ACK", "TCP_LISTEN", "TCP_CLOSING",
    "TCP_NEW_SYN_RECV",
)  # fmt: skip
_STATES: Final = dict(zip(_NAMES, KERNEL_STATES))
_OVERRUN: Final = re.compile(r"^overrun: (\d+)$", re.MULTILINE)
_LINE: Final = re.compile(
    r"\s*(?P<name>.+)-(?P<thread>\d+)\s+(?:\(\s*(?P<process>[-\d]+)\)\s+)?"
    r"\[\d+\]\s+(?P<flags>\S+)\s+(?P<time>[\d.]+): "
    r"inet_sock_set_state: family=(?P<family>\S+) protocol=IPPROTO_TCP "
    r"sport=(?P<sport>\d+) dport=(?P<dport>\d+) saddr=(?P<saddr>\S+) daddr=(?P<daddr>\S+) "
    r"saddrv6=(?P<saddrv6>\S+) daddrv6=(?P<daddrv6>\S+) "
    r"oldstate=(?P<old>\S+) newstate=(?P<new>\S+)"
)

Key = tuple[bytes, int, bytes, int]
"""Local address and port, remote address and port."""


class StateChange(NamedTuple):
    """One change: `time` in nanoseconds of the monotonic clock, `thread` the one that ran.

    `process` is the thread's, 0 where the kernel does not know. `called` tells whether it was in
    the thread's own call; otherwise an interrupt only happened to meet that thread.
    """

    time: int
    process: int
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
    if found["family"] == "AF_INET6":
        local, remote = inet_pton(AF_INET6, found["saddrv6"]), inet_pton(AF_INET6, found["daddrv6"])
    else:
        local, remote = inet_pton(AF_INET, found["saddr"]), inet_pton(AF_INET, found["daddr"])
    process = found["process"] or ""
    seconds, _, fraction = found["time"].partition(".")
    return StateChange(
        int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9]),
        int(process) if process.isdecimal() else 0,
        int(found["thread"]),
        found["name"].strip(),
        found["flags"][2:3] == ".",
        (local, int(found["sport"]), remote, int(found["dport"])),
        _STATES[found["old"]],
        _STATES[found["new"]],
    )


class Tracing:
    """The changes of state as they happen; iterate what has come. A context manager.

    Raises OSError: ENOENT where tracefs is not mounted, EOPNOTSUPP where the kernel has no such
    tracepoint, EPERM, EACCES or EROFS where it may not be used. However the block is left, the
    instance is removed; those that a killed process has left behind are removed by the next.
    `seen` counts the changes that were read.
    """

    seen: int

    def __init__(self, places: tuple[str, ...] = PLACES) -> None:
        root = next((each for each in places if os.path.exists(f"{each}/instances")), None)
        if root is None:
            if os.geteuid() and any(os.path.isdir(each) for each in places):
                raise error_for(errno.EACCES, "tracefs")  # not to be looked into
            raise error_for(errno.ENOENT, "tracefs is not mounted")
        if not os.path.exists(f"{root}/{_EVENT}"):
            raise error_for(errno.EOPNOTSUPP, "sock:inet_sock_set_state")
        _sweep(f"{root}/instances")
        self.place = f"{root}/instances/{_PREFIX}{os.getpid()}-{id(self):x}"
        self._pipe = -1
        self._rest = b""
        self.seen = 0
        os.mkdir(self.place)
        try:
            # From here on the kernel lets nobody remove it.
            self._pipe = os.open(
                f"{self.place}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            )
            self._write("trace_clock", "mono")
            with suppress(OSError):  # an older kernel names the thread alone
                self._write("options/record-tgid", "1")
            self._write(f"{_EVENT}/enable", "1")
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
                    self.seen += 1
                    yield change

    @property
    def lost(self) -> int:
        """How many changes were overwritten before they could be read."""
        count = 0
        for processor in os.scandir(f"{self.place}/per_cpu"):
            with open(f"{processor.path}/stats", encoding="utf-8") as file:
                overrun = _OVERRUN.search(file.read())
            count += int(overrun[1]) if overrun else 0
        return count

    def _write(self, name: str, value: str) -> None:
        with open(f"{self.place}/{name}", "w", encoding="utf-8") as file:
            file.write(value)


def _remove(place: str) -> None:
    with suppress(OSError):  # it is gone already, or somebody looks into it
        os.rmdir(place)


def _sweep(instances: str) -> None:
    """Remove the instances whose makers are no more."""
    for name in os.listdir(instances):
        pid = name.removeprefix(_PREFIX).partition("-")[0]
        if name.startswith(_PREFIX) and pid.isdecimal() and not os.path.exists(f"/proc/{pid}"):
            _remove(f"{instances}/{name}")
