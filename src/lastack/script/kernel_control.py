"""Control messages that recvmsg brings: what a script expects of them, and what there was."""

import socket
import struct
from typing import Final

from lastack.script.kernel_values import check_value, value_of
from lastack.script.model import ANYTHING, Array, Expression, Struct
from lastack.script.symbols import Unknown, show
from lastack.script.verdict import Mismatch

_HEADER: Final = struct.Struct("=Qii")
_ERROR: Final = struct.Struct("=IBBBxII")
_ERROR_FIELDS: Final = ("ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info", "ee_data")
_TIMES: Final = 37

Expected = list[tuple[Struct, int, int]]
"""What the script says of each message, its level and its type."""


def expected_messages(control: Expression) -> Expected:
    """Return what a script expects; raises Unknown for messages that we cannot read."""
    if not isinstance(control, Array):
        raise Unknown(f"the control messages {show(control)}")
    found: Expected = []
    for item in control.items:
        if not isinstance(item, Struct):
            raise Unknown(f"the control message {show(item)}")
        level = value_of(item.fields.get("cmsg_level", 0))
        kind = value_of(item.fields.get("cmsg_type", 0))
        if (level, kind) == (socket.SOL_SOCKET, _TIMES):
            raise Unknown("control messages with timestamps")
        found.append((item, level, kind))
    return found


def check_messages(expected: Expected, octets: bytes) -> None:
    """Raise Mismatch when the messages are not those that the script has, in their order."""
    actual = _split(octets)
    if len(actual) != len(expected):
        names = ", ".join(f"level {level} type {kind}" for level, kind, _ in actual) or "none"
        raise Mismatch("the control messages differ", f"{len(expected)} of them", names)
    for (item, level, kind), (actual_level, actual_kind, body) in zip(
        expected, actual, strict=True
    ):
        check_value("cmsg_level", level, actual_level)
        check_value("cmsg_type", kind, actual_kind)
        wanted = item.fields.get("cmsg_data", ANYTHING)
        if isinstance(wanted, Struct):
            if len(body) < _ERROR.size or set(wanted.fields) - set(_ERROR_FIELDS):
                raise Unknown(f"the control message {show(wanted)}")
            values = dict(zip(_ERROR_FIELDS, _ERROR.unpack_from(body), strict=True))
            for name, value in wanted.fields.items():
                check_value(name, value, values[name])
        else:
            check_value("cmsg_data", wanted, int.from_bytes(body[:4], "little"))


def _split(octets: bytes) -> list[tuple[int, int, bytes]]:
    """Return level, type and body of each message."""
    found: list[tuple[int, int, bytes]] = []
    at = 0
    while at + _HEADER.size <= len(octets):
        size, level, kind = _HEADER.unpack_from(octets, at)
        if size < _HEADER.size:
            break
        found.append((level, kind, octets[at + _HEADER.size : at + size]))
        at += (size + 7) & ~7
    return found
