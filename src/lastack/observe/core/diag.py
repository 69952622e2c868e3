"""The kernel's answer to a sock_diag dump (linux/inet_diag.h), octets to records."""

from typing import Final

from librt.strings import read_i16_be, read_i16_le, read_i32_le, read_i64_le
from mypy_extensions import i64

from lastack.tcp.states import State

_HEADER: Final = 16
_MESSAGE: Final = 72
_U32: Final = 0xFFFFFFFF

DONE: Final = 3
ERROR: Final = 2

KERNEL_STATES: Final[tuple[State, ...]] = (
    State.CLOSED,
    State.ESTABLISHED,
    State.SYN_SENT,
    State.SYN_RECEIVED,
    State.FIN_WAIT_1,
    State.FIN_WAIT_2,
    State.TIME_WAIT,
    State.CLOSED,
    State.CLOSE_WAIT,
    State.LAST_ACK,
    State.LISTEN,
    State.CLOSING,
    State.SYN_RECEIVED,
    State.CLOSED,
)
"""By the kernel's number (net/tcp_states.h); 12 is a SYN-RECEIVED without a socket of its own, 13 a
socket that is bound and nothing more."""

TIMERS: Final = ("", "retransmit", "keepalive", "time wait", "persist", "rack")
"""By idiag_timer: which of its timers runs."""


class KernelSocket:
    """One socket of the kernel's TCP, as sock_diag tells it.

    Addresses are 4 or 16 octets. `timer` is an index of TIMERS and `expires` milliseconds until it
    goes off, `retransmits` how often it has (of keep-alive and persist: the probes). `unread` and
    `unsent` are octets; of a listener they are the connections that wait to be accepted, and how
    many may. `inode` is 0 for one that no process holds; `info` is the kernel's struct tcp_info
    where it was asked for, else b"".
    """

    family: int
    state: State
    timer: int
    retransmits: int
    expires: int
    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    interface: int
    cookie: int
    unread: int
    unsent: int
    uid: int
    inode: int
    congestion: str
    cgroup: int
    info: bytes

    def __init__(self, family: int, state: State) -> None:
        self.family = family
        self.state = state
        self.timer = 0
        self.retransmits = 0
        self.expires = 0
        self.local = b""
        self.local_port = 0
        self.remote = b""
        self.remote_port = 0
        self.interface = 0
        self.cookie = 0
        self.unread = 0
        self.unsent = 0
        self.uid = 0
        self.inode = 0
        self.congestion = ""
        self.cgroup = 0
        self.info = b""


def read_dump(data: bytes, into: list[KernelSocket], sequence: int) -> int:
    """Read the messages of one datagram into records.

    Returns 0 to be continued, 1 at the end of the dump, a negative errno where the kernel refuses.
    """
    at: i64 = 0
    stop: i64 = len(data)
    while at + _HEADER <= stop:
        size = i64(read_i32_le(data, at)) & _U32
        kind = i64(read_i16_le(data, at + 4)) & 0xFFFF
        if size < _HEADER or at + size > stop:
            break
        if i64(read_i32_le(data, at + 8)) & _U32 == sequence:
            if kind == DONE:
                return 1
            if kind == ERROR and size >= _HEADER + 4:
                return int(read_i32_le(data, at + _HEADER)) or 1
            if size >= _HEADER + _MESSAGE:
                into.append(read_message(data, at + _HEADER, at + size))
        at += (size + 3) & ~3
    return 0


def read_message(data: bytes, at: i64, stop: i64) -> KernelSocket:
    """Read one inet_diag_msg and its attributes, `data[at:stop]`."""
    family = int(data[at])
    number = i64(data[at + 1])
    state = KERNEL_STATES[number] if number < len(KERNEL_STATES) else State.CLOSED
    found = KernelSocket(family, state)
    found.timer = int(data[at + 2])
    found.retransmits = int(data[at + 3])
    found.local_port = int(read_i16_be(data, at + 4)) & 0xFFFF
    found.remote_port = int(read_i16_be(data, at + 6)) & 0xFFFF
    length: i64 = 4 if family == 2 else 16
    found.local = data[at + 8 : at + 8 + length]
    found.remote = data[at + 24 : at + 24 + length]
    found.interface = int(read_i32_le(data, at + 40))
    found.cookie = int(read_i64_le(data, at + 44))
    found.expires = int(i64(read_i32_le(data, at + 52)) & _U32)
    found.unread = int(i64(read_i32_le(data, at + 56)) & _U32)
    found.unsent = int(i64(read_i32_le(data, at + 60)) & _U32)
    found.uid = int(i64(read_i32_le(data, at + 64)) & _U32)
    found.inode = int(i64(read_i32_le(data, at + 68)) & _U32)
    at += _MESSAGE
    while at + 4 <= stop:
        size = i64(read_i16_le(data, at)) & 0xFFFF
        if size < 4 or at + size > stop:
            break
        _attribute(found, i64(read_i16_le(data, at + 2)) & 0x3FFF, data[at + 4 : at + size])
        at += (size + 3) & ~3
    return found


def _attribute(found: KernelSocket, kind: i64, value: bytes) -> None:
    if kind == 2:
        found.info = value
    elif kind == 4:
        found.congestion = value.rstrip(b"\0").decode("ascii", "replace")
    elif kind == 21 and len(value) == 8:
        found.cgroup = int(read_i64_le(value, 0))
