"""epoll on sockets of our stack: sets of descriptors, level or edge triggered.

An edge is octets that have come, a change of state, an error, a connection to accept, or room to
write where there was none. It is looked for around every call of the script.
"""

import errno
from typing import Final

from lastack.errors import error_for
from lastack.script.descriptors import Descriptors, Wait, Watch, argument
from lastack.script.model import ANYTHING, Array, Call, Expression, Struct
from lastack.script.subject import Attempt
from lastack.script.symbols import Unknown, check, number, show
from lastack.units import MS, NEVER

_ADD: Final = 1
_DELETE: Final = 2
_MODIFY: Final = 3


def epoll_create(those: Descriptors, call: Call) -> Attempt:
    """Make an empty set; its descriptor is a new one."""
    size = number(argument(call, 0))

    def attempt() -> int:
        if size <= 0:
            raise error_for(errno.EINVAL)
        fd = call.result if isinstance(call.result, int) and call.result >= 0 else those.free()
        those.sets[fd] = {}
        return fd

    return attempt


def epoll_ctl(those: Descriptors, call: Call) -> Attempt:
    """Add, change or delete a descriptor of a set."""
    operation, fd = number(argument(call, 1)), number(argument(call, 2))
    given = call.arguments[3] if len(call.arguments) > 3 else None
    events = 0
    data: dict[str, Expression] = {}
    if isinstance(given, Struct):
        data = dict(given.fields)
        events = number(data.pop("events", 0))

    def attempt() -> int:
        watches = _set_of(those, call)
        handle = those.handles.get(fd)
        if handle is None:
            raise error_for(errno.EBADF)
        if operation == _ADD and fd in watches:
            raise error_for(errno.EEXIST)
        if operation != _ADD and fd not in watches:
            raise error_for(errno.ENOENT)
        if operation == _DELETE:
            del watches[fd]
        elif operation in (_ADD, _MODIFY):
            watches[fd] = Watch(fd, events, data)
            watches[fd].look(handle)
        else:
            raise error_for(errno.EINVAL)
        return 0

    return attempt


def epoll_wait(those: Descriptors, call: Call) -> Attempt:
    """Wait for events of a set; compares those that are reported."""
    expected, most = argument(call, 1), number(argument(call, 2))
    timeout = number(argument(call, 3))
    deadline = NEVER if timeout < 0 else those.stage.now + timeout * MS
    wanted = expected.items if isinstance(expected, Array) else (expected,)

    def attempt() -> int:
        watches = _set_of(those, call)
        if most <= 0:
            raise error_for(errno.EINVAL)
        look(those)
        found: list[tuple[Watch, int]] = []
        for fd, watch in watches.items():
            handle = those.handles.get(fd)
            events = watch.take(handle) if handle is not None and len(found) < most else 0
            if events:
                found.append((watch, events))
        if not found and those.stage.now < deadline:
            raise Wait(deadline)
        for (watch, events), item in zip(found, wanted, strict=False):
            _compare(watch, events, item)
        return len(found)

    return attempt


def look(those: Descriptors) -> None:
    """See what has happened to every descriptor of every set; closed ones leave theirs."""
    for watches in those.sets.values():
        for fd in list(watches):
            handle = those.handles.get(fd)
            if handle is None:
                del watches[fd]
            else:
                watches[fd].look(handle)


def _set_of(those: Descriptors, call: Call) -> dict[int, Watch]:
    fd = number(argument(call, 0))
    if fd not in those.sets:
        raise error_for(errno.EINVAL if fd in those.handles else errno.EBADF)
    return those.sets[fd]


def _compare(watch: Watch, events: int, item: Expression) -> None:
    if item is ANYTHING:
        return
    if not isinstance(item, Struct):
        raise Unknown(f"epoll_wait with {show(item)}")
    check(f"events of {watch.fd}", item.fields.get("events", ANYTHING), events)
    for name, value in item.fields.items():
        if name != "events" and value is not ANYTHING:
            check(name, value, number(watch.data.get(name, watch.fd)))
