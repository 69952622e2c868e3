"""What else can be asked of the kernel about a descriptor: flags, readiness, options."""

import ctypes
import struct
from collections.abc import Callable
from typing import Final

from lastack.script.descriptors import argument
from lastack.script.kernel_values import (
    Buffers,
    ask,
    check_option,
    check_value,
    libc,
    option_octets,
    value_of,
)
from lastack.script.model import ANYTHING, Array, Call, Struct
from lastack.script.subject import Attempt
from lastack.script.symbols import FIONBIO, Unknown, show

_POLL: Final = struct.Struct("=ihh")
_EPOLL: Final = struct.Struct("=Iq")  # packed, as on x86-64
_BIGGEST_OPTION: Final = 512


class Handle:
    """A file descriptor: `real` is the kernel's, `ports` (local, remote) once they are known.

    `kept` is memory that the kernel still reads from.
    """

    def __init__(self, real: int) -> None:
        self.real = real
        self.opened = False
        self.ports: tuple[int, int] | None = None
        self.written = bytearray()
        self.read = 0
        self.kept: list[Buffers] = []


Find = Callable[[int], Handle]
Keep = Callable[[Call, int], int]


def further_calls(find: Find, keep: Keep) -> dict[str, Callable[[Call], Attempt]]:
    """Return the makers of these calls by name; `find` and `keep` are those of the descriptors."""

    def maker(make: Callable[[Find, Call], Attempt]) -> Callable[[Call], Attempt]:
        return lambda call: make(find, call)

    return {
        "fcntl": maker(_fcntl),
        "ioctl": maker(_ioctl),
        "poll": maker(_poll),
        "getsockopt": maker(_getsockopt),
        "setsockopt": maker(_setsockopt),
        "epoll_ctl": maker(_epoll_ctl),
        "epoll_wait": maker(_epoll_wait),
        "epoll_create": lambda call: _epoll_create(keep, call),
    }


def _real(find: Find, call: Call) -> int:
    return find(value_of(argument(call, 0))).real


def _fcntl(find: Find, call: Call) -> Attempt:
    command = value_of(argument(call, 1))
    flags = value_of(argument(call, 2)) if len(call.arguments) > 2 else 0
    return lambda: ask(libc.fcntl, _real(find, call), command, flags)


def _ioctl(find: Find, call: Call) -> Attempt:
    request, given = value_of(argument(call, 1)), argument(call, 2)

    def work() -> int:
        value = ctypes.c_int(value_of(given) if request == FIONBIO else 0)
        asked = ctypes.c_ulong(request)
        result = ask(libc.ioctl, _real(find, call), asked, ctypes.byref(value))
        if request != FIONBIO:
            check_value(show(argument(call, 1)), given, value.value)
        return result

    return work


def _poll(find: Find, call: Call) -> Attempt:
    wanted, timeout = argument(call, 0), value_of(argument(call, 2))
    if not isinstance(wanted, Array):
        raise Unknown("poll without a list")
    items = [item for item in wanted.items if isinstance(item, Struct)]

    def work() -> int:
        octets = b"".join(
            _POLL.pack(find(value_of(item.fields["fd"])).real, value_of(item.fields["events"]), 0)
            for item in items
        )
        buffer = ctypes.create_string_buffer(octets, len(octets) or 1)
        result = ask(libc.poll, buffer, ctypes.c_ulong(len(items)), timeout)
        for index, item in enumerate(items):
            events = _POLL.unpack_from(buffer.raw, index * _POLL.size)[2]
            what = f"revents of {show(item.fields['fd'])}"
            check_value(what, item.fields.get("revents", ANYTHING), events)
        return result

    return work


def _getsockopt(find: Find, call: Call) -> Attempt:
    level, name = value_of(argument(call, 1)), value_of(argument(call, 2))
    room = argument(call, 4)
    size = _BIGGEST_OPTION if room is ANYTHING else value_of(room)
    what = show(argument(call, 2))

    def work() -> int:
        buffer = ctypes.create_string_buffer(max(size, 1))
        length = ctypes.c_uint32(size & 0xFFFFFFFF)
        result = ask(libc.getsockopt, _real(find, call), level, name, buffer, ctypes.byref(length))
        check_option(what, argument(call, 3), buffer.raw[: length.value])
        return result

    return work


def _setsockopt(find: Find, call: Call) -> Attempt:
    level, name = value_of(argument(call, 1)), value_of(argument(call, 2))
    octets = option_octets(argument(call, 3))
    size = len(octets)
    if len(call.arguments) > 4 and argument(call, 4) is not ANYTHING:
        size = value_of(argument(call, 4))
    # The kernel may read as much as it is told there is.
    octets = octets.ljust(max(size, 0), b"\0")
    return lambda: ask(libc.setsockopt, _real(find, call), level, name, octets, size)


def _epoll_create(keep: Keep, call: Call) -> Attempt:
    size = value_of(argument(call, 0))
    return lambda: keep(call, ask(libc.epoll_create, size))


def _epoll_ctl(find: Find, call: Call) -> Attempt:
    operation, fd, given = value_of(argument(call, 1)), value_of(argument(call, 2)), None
    if len(call.arguments) > 3:
        given = argument(call, 3)
    octets = _EPOLL.pack(*_event(given)) if isinstance(given, Struct) else None
    return lambda: ask(libc.epoll_ctl, _real(find, call), operation, find(fd).real, octets)


def _event(given: Struct) -> tuple[int, int]:
    """Return the events and the data of a struct epoll_event."""
    named = [given.fields[name] for name in ("fd", "ptr", "u32", "u64") if name in given.fields]
    data = named[0] if named else 0
    return value_of(given.fields.get("events", 0)) & 0xFFFFFFFF, value_of(data)


def _epoll_wait(find: Find, call: Call) -> Attempt:
    expected, most = argument(call, 1), value_of(argument(call, 2))
    timeout = value_of(argument(call, 3))
    several = expected.items if isinstance(expected, Array) else (expected,)

    def work() -> int:
        buffer = ctypes.create_string_buffer(_EPOLL.size * max(most, 1))
        count = ask(libc.epoll_wait, _real(find, call), buffer, most, timeout)
        for index, one in enumerate(several[:count]):
            if isinstance(one, Struct):
                events, data = _EPOLL.unpack_from(buffer.raw, index * _EPOLL.size)
                wanted_events, wanted_data = _event(one)
                check_value("the events", wanted_events, events)
                check_value("the event's data", wanted_data, data)
        return count

    return work
