"""The eleven states, what moves a connection between them, and the table that says where to.

Start reading here. `ROWS` is the whole machine of RFC 9293 3.3.2 and 3.10, one row a transition:
(from, cause) -> to, and the section that says so. "Stays where it is" is simply not a row. The
core, the observer, the diagrams and the documents read this one table; nothing else moves a state.
"""

from enum import IntEnum
from typing import Final, NamedTuple


class State(IntEnum):
    """A connection's state (RFC 9293 3.3.2). `str(state)` spells it as the RFC does."""

    CLOSED = 0
    LISTEN = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    ESTABLISHED = 4
    FIN_WAIT_1 = 5
    FIN_WAIT_2 = 6
    CLOSE_WAIT = 7
    CLOSING = 8
    LAST_ACK = 9
    TIME_WAIT = 10

    def __str__(self) -> str:
        return self.name.replace("_", "-")


class Cause(IntEnum):
    """What moves a connection: a call of its user, an arriving segment, a timer, or ICMP."""

    # the user (RFC 9293 3.10.1 to 3.10.5)
    PASSIVE_OPEN = 1
    ACTIVE_OPEN = 2
    CLOSE = 3
    ABORT = 4
    # segments that arrive (RFC 9293 3.10.7)
    SYN = 10
    SYN_ACK = 11
    ACK_OF_SYN = 12
    FIN = 13
    ACK_OF_FIN = 14
    RESET = 15
    RESET_OF_PASSIVE = 16
    RESET_OF_REOPENED = 17
    DATA_AFTER_CLOSE = 18
    # timers (RFC 9293 3.8.3, 3.10.8)
    TIME_WAIT_OVER = 20
    RETRANSMISSIONS_EXHAUSTED = 21
    USER_TIMEOUT = 22
    KEEPALIVE_FAILED = 23
    FIN_WAIT_2_OVER = 24
    # the network, and ourselves
    ICMP_HARD_ERROR = 30
    INTERNAL = 31

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class Row(NamedTuple):
    """One transition and the section of RFC 9293 (or the RFC named) that it comes from."""

    state: State
    cause: Cause
    to: State
    section: str


_S = State
_C = Cause

_LIFE: Final = (
    # opening
    Row(_S.CLOSED, _C.PASSIVE_OPEN, _S.LISTEN, "3.10.1"),
    Row(_S.CLOSED, _C.ACTIVE_OPEN, _S.SYN_SENT, "3.10.1"),
    Row(_S.LISTEN, _C.ACTIVE_OPEN, _S.SYN_SENT, "3.10.1"),
    Row(_S.LISTEN, _C.SYN, _S.SYN_RECEIVED, "3.10.7.2 third"),
    Row(_S.SYN_SENT, _C.SYN_ACK, _S.ESTABLISHED, "3.10.7.3 fourth"),
    Row(_S.SYN_SENT, _C.SYN, _S.SYN_RECEIVED, "3.10.7.3 fourth"),
    Row(_S.SYN_RECEIVED, _C.ACK_OF_SYN, _S.ESTABLISHED, "3.10.7.4 fifth"),
    Row(_S.SYN_RECEIVED, _C.RESET_OF_PASSIVE, _S.LISTEN, "3.10.7.4 second"),
    Row(_S.SYN_RECEIVED, _C.SYN, _S.LISTEN, "3.10.7.4 fourth"),
    # closing
    Row(_S.LISTEN, _C.CLOSE, _S.CLOSED, "3.10.4"),
    Row(_S.SYN_SENT, _C.CLOSE, _S.CLOSED, "3.10.4"),
    Row(_S.SYN_RECEIVED, _C.CLOSE, _S.FIN_WAIT_1, "3.10.4"),
    Row(_S.ESTABLISHED, _C.CLOSE, _S.FIN_WAIT_1, "3.10.4"),
    Row(_S.CLOSE_WAIT, _C.CLOSE, _S.LAST_ACK, "3.10.4"),
    Row(_S.ESTABLISHED, _C.FIN, _S.CLOSE_WAIT, "3.10.7.4 eighth"),
    Row(_S.FIN_WAIT_1, _C.FIN, _S.CLOSING, "3.10.7.4 eighth"),
    Row(_S.FIN_WAIT_1, _C.ACK_OF_FIN, _S.FIN_WAIT_2, "3.10.7.4 fifth"),
    Row(_S.FIN_WAIT_2, _C.FIN, _S.TIME_WAIT, "3.10.7.4 eighth"),
    Row(_S.CLOSING, _C.ACK_OF_FIN, _S.TIME_WAIT, "3.10.7.4 fifth"),
    Row(_S.LAST_ACK, _C.ACK_OF_FIN, _S.CLOSED, "3.10.7.4 fifth"),
    Row(_S.TIME_WAIT, _C.TIME_WAIT_OVER, _S.CLOSED, "3.10.8"),
    # reopening from TIME-WAIT, and back when the SYN was an old duplicate
    Row(_S.TIME_WAIT, _C.SYN, _S.SYN_RECEIVED, "3.6.1 MAY-2"),
    Row(_S.SYN_RECEIVED, _C.RESET_OF_REOPENED, _S.TIME_WAIT, "3.6.1 MAY-2"),
    # FIN-WAIT-2 of a user who has gone, where the preset bounds it
    Row(_S.FIN_WAIT_2, _C.FIN_WAIT_2_OVER, _S.CLOSED, "3.6.1"),
)

_SYNCHRONIZED: Final = (
    _S.ESTABLISHED,
    _S.FIN_WAIT_1,
    _S.FIN_WAIT_2,
    _S.CLOSE_WAIT,
    _S.CLOSING,
    _S.LAST_ACK,
    _S.TIME_WAIT,
)
_WAITING_FOR_THE_PEER: Final = (
    _S.SYN_SENT,
    _S.SYN_RECEIVED,
    _S.ESTABLISHED,
    _S.FIN_WAIT_1,
    _S.CLOSE_WAIT,
    _S.CLOSING,
    _S.LAST_ACK,
)
_ENDS: Final = (
    *(Row(s, _C.ABORT, _S.CLOSED, "3.10.5") for s in State if s is not _S.CLOSED),
    Row(_S.SYN_SENT, _C.RESET, _S.CLOSED, "3.10.7.3 second"),
    Row(_S.SYN_RECEIVED, _C.RESET, _S.CLOSED, "3.10.7.4 second"),
    *(Row(s, _C.RESET, _S.CLOSED, "3.10.7.4 second") for s in _SYNCHRONIZED),
    *(
        Row(s, _C.DATA_AFTER_CLOSE, _S.CLOSED, "3.6.1 SHLD-3")
        for s in (_S.FIN_WAIT_1, _S.FIN_WAIT_2)
    ),
    *(Row(s, _C.RETRANSMISSIONS_EXHAUSTED, _S.CLOSED, "3.8.3") for s in _WAITING_FOR_THE_PEER),
    *(Row(s, _C.USER_TIMEOUT, _S.CLOSED, "3.10.8") for s in _WAITING_FOR_THE_PEER),
    *(Row(s, _C.KEEPALIVE_FAILED, _S.CLOSED, "3.8.4") for s in _SYNCHRONIZED[:-1]),
    *(
        Row(s, _C.ICMP_HARD_ERROR, _S.CLOSED, "3.9.2.2")
        for s in (_S.SYN_SENT, _S.SYN_RECEIVED, *_SYNCHRONIZED[:-1])
    ),
    *(Row(s, _C.INTERNAL, _S.CLOSED, "3.10.5") for s in State if s is not _S.CLOSED),
)

ROWS: Final[tuple[Row, ...]] = (*_LIFE, *_ENDS)
"""Every transition there is: first the life of a connection, then its sudden ends."""

LIFE: Final[tuple[Row, ...]] = _LIFE

TRANSITIONS: Final[dict[tuple[State, Cause], Row]] = {(row.state, row.cause): row for row in ROWS}

_BY_NUMBER: Final = {row.state << 5 | row.cause: row for row in ROWS}
"""The same for `transition`, which is called often: an int is cheaper to look up than a tuple."""

# Module aliases: in compiled code these are one load, and states are compared with `is`.
CLOSED: Final = State.CLOSED
LISTEN: Final = State.LISTEN
SYN_SENT: Final = State.SYN_SENT
SYN_RECEIVED: Final = State.SYN_RECEIVED
ESTABLISHED: Final = State.ESTABLISHED
FIN_WAIT_1: Final = State.FIN_WAIT_1
FIN_WAIT_2: Final = State.FIN_WAIT_2
CLOSE_WAIT: Final = State.CLOSE_WAIT
CLOSING: Final = State.CLOSING
LAST_ACK: Final = State.LAST_ACK
TIME_WAIT: Final = State.TIME_WAIT


def transition(state: State, cause: Cause) -> Row | None:
    """Return the row for a state and a cause, or None when the machine has no such move."""
    return _BY_NUMBER.get(state << 5 | cause)


_SPELLINGS: Final[dict[str, State]] = {
    "SYNRCVD": State.SYN_RECEIVED,
    "SYNRECV": State.SYN_RECEIVED,
    "NEWSYNRECV": State.SYN_RECEIVED,
    "ESTAB": State.ESTABLISHED,
    "UNCONN": State.CLOSED,
    "CLOSE": State.CLOSED,
    "TIMEWAIT": State.TIME_WAIT,
    **{state.name.replace("_", ""): state for state in State},
}

LINUX_NAMES: Final[dict[State, str]] = {
    State.CLOSED: "CLOSE",
    State.SYN_RECEIVED: "SYN_RECV",
    State.FIN_WAIT_1: "FIN_WAIT1",
    State.FIN_WAIT_2: "FIN_WAIT2",
}


def state_named(text: str) -> State:
    """Return the state that a common spelling means: SYN-RCVD, syn_recv, FIN_WAIT1, TimeWait ...

    Raises ValueError, naming the eleven, for anything else.
    """
    key = "".join(c for c in text.upper() if c.isalnum())
    found = _SPELLINGS.get(key)
    if found is None:
        raise ValueError(f"no TCP state {text!r}; the eleven are {', '.join(map(str, State))}")
    return found


def linux_name(state: State) -> str:
    """Return the kernel's spelling: SYN_RECV, FIN_WAIT1, CLOSE ..."""
    return LINUX_NAMES.get(state, state.name)
