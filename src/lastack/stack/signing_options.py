"""The structures of TCP_MD5SIG, TCP_MD5SIG_EXT, TCP_AO_ADD_KEY and TCP_AO_DEL_KEY, as in Linux.

Each makes of a Config another one, with a key more or less.
"""

import errno
import struct
from typing import Final

from lastack.errors import error_for
from lastack.tcp.config import Config
from lastack.wire.ao import AES_CMAC, HMAC_SHA1, AoKey
from lastack.wire.signing import Md5Key

AF_INET: Final = 2
AF_INET6: Final = 10
PREFIX: Final = 1
"""TCP_MD5SIG_FLAG_PREFIX: `prefix_length` counts."""
MOST_KEYS: Final = 1024
"""Keys that one socket takes at most; each segment's peer is looked up among them."""
_LONGEST: Final = 80
_MD5SIG: Final = struct.Struct("=128sBBHi80s")
_AO_ADD: Final = struct.Struct("=128s64siIHBBBBBB80s")
_AO_DEL: Final = struct.Struct("=128siIHBBBBBB")
_AO_NAMES: Final = {b"hmac(sha1)": HMAC_SHA1, b"cmac(aes128)": AES_CMAC}
_SET: Final = 3
"""`set_current` and `set_rnext`."""
EXCLUDE_OPTIONS: Final = 2
"""TCP_AO_KEYF_EXCLUDE_OPT."""
_MAC_LENGTHS: Final = (0, 12)
_FAMILY: Final = struct.Struct("=H")


def pack_md5(address: bytes, secret: bytes, prefix_length: int = -1) -> bytes:
    """Return the structure for TCP_MD5SIG, or with a prefix for TCP_MD5SIG_EXT.

    An empty secret takes the key away.
    """
    flags = PREFIX if prefix_length >= 0 else 0
    return _MD5SIG.pack(_storage(address), flags, max(prefix_length, 0), len(secret), 0, secret)


def pack_ao(key: AoKey, first: bool = False) -> bytes:
    """Return the structure for TCP_AO_ADD_KEY; `first` asks the peer to use this key."""
    name = next(name for name, algorithm in _AO_NAMES.items() if algorithm == key.algorithm)
    bits = key.prefix_length if key.prefix_length >= 0 else 8 * len(key.peer)
    flags = 0 if key.covers_options else EXCLUDE_OPTIONS
    head = (_storage(key.peer), name, 0, 2 if first else 0, 0, bits, key.send_id, key.recv_id)
    return _AO_ADD.pack(*head, 12, flags, len(key.secret), key.secret)


def pack_ao_del(peer: bytes, send_id: int, recv_id: int, prefix_length: int = -1) -> bytes:
    """Return the structure for TCP_AO_DEL_KEY."""
    bits = prefix_length if prefix_length >= 0 else 8 * len(peer)
    return _AO_DEL.pack(_storage(peer), 0, 0, 0, bits, send_id, recv_id, 0, 0, 0)


def _storage(address: bytes) -> bytes:
    """Return a sockaddr: behind the family the port, and over IPv6 the flow label."""
    family = AF_INET if len(address) == 4 else AF_INET6
    return _FAMILY.pack(family) + bytes(2 if family == AF_INET else 6) + address


def _address(storage: bytes) -> bytes:
    (family,) = _FAMILY.unpack_from(storage)
    if family == AF_INET:
        return storage[4:8]
    if family == AF_INET6:
        return storage[8:24]
    raise error_for(errno.EINVAL, f"family {family}")


def with_md5_key(config: Config, value: bytes, extended: bool) -> Config:
    """Return the Config with the key that the structure names put in, or taken away.

    Raises EINVAL for what is none, ENOENT for a key to be taken away that there is not, ENOMEM for
    too many.
    """
    if len(value) < _MD5SIG.size:
        raise error_for(errno.EINVAL, "not a struct tcp_md5sig")
    storage, flags, prefix_length, length, _, secret = _MD5SIG.unpack_from(value)
    address = _address(storage)
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


def with_ao_key(config: Config, value: bytes) -> Config:
    """Return the Config with the key that the structure of TCP_AO_ADD_KEY has.

    Raises EINVAL for what is none, ENOENT for an algorithm that there is not, EEXIST where one of
    the IDs is taken for this peer, ENOMEM for too many.
    """
    if len(value) < _AO_ADD.size:
        raise error_for(errno.EINVAL, "not a struct tcp_ao_add")
    storage, name, _, wish, _, bits, send_id, recv_id, mac, flags, length, secret = (
        _AO_ADD.unpack_from(value)
    )
    peer = _address(storage)
    if bits > 8 * len(peer) or not 0 < length <= _LONGEST or mac not in _MAC_LENGTHS:
        raise error_for(errno.EINVAL, "no such prefix, key or length of a code")
    algorithm = _AO_NAMES.get(name.rstrip(b"\0"))
    if algorithm is None:
        raise error_for(errno.ENOENT, f"{name!r} is not one of {list(_AO_NAMES)}")
    covers_options = not flags & EXCLUDE_OPTIONS
    try:
        key = AoKey(peer, secret[:length], send_id, recv_id, algorithm, bits, covers_options)
    except RuntimeError as error:
        raise error_for(errno.ENOENT, str(error)) from None
    for other in config.ao_keys:
        if _same_peer(other, peer, bits) and (other.send_id == send_id or other.recv_id == recv_id):
            raise error_for(errno.EEXIST, f"a key with ID {send_id} or {recv_id}")
    if len(config.ao_keys) >= MOST_KEYS:
        raise error_for(errno.ENOMEM, f"{MOST_KEYS} keys")
    if wish & _SET:
        return config.replace(ao_keys=(key, *config.ao_keys))
    return config.replace(ao_keys=(*config.ao_keys, key))


def without_ao_key(config: Config, value: bytes) -> Config:
    """Return the Config without the key that the structure of TCP_AO_DEL_KEY names; or ENOENT."""
    if len(value) < _AO_DEL.size:
        raise error_for(errno.EINVAL, "not a struct tcp_ao_del")
    storage, _, _, _, bits, send_id, recv_id, _, _, _ = _AO_DEL.unpack_from(value)
    peer = _address(storage)
    kept = tuple(
        [
            key
            for key in config.ao_keys
            if not _same_peer(key, peer, bits) or (key.send_id, key.recv_id) != (send_id, recv_id)
        ]
    )
    if len(kept) == len(config.ao_keys):
        raise error_for(errno.ENOENT, "no such key")
    return config.replace(ao_keys=kept)


def _same_peer(key: AoKey, peer: bytes, bits: int) -> bool:
    own = key.prefix_length if key.prefix_length >= 0 else 8 * len(key.peer)
    return (key.peer, own) == (peer, bits)
