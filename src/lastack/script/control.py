"""Control messages that recvmsg brings: what a script expects of them, and what there was."""

import struct
from collections.abc import Callable, Sequence
from typing import Final

from lastack.script.model import ANYTHING, Array, Call, Expression, Struct
from lastack.script.symbols import Unknown, show
from lastack.script.trace import seconds
from lastack.script.verdict import Mismatch
from lastack.stack.messages import SCM_TIMESTAMPING, Control
from lastack.stack.options import SOL_SOCKET
from lastack.units import SECOND

_ERROR: Final = struct.Struct("=IBBBxII")
_ERROR_FIELDS: Final = ("ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info", "ee_data")
_TIME: Final = struct.Struct("=qq")
_TIME_FIELDS: Final = {"scm_sec", "scm_nsec"}

ValueOf = Callable[[Expression], int]
Expected = list[tuple[Struct, int, int]]
"""What the script says of each message, its level and its type."""


def expected_of(call: Call, value_of: ValueOf) -> Expected | None:
    """Return the messages that a script expects of recvmsg, None if it says nothing.

    Raises Unknown for messages that cannot be read.
    """
    message = call.arguments[1] if call.name == "recvmsg" and len(call.arguments) > 1 else None
    control = message.fields.get("msg_control", ANYTHING) if isinstance(message, Struct) else None
    if control is None or control is ANYTHING:
        return None
    if not isinstance(control, Array):
        raise Unknown(f"the control messages {show(control)}")
    found: Expected = []
    for item in control.items:
        if not isinstance(item, Struct):
            raise Unknown(f"the control message {show(item)}")
        level = value_of(item.fields.get("cmsg_level", 0))
        kind = value_of(item.fields.get("cmsg_type", 0))
        found.append((item, level, kind))
    return found


def flags_of_message(call: Call) -> Expression:
    """Return the msg_flags that a script expects of recvmsg."""
    message = call.arguments[1] if len(call.arguments) > 1 else None
    return message.fields.get("msg_flags", ANYTHING) if isinstance(message, Struct) else ANYTHING


def check_messages(
    expected: Expected, actual: Sequence[Control], value_of: ValueOf, begun: int, slack: int
) -> None:
    """Raise Mismatch when the messages are not those that the script has, in their order.

    Timestamps count from `begun` and may be off by `slack`, both nanoseconds.
    """
    if len(actual) != len(expected):
        names = ", ".join(f"level {level} type {kind}" for level, kind, _ in actual) or "none"
        raise Mismatch("the control messages differ", f"{len(expected)} of them", names)
    for (item, level, kind), (actual_level, actual_kind, body) in zip(
        expected, actual, strict=True
    ):
        _same("cmsg_level", level, actual_level)
        _same("cmsg_type", kind, actual_kind)
        wanted = item.fields.get("cmsg_data", ANYTHING)
        if (level, kind) == (SOL_SOCKET, SCM_TIMESTAMPING) and isinstance(wanted, Struct):
            _check_time(wanted, body, value_of, begun, slack)
        elif isinstance(wanted, Struct):
            if len(body) < _ERROR.size or set(wanted.fields) - set(_ERROR_FIELDS):
                raise Unknown(f"the control message {show(wanted)}")
            values = dict(zip(_ERROR_FIELDS, _ERROR.unpack_from(body), strict=True))
            for name, value in wanted.fields.items():
                if value is not ANYTHING:
                    _same(name, value_of(value), values[name])
        elif wanted is not ANYTHING:
            _same("cmsg_data", value_of(wanted), int.from_bytes(body[:4], "little"))


def _check_time(wanted: Struct, body: bytes, value_of: ValueOf, begun: int, slack: int) -> None:
    if len(body) < _TIME.size or set(wanted.fields) - _TIME_FIELDS:
        raise Unknown(f"the control message {show(wanted)}")
    whole, part = (value_of(wanted.fields.get(name, 0)) for name in ("scm_sec", "scm_nsec"))
    time = whole * SECOND + part
    sec, nsec = _TIME.unpack_from(body)
    actual = sec * SECOND + nsec - begun
    if abs(actual - time) > slack:
        raise Mismatch("the timestamp differs", seconds(time), seconds(actual))


def _same(what: str, wanted: int, actual: int) -> None:
    if (wanted - actual) & 0xFFFFFFFF:
        raise Mismatch(f"{what} differs", str(wanted), str(actual))
