"""Where captures come from: files, plain or compressed, pipes, standard input, rotated series."""

import errno
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final, cast

from lastack.errors import error_for
from lastack.observe.places import files_in, is_folder, open_place
from lastack.wire.capture import CaptureError

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_DIGITS: Final = re.compile(r"(\d+)")


Notice = Callable[[int], None]
"""Told how many more octets of a file have been read."""


def open_capture(path: str | os.PathLike[str], notice: Notice | None = None) -> BinaryIO:
    """Open a capture for reading octets, decompressing gzip and zstd.

    `-` is standard input; a URL is opened by fsspec. `notice` hears of the octets that are read, as
    they stand in the file.
    Raises OSError when it cannot be opened, and ENOTSUP for zstd or a URL without the library.
    """
    raw = sys.stdin.buffer if str(path) == "-" else open_place(str(path))
    peeked = _Peeked(raw, notice)
    if peeked.start[:2] == _GZIP:
        import gzip
        import zlib

        unpacked = gzip.GzipFile(fileobj=cast(BinaryIO, peeked))
        return cast(BinaryIO, _Unpacked(peeked, unpacked.read1, (EOFError, zlib.error, OSError)))
    if peeked.start == _ZSTD:
        try:
            import zstandard
        except ImportError:
            problem = f"{path} is compressed with zstd: pip install 'lastack[read]'"
            raise error_for(errno.ENOTSUP, problem) from None
        stream = zstandard.ZstdDecompressor().stream_reader(
            cast(BinaryIO, peeked), read_across_frames=True
        )
        return cast(BinaryIO, _Unpacked(peeked, stream.read, (zstandard.ZstdError,)))
    return cast(BinaryIO, peeked)


class _Peeked:
    """A file whose first four octets have been looked at; it need not be able to seek."""

    def __init__(self, file: BinaryIO, notice: Notice | None) -> None:
        self.file = file
        self.notice = notice
        self.start = file.read(4)
        while 0 < len(self.start) < 4 and (more := file.read(4 - len(self.start))):
            self.start += more  # a pipe gives what there is
        self._left = self.start

    def read(self, size: int = -1) -> bytes:
        """Read as the file would have."""
        if not self._left:
            data = self.file.read(size)
            if self.notice is not None:
                self.notice(len(data))
            return data
        left, self._left = self._left, b""
        if 0 <= size < len(left):
            self._left = left[size:]
            return left[:size]
        more = self.file.read(size - len(left) if size > 0 else size)
        return left + (more or b"")

    def close(self) -> None:
        """Close the file, unless it is standard input."""
        if self.file is not sys.stdin.buffer:
            self.file.close()


class _Unpacked:
    """A compressed file; one that is damaged or cut gives what comes before that."""

    def __init__(
        self,
        packed: _Peeked,
        some: Callable[[int], bytes],
        damages: tuple[type[Exception], ...],
    ) -> None:
        self._packed = packed
        self._some = some
        self._damages = damages
        self._at = 0

    def read(self, size: int) -> bytes:
        """Read up to `size` octets, none at the end; raises CaptureError at the damage."""
        try:
            data = self._some(size)
        except self._damages as error:
            raise CaptureError(f"the compression is damaged: {error}", self._at) from None
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close the file beneath."""
        self._packed.close()


def in_order(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Return the paths of one capture in the order in which they were written.

    A folder stands for the captures in it, a URL with a `*` for those that match. The files of a
    rotated series differ in a number, which counts as a number: trace.pcap9 comes before
    trace.pcap10.
    """
    for path in paths:
        if is_folder(str(path)):
            yield from sorted(files_in(str(path)), key=_by_number)
        else:
            yield str(path)


def _by_number(name: str) -> list[tuple[int, int, str]]:
    parts = _DIGITS.split(name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]
