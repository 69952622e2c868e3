"""File descriptors: sockets as the user of a script sees them, and waiting on them."""

import errno
from typing import Final

from lastack.errors import error_for
from lastack.script.model import Call, Expression, Header
from lastack.script.stage import StackScene
from lastack.script.subject import Caller
from lastack.script.symbols import Unknown, number, show
from lastack.stack import options
from lastack.stack.sockets import TcpSocket
from lastack.units import NEVER

_MOST: Final = 1 << 30


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


class Descriptors(Caller):
    """The descriptors that are open."""

    def __init__(self, stage: StackScene, header: Header) -> None:
        super().__init__()
        self.stage = stage
        self.header = header
        self.handles: dict[int, Handle] = {}

    def handle(self, call: Call) -> Handle:
        """Return the file descriptor that a call is about; EBADF when it is not open."""
        found = self.handles.get(number(argument(call, 0)))
        if found is None:
            raise error_for(errno.EBADF)
        return found

    def free(self) -> int:
        """Return the lowest descriptor that is free."""
        return next(fd for fd in range(3, _MOST) if fd not in self.handles)

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
