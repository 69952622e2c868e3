"""The packet: what passes between a stack and a link.

A packet is one IP packet: `data[start:end]` and then `parts`. One that came in is all `data`. One
that goes out has its IP and TCP headers in `data` and the user's octets, never copied, in `parts`.

What the device does for us rides along: a packet with `gso_size` is a super-segment to be cut into
segments of that many octets of data, and `checksum` says who answers for the transport checksum.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from lastack.wire.segment import Part

CHECKSUM_PRESENT: Final = 0
"""The checksum stands in the packet and is to be checked by whoever receives it."""
CHECKSUM_OWED: Final = 1
"""Only the sum of the pseudo-header stands there: whoever sends it on must finish it."""
CHECKSUM_TRUSTED: Final = 2
"""The device has checked it."""

_NO_PARTS: Final[tuple[bytes, ...]] = ()


@mypyc_attr(acyclic=True, free_list_len=1)
class Packet:
    """One IP packet on its way in or out.

    `length` is in octets, headers included. With CHECKSUM_OWED, the sum begins `checksum_start`
    octets into the packet and is put `checksum_offset` octets behind that.
    """

    data: bytes
    start: int
    end: int
    parts: tuple[Part, ...]
    length: int
    gso_size: int
    checksum: int
    checksum_start: int
    checksum_offset: int

    def __init__(
        self,
        data: bytes,
        start: int = 0,
        end: int = -1,
        parts: tuple[Part, ...] = _NO_PARTS,
        parts_length: int = 0,
        gso_size: int = 0,
        checksum: int = CHECKSUM_PRESENT,
        checksum_start: int = 0,
        checksum_offset: int = 0,
    ) -> None:
        if end < 0:
            end = len(data)
        self.data = data
        self.start = start
        self.end = end
        self.parts = parts
        self.length = end - start + parts_length
        self.gso_size = gso_size
        self.checksum = checksum
        self.checksum_start = checksum_start
        self.checksum_offset = checksum_offset

    @property
    def version(self) -> int:
        """4 or 6 (or whatever else the first four bits say); 0 for an empty packet."""
        return self.data[self.start] >> 4 if self.end > self.start else 0

    def to_bytes(self) -> bytes:
        """Return the packet in one piece, just as it stands (an owed checksum stays owed)."""
        head = self.data[self.start : self.end]
        return b"".join((head, *self.parts)) if self.parts else head
