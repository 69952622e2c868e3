"""TCP's options as they stand in a captured header, which may be cut short or nonsense."""

from typing import Final

from librt.strings import read_i32_be
from mypy_extensions import i64

END_OF_OPTIONS: Final = 0
NO_OPERATION: Final = 1
WINDOW_SCALE: Final = 3
TIMESTAMPS: Final = 8

_AS_USUAL: Final = 0x0101080A
"""Two NOPs and the timestamps: all the options that most segments have."""


def option(data: bytes, at: i64, stop: i64, kind: i64, size: i64) -> i64:
    """Return where the value of an option of that kind and size begins in data[at:stop], or -1."""
    while at + 2 <= stop:
        found = i64(data[at])
        if found == END_OF_OPTIONS:
            break
        if found == NO_OPERATION:
            at += 1
            continue
        length = i64(data[at + 1])
        if length < 2 or at + length > stop:
            break
        if found == kind and length == size:
            return at + 2
        at += length
    return -1


def window_scale(data: bytes, at: i64, stop: i64) -> i64:
    """Return the shift in the options of a SYN, data[at:stop], as it stands there; or -1."""
    place = option(data, at, stop, WINDOW_SCALE, 3)
    return i64(data[place]) if place >= 0 else place


def timestamp(data: bytes, at: i64, stop: i64) -> i64:
    """Return TSval in the options data[at:stop], -1 without any."""
    if at + 12 <= stop and i64(read_i32_be(data, at)) == _AS_USUAL:
        place = at + 4
    else:
        place = option(data, at, stop, TIMESTAMPS, 10)
        if place < 0:
            return place
    return i64(read_i32_be(data, place)) & 0xFFFFFFFF
