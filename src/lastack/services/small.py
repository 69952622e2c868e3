"""The small services of old: echo (RFC 862), discard (RFC 863) and chargen (RFC 864)."""

import asyncio
from typing import Final

from lastack.services.messages import PIECE, drained

_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_WIDTH: Final = 72


def _lines() -> bytes:
    """Return RFC 864's pattern: as many lines as there are printable characters, each one on."""
    twice = _PRINTABLE * 2
    count = len(_PRINTABLE)
    return b"".join(twice[start : start + _WIDTH] + b"\r\n" for start in range(count))


PATTERN: Final = _lines()
"""The characters that chargen repeats for ever."""
_BLOCK: Final = PATTERN * (PIECE // len(PATTERN))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back whatever comes, until the other side ends its own; then end this one."""
    while data := await reader.read(PIECE):
        writer.write(data)
        await drained(writer)


async def discard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Throw away whatever comes, until the other side ends."""
    while await reader.read(PIECE):
        pass


async def chargen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send lines of characters until the other side ends; what it sends is thrown away."""
    hearing = asyncio.ensure_future(discard(reader, writer))
    try:
        while not hearing.done():
            writer.write(_BLOCK)
            room = asyncio.ensure_future(drained(writer))
            await asyncio.wait((room, hearing), return_when=asyncio.FIRST_COMPLETED)
            if not room.done():
                room.cancel()
                break
            room.result()
    finally:
        if hearing.done() and not hearing.cancelled():
            hearing.exception()
        hearing.cancel()
