"""Socket options as a table: (level, name) -> what they read and what they set.

Levels and names are Linux's numbers, those of the `socket` module there. Most options are a knob of
the connection's own Config; the others have a row of their own in `socket_options`.
"""

import struct
from typing import Final

from lastack.tcp.config import Config
from lastack.units import MS, SECOND

SOL_SOCKET: Final = 1
SO_REUSEADDR: Final = 2
SO_TYPE: Final = 3
SO_ERROR: Final = 4
SO_SNDBUF: Final = 7
SO_RCVBUF: Final = 8
SO_KEEPALIVE: Final = 9
SO_OOBINLINE: Final = 10
SO_LINGER: Final = 13
SO_REUSEPORT: Final = 15
SO_RCVLOWAT: Final = 18
SO_SNDLOWAT: Final = 19
SO_ACCEPTCONN: Final = 30
SO_ZEROCOPY: Final = 60
SO_TIMESTAMPING: Final = 37
SO_PROTOCOL: Final = 38
SO_DOMAIN: Final = 39

IPPROTO_IP: Final = 0
IP_TOS: Final = 1
IP_TTL: Final = 2
IP_OPTIONS: Final = 4
IP_MTU_DISCOVER: Final = 10
IP_PMTUDISC_DONT: Final = 0
IP_PMTUDISC_WANT: Final = 1
IP_PMTUDISC_DO: Final = 2
IP_PMTUDISC_PROBE: Final = 3
IP_RECVERR: Final = 11
IP_MTU: Final = 14
IP_FREEBIND: Final = 15

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
TCP_WINDOW_CLAMP: Final = 10
TCP_INFO: Final = 11
TCP_QUICKACK: Final = 12
TCP_CONGESTION: Final = 13
TCP_MD5SIG: Final = 14
TCP_USER_TIMEOUT: Final = 18
TCP_FASTOPEN: Final = 23
TCP_TIMESTAMP: Final = 24
TCP_NOTSENT_LOWAT: Final = 25
TCP_SAVE_SYN: Final = 27
TCP_SAVED_SYN: Final = 28
TCP_FASTOPEN_CONNECT: Final = 30
TCP_MD5SIG_EXT: Final = 32
TCP_AO_ADD_KEY: Final = 38
TCP_AO_DEL_KEY: Final = 39
TCP_FASTOPEN_KEY: Final = 33
TCP_FASTOPEN_NO_COOKIE: Final = 34
TCP_INQ: Final = 36
TCP_CM_INQ: Final = 36
TCP_KEEPINIT: Final = 128
"""FreeBSD's alone, under its number there."""
TCP_NOOPT: Final = 0x10008
"""FreeBSD's alone; its number there is 8, which is something else here."""

TCP_REMOTE_UDP_ENCAPS_PORT: Final = 0x10047
"""FreeBSD's alone; 71 there."""

IPPROTO_IPV6: Final = 41
IPV6_UNICAST_HOPS: Final = 16
IPV6_MTU_DISCOVER: Final = 23
IPV6_MTU: Final = 24
IPV6_RECVERR: Final = 25
IPV6_V6ONLY: Final = 26
IPV6_TCLASS: Final = 67
IPV6_USE_MIN_MTU: Final = 0x1002A
"""RFC 3542 11.1; 42 in FreeBSD, and not in Linux."""

MSG_OOB: Final = 0x1
MSG_PEEK: Final = 0x2
MSG_TRUNC: Final = 0x20
MSG_DONTWAIT: Final = 0x40
MSG_EOR: Final = 0x80
MSG_ERRQUEUE: Final = 0x2000
MSG_NOSIGNAL: Final = 0x4000
MSG_MORE: Final = 0x8000
MSG_ZEROCOPY: Final = 0x4000000
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
        if self.field in _BUFFERS and value > config.most_buffer:
            value = config.most_buffer
        if self.field in _BUFFERS:  # what the user has asked for no longer grows by itself
            return config.replace(**{self.field: value, _BUFFERS[self.field]: 0})
        return config.replace(**{self.field: value * self.unit})


def _switch(field: str, negated: bool = False) -> Knob:
    knob = Knob(field, 1, 0, 1)
    knob.switch = True
    knob.negated = negated
    return knob


_BUFFERS: Final = {"send_buffer": "send_most", "receive_buffer": "receive_most"}
_MOST: Final = (1 << 31) - 1
_LARGEST_BUFFER: Final = 1 << 30

KNOBS: Final[dict[tuple[int, int], Knob]] = {
    (SOL_SOCKET, SO_SNDBUF): Knob("send_buffer", 1, 2304, _LARGEST_BUFFER, clamp=True),
    (SOL_SOCKET, SO_RCVBUF): Knob("receive_buffer", 1, 1152, _LARGEST_BUFFER, clamp=True),
    (SOL_SOCKET, SO_KEEPALIVE): _switch("keepalive"),
    (SOL_SOCKET, SO_OOBINLINE): _switch("urgent_inline"),
    (IPPROTO_IP, IP_MTU_DISCOVER): Knob("path_mtu_discovery", 1, 0, 5),
    (IPPROTO_IPV6, IPV6_MTU_DISCOVER): Knob("path_mtu_discovery", 1, 0, 5),
    (IPPROTO_TCP, TCP_NODELAY): _switch("nagle", negated=True),
    (IPPROTO_TCP, TCP_KEEPIDLE): Knob("keepalive_idle", SECOND, 1, 32767),
    (IPPROTO_TCP, TCP_KEEPINTVL): Knob("keepalive_interval", SECOND, 1, 32767),
    (IPPROTO_TCP, TCP_KEEPCNT): Knob("keepalive_probes", 1, 1, 127),
    (IPPROTO_TCP, TCP_SYNCNT): Knob("syn_retries", 1, 1, 127),
    (IPPROTO_TCP, TCP_KEEPINIT): Knob("opening_timeout", SECOND, 1, 32767),
    (IPPROTO_IPV6, IPV6_USE_MIN_MTU): _switch("minimum_mtu"),
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
