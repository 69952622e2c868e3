"""The server's side of HTTP/1.1 (RFC 9110, RFC 9112): requests in, answers out, over any stream."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from lastack import __version__
from lastack.services.messages import (
    CHUNKED,
    PIECE,
    Headers,
    HttpError,
    Incomplete,
    body_length,
    body_pieces,
    drained,
    parse_fields,
    read_head,
)

IDLE: Final = 75.0
"""Seconds that a client may take for its next request, and for each piece of a body."""
_LINGER: Final = 3.0
_SMALL_REST: Final = 64 * 1024
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\xff]+) HTTP/(\d)\.(\d)")

Fields = list[tuple[str, str]]


class Exchange:
    """One request and its answer.

    `path` is percent-decoded octets, without the query. Whoever answers calls `respond` once, or
    `begin` and then `write` until the announced length is reached.
    """

    method: str
    target: str
    path: bytes
    version: tuple[int, int]
    headers: Headers
    length: int
    status: int
    sent: int
    keep_alive: bool
    body_done: bool
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _announced: int
    _continue_owed: bool

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.method = self.target = "-"
        self.path = b""
        self.version = (1, 1)
        self.headers = Headers()
        self.length = self.status = self.sent = self._announced = 0
        self.keep_alive = self._continue_owed = False
        self.body_done = True
        self._reader = reader
        self._writer = writer

    async def read(self) -> bool:
        """Read the head of the request; False when the client has had enough."""
        try:
            async with asyncio.timeout(IDLE):
                lines = await read_head(self._reader)
        except TimeoutError:
            return False
        if lines is None:
            return False
        self._parse(lines)
        return True

    def _parse(self, lines: list[bytes]) -> None:
        found = _REQUEST_LINE.fullmatch(lines[0])
        if found is None:
            raise HttpError(400, "the first line is no request")
        self.method, self.target = found[1].decode("ascii"), found[2].decode("latin-1")
        self.version = int(found[3]), int(found[4])
        if self.version[0] != 1:
            raise HttpError(505, "this server speaks HTTP/1.1")
        self.headers = parse_fields(lines[1:])
        if self.version >= (1, 1) and len(self.headers.all("Host")) != 1:
            raise HttpError(400, "a request has exactly one Host")
        self.path = _path_of(self.target)
        wishes = self.headers.words("Connection")
        self.length = body_length(self.headers) or 0
        if self.length == CHUNKED and self.version < (1, 1):
            raise HttpError(400, "HTTP/1.0 knows no chunks")
        self.body_done = self.length == 0
        expected = self.headers.words("Expect")
        if expected and self.version >= (1, 1):
            if expected != ["100-continue"]:
                raise HttpError(417, "only 100-continue can be expected")
            self._continue_owed = not self.body_done
        self.keep_alive = "close" not in wishes and (
            self.version >= (1, 1) or "keep-alive" in wishes
        )

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the request's body; a client that waits for it is told to go on."""
        if self._continue_owed:
            self._continue_owed = False
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for piece in body_pieces(self._reader, self.length, IDLE):
            yield piece
        self.body_done = True

    async def rest_of_body(self) -> None:
        """Read past a small body that nobody wanted; otherwise the stream ends after the answer."""
        if not self.body_done and not self._continue_owed and 0 <= self.length <= _SMALL_REST:
            async for _ in self.body():
                pass
        if not self.body_done:
            self.keep_alive = False

    async def respond(self, status: int, fields: Fields, body: bytes = b"") -> None:
        """Send a whole answer."""
        await self.begin(status, fields, len(body))
        if body:
            await self.write(body)

    async def explain(self, status: int, sentence: str, fields: Fields | None = None) -> None:
        """Send an answer that is a sentence."""
        body = f"{status} {HTTPStatus(status).phrase}: {sentence}\n".encode()
        await self.respond(
            status, [*(fields or []), ("Content-Type", "text/plain; charset=utf-8")], body
        )

    async def begin(self, status: int, fields: Fields, length: int) -> None:
        """Send the head of an answer with a body of this many octets (none for HEAD, 204, 304)."""
        if not self.body_done and (self._continue_owed or not 0 <= self.length <= _SMALL_REST):
            self.keep_alive = False
        self.status = status
        bodiless = status in (204, 304)
        self._announced = 0 if self.method == "HEAD" or bodiless else length
        head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        head += [f"Date: {formatdate(usegmt=True)}", f"Server: lastack/{__version__}"]
        head += [f"{name}: {value}" for name, value in fields]
        if not bodiless:
            head.append(f"Content-Length: {length}")
        if not self.keep_alive:
            head.append("Connection: close")
        elif self.version < (1, 1):
            head.append("Connection: keep-alive")
        self._writer.write("\r\n".join([*head, "", ""]).encode("latin-1"))
        if self._announced == 0:
            await self._drained()

    async def write(self, piece: bytes) -> None:
        """Send a piece of the body, as soon as there is room for it; nothing for HEAD."""
        if self._announced:
            self._writer.write(piece)
            self.sent += len(piece)
            await self._drained()

    async def _drained(self) -> None:
        async with asyncio.timeout(IDLE):
            await drained(self._writer)

    @property
    def complete(self) -> bool:
        """Whether the answer is as long as its head has said."""
        return self.status != 0 and self.sent == self._announced


Answer = Callable[[Exchange], Awaitable[None]]
Told = Callable[[Exchange, str], None]


class HttpService:
    """Serves the requests of one stream after the other: call it with a reader and a writer.

    `answer` answers an exchange, or raises HttpError before it has begun to; `told` hears of each
    one that is over, with the client's address.
    """

    def __init__(self, answer: Answer, told: Told | None = None) -> None:
        self.answer = answer
        self.told = told

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve until the client has had enough, makes no sense, or says nothing for long."""
        client = str(writer.get_extra_info("peername", ("?",))[0])
        try:
            while await self._one(reader, writer, client):
                pass
        except (Incomplete, TimeoutError, OSError):
            writer.transport.abort()

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str
    ) -> bool:
        """Serve one request; return whether another may follow."""
        exchange = Exchange(reader, writer)
        try:
            if not await exchange.read():
                return False
            await self._answer(exchange)
            await exchange.rest_of_body()
        except HttpError as error:
            # Where the request ends, nobody knows: the stream cannot go on.
            exchange.keep_alive = False
            if exchange.status == 0:
                await exchange.explain(error.status, error.sentence)
            await _linger(reader, writer)
            return False
        finally:
            if self.told is not None and (exchange.status or exchange.target != "-"):
                self.told(exchange, client)
        if not exchange.complete:
            # Less came than was promised: only a reset tells the client so for certain.
            writer.transport.abort()
            return False
        if not exchange.body_done:
            await _linger(reader, writer)
        return exchange.keep_alive

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self.answer(exchange)
        except HttpError as error:
            if exchange.status:
                raise
            await exchange.explain(error.status, error.sentence)


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End our side and read on for a moment (RFC 9112 9.6).

    Closing with data unread would reset the connection, and the answer could be lost with it.
    """
    with suppress(TimeoutError, OSError):
        writer.write_eof()
        async with asyncio.timeout(_LINGER):
            while await reader.read(PIECE):
                pass


def _path_of(target: str) -> bytes:
    """Return the decoded path of a request's target; raises HttpError 400 for what has none."""
    if target == "*":
        return b"/"
    if not target.startswith("/"):
        try:
            parts = urlsplit(target)
        except ValueError:
            raise HttpError(400, "the target of the request is malformed") from None
        if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
            raise HttpError(400, "the target of the request is no path")
        target = parts.path or "/"
    path = target.partition("?")[0].partition("#")[0]
    return unquote_to_bytes(path.encode("latin-1"))
