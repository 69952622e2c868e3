"""File descriptors: sockets as the user of a script sees them, and waiting on them."""

import errno
from typing import Final

from lastack.errors import error_for
from lastack.script.model import Call, Expression, Header
from lastack.script.stage import StackScene
from lastack.script.subject import Caller
from lastack.script.symbols import (
    EPOLLET,
    EPOLLONESHOT,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDHUP,
    Unknown,
    number,
    show,
)
from lastack.stack import options
from lastack.stack.messages import has_reports
from lastack.stack.sockets import TcpSocket
from lastack.tcp.states import CLOSED
from lastack.units import NEVER

_MOST: Final = 1 << 30
_ALWAYS: Final = POLLERR | POLLHUP


class Wait(Exception):
    """A blocking call has to wait; `until` is when it would give up by itself."""

    def __init__(self, until: int = NEVER) -> None:
        super().__init__()
        self.until = until


class Handle:
    """An open file descriptor. `written` is what the user has sent, `read` how many octets came."""

    def __init__(self, socket: TcpSocket) -> None:
        self.socket = socket
        self.nonblocking = False
        self.written = bytearray()
        self.read = 0
        self.urgent = False


class File:
    """Octets behind a descriptor, from `at` on; both ends of a pipe share them."""

    def __init__(self, octets: bytearray, is_pipe: bool = False) -> None:
        self.octets = octets
        self.at = 0
        self.is_pipe = is_pipe

    def take(self, count: int) -> bytes:
        """Return the next octets, at most so many; they are gone from a pipe."""
        found = bytes(self.octets[self.at : self.at + count])
        if self.is_pipe:
            del self.octets[: len(found)]
        else:
            self.at += len(found)
        return found

    def put_back(self, data: bytes) -> None:
        """The last octets taken are to be read again."""
        if self.is_pipe:
            self.octets[:0] = data
        else:
            self.at -= len(data)


def readiness(handle: Handle) -> int:
    """Return every event that poll could report of a socket now."""
    socket = handle.socket
    found = 0
    if socket.readable:
        found |= POLLIN
    if socket.writable:
        found |= POLLOUT
    if socket.exceptional:
        found |= POLLPRI
    connection = socket.connection
    if connection is not None and connection.tcb.rcv.finished:
        found |= POLLRDHUP
    if socket.error or has_reports(connection):
        found |= POLLERR
    if connection is not None and connection.state is CLOSED and socket.listener is None:
        found |= POLLHUP
    return found


class Watch:
    """One descriptor in a set: `events` that are asked for, `data` as the user gave it."""

    def __init__(self, fd: int, events: int, data: dict[str, Expression]) -> None:
        self.fd = fd
        self.events = events
        self.data = data
        self.edge = True
        self.armed = True
        self._stamp: tuple[int, ...] = ()
        self._room = False

    def look(self, handle: Handle) -> None:
        """See whether something has happened since the last look."""
        socket = handle.socket
        connection = socket.connection
        if connection is not None:
            tcb = connection.tcb
            error = int(socket.error != 0)
            state = int(connection.state)
            told = tcb.stamps.told if tcb.stamps is not None else 0
            stamp: tuple[int, ...] = (
                tcb.bytes_received,
                int(tcb.rcv.finished),
                state,
                error,
                told,
            )
        else:
            listener = socket.listener
            stamp = (len(listener.waiting) if listener is not None else -1,)
        room = bool(readiness(handle) & POLLOUT)
        if stamp != self._stamp or (room and not self._room):
            self.edge = True
        self._stamp, self._room = stamp, room

    def take(self, handle: Handle) -> int:
        """Return the events to report now, 0 for none."""
        found = readiness(handle) & (self.events | _ALWAYS) if self.armed else 0
        if not found or (self.events & EPOLLET and not self.edge):
            return 0
        self.edge = False
        self.armed = not self.events & EPOLLONESHOT
        return found


class Descriptors(Caller):
    """The descriptors that are open. `disk` are the files that there are, by path."""

    def __init__(self, stage: StackScene, header: Header) -> None:
        super().__init__()
        self.stage = stage
        self.header = header
        self.handles: dict[int, Handle] = {}
        self.sets: dict[int, dict[int, Watch]] = {}
        self.files: dict[int, File] = {}
        self.disk: dict[str, bytes] = {}

    def handle(self, call: Call) -> Handle:
        """Return the file descriptor that a call is about; EBADF when it is not open."""
        found = self.handles.get(number(argument(call, 0)))
        if found is None:
            raise error_for(errno.EBADF)
        return found

    def free(self) -> int:
        """Return the lowest descriptor that is free."""
        kinds = (self.handles, self.sets, self.files)
        return next(fd for fd in range(3, _MOST) if not any(fd in kind for kind in kinds))

    def keep_file(self, call: Call, file: File) -> int:
        """Give a file the number that the script has for it."""
        fd = call.result if isinstance(call.result, int) and call.result >= 0 else self.free()
        self.files[fd] = file
        return fd

    def or_wait(self, handle: Handle, flags: int = 0) -> Exception:
        """Return what to raise when nothing can be done now."""
        if handle.nonblocking or flags & options.MSG_DONTWAIT:
            return error_for(errno.EAGAIN)
        return Wait()


def argument(call: Call, index: int) -> Expression:
    """Return an argument of a call; raises Unknown when there are too few."""
    if index >= len(call.arguments):
        raise Unknown(f"{call.name} with {len(call.arguments)} arguments")
    return call.arguments[index]


def result_of(call: Call) -> str:
    """Return what a script expects of a call, in words."""
    return f"= {show(call.result)}" + (f" {call.errno}" if call.errno else "")


def errno_expected(call: Call) -> bool:
    """Whether the script expects the call to fail."""
    return call.result == -1 and bool(call.errno)
