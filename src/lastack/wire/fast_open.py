"""The Fast Open option (RFC 7413 4.1.1), and the experimental one it had before (RFC 6994).

    kind 34,  length 2 + n,             cookie of n octets
    kind 254, length 4 + n, 0xF989,     cookie of n octets

Without a cookie it is a request for one. Kind 254 is shared by experiments; who reads it looks at
the identifier behind the length and leaves those of others alone.
"""

from typing import Final

from lastack.wire.segment import END_OF_LIST, FAST_OPEN, NO_OPERATION

EXPERIMENT: Final = 254
"""RFC 6994 3: the kind that experiments share (253 is the other one)."""
MAGIC: Final = b"\xf9\x89"
"""The experiment identifier of Fast Open."""
_SHORTEST: Final = 4
_LONGEST: Final = 16


class FastOpenOption:
    """What one segment's option says: a cookie, b"" for a request."""

    cookie: bytes
    experimental: bool

    def __init__(self, cookie: bytes, experimental: bool) -> None:
        self.cookie = cookie
        self.experimental = experimental

    @property
    def valid(self) -> bool:
        """Whether the cookie is one: 4 to 16 octets, an even number of them (RFC 7413 4.1.1)."""
        return _SHORTEST <= len(self.cookie) <= _LONGEST and len(self.cookie) % 2 == 0


def find_fast_open(options: bytes) -> FastOpenOption | None:
    """Return the last Fast Open option of a list, None when there is none before its first fault.

    One whose cookie has an impossible length is returned too, and is not `valid`.
    """
    found: FastOpenOption | None = None
    at = 0
    end = len(options)
    while at < end:
        kind = options[at]
        if kind == NO_OPERATION:
            at += 1
            continue
        if kind == END_OF_LIST or at + 1 >= end:
            break
        size = options[at + 1]
        if size < 2 or at + size > end:
            break
        if kind == FAST_OPEN:
            found = FastOpenOption(options[at + 2 : at + size], False)
        elif kind == EXPERIMENT and size >= 4 and options[at + 2 : at + 4] == MAGIC:
            found = FastOpenOption(options[at + 4 : at + size], True)
        at += size
    return found


def write_fast_open(cookie: bytes, experimental: bool) -> bytes:
    """Return the option's octets, without padding; an empty cookie makes a request."""
    if experimental:
        return bytes((EXPERIMENT, 4 + len(cookie))) + MAGIC + cookie
    return bytes((FAST_OPEN, 2 + len(cookie))) + cookie
