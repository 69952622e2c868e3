"""The client's side of HTTP/1.1: one GET over a stream, its body piece by piece."""

import asyncio
import re
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from lastack import __version__
from lastack.services.messages import (
    Headers,
    HttpError,
    Incomplete,
    body_length,
    body_pieces,
    parse_fields,
    read_head,
)

PATIENCE: Final = 75.0
"""Seconds that a server may take for its answer, and for each piece of it."""
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: (.*))?")
_SAFE: Final = "/%:@!$&'()*+,;=~?"


class Url(NamedTuple):
    """What of a URL matters to us."""

    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as the Host field has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


def parse_url(text: str) -> Url:
    """Return the parts of `http://ADDRESS[:PORT][/PATH]`; raises ValueError with a sentence."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no URL: {error}") from None
    if parts.scheme.lower() != "http":
        raise ValueError(f"{parts.scheme}:// is not spoken here; only http:// is")
    if parts.username is not None:
        raise ValueError("a user name in the URL is not supported")
    host = parts.hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(
            f"{host!r} is no address: write the host as 10.9.0.1 or [fd00:9::1]"
        ) from None
    target = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        target += "?" + quote(parts.query, safe=_SAFE)
    return Url(str(address), 80 if port is None else port, target)


class Answer:
    """The head of an answer; `length` is None where the end of the stream ends the body."""

    status: int
    reason: str
    headers: Headers
    length: int | None
    _reader: asyncio.StreamReader

    def __init__(self, lines: list[bytes], reader: asyncio.StreamReader) -> None:
        found = _STATUS_LINE.fullmatch(lines[0])
        if found is None:
            raise HttpError(502, "the server does not speak HTTP/1.1")
        self.status = int(found[1])
        self.reason = (found[2] or b"").decode("latin-1").strip()
        self.headers = parse_fields(lines[1:])
        self.length = 0 if self.status in (204, 304) else body_length(self.headers)
        self._reader = reader

    def body(self) -> AsyncIterator[bytes]:
        """Yield the body; raises Incomplete when it is shorter than announced."""
        return body_pieces(self._reader, self.length, PATIENCE)

    def __str__(self) -> str:
        return f"{self.status} {self.reason}".strip()


async def get(url: Url, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
    """Ask for a URL on a fresh connection and return the head of the final answer.

    Raises HttpError for nonsense, Incomplete for silence, TimeoutError.
    """
    request = (
        f"GET {url.target} HTTP/1.1\r\nHost: {url.authority}\r\n"
        f"User-Agent: lastack/{__version__}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    writer.write(request.encode("latin-1"))
    while True:
        async with asyncio.timeout(PATIENCE):
            lines = await read_head(reader)
        if lines is None:
            raise Incomplete("the server ended the connection without an answer")
        answer = Answer(lines, reader)
        if answer.status >= 200:
            return answer
