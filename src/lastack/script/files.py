"""What is no socket among a script's descriptors: files in memory, and pipes.

Nothing of the machine's own files is read or written: a script has those that its commands make.
"""

import errno
from collections.abc import Callable
from typing import Final

from lastack.errors import error_for
from lastack.script.descriptors import Descriptors, File, argument
from lastack.script.model import Array, Call, Name
from lastack.script.subject import Attempt
from lastack.script.symbols import Unknown, number, show
from lastack.script.write import write

_NULL: Final = Name("NULL")
Mover = Callable[[Descriptors, Call], Attempt]


def open_file(those: Descriptors, call: Call) -> Attempt:
    """Open a file that a command of the script has made."""
    path = argument(call, 0)
    if not isinstance(path, bytes):
        raise Unknown(f"open {show(path)}")

    def attempt() -> int:
        octets = those.disk.get(path.decode(errors="replace"))
        if octets is None:
            raise error_for(errno.ENOENT)
        return those.keep_file(call, File(bytearray(octets)))

    return attempt


def pipe(those: Descriptors, call: Call) -> Attempt:
    """Make a pipe; its descriptors are those that the script names."""
    ends = argument(call, 0)
    if not isinstance(ends, Array) or len(ends.items) != 2:
        raise Unknown(f"pipe({show(ends)})")
    numbers = [number(end) for end in ends.items]

    def attempt() -> int:
        octets = bytearray()
        for end in numbers:
            those.files[end] = File(octets, True)
        return 0

    return attempt


def sendfile(those: Descriptors, call: Call) -> Attempt:
    """Write from a file to a socket, from where the file or the offset given is."""
    out, source, count = (number(argument(call, index)) for index in (0, 1, 3))
    place = argument(call, 2)
    offset = -1 if place == _NULL else number(place)

    def attempt() -> int:
        file = those.files.get(source)
        if file is None:
            raise error_for(errno.EBADF)
        was = file.at
        if offset >= 0:
            file.at = offset
        taken = _to_socket(those, out, file, count)
        if offset >= 0:
            file.at = was
        return taken

    return attempt


def splice(those: Descriptors, call: Call) -> Attempt:
    """Move octets between a pipe and a socket."""
    source, target, count = (number(argument(call, index)) for index in (0, 2, 4))
    if argument(call, 1) != _NULL or argument(call, 3) != _NULL:
        raise Unknown("splice with an offset")

    def attempt() -> int:
        into, out = those.files.get(target), those.files.get(source)
        if into is not None and into.is_pipe and source in those.handles:
            return _from_socket(those, source, into, count)
        if out is not None and out.is_pipe and target in those.handles:
            return _to_socket(those, target, out, count)
        raise error_for(errno.EBADF if into is None and out is None else errno.EINVAL)

    return attempt


def _to_socket(those: Descriptors, fd: int, file: File, count: int) -> int:
    handle = those.handles.get(fd)
    if handle is None:
        raise error_for(errno.EBADF)
    data = file.take(count)
    if not data:
        return 0
    try:
        taken = write(those, handle, data, 0)
    except BlockingIOError:
        file.put_back(data)
        raise those.or_wait(handle) from None
    file.put_back(data[taken:])
    return taken


def _from_socket(those: Descriptors, fd: int, into: File, count: int) -> int:
    handle = those.handles[fd]
    connection = handle.socket.connection
    if connection is not None and connection.at_mark:
        return 0  # as Linux has it, a splice ends before the urgent octet
    try:
        data = handle.socket.recv(those.stage.clock, count)
    except BlockingIOError:
        raise those.or_wait(handle) from None
    handle.read += len(data)
    into.octets += data
    return len(data)


MOVERS: Final[dict[str, Mover]] = {
    "open": open_file,
    "pipe": pipe,
    "sendfile": sendfile,
    "splice": splice,
}
