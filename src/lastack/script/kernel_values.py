"""The arguments of a script's system calls as the kernel takes them: numbers and structures."""

import ctypes
import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from lastack.script.model import ANYTHING, Array, Either, Expression, Name, Struct
from lastack.script.symbols import Unknown, number, show
from lastack.script.verdict import Mismatch

_LINGER: Final = struct.Struct("=ii")
_MORE: Final = {
    "SO_ZEROCOPY": 60,
    "SO_TIMESTAMPING": 37,
    "SO_MAX_PACING_RATE": 47,
    "SO_BUSY_POLL": 46,
    "MSG_ZEROCOPY": 0x4000000,
    "MSG_FASTOPEN": 0x20000000,
    "MSG_EOR": 0x80,
    "MSG_ERRQUEUE": 0x2000,
    "TCP_INQ": 36,
    "TCP_FASTOPEN_CONNECT": 30,
    "TCP_FASTOPEN_NO_COOKIE": 34,
    "TCP_FASTOPEN_KEY": 33,
    "TCP_SAVE_SYN": 27,
    "TCP_SAVED_SYN": 28,
    "TCP_TIMESTAMP": 24,
    "TCP_NOTSENT_LOWAT": 25,
    "TCP_TX_DELAY": 37,
    "TCP_THIN_DUPACK": 17,
    "TCP_THIN_LINEAR_TIMEOUTS": 16,
    "TCP_CM_INQ": 36,
    "IP_BIND_ADDRESS_NO_PORT": 24,
    "IP_RECVERR": 11,
    "IPV6_RECVERR": 25,
    "IP_PMTUDISC_DONT": 0,
    "IP_PMTUDISC_WANT": 1,
    "IP_PMTUDISC_DO": 2,
    "IP_PMTUDISC_PROBE": 3,
    "IP_FREEBIND": 15,
    "SO_EE_ORIGIN_ZEROCOPY": 5,
    "SO_EE_CODE_ZEROCOPY_COPIED": 1,
    "SO_EE_ORIGIN_TIMESTAMPING": 4,
    "SCM_TIMESTAMPING": 37,
    "EPOLL_CTL_ADD": 1,
    "EPOLL_CTL_DEL": 2,
    "EPOLL_CTL_MOD": 3,
    "NULL": 0,
}
_ELSEWHERE: Final = (socket, select)

libc: Final = ctypes.CDLL(None, use_errno=True)
for _name in ("read", "write", "readv", "writev", "recv", "recvfrom", "recvmsg", "send"):
    getattr(libc, _name).restype = ctypes.c_ssize_t
for _name in ("sendto", "sendmsg"):
    getattr(libc, _name).restype = ctypes.c_ssize_t


class Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Message(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(Vector)),
        ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


def ask(function: Callable[..., Any], *arguments: object) -> int:
    """Make a system call; return its result, or raise the OSError of its errno."""
    result: int = function(*arguments)
    if result < 0:
        code = ctypes.get_errno()
        if code == errno.EINTR:
            raise Mismatch("the call would block", "", "blocks")
        raise OSError(code, os.strerror(code))
    return result


def value_of(expression: Expression) -> int:
    """Return the number of an expression, with all names that this system has."""
    if isinstance(expression, Either):
        total = 0
        for part in expression.parts:
            total |= value_of(part)
        return total
    if isinstance(expression, Array) and len(expression.items) == 1:
        return value_of(expression.items[0])
    if isinstance(expression, Name):
        if expression.text in _MORE:
            return _MORE[expression.text]
        for module in _ELSEWHERE:
            found = getattr(module, expression.text, None)
            if isinstance(found, int):
                return int(found)
    return number(expression)


def option_octets(given: Expression) -> bytes:
    """Return the value of a socket option as setsockopt takes it."""
    if isinstance(given, bytes):
        return given
    if isinstance(given, Struct):
        if set(given.fields) != {"onoff", "linger"}:
            raise Unknown(f"the option value {show(given)}")
        return _LINGER.pack(value_of(given.fields["onoff"]), value_of(given.fields["linger"]))
    return struct.pack("=I", value_of(given) & 0xFFFFFFFF)


def check_option(what: str, expected: Expression, octets: bytes) -> None:
    """Raise Mismatch when getsockopt's value is not the one that the script has."""
    if expected is ANYTHING:
        return
    if isinstance(expected, Struct):
        if set(expected.fields) - {"onoff", "linger"} or len(octets) != _LINGER.size:
            raise Unknown(f"the value of {what}")
        actual = dict(zip(("onoff", "linger"), _LINGER.unpack(octets), strict=True))
        for name, value in expected.fields.items():
            check_value(f"{what} {name}", value, actual[name])
    elif isinstance(expected, bytes):
        if octets.rstrip(b"\0") != expected.rstrip(b"\0"):
            raise Mismatch(f"{what} differs", show(expected), repr(octets))
    else:
        signed = int.from_bytes(octets[:4], "little", signed=True)
        check_value(what, expected, signed)


def check_value(what: str, expected: Expression, actual: int) -> None:
    """Raise Mismatch when an output of a call is not the number that the script has."""
    if expected is ANYTHING:
        return
    wanted = value_of(expected)
    if (wanted - actual) & 0xFFFFFFFF:
        raise Mismatch(f"{what} differs", show(expected), str(actual))


def socket_address(address: bytes, port: int) -> bytes:
    """Return a struct sockaddr_in or sockaddr_in6."""
    if len(address) == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + address + bytes(8)
    head = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0)
    return head + address + bytes(4)


class Buffers:
    """Memory for a call to read from or write to, a piece for each of its vectors."""

    def __init__(self, sizes: list[int], data: bytes = b"") -> None:
        self.count = len(sizes)
        self.vectors = (Vector * max(len(sizes), 1))()
        self._pieces: list[Any] = []
        at = 0
        for index, size in enumerate(sizes):
            # Apart from each other, so that no two are one stretch of memory by chance.
            piece = ctypes.create_string_buffer(data[at : at + size], max(size, 0) + 1)
            at += max(size, 0)
            self._pieces.append(piece)
            self.vectors[index].base = ctypes.addressof(piece)
            self.vectors[index].length = max(size, 0)

    @property
    def first(self) -> int:
        """The address of the first piece."""
        return self.vectors[0].base or 0

    def taken(self, count: int) -> bytes:
        """Return the first `count` octets."""
        whole = b"".join(piece.raw[:-1] for piece in self._pieces)
        return whole[:count]
