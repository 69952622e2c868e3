"""What a connection has to tell: its state changes, and the advice the RFC owes its user."""

from enum import IntEnum

from mypy_extensions import mypyc_attr

from lastack.tcp.states import Cause, State
from lastack.wire.segment import Segment


class Notice(IntEnum):
    """Bits that say what may have changed for the user; a connection collects them until asked."""

    READABLE = 1
    WRITABLE = 2
    ESTABLISHED = 4
    END_OF_STREAM = 8
    URGENT = 16
    ERROR = 32
    CLOSED = 64
    ACCEPTABLE = 128


class Advice(IntEnum):
    """What TCP tells its user without ending the connection (RFC 9293 3.8.3, 3.9.1.8, 3.9.2.2)."""

    R1_REACHED = 1
    SOFT_ERROR = 2
    URGENT_DATA = 3
    ZERO_WINDOW = 4
    WINDOW_OPEN = 5
    RETRANSMISSION = 6
    PATH_MTU = 7

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


@mypyc_attr(acyclic=True)
class StateChanged:
    """A row of the table has been followed.

    `time` in nanoseconds; `connection` is the number of the connection in its stack; `header` is
    the segment that caused it, without its data, or None when none did.
    """

    time: int
    connection: int
    state: State
    to: State
    cause: Cause
    section: str
    header: Segment | None

    def __init__(
        self,
        time: int,
        connection: int,
        state: State,
        to: State,
        cause: Cause,
        section: str,
        header: Segment | None,
    ) -> None:
        self.time = time
        self.connection = connection
        self.state = state
        self.to = to
        self.cause = cause
        self.section = section
        self.header = header

    @property
    def segment(self) -> str:
        """The segment that caused it in absolute notation, or "" when none did."""
        return "" if self.header is None else repr(self.header)

    def __repr__(self) -> str:
        move = f"{self.state} -> {self.to}: {self.cause} ({self.section})"
        return f"<{self.time} #{self.connection} {move}>"


@mypyc_attr(acyclic=True)
class Advised:
    """Advice to the user.

    `detail` is the count of retransmissions (R1_REACHED), an errno (SOFT_ERROR), octets still to
    read (URGENT_DATA), the window (WINDOW_OPEN), the MTU (PATH_MTU), or the nanoseconds of the RTO
    that ran out (RETRANSMISSION).
    """

    time: int
    connection: int
    advice: Advice
    detail: int

    def __init__(self, time: int, connection: int, advice: Advice, detail: int) -> None:
        self.time = time
        self.connection = connection
        self.advice = advice
        self.detail = detail

    def __repr__(self) -> str:
        return f"<{self.time} #{self.connection} {self.advice} {self.detail}>"


Event = StateChanged | Advised
