"""TCP-AO (RFC 5925) with the algorithms of RFC 5926: keys, codes, sequence numbers of 64 bits.

A master key tuple (`AoKey`) is for every peer in a prefix. From it and from the two ends and their
ISNs a connection derives traffic keys, and with these makes the code in option 29. Numbers that
have gone once around are told apart by a Sequence Number Extension (RFC 5925 6.2), which follows
from the nearest number seen before, as in RFC 9187.
"""

import hmac
import struct
from dataclasses import dataclass, field
from typing import Final

from lastack.wire.address import Endpoint
from lastack.wire.segment import ACK, AUTHENTICATION, SYN, Segment
from lastack.wire.signing import (
    Signer,
    covers,
    header_of,
    options_around,
    place_of_signature,
    pseudo_header,
)
from lastack.wire.stop import Stop

HMAC_SHA1: Final = "hmac-sha-1-96"
AES_CMAC: Final = "aes-128-cmac-96"
ALGORITHMS: Final = (HMAC_SHA1, AES_CMAC)
LENGTH: Final = 16
"""Octets of the option: kind, length, KeyID, RNextKeyID and a code of 96 bits (RFC 5926 3.2)."""
MOST_ON_SYN: Final = 65535
"""Octets that a SYN carries at most."""
MOST_TRAFFIC_KEYS: Final = 64
"""Traffic keys that a connection keeps; whoever makes it derive more makes it forget the oldest."""
_MAC: Final = 12
_ISNS: Final = struct.Struct("!HHII")
_SNE: Final = struct.Struct("!I")
_BEYOND: Final = 1 << 32


@dataclass(frozen=True)
class AoKey:
    """A master key tuple (RFC 5925 3.1) for every peer in a prefix of `prefix_length` bits.

    `send_id` is what our segments say, `recv_id` what the peer's do: its `send_id` is our
    `recv_id`. `covers_options`: the code covers the other TCP options too. ValueError for an
    algorithm that there is not, or IDs outside 0 to 255; RuntimeError for AES-128-CMAC where the
    package `cryptography` is missing.
    """

    peer: bytes
    secret: bytes = field(repr=False)
    send_id: int
    recv_id: int
    algorithm: str = HMAC_SHA1
    prefix_length: int = -1
    """-1: all bits of the address."""
    covers_options: bool = True

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"{self.algorithm!r} is not one of {', '.join(ALGORITHMS)}")
        if not 0 <= self.send_id < 256 or not 0 <= self.recv_id < 256:
            raise ValueError("KeyIDs are numbers from 0 to 255")
        if self.algorithm == AES_CMAC:
            aes_cmac(bytes(16), b"")  # now, not when a segment comes


def ao_keys_for(keys: tuple[AoKey, ...], address: bytes) -> tuple[AoKey, ...]:
    """Return the keys that are for a peer, in their order."""
    return tuple([key for key in keys if covers(key.peer, key.prefix_length, address)])


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """Return AES-CMAC (RFC 4493) of a message.

    Raises RuntimeError where the package `cryptography` is not installed (the extra `ao`).
    """
    try:
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.cmac import CMAC
    except ImportError:
        raise RuntimeError("AES-128-CMAC needs `pip install lastack[ao]`") from None
    made = CMAC(AES(key))
    made.update(message)
    return bytes(made.finalize())


def traffic_key(algorithm: str, secret: bytes, context: bytes) -> bytes:
    """Return the traffic key for a context: KDF_HMAC_SHA1 or KDF_AES_128_CMAC (RFC 5926 3.1.1)."""
    if algorithm == HMAC_SHA1:
        return hmac.digest(secret, b"\x01TCP-AO" + context + b"\x00\xa0", "sha1")
    key = secret if len(secret) == 16 else aes_cmac(bytes(16), secret)
    return aes_cmac(key, b"\x01TCP-AO" + context + b"\x00\x80")


def code_of(algorithm: str, key: bytes, message: bytes) -> bytes:
    """Return the first 96 bits of the message's code under a traffic key (RFC 5926 3.2)."""
    if algorithm == HMAC_SHA1:
        return hmac.digest(key, message, "sha1")[:_MAC]
    return aes_cmac(key, message)[:_MAC]


def message_of(
    source: bytes, destination: bytes, segment: Segment, sne: int, covers_options: bool
) -> bytes:
    """Return what the code of a segment, option in place, is made of (RFC 5925 5.1)."""
    options = segment.options
    at = place_of_signature(options)
    blank = options[at : at + 4] + bytes(_MAC)
    if covers_options:
        blank = options[:at] + blank + options[at + LENGTH :]
    return b"".join(
        (
            _SNE.pack(sne),
            pseudo_header(source, destination, 20 + len(options) + segment.length),
            header_of(segment, len(options)),
            blank,
            *segment.parts,
        )
    )


def extended(number: int, near: int) -> int:
    """Return the number of 64 bits that ends in these 32 and is nearest to `near`."""
    offset = (number - near) & 0xFFFFFFFF
    if offset >= 0x80000000:
        offset -= _BEYOND
    return near + offset


class AoSigner(Signer):
    """One connection's side of TCP-AO (RFC 5925 4): its keys, the current one, both SNEs.

    `current` is the key that we sign with, `wanted` the one that we ask the peer for (RNextKeyID).
    The peer's wish changes `current`: a key changes without losing a segment. `heard_id` and
    `heard_wish` are KeyID and RNextKeyID of the last segment believed (RFC 5925 7.2), -1 for none.
    """

    local: Endpoint
    remote: Endpoint
    keys: tuple[AoKey, ...]
    current: AoKey
    wanted: AoKey
    iss: int
    irs: int
    heard: bool
    heard_id: int
    heard_wish: int
    sent: int
    received: int
    last: bool
    traffic: dict[tuple[int, int, int], bytes]

    def __init__(
        self, local: Endpoint, remote: Endpoint, keys: tuple[AoKey, ...], iss: int, last: bool
    ) -> None:
        self.room = LENGTH
        self.local = local
        self.remote = remote
        self.keys = keys
        self.current = keys[0]
        self.wanted = keys[0]
        self.iss = iss
        self.irs = 0
        self.heard = False
        self.heard_id = -1
        self.heard_wish = -1
        self.sent = iss
        self.received = 0
        self.last = last
        self.traffic = {}

    def synchronized(self, sent: int, irs: int, received: int) -> None:
        """Begin in the middle of a connection: with SND.NXT, IRS and RCV.NXT, if it has any."""
        self.sent = extended(sent, self.iss)
        if irs or received:
            self.heard = True
            self.irs = irs
            self.received = extended(received, irs)

    def use(self, keys: tuple[AoKey, ...]) -> None:
        """Take another set of keys; the first of them is the one that we ask the peer for.

        We go on signing with the one that we have, if it is still there, until the peer asks.
        """
        self.keys = keys
        self.wanted = keys[0]
        if self.current not in keys:
            self.current = keys[0]
        self.traffic = {}

    def sign(self, segment: Segment) -> None:
        key = self.current
        option = bytes((AUTHENTICATION, LENGTH, key.send_id, self.wanted.recv_id)) + bytes(_MAC)
        segment.options, at = options_around(segment.options, option, self.last)
        number = segment.seq if segment.flags & SYN else extended(segment.seq, self.sent)
        if number > self.sent:
            self.sent = number
        irs = 0 if segment.flags & (SYN | ACK) == SYN else self.irs
        code = self._code(key, True, segment, self.iss, irs, number)
        segment.options = segment.options[: at + 4] + code + segment.options[at + LENGTH :]

    def check(self, segment: Segment) -> Stop | None:
        options = segment.options
        at = place_of_signature(options)
        if at == -2:
            return Stop.SIGNED_TWICE
        if at < 0 or options[at] != AUTHENTICATION:
            return Stop.AO_MISSING
        if options[at + 1] != LENGTH:
            return Stop.AO_WRONG
        key = self._received_with(options[at + 2])
        if key is None:
            return Stop.AO_UNKNOWN_KEY
        flags = segment.flags
        irs = segment.seq if flags & SYN else self.irs
        iss = 0 if flags & (SYN | ACK) == SYN else self.iss
        number = segment.seq if flags & SYN else extended(segment.seq, self.received)
        code = self._code(key, False, segment, irs, iss, number)
        if not hmac.compare_digest(code, options[at + 4 : at + LENGTH]):
            return Stop.AO_WRONG
        self.heard_id, self.heard_wish = options[at + 2], options[at + 3]
        self._believed(segment, number, options[at + 3])
        return None

    def _believed(self, segment: Segment, number: int, wish: int) -> None:
        """A segment is the peer's: its number, and which key it asks for (RFC 5925 7.5 2 e)."""
        if segment.flags & SYN:
            # A SYN-ACK acknowledges our SYN and what rode on it (RFC 7413).
            beyond = (segment.ack - self.iss - 1) & 0xFFFFFFFF
            if self.heard or (segment.flags & ACK and beyond > MOST_ON_SYN):
                return
            self.heard = True
            self.irs = self.received = segment.seq
        elif number < self.received:
            return  # an old one knows nothing of the key of today
        else:
            self.received = number
        if wish != self.current.send_id:
            for key in self.keys:
                if key.send_id == wish:
                    self.current = key
                    return

    def _received_with(self, key_id: int) -> AoKey | None:
        for key in self.keys:
            if key.recv_id == key_id:
                return key
        return None

    def _code(
        self, key: AoKey, ours: bool, segment: Segment, source: int, destination: int, number: int
    ) -> bytes:
        """Return the code of a segment between the ISNs of its sender and its receiver."""
        here, there = (self.local, self.remote) if ours else (self.remote, self.local)
        index = ((1 if ours else 0) | self.keys.index(key) << 1, source, destination)
        traffic = self.traffic.get(index)
        if traffic is None:
            context = here.address + there.address
            context += _ISNS.pack(here.port, there.port, source, destination)
            traffic = traffic_key(key.algorithm, key.secret, context)
            if len(self.traffic) >= MOST_TRAFFIC_KEYS:
                del self.traffic[next(iter(self.traffic))]
            self.traffic[index] = traffic
        sne = (number >> 32) & 0xFFFFFFFF
        message = message_of(here.address, there.address, segment, sne, key.covers_options)
        return code_of(key.algorithm, traffic, message)
