"""Where files are: on this machine, or at a URL that fsspec knows (`s3://`, `gs://`, `memory://`)."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from lastack.errors import LastackError, error_for
from lastack.wire.capture import CaptureError


def is_url(path: str) -> bool:
    """Return whether a path is a URL, which fsspec opens."""
    return "://" in path


def open_place(path: str) -> BinaryIO:
    """Open a file for reading octets; raises OSError, ENOTSUP for a URL without fsspec."""
    if not is_url(path):
        return open(path, "rb", buffering=0)
    with _asked(path):
        system, inner = _found(path)
        return cast(BinaryIO, _Distant(system.open(inner, "rb")))


def is_file(path: str) -> bool:
    """Return whether it is a plain file, which can be read a second time."""
    if is_url(path):
        with _asked(path):
            system, inner = _found(path)
            return bool(system.isfile(inner))
    return os.path.isfile(path)


def size_of(path: str) -> int:
    """Return the octets of a plain file, 0 for what is none."""
    if not is_file(path):
        return 0
    if is_url(path):
        with _asked(path):
            system, inner = _found(path)
            return int(system.size(inner) or 0)
    return os.path.getsize(path)


def is_folder(path: str) -> bool:
    """Return whether it stands for the files in it; a URL with a `*` does, too."""
    if is_url(path):
        with _asked(path):
            system, inner = _found(path)
            return "*" in path or bool(system.isdir(inner))
    return path != "-" and Path(path).is_dir()


def files_in(path: str) -> list[str]:
    """Return the files that a folder, or a URL with a `*`, stands for, in no order."""
    if is_url(path):
        with _asked(path):
            system, inner = _found(path)
            names = system.glob(inner) if "*" in path else system.ls(inner, detail=False)
            return [str(system.unstrip_protocol(name)) for name in names if system.isfile(name)]
    return [str(one) for one in Path(path).iterdir() if one.is_file()]


def send(folder: str, url: str) -> None:
    """Put all files of a folder of this machine below a URL, in the same folders there."""
    with _asked(url):
        system, inner = _found(url)
        for file in Path(folder).rglob("*"):
            if file.is_file():
                there = f"{inner.rstrip('/')}/{file.relative_to(folder).as_posix()}"
                system.makedirs(there.rpartition("/")[0], exist_ok=True)
                system.put_file(str(file), there)


class _Distant:
    """A file at a URL: one that cannot be read on is as one that ends there."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """Read as the file would; raises CaptureError where that fails, for whatever reason."""
        try:
            data = self._file.read(size)
        except Exception as error:  # the library behind the URL has errors of its own
            problem = f"cannot be read on: {str(error) or type(error).__name__}"
            raise CaptureError(problem, self._at) from None
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def _asked(url: str) -> Iterator[None]:
    """Make an OSError that names the URL of whatever the library behind it raises."""
    try:
        yield
    except LastackError:
        raise
    except OSError as error:
        code = error.errno or _code_of(error)
        raise OSError(code, os.strerror(code), url) from None
    except Exception as error:
        raise error_for(errno.EIO, f"{url}: {str(error) or type(error).__name__}") from None


def _found(path: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path within it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        problem = f"{path} is a URL: pip install 'lastack[cluster]'"
        raise error_for(errno.ENOTSUP, problem) from None
    try:
        system, inner = url_to_fs(path)
    except (ImportError, ValueError) as error:  # the protocol's own library, or no such protocol
        raise error_for(errno.ENOTSUP, f"{path}: {error}") from None
    return system, str(inner)


def _code_of(error: OSError) -> int:
    if isinstance(error, FileNotFoundError):
        return errno.ENOENT
    return errno.EACCES if isinstance(error, PermissionError) else errno.EIO
