"""HTTP/1.1 messages (RFC 9112): heads, fields and bodies read from a stream, for both sides."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final

PIECE: Final = 256 * 1024
"""Octets moved at once."""
CHUNKED: Final = -1
"""As the length of a body: it says itself where it ends."""

_MOST_FIELDS: Final = 100
_LONGEST_HEAD: Final = 32 * 1024
_LONGEST_CHUNK_LINE: Final = 4096
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


class HttpError(Exception):
    """A message that cannot be served: the status to answer with and a sentence."""

    status: int
    sentence: str

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence


class Incomplete(EOFError):
    """The stream has ended in the middle of a message."""


class Headers:
    """The fields of a message, in order; names are compared without regard to case."""

    fields: list[tuple[str, str]]

    def __init__(self, fields: list[tuple[str, str]] | None = None) -> None:
        self.fields = fields or []

    def get(self, name: str) -> str:
        """Return the values of a field, joined by commas as RFC 9110 5.3 has it; "" for none."""
        return ", ".join(self.all(name))

    def all(self, name: str) -> list[str]:
        """Return every value of a field, one by one."""
        wanted = name.lower()
        return [value for key, value in self.fields if key.lower() == wanted]

    def words(self, name: str) -> list[str]:
        """Return the elements of a list field in lower case: `Connection`, `Transfer-Encoding`."""
        return [word.strip().lower() for word in self.get(name).split(",") if word.strip()]


async def drained(writer: asyncio.StreamWriter) -> None:
    """Wait until there is room to write, and in any case let everybody else have a turn.

    drain() alone returns at once while there is room: one client after the other would be given a
    whole send buffer of data, and what the others send would have to wait for all of it.
    """
    await writer.drain()
    await asyncio.sleep(0)


async def read_head(reader: asyncio.StreamReader) -> list[bytes] | None:
    """Return the lines of the next head, None when the stream ends before one begins.

    Empty lines before it are skipped (RFC 9112 2.2). Raises HttpError 431 when it is too long, and
    Incomplete.
    """
    lines: list[bytes] = []
    size = 0
    while True:
        line = await _line(reader, _LONGEST_HEAD)
        if not line:
            if lines:
                raise Incomplete("the head of the message was cut off")
            return None
        size += len(line)
        if size > _LONGEST_HEAD or len(lines) > _MOST_FIELDS:
            raise HttpError(431, "the head of the message is too long")
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
        if line:
            lines.append(line)
        elif lines:
            return lines


async def _line(reader: asyncio.StreamReader, longest: int) -> bytes:
    """Return a line with its end, b"" at the end of the stream."""
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Incomplete("the message was cut off") from None
        return b""
    except asyncio.LimitOverrunError:
        raise HttpError(431, "a line of the message is too long") from None
    if len(line) > longest:
        raise HttpError(431, "a line of the message is too long")
    return line


def parse_fields(lines: list[bytes]) -> Headers:
    """Return the fields below a start line; raises HttpError 400 for what is none."""
    fields: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise HttpError(400, "a header line is malformed")
        fields.append((name.decode("ascii"), value.decode("latin-1")))
    return Headers(fields)


def body_length(headers: Headers) -> int | None:
    """Return the length that a message announces: octets, CHUNKED, or None for no word of it.

    Raises HttpError for lengths that contradict each other (RFC 9112 6.3), 501 for an encoding
    that we do not know.
    """
    lengths = {length.strip() for length in headers.get("Content-Length").split(",")} - {""}
    encodings = headers.words("Transfer-Encoding")
    if encodings:
        if lengths:
            raise HttpError(400, "a message has either a length or an encoding, not both")
        if encodings != ["chunked"]:
            raise HttpError(501, f"the encoding {', '.join(encodings)} is not known here")
        return CHUNKED
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length):
        raise HttpError(400, "the length of the message makes no sense")
    return int(length)


async def body_pieces(
    reader: asyncio.StreamReader, length: int | None, patience: float
) -> AsyncIterator[bytes]:
    """Yield the body of a message piece by piece; a `length` of None means to the stream's end.

    Raises Incomplete when the stream ends too early, TimeoutError when nothing has come for
    `patience` seconds, HttpError 400 for a malformed chunk.
    """
    if length == CHUNKED:
        async for piece in _chunks(reader, patience):
            yield piece
        return
    if length is None:
        while piece := await _some(reader, PIECE, patience):
            yield piece
        return
    async for piece in _exactly(reader, length, patience):
        yield piece


async def _some(reader: asyncio.StreamReader, limit: int, patience: float) -> bytes:
    async with asyncio.timeout(patience):
        return await reader.read(limit)


async def _exactly(
    reader: asyncio.StreamReader, length: int, patience: float
) -> AsyncIterator[bytes]:
    left = length
    while left:
        piece = await _some(reader, min(left, PIECE), patience)
        if not piece:
            raise Incomplete(f"the stream ended after {length - left:,} of {length:,} bytes")
        left -= len(piece)
        yield piece


async def _chunks(reader: asyncio.StreamReader, patience: float) -> AsyncIterator[bytes]:
    while size := await _chunk_size(reader, patience):
        async for piece in _exactly(reader, size, patience):
            yield piece
        async with asyncio.timeout(patience):
            end = await _line(reader, _LONGEST_CHUNK_LINE)
        if end not in (b"\r\n", b"\n"):
            raise HttpError(400, "a chunk is longer than it says")
    for _ in range(_MOST_FIELDS):
        async with asyncio.timeout(patience):
            line = await _line(reader, _LONGEST_CHUNK_LINE)
        if not line:
            raise Incomplete("the stream ended before the last chunk was complete")
        if line in (b"\r\n", b"\n"):
            return
    raise HttpError(431, "there are too many lines after the last chunk")


async def _chunk_size(reader: asyncio.StreamReader, patience: float) -> int:
    async with asyncio.timeout(patience):
        line = await _line(reader, _LONGEST_CHUNK_LINE)
    if not line:
        raise Incomplete("the stream ended before the last chunk")
    found = _CHUNK_SIZE.fullmatch(line)
    if found is None:
        raise HttpError(400, "the size of a chunk is malformed")
    return int(found[1], 16)
