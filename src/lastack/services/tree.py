"""A directory that nobody gets out of: names from the network become open files below it.

Symbolic links are followed as long as they stay inside. After that has been found out, every part
of the path is opened from the one before it without following links, so that nobody can exchange a
directory for a link in between.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

UPLOAD: Final = b".lastack-upload-"
"""How the names of unfinished uploads begin; they are neither shown nor served."""


class Outside(PermissionError):
    """A path leads out of the directory."""


class Tree:
    """The directory `root` and what is below it."""

    root: bytes
    _descriptor: int

    def __init__(self, root: Path) -> None:
        self.root = os.fsencode(root.resolve(strict=True))
        self._descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the directory; harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def open(self, path: bytes) -> int:
        """Return a descriptor of the file or directory at a decoded path, for reading.

        Raises Outside, and the OSError of what is not there or not permitted.
        """
        parts = self._inside(_parts(path))
        if not parts:
            return os.dup(self._descriptor)
        # O_NONBLOCK: opening a FIFO must not wait for whoever writes to it.
        return self._walk(parts, os.O_RDONLY | os.O_NONBLOCK)

    def open_parent(self, path: bytes) -> tuple[int, bytes]:
        """Return a descriptor of the directory that a path stands in, and the last name.

        Raises IsADirectoryError for a path that has no last name.
        """
        parts = _parts(path)
        if not parts or path.endswith(b"/"):
            raise IsADirectoryError(errno.EISDIR, "the name of a file is missing")
        above = self._inside(parts[:-1])
        if not above:
            return os.dup(self._descriptor), parts[-1]
        return self._walk(above, os.O_RDONLY | os.O_DIRECTORY), parts[-1]

    def leads_inside(self, path: bytes) -> bool:
        """Return whether there is something at a path, and it is not outside."""
        try:
            return os.path.lexists(os.path.join(self.root, *self._inside(_parts(path))))
        except OSError:
            return False

    def _inside(self, parts: list[bytes]) -> list[bytes]:
        """Return the parts of the real path below the root."""
        real = os.path.realpath(os.path.join(self.root, *parts))
        if real == self.root:
            return []
        prefix = self.root if self.root.endswith(b"/") else self.root + b"/"
        if not real.startswith(prefix):
            raise Outside(errno.EACCES, "this leads out of the directory")
        return real[len(prefix) :].split(b"/")

    def _walk(self, parts: list[bytes], last_flags: int) -> int:
        """Open one part after the other, from the root down, without following a link."""
        descriptor = os.dup(self._descriptor)
        for place, part in enumerate(parts):
            flags = os.O_RDONLY | os.O_DIRECTORY if place < len(parts) - 1 else last_flags
            try:
                below = os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor


def _parts(path: bytes) -> list[bytes]:
    """Return the names in a path; raises Outside where one of them goes up."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise Outside(errno.EACCES, "a path must not go up")
    if b"\0" in path or any(part.startswith(UPLOAD) for part in parts):
        raise FileNotFoundError(errno.ENOENT, "there is no such file")
    return parts


def is_directory(descriptor: int) -> bool:
    """Return whether an open file is a directory."""
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)
