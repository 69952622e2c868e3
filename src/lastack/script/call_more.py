"""What else can be done with a descriptor: flags, readiness, options."""

import errno

from lastack.errors import error_for
from lastack.script.descriptors import Descriptors, Wait, argument, readiness
from lastack.script.model import ANYTHING, Array, Call, Expression, Struct
from lastack.script.subject import Attempt
from lastack.script.symbols import (
    F_GETFL,
    F_SETFL,
    FIONBIO,
    O_NONBLOCK,
    O_RDWR,
    POLLERR,
    POLLHUP,
    SIOCATMARK,
    SIOCINQ,
    SIOCOUTQ,
    Unknown,
    check,
    number,
    show,
)
from lastack.script.verdict import Mismatch
from lastack.stack import options
from lastack.units import MS, NEVER


def fcntl(those: Descriptors, call: Call) -> Attempt:
    """F_GETFL and F_SETFL."""
    command = number(argument(call, 1))
    flags = number(argument(call, 2)) if len(call.arguments) > 2 else 0
    if command not in (F_GETFL, F_SETFL):
        raise Unknown(f"fcntl {show(argument(call, 1))}")

    def attempt() -> int:
        handle = those.handle(call)
        if command == F_GETFL:
            return O_RDWR | (O_NONBLOCK if handle.nonblocking else 0)
        handle.nonblocking = bool(flags & O_NONBLOCK)
        return 0

    return attempt


def ioctl(those: Descriptors, call: Call) -> Attempt:
    """SIOCINQ, SIOCOUTQ, SIOCATMARK, FIONBIO."""
    request = number(argument(call, 1))
    value = argument(call, 2)

    def attempt() -> int:
        handle = those.handle(call)
        connection = handle.socket.connection
        if request == FIONBIO:
            handle.nonblocking = number(value) != 0
            return 0
        if connection is None:
            raise error_for(errno.EINVAL)
        if request == SIOCINQ:
            actual = connection.available
        elif request == SIOCOUTQ:
            actual = connection.unacknowledged
        elif request == SIOCATMARK:
            actual = int(connection.at_mark)
        else:
            raise Unknown(f"ioctl {show(argument(call, 1))}")
        check(show(argument(call, 1)), value, actual)
        return 0

    return attempt


def poll(those: Descriptors, call: Call) -> Attempt:
    """Wait for events; compares `revents`."""
    wanted = argument(call, 0)
    timeout = number(argument(call, 2))
    if not isinstance(wanted, Array):
        raise Unknown("poll without a list")
    deadline = NEVER if timeout < 0 else those.stage.now + timeout * MS

    def attempt() -> int:
        found = [_poll_one(those, item) for item in wanted.items]
        count = sum(1 for _, _, events in found if events)
        if count == 0 and those.stage.now < deadline:
            raise Wait(deadline)
        for fd, expected, events in found:
            check(f"revents of {fd}", expected, events)
        return count

    return attempt


def _poll_one(those: Descriptors, item: Expression) -> tuple[int, Expression, int]:
    if not isinstance(item, Struct):
        raise Unknown(f"poll of {show(item)}")
    fd = number(item.fields.get("fd", -1))
    events = number(item.fields.get("events", 0))
    handle = those.handles.get(fd)
    if handle is None:
        raise error_for(errno.EBADF)
    found = readiness(handle) & (events | POLLERR | POLLHUP)
    return fd, item.fields.get("revents", ANYTHING), found


def getsockopt(those: Descriptors, call: Call) -> Attempt:
    """Read an option and compare it."""
    level, name = number(argument(call, 1)), number(argument(call, 2))
    expected = argument(call, 3)

    def attempt() -> int:
        value = those.handle(call).socket.getsockopt(those.stage.clock, level, name)
        what = show(argument(call, 2))
        if isinstance(value, int):
            check(what, expected, value)
        elif isinstance(expected, Struct) and name == options.SO_LINGER:
            linger = options.linger_of(value)
            assert linger is not None
            check(f"{what} onoff", expected.fields.get("onoff", ANYTHING), int(linger[0]))
            check(f"{what} linger", expected.fields.get("linger", ANYTHING), linger[1])
        elif isinstance(expected, bytes):
            if value.rstrip(b"\0") != expected.rstrip(b"\0"):
                raise Mismatch(f"{what} differs", show(expected), repr(value))
        elif expected is not ANYTHING:
            raise Unknown(f"the value of {what}")
        return 0

    return attempt


def _nothing() -> int:
    return 0


def setsockopt(those: Descriptors, call: Call) -> Attempt:
    """Set an option."""
    given = argument(call, 3)
    if isinstance(given, Struct) and given.fields.get("function_set_name") == b"freebsd":
        return _nothing  # FreeBSD's TCP_FUNCTION_BLK, and its own TCP is what we are like
    level, name = number(argument(call, 1)), number(argument(call, 2))
    value: int | bytes
    if isinstance(given, bytes):
        value = given
    elif isinstance(given, Struct):
        onoff = number(given.fields.get("onoff", 0))
        value = options.pack_linger(onoff != 0, number(given.fields.get("linger", 0)))
    else:
        value = number(given)

    def attempt() -> int:
        those.handle(call).socket.setsockopt(those.stage.clock, level, name, value)
        return 0

    return attempt
