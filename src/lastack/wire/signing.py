"""Signed segments: the keys, where the option stands, and what is signed (RFC 2385, RFC 5925 5.1).

Both options cover the pseudo-header and the TCP header with a checksum of zero. What differs is
what stands around that: `Md5Signer` here, TCP-AO in `wire.ao`.
"""

import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from hashlib import md5
from typing import Final

from lastack.wire.segment import (
    AUTHENTICATION,
    END_OF_LIST,
    HEADER,
    MD5_SIGNATURE,
    NO_OPERATION,
    SACK,
    Segment,
)
from lastack.wire.stop import Stop

MOST_OPTIONS: Final = 40
"""Octets of options that a TCP header holds at most (RFC 9293 3.1)."""
MD5_LENGTH: Final = 18
_PSEUDO4: Final = struct.Struct("!4s4sBBH")
_PSEUDO6: Final = struct.Struct("!16s16sI3xB")
_TCP: Final = 6
_BLANK_MD5: Final = bytes((MD5_SIGNATURE, MD5_LENGTH)) + bytes(16)


@dataclass(frozen=True)
class Md5Key:
    """A key of TCP-MD5 for every peer in a prefix of `prefix_length` bits (RFC 2385)."""

    peer: bytes
    secret: bytes = field(repr=False)
    prefix_length: int = -1
    """-1: all bits of the address."""


def covers(peer: bytes, prefix_length: int, address: bytes) -> bool:
    """Return whether an address is in the prefix that a key is for."""
    if len(peer) != len(address):
        return False
    if prefix_length < 0:
        return peer == address
    shift = len(peer) * 8 - prefix_length
    return int.from_bytes(peer, "big") >> shift == int.from_bytes(address, "big") >> shift


def md5_key_for(keys: tuple[Md5Key, ...], address: bytes) -> Md5Key | None:
    """Return the key for a peer, that of the longest prefix; None without one."""
    found: Md5Key | None = None
    longest = -1
    for key in keys:
        if covers(key.peer, key.prefix_length, address):
            length = key.prefix_length if key.prefix_length >= 0 else 8 * len(key.peer)
            if length > longest:
                found, longest = key, length
    return found


def pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Return the pseudo-header of a segment of `length` octets, header and options included."""
    if len(source) == 4:
        return _PSEUDO4.pack(source, destination, 0, _TCP, length)
    return _PSEUDO6.pack(source, destination, length, _TCP)


def header_of(segment: Segment, options_length: int) -> bytes:
    """Return the TCP header without options, its checksum zero, for so many octets of options."""
    return HEADER.pack(
        segment.source_port,
        segment.destination_port,
        segment.seq,
        segment.ack,
        (20 + options_length) << 10 | segment.flags,
        segment.window,
        0,
        segment.urgent,
    )


def md5_digest(
    source: bytes, destination: bytes, segment: Segment, options_length: int, secret: bytes
) -> bytes:
    """Return the digest over pseudo-header, header without options, data and key (RFC 2385 2)."""
    length = 20 + options_length + segment.length
    digest = md5(pseudo_header(source, destination, length), usedforsecurity=False)
    digest.update(header_of(segment, options_length))
    for part in segment.parts:
        digest.update(part)
    digest.update(secret)
    return digest.digest()


class Signer(ABC):
    """How the segments between two ends are signed; `room` is what that takes of a header."""

    room: int

    @abstractmethod
    def sign(self, segment: Segment) -> None:
        """Put the option into a segment of ours."""

    @abstractmethod
    def check(self, segment: Segment) -> Stop | None:
        """Return what is wrong with the signature of a segment of the peer's."""


class Md5Signer(Signer):
    """TCP-MD5: one key, the digest in option 19 (RFC 2385). `last` is for `options_around`."""

    local: bytes
    remote: bytes
    secret: bytes
    last: bool

    def __init__(self, local: bytes, remote: bytes, secret: bytes, last: bool) -> None:
        self.room = padded(MD5_LENGTH)
        self.local = local
        self.remote = remote
        self.secret = secret
        self.last = last

    def sign(self, segment: Segment) -> None:
        options, at = options_around(segment.options, _BLANK_MD5, self.last)
        digest = md5_digest(self.local, self.remote, segment, len(options), self.secret)
        segment.options = options[: at + 2] + digest + options[at + MD5_LENGTH :]

    def check(self, segment: Segment) -> Stop | None:
        options = segment.options
        at = place_of_signature(options)
        if at == -2:
            return Stop.SIGNED_TWICE
        if at < 0 or options[at] != MD5_SIGNATURE:
            return Stop.MD5_MISSING
        digest = md5_digest(self.remote, self.local, segment, len(options), self.secret)
        return None if options[at + 2 : at + options[at + 1]] == digest else Stop.MD5_WRONG


# where the option stands


def place_of_signature(options: bytes) -> int:
    """Return where the one option of kind 19 or 29 begins; -1 for none, -2 for more than one."""
    found = -1
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == NO_OPERATION:
            at += 1
            continue
        if kind == END_OF_LIST or at + 1 >= len(options):
            break
        size = options[at + 1]
        if size < 2 or at + size > len(options):
            break
        if kind in (MD5_SIGNATURE, AUTHENTICATION):
            if found >= 0:
                return -2
            found = at
        at += size
    return found


def padded(length: int) -> int:
    """Return the octets of option list that an option of this length takes, padding and all."""
    return (length + 3) // 4 * 4


def options_around(options: bytes, option: bytes, last: bool) -> tuple[bytes, int]:
    """Return the list with an option put in, and where that is.

    It stands first, as in Linux, or with `last` behind all but SACK, as in FreeBSD. What does not
    fit any more is left out from the end: to sign comes before everything else.
    """
    if not last:
        front = bytes((NO_OPERATION,)) * (-len(option) % 4)
        kept = _fitting(options, MOST_OPTIONS - len(front) - len(option))
        return front + option + kept, len(front)
    head, tail = _before_sack(options)
    head = _fitting(_bare(head), MOST_OPTIONS - padded(len(option)))
    head = _bare(head)
    front = head + bytes((NO_OPERATION,)) * (-(len(head) + len(option)) % 4)
    whole = front + option
    return whole + _fitting(tail, MOST_OPTIONS - len(whole)), len(front)


def _before_sack(options: bytes) -> tuple[bytes, bytes]:
    """Return the list up to a SACK option and its padding, and the rest."""
    for at, kind, _ in _walk(options):
        if kind == SACK:
            start = at
            while start > 0 and options[start - 1] == NO_OPERATION and start > at - 2:
                start -= 1
            return options[:start], options[start:]
    return options, b""


def _bare(options: bytes) -> bytes:
    """Return the list without what pads it at its end."""
    end = 0
    for at, _, size in _walk(options):
        end = at + size
    return options[:end]


def _fitting(options: bytes, room: int) -> bytes:
    """Return as many of the options, from the first on, as fit, padded to whole words."""
    if padded(len(options)) <= room:
        return options + bytes(-len(options) % 4)
    end = 0
    for at, _, size in _walk(options):
        if padded(at + size) > room:
            break
        end = at + size
    return options[:end] + bytes(-end % 4)


def _walk(options: bytes) -> list[tuple[int, int, int]]:
    """Return (place, kind, size) of each option that is more than padding."""
    found: list[tuple[int, int, int]] = []
    at = 0
    while at < len(options) and options[at] != END_OF_LIST:
        if options[at] == NO_OPERATION:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            break
        found.append((at, options[at], size))
        at += size
    return found
