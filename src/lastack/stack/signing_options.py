"""TCP_MD5SIG and TCP_MD5SIG_EXT: `struct tcp_md5sig` as Linux has it, and the keys it changes."""

import errno
import struct
from typing import Final

from lastack.errors import error_for
from lastack.tcp.config import Config
from lastack.wire.signing import Md5Key

AF_INET: Final = 2
AF_INET6: Final = 10
PREFIX: Final = 1
"""TCP_MD5SIG_FLAG_PREFIX: `prefix_length` counts."""
MOST_KEYS: Final = 1024
"""Keys that one socket takes at most; each segment's peer is looked up among them."""
_LONGEST: Final = 80
_MD5SIG: Final = struct.Struct("=128sBBHi80s")
_FAMILY: Final = struct.Struct("=H")


def pack_md5(address: bytes, secret: bytes, prefix_length: int = -1, family: int = 0) -> bytes:
    """Return the structure for TCP_MD5SIG, or with a prefix for TCP_MD5SIG_EXT.

    An empty secret takes the key away.
    """
    family = family or (AF_INET if len(address) == 4 else AF_INET6)
    # Behind the family: the port, and over IPv6 the flow label.
    storage = _FAMILY.pack(family) + bytes(2 if family == AF_INET else 6) + address
    flags = PREFIX if prefix_length >= 0 else 0
    return _MD5SIG.pack(storage, flags, max(prefix_length, 0), len(secret), 0, secret)


def with_md5_key(config: Config, value: bytes, extended: bool) -> Config:
    """Return the Config with the key that the structure names put in, or taken away.

    Raises EINVAL for what is none, ENOENT for a key to be taken away that there is not, ENOMEM for
    too many.
    """
    if len(value) < _MD5SIG.size:
        raise error_for(errno.EINVAL, "not a struct tcp_md5sig")
    storage, flags, prefix_length, length, _, secret = _MD5SIG.unpack_from(value)
    (family,) = _FAMILY.unpack_from(storage)
    if family == AF_INET:
        address = storage[4:8]
    elif family == AF_INET6:
        address = storage[8:24]
    else:
        raise error_for(errno.EINVAL, f"family {family}")
    bits = -1
    if extended and flags & PREFIX:
        bits = prefix_length
    if bits > 8 * len(address) or length > _LONGEST:
        raise error_for(errno.EINVAL, "no such prefix or key")
    mapped = bytes(10) + b"\xff\xff"
    if address.startswith(mapped) and len(address) == 16:
        address, bits = address[12:], max(bits - 96, 0) if bits >= 0 else -1
    others = tuple(
        [key for key in config.md5_keys if (key.peer, key.prefix_length) != (address, bits)]
    )
    if length == 0:
        if len(others) == len(config.md5_keys):
            raise error_for(errno.ENOENT, "no such key")
        return config.replace(md5_keys=others)
    if len(others) >= MOST_KEYS:
        raise error_for(errno.ENOMEM, f"{MOST_KEYS} keys")
    return config.replace(md5_keys=(*others, Md5Key(address, secret[:length], bits)))
