"""Files over HTTP: GET and HEAD with ranges and conditions, listings, PUT where it is allowed."""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate, parsedate_to_datetime
from mimetypes import guess_type
from pathlib import Path
from typing import Final
from urllib.parse import quote

from lastack.services.http import Exchange, Fields
from lastack.services.listing import listing
from lastack.services.messages import PIECE, HttpError
from lastack.services.tree import UPLOAD, Outside, Tree, is_directory

_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)
_STATUS_OF_ERRNO: Final = {
    errno.EACCES: 403,
    errno.EPERM: 403,
    errno.EROFS: 403,
    errno.ENOENT: 404,
    errno.ENOTDIR: 404,
    errno.ELOOP: 404,
    errno.ENXIO: 404,
    errno.ENAMETOOLONG: 414,
    errno.EISDIR: 409,
    errno.ENOSPC: 507,
    errno.EDQUOT: 507,
    errno.EFBIG: 507,
}


class Files:
    """Answers exchanges from a directory; `writable` allows PUT. Give `answer` to HttpService."""

    writable: bool
    tree: Tree

    def __init__(self, root: Path, writable: bool = False) -> None:
        self.tree = Tree(root)
        self.writable = writable

    def close(self) -> None:
        """Let go of the directory."""
        self.tree.close()

    async def answer(self, exchange: Exchange) -> None:
        """Answer one exchange."""
        method = exchange.method
        if method in ("GET", "HEAD"):
            await self._get(exchange)
        elif method == "PUT" and self.writable:
            await self._put(exchange)
        elif method == "OPTIONS":
            await exchange.respond(204, [("Allow", self._allowed())])
        elif method in ("PUT", "POST", "DELETE", "PATCH", "CONNECT", "TRACE"):
            await exchange.explain(
                405, f"{method} is not for this server", [("Allow", self._allowed())]
            )
        else:
            raise HttpError(501, f"{method} is not known here")

    def _allowed(self) -> str:
        return "GET, HEAD, OPTIONS, PUT" if self.writable else "GET, HEAD, OPTIONS"

    async def _get(self, exchange: Exchange) -> None:
        with _said_in_http():
            descriptor = self.tree.open(exchange.path)
        try:
            if is_directory(descriptor):
                await self._get_directory(exchange, descriptor)
            else:
                await _get_file(exchange, descriptor)
        finally:
            os.close(descriptor)

    async def _get_directory(self, exchange: Exchange, descriptor: int) -> None:
        if not exchange.path.endswith(b"/"):
            # One slash alone in front: two would name another host.
            place = quote(b"/" + exchange.path.lstrip(b"/") + b"/")
            await exchange.explain(301, f"it is a directory: {place}", [("Location", place)])
            return
        try:
            index = os.open(
                b"index.html", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor
            )
        except OSError:
            with _said_in_http():
                page = listing(self.tree, exchange.path, descriptor)
            await exchange.respond(200, [("Content-Type", "text/html; charset=utf-8")], page)
            return
        try:
            await _get_file(exchange, index, b"index.html")
        finally:
            os.close(index)

    async def _put(self, exchange: Exchange) -> None:
        if exchange.headers.all("Content-Range"):
            raise HttpError(400, "a part of a file cannot be put")
        with _said_in_http(missing=409):
            directory, name = self.tree.open_parent(exchange.path)
        try:
            existed = _may_be_replaced(directory, name)
            temporary = UPLOAD + secrets.token_hex(8).encode()
            try:
                await _store(exchange, directory, temporary)
                with _said_in_http():
                    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=directory)
                raise
        finally:
            os.close(directory)
        place = quote(exchange.path)
        await exchange.respond(204 if existed else 201, [("Location", place)])


@contextmanager
def _said_in_http(missing: int = 404) -> Iterator[None]:
    """Make an HttpError of what the file system says."""
    try:
        yield
    except Outside as error:
        raise HttpError(403, error.strerror or "") from None
    except OSError as error:
        status = _STATUS_OF_ERRNO.get(error.errno or 0, 500)
        sentence = (error.strerror or "it went wrong").lower()
        raise HttpError(missing if status == 404 else status, sentence) from None


def _may_be_replaced(directory: int, name: bytes) -> bool:
    """Return whether a name is taken; raises HttpError where it is not by a file of its own."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode):
        raise HttpError(409, "there is something else of that name")
    return True


async def _store(exchange: Exchange, directory: int, temporary: bytes) -> None:
    """Write the body of a request into a new file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _said_in_http():
        descriptor = os.open(temporary, flags, 0o666, dir_fd=directory)
    try:
        async for piece in exchange.body():
            with _said_in_http():
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


async def _get_file(exchange: Exchange, descriptor: int, name: bytes = b"") -> None:
    """Answer with an open file, with a part of it, or with the news that nothing is new."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise HttpError(403, "this is no file that could be sent")
    if exchange.path.endswith(b"/") and not name:
        raise HttpError(404, "this is no directory")
    size = found.st_size
    tag = f'"{found.st_mtime_ns:x}-{size:x}"'
    changed = int(found.st_mtime)
    fields: Fields = [
        ("ETag", tag),
        ("Last-Modified", formatdate(changed, usegmt=True)),
        ("Accept-Ranges", "bytes"),
    ]
    if _is_known(exchange, tag, changed):
        await exchange.respond(304, fields)
        return
    fields.append(("Content-Type", _media_type(name or exchange.path)))
    start, end, status = 0, size, 200
    asked = _range_of(exchange, tag, fields[1][1])
    if asked is not None:
        start, end = _resolve(asked, size)
        if start >= end:
            sentence = f"the file has {size:,} bytes"
            await exchange.explain(416, sentence, [("Content-Range", f"bytes */{size}")])
            return
        status = 206
        fields.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
    await exchange.begin(status, fields, end - start)
    if exchange.method == "HEAD":
        return
    while start < end:
        piece = os.pread(descriptor, min(PIECE, end - start), start)
        if not piece:
            return  # somebody has shortened the file; the exchange is not complete
        start += len(piece)
        await exchange.write(piece)


def _media_type(path: bytes) -> str:
    kind, encoding = guess_type(path.decode("latin-1"))
    if kind is None or encoding is not None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _is_known(exchange: Exchange, tag: str, changed: int) -> bool:
    """Return whether the client has this very file already (RFC 9110 13.1.2, 13.1.3)."""
    tags = exchange.headers.get("If-None-Match")
    if tags:
        known = [each.strip().removeprefix("W/") for each in tags.split(",")]
        return "*" in known or tag in known
    date = exchange.headers.get("If-Modified-Since")
    if not date:
        return False
    try:
        return changed <= parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return False


def _range_of(exchange: Exchange, tag: str, date: str) -> tuple[str, str] | None:
    """Return the first and the last octet of a single range, as text; None for the whole file."""
    if exchange.method != "GET":
        return None
    condition = exchange.headers.get("If-Range").strip()
    if condition and condition not in (tag, date):
        return None
    found = _RANGE.fullmatch(exchange.headers.get("Range"))
    if found is None or not (found[1] or found[2]):
        return None
    if found[1] and found[2] and int(found[1]) > int(found[2]):
        return None
    return found[1], found[2]


def _resolve(asked: tuple[str, str], size: int) -> tuple[int, int]:
    """Return start and end of a range in a file; an empty one cannot be satisfied."""
    first, last = asked
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
