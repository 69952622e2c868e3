"""Control messages as the kernel lays them out in memory."""

import struct
from typing import Final

from lastack.stack.messages import Control

_HEADER: Final = struct.Struct("=Qii")


def split(octets: bytes) -> list[Control]:
    """Return level, type and body of each message."""
    found: list[Control] = []
    at = 0
    while at + _HEADER.size <= len(octets):
        size, level, kind = _HEADER.unpack_from(octets, at)
        if size < _HEADER.size:
            break
        found.append((level, kind, octets[at + _HEADER.size : at + size]))
        at += (size + 7) & ~7
    return found
