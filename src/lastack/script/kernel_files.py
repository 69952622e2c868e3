"""Files and pipes beside the kernel's sockets: open (to read), pipe, sendfile, splice."""

import ctypes
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from lastack.script.descriptors import argument
from lastack.script.kernel_more import Find, Keep
from lastack.script.kernel_values import ask, libc, value_of
from lastack.script.model import Array, Call, Name
from lastack.script.subject import Attempt
from lastack.script.symbols import Unknown, show

_NULL: Final = Name("NULL")
libc.sendfile.restype = libc.splice.restype = ctypes.c_ssize_t


def file_calls(find: Find, keep: Keep) -> dict[str, Callable[[Call], Attempt]]:
    """Return the makers of these calls by name; `find` and `keep` are those of the descriptors."""

    def opened(call: Call) -> Attempt:
        path, flags = argument(call, 0), value_of(argument(call, 1))
        if not isinstance(path, bytes) or flags != os.O_RDONLY:
            raise Unknown(f"open {show(path)} to write")
        return lambda: keep(call, os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def pipe(call: Call) -> Attempt:
        ends = argument(call, 0)
        if not isinstance(ends, Array) or len(ends.items) != 2:
            raise Unknown(f"pipe({show(ends)})")

        def work() -> int:
            for number, real in zip(ends.items, os.pipe2(os.O_CLOEXEC), strict=True):
                keep(replace(call, result=value_of(number)), real)
            return 0

        return work

    def sendfile(call: Call) -> Attempt:
        place, count = argument(call, 2), ctypes.c_size_t(value_of(argument(call, 3)))
        offset = None if place == _NULL else ctypes.c_int64(value_of(place))

        def work() -> int:
            out, source = (find(value_of(argument(call, index))) for index in (0, 1))
            at = offset.value if offset is not None else os.lseek(source.real, 0, os.SEEK_CUR)
            where = ctypes.byref(offset) if offset is not None else None
            taken = ask(libc.sendfile, out.real, source.real, where, count)
            out.written += os.pread(source.real, taken, at)
            return taken

        return work

    def splice(call: Call) -> Attempt:
        if argument(call, 1) != _NULL or argument(call, 3) != _NULL:
            raise Unknown("splice with an offset")
        count, flags = ctypes.c_size_t(value_of(argument(call, 4))), value_of(argument(call, 5))

        def work() -> int:
            source, target = (find(value_of(argument(call, index))) for index in (0, 2))
            taken = ask(libc.splice, source.real, None, target.real, None, count, flags)
            source.read += taken
            return taken

        return work

    return {"open": opened, "pipe": pipe, "sendfile": sendfile, "splice": splice}
