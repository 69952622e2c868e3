"""Where files are: on this machine, or at a URL that fsspec knows (`s3://`, `gs://`, `memory://`)."""

import errno
import os
from pathlib import Path
from typing import Any, BinaryIO, cast

from lastack.errors import error_for


def is_url(path: str) -> bool:
    """Return whether a path is a URL, which fsspec opens."""
    return "://" in path


def open_place(path: str) -> BinaryIO:
    """Open a file for reading octets; raises OSError, ENOTSUP for a URL without fsspec."""
    if not is_url(path):
        return open(path, "rb", buffering=0)
    system, inner = _found(path)
    try:
        return cast(BinaryIO, system.open(inner, "rb"))
    except OSError as error:
        code = error.errno or _code_of(error)
        raise OSError(code, os.strerror(code), path) from None
    except Exception as error:  # whatever the library behind a URL has of its own
        raise error_for(errno.EIO, f"{path}: {error}") from None


def is_file(path: str) -> bool:
    """Return whether it is a plain file, which can be read a second time."""
    if is_url(path):
        system, inner = _found(path)
        return bool(system.isfile(inner))
    return os.path.isfile(path)


def size_of(path: str) -> int:
    """Return the octets of a plain file, 0 for what is none."""
    if not is_file(path):
        return 0
    if is_url(path):
        system, inner = _found(path)
        return int(system.size(inner) or 0)
    return os.path.getsize(path)


def is_folder(path: str) -> bool:
    """Return whether it stands for the files in it; a URL with a `*` does, too."""
    if is_url(path):
        system, inner = _found(path)
        return "*" in path or bool(system.isdir(inner))
    return path != "-" and Path(path).is_dir()


def files_in(path: str) -> list[str]:
    """Return the files that a folder, or a URL with a `*`, stands for, in no order."""
    if is_url(path):
        system, inner = _found(path)
        names = system.glob(inner) if "*" in path else system.ls(inner, detail=False)
        return [str(system.unstrip_protocol(name)) for name in names if system.isfile(name)]
    return [str(one) for one in Path(path).iterdir() if one.is_file()]


def send(folder: str, url: str) -> None:
    """Put all files of a folder of this machine below a URL, in the same folders there."""
    system, inner = _found(url)
    for file in Path(folder).rglob("*"):
        if file.is_file():
            there = f"{inner.rstrip('/')}/{file.relative_to(folder).as_posix()}"
            system.makedirs(there.rpartition("/")[0], exist_ok=True)
            system.put_file(str(file), there)


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
