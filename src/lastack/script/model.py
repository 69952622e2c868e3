"""A script as plain data: what happens when, line by line.

Sequence numbers, acknowledgments and timestamps are those of the script; `flow` maps them.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from lastack.units import MS


class Clock(Enum):
    """What an event's time counts from."""

    RELATIVE = "relative"
    """The moment when the event before it was over."""
    ABSOLUTE = "absolute"
    """The first event."""
    ANY = "any"
    """Nothing: whenever it happens (`*`)."""


@dataclass(frozen=True)
class When:
    """The time of an event, nanoseconds; from `start` to `end` where it may lie in a range."""

    clock: Clock
    start: int = 0
    end: int = -1

    @property
    def latest(self) -> int:
        """The end of the range, or the one moment."""
        return self.end if self.end >= 0 else self.start


@dataclass(frozen=True)
class Option:
    """A TCP option: `body` without kind and length, or numbers still to be mapped.

    `sack` are edges in the script's numbers; `ts_val` and `ts_ecr` are -1 where any will do.
    `valid` stands for the signature that is right, by the script's key.
    """

    kind: int
    body: bytes = b""
    sack: tuple[tuple[int, int], ...] = ()
    ts_val: int = -1
    ts_ecr: int = -1
    valid: bool = False

    @property
    def length(self) -> int:
        """Octets of the option on the wire."""
        if self.kind in (0, 1):
            return 1
        if self.sack:
            return 2 + 8 * len(self.sack)
        return 10 if self.kind == 8 else 2 + len(self.body)


@dataclass(frozen=True)
class IpSpec:
    """What a script says of the IP header; -1 is nothing. `ecn` -2 stands for ECT(0) or ECT(1)."""

    ecn: int = -1
    tos: int = -1
    ttl: int = -1
    flow_label: int = -1


ANY_SEQ: Final = -1
"""The sequence number of a segment where any will do."""


@dataclass(frozen=True)
class SegmentSpec:
    """A TCP segment, in (`inbound`: to the stack under test) or out.

    -1 means that the script does not say; `options` None that any will do. `ports` is (source,
    destination), or None. `counted` tells that the ECN flags were given as an AccECN number,
    `absolute` that `seq` is as on the wire, not counted from an initial sequence number. `udp` are
    the ports (source, destination) of the datagram that a segment is in, or None.
    """

    inbound: bool
    flags: int
    seq: int
    length: int
    ack: int = -1
    window: int = -1
    urgent: int = -1
    options: tuple[Option, ...] | None = ()
    ip: IpSpec = IpSpec()
    ports: tuple[int, int] | None = None
    counted: bool = False
    absolute: bool = False
    udp: tuple[int, int] | None = None

    @property
    def signed(self) -> bool:
        """Whether the segment is to have the right signature."""
        return any(option.valid for option in self.options or ())


@dataclass(frozen=True)
class IcmpSpec:
    """An ICMP error that quotes `length` octets from `seq` of what the stack has sent.

    `udp` are the ports of the datagram that these were in, or None.
    """

    inbound: bool
    type: str
    code: str
    mtu: int = 0
    seq: int = 0
    length: int = 0
    ip: IpSpec = IpSpec()
    udp: tuple[int, int] | None = None


class Anything:
    """`...` in a script: whatever it is."""

    def __repr__(self) -> str:
        return "..."


ANYTHING = Anything()


@dataclass(frozen=True)
class Name:
    """A symbol: SOCK_STREAM, EINPROGRESS, O_NONBLOCK ..."""

    text: str


@dataclass(frozen=True)
class Either:
    """Flags joined by `|`."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True)
class Array:
    """`[a, b]`, or braces without names."""

    items: tuple["Expression", ...]


@dataclass(frozen=True)
class Struct:
    """Braces with names: {onoff=1, linger=0}."""

    fields: dict[str, "Expression"] = field(default_factory=dict)


Expression = int | bytes | Anything | Name | Either | Array | Struct


@dataclass(frozen=True)
class Call:
    """A system call; `end` is when a blocking one returns (as `When` counts), -1 for others."""

    name: str
    arguments: tuple[Expression, ...]
    result: Expression
    errno: str = ""
    end: int = -1


@dataclass(frozen=True)
class Shell:
    """A command between backticks."""

    command: str


@dataclass(frozen=True)
class Snippet:
    """Code between %{ and }%."""

    code: str


Action = SegmentSpec | IcmpSpec | Call | Shell | Snippet


@dataclass(frozen=True)
class Event:
    """One thing that happens; `text` is the script's own words in one line."""

    line: int
    when: When
    action: Action
    text: str


@dataclass
class Header:
    """The `--option=value` lines, read."""

    ip_version: int = 4
    tolerance: int = 4 * MS
    tolerance_percent: float = 12.5
    mtu: int = 1500
    mss: int = 0
    """What the remote host's device cuts super-segments into; 0: it sends none."""
    local_ip: str = ""
    remote_ip: str = ""
    bind_port: int = 8080
    connect_port: int = 8080
    ts_tick: int = 0
    strict_segments: bool = False
    forgiven: frozenset[str] = frozenset()
    """What may differ without harm: `packet`, `syscall` (--non_fatal)."""
    md5_secret: bytes = b""
    """The key of `md5 valid`."""
    knobs: dict[str, str] = field(default_factory=dict)
    """Ours: --knob=NAME=VALUE."""


@dataclass
class Script:
    """A whole script. `dialect` is `linux`, `freebsd`, or "" where nothing tells."""

    path: str
    header: Header
    events: list[Event]
    dialect: str = ""
