"""Socket options as a table: (level, name) -> what they read and what they set.

Levels and names are Linux's numbers, those of the `socket` module there. Most options are a knob of
the connection's own Config; the others have a row of their own in `socket_options`.
"""

import struct
from typing import Final

from lastack.tcp.config import Config
from lastack.tcp.congestion.base import UNLIMITED
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import State
from lastack.units import MS, SECOND, US

SOL_SOCKET: Final = 1
SO_REUSEADDR: Final = 2
SO_TYPE: Final = 3
SO_ERROR: Final = 4
SO_SNDBUF: Final = 7
SO_RCVBUF: Final = 8
SO_KEEPALIVE: Final = 9
SO_OOBINLINE: Final = 10
SO_LINGER: Final = 13
SO_ACCEPTCONN: Final = 30
SO_PROTOCOL: Final = 38
SO_DOMAIN: Final = 39

IPPROTO_IP: Final = 0
IP_TOS: Final = 1
IP_TTL: Final = 2
IP_OPTIONS: Final = 4
IP_MTU_DISCOVER: Final = 10
IP_MTU: Final = 14

IPPROTO_TCP: Final = 6
TCP_NODELAY: Final = 1
TCP_MAXSEG: Final = 2
TCP_CORK: Final = 3
TCP_KEEPIDLE: Final = 4
TCP_KEEPINTVL: Final = 5
TCP_KEEPCNT: Final = 6
TCP_SYNCNT: Final = 7
TCP_LINGER2: Final = 8
TCP_DEFER_ACCEPT: Final = 9
TCP_INFO: Final = 11
TCP_QUICKACK: Final = 12
TCP_CONGESTION: Final = 13
TCP_USER_TIMEOUT: Final = 18
TCP_FASTOPEN: Final = 23
TCP_SAVE_SYN: Final = 27
TCP_SAVED_SYN: Final = 28
TCP_FASTOPEN_CONNECT: Final = 30
TCP_FASTOPEN_KEY: Final = 33
TCP_FASTOPEN_NO_COOKIE: Final = 34
TCP_KEEPINIT: Final = 128
"""FreeBSD's alone, under its number there."""
TCP_NOOPT: Final = 0x10008
"""FreeBSD's alone; its number there is 8, which is something else here."""

IPPROTO_IPV6: Final = 41
IPV6_UNICAST_HOPS: Final = 16
IPV6_MTU_DISCOVER: Final = 23
IPV6_MTU: Final = 24
IPV6_V6ONLY: Final = 26
IPV6_TCLASS: Final = 67

MSG_OOB: Final = 0x1
MSG_PEEK: Final = 0x2
MSG_DONTWAIT: Final = 0x40
MSG_NOSIGNAL: Final = 0x4000
MSG_MORE: Final = 0x8000
MSG_FASTOPEN: Final = 0x20000000
SHUT_RD: Final = 0
SHUT_WR: Final = 1
SHUT_RDWR: Final = 2
SOCK_STREAM: Final = 1
AF_INET: Final = 2
AF_INET6: Final = 10

LEVELS: Final = (SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6)


class Knob:
    """An option that is a number in the Config.

    The option's value times `unit` is the knob's. `low` and `high` bound the option's value:
    outside it is EINVAL, or, with `clamp`, the nearest that is allowed. A switch has 0 and 1, and
    `negated` turns it round.
    """

    field: str
    unit: int
    low: int
    high: int
    clamp: bool
    switch: bool
    negated: bool

    def __init__(self, field: str, unit: int, low: int, high: int, clamp: bool = False) -> None:
        self.field = field
        self.unit = unit
        self.low = low
        self.high = high
        self.clamp = clamp
        self.switch = False
        self.negated = False

    def read(self, config: Config) -> int:
        """Return the option's value."""
        value = int(getattr(config, self.field))
        if config.double_buffers and self.field in _BUFFERS:
            return 2 * value
        if self.negated:
            return 0 if value else 1
        return value // self.unit

    def changed(self, config: Config, value: int) -> Config | None:
        """Return the Config with the option set, None for a value that is not allowed."""
        if self.switch:
            return config.replace(**{self.field: (value != 0) != self.negated})
        if not self.low <= value <= self.high:
            if not self.clamp:
                return None
            value = min(max(value, self.low), self.high)
        return config.replace(**{self.field: value * self.unit})


def _switch(field: str, negated: bool = False) -> Knob:
    knob = Knob(field, 1, 0, 1)
    knob.switch = True
    knob.negated = negated
    return knob


_BUFFERS: Final = ("send_buffer", "receive_buffer")
_MOST: Final = (1 << 31) - 1
_LARGEST_BUFFER: Final = 1 << 30

KNOBS: Final[dict[tuple[int, int], Knob]] = {
    (SOL_SOCKET, SO_SNDBUF): Knob("send_buffer", 1, 2048, _LARGEST_BUFFER, clamp=True),
    (SOL_SOCKET, SO_RCVBUF): Knob("receive_buffer", 1, 2048, _LARGEST_BUFFER, clamp=True),
    (SOL_SOCKET, SO_KEEPALIVE): _switch("keepalive"),
    (SOL_SOCKET, SO_OOBINLINE): _switch("urgent_inline"),
    (IPPROTO_IP, IP_TTL): Knob("ttl", 1, 1, 255),
    (IPPROTO_IP, IP_MTU_DISCOVER): _switch("path_mtu_discovery"),
    (IPPROTO_IPV6, IPV6_UNICAST_HOPS): Knob("ttl", 1, 1, 255),
    (IPPROTO_IPV6, IPV6_MTU_DISCOVER): _switch("path_mtu_discovery"),
    (IPPROTO_TCP, TCP_NODELAY): _switch("nagle", negated=True),
    (IPPROTO_TCP, TCP_KEEPIDLE): Knob("keepalive_idle", SECOND, 1, 32767),
    (IPPROTO_TCP, TCP_KEEPINTVL): Knob("keepalive_interval", SECOND, 1, 32767),
    (IPPROTO_TCP, TCP_KEEPCNT): Knob("keepalive_probes", 1, 1, 127),
    (IPPROTO_TCP, TCP_SYNCNT): Knob("syn_retries", 1, 1, 127),
    (IPPROTO_TCP, TCP_QUICKACK): _switch("delayed_ack", negated=True),
    (IPPROTO_TCP, TCP_KEEPINIT): Knob("opening_timeout", SECOND, 1, 32767),
    (IPPROTO_TCP, TCP_NOOPT): _switch("syn_options", negated=True),
    (IPPROTO_TCP, TCP_USER_TIMEOUT): Knob("user_timeout", MS, 0, _MOST),
}
"""The options that are knobs and nothing else."""

_INT: Final = struct.Struct("=i")
_LINGER: Final = struct.Struct("=ii")


def int_of(value: int | bytes) -> int | None:
    """Return an option's value as a number, None for octets that are too short to be one."""
    if isinstance(value, int):
        return int(value)
    return int(_INT.unpack_from(value)[0]) if len(value) >= 4 else None


def linger_of(value: int | bytes) -> tuple[bool, int] | None:
    """Return (on, seconds) of a `struct linger`, None when it is none."""
    if isinstance(value, int) or len(value) < 8:
        return None
    on, seconds = _LINGER.unpack_from(value)
    return on != 0, max(0, seconds)


def pack_linger(on: bool, seconds: int) -> bytes:
    """Return a `struct linger`."""
    return _LINGER.pack(1 if on else 0, seconds)


_LINUX_STATES: Final[dict[State, int]] = {
    State.ESTABLISHED: 1,
    State.SYN_SENT: 2,
    State.SYN_RECEIVED: 3,
    State.FIN_WAIT_1: 4,
    State.FIN_WAIT_2: 5,
    State.TIME_WAIT: 6,
    State.CLOSED: 7,
    State.CLOSE_WAIT: 8,
    State.LAST_ACK: 9,
    State.LISTEN: 10,
    State.CLOSING: 11,
}
_CA_STATES: Final[dict[str, int]] = {"open": 0, "recovery": 3, "loss": 4}
_TCP_INFO: Final = struct.Struct("=8B24I4Q6I4Q2I2Q4I")
TCP_INFO_SIZE: Final = _TCP_INFO.size
_INFINITE: Final = 0x7FFFFFFF


def pack_info(info: ConnectionInfo) -> bytes:
    """Return a record in the layout of Linux's `struct tcp_info` (232 octets); the unknown is 0."""
    mss = info.mss or 0
    unit = mss or 1
    in_flight = info.in_flight or 0
    ssthresh = info.ssthresh
    options = (
        (1 if info.timestamps else 0)
        | (2 if info.sack else 0)
        | (4 if info.snd_scale is not None and info.snd_scale >= 0 else 0)
        | (32 if info.syn_data else 0)
    )
    scales = (max(info.snd_scale or 0, 0) & 0xF) | (max(info.rcv_scale or 0, 0) & 0xF) << 4
    head = (
        _LINUX_STATES[info.state if info.state is not None else State.CLOSED],
        _CA_STATES.get(info.recovery or "", 0),
        min(info.backoff or 0, 255),
        min(info.probes or 0, 255),
        min(info.backoff or 0, 255),
        options,
        scales,
        0,
    )
    words = (
        _u32((info.rto or 0) // US),
        0,
        mss,
        mss,
        _segments(in_flight, unit),
        _segments(info.sacked or 0, unit),
        _segments(info.lost or 0, unit),
        _segments(info.resent or 0, unit),
        0,
        *(0, 0, 0, 0),
        _u32(info.path_mtu or 0),
        _u32(info.rcv_wnd or 0),
        _u32((info.srtt or 0) // US),
        _u32((info.rttvar or 0) // US),
        _INFINITE
        if ssthresh is None or ssthresh >= UNLIMITED
        else min(_u32(ssthresh // unit), _INFINITE),
        _u32((info.cwnd or 0) // unit),
        mss,
        3,
        0,
        _u32(info.rcv_wnd or 0),
        _u32(info.retransmissions or 0),
    )
    received = info.bytes_received or 0
    tail = (
        *(0, 0, info.bytes_acked or 0, received),
        _u32(info.segments_sent or 0),
        _u32(info.segments_received or 0),
        _u32(info.unsent or 0),
        *(0, 0, 0),
        *(0, 0, 0, 0),
        *(0, 0),
        info.bytes_sent or 0,
        0,
        *(0, 0, _u32(info.out_of_order or 0), _u32(info.snd_wnd or 0)),
    )
    return _TCP_INFO.pack(*head, *words, *tail)


def _segments(octets: int, size: int) -> int:
    return _u32((octets + size - 1) // size)


def pack_idle_info(listening: bool, waiting: int, backlog: int) -> bytes:
    """Return the record of a socket without a connection; a listener's tells of its queue."""
    state = _LINUX_STATES[State.LISTEN if listening else State.CLOSED]
    words = [0] * 24
    words[4], words[5] = waiting, backlog
    return _TCP_INFO.pack(state, *[0] * 7, *words, *[0] * 22)


def _u32(value: int) -> int:
    return min(max(value, 0), 0xFFFFFFFF)
