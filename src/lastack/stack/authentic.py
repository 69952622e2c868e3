"""Whose segments are signed, and what is believed: TCP-MD5 (RFC 2385) at the doors of a stack.

A connection whose Config has a key for its peer has a `Signer`. Every segment of its own is signed
on its way out, as the last thing that happens to it, and every segment of the peer's is checked
before it touches any state. Segments without a connection (resets, the ACKs of TIME-WAIT) are
signed with the key of their socket, or of their host.
"""

from lastack.stack.demux import Slot
from lastack.tcp.config import Config
from lastack.wire.segment import MD5_SIGNATURE, Segment
from lastack.wire.signing import Md5Signer, Signer, md5_key_for, place_of_signature
from lastack.wire.stop import Stop


def signer_for(config: Config, local: bytes, remote: bytes) -> Signer | None:
    """Return how segments to and from a peer are signed, None where no key is for it."""
    key = md5_key_for(config.md5_keys, remote)
    if key is None:
        return None
    return Md5Signer(local, remote, key.secret, config.option_order == "freebsd")


def renew(slot: Slot, config: Config) -> None:
    """Let a connection sign as its Config, which may have changed, has it."""
    connection = slot.connection
    tcb = connection.tcb
    slot.signer = signer_for(config, connection.local.address, connection.remote.address)
    tcb.signature_room = 0 if slot.signer is None else slot.signer.room
    if slot.signer is not None:
        tcb.max_size = 0  # a signature is for one segment: no device can divide it
    tcb.set_path()


def signature_stop(signer: Signer | None, segment: Segment) -> Stop | None:
    """Return why a segment, which is signed or is to be, is not believed; None when it is."""
    if signer is not None:
        return signer.check(segment)
    at = place_of_signature(segment.options)
    if at < 0:
        return Stop.SIGNED_TWICE
    return Stop.MD5_UNEXPECTED if segment.options[at] == MD5_SIGNATURE else Stop.AO_UNEXPECTED


def stranger_stop(config: Config, local: bytes, remote: bytes, segment: Segment) -> Stop | None:
    """Return why a segment for no connection is not believed, by the keys of a socket or host."""
    signer = signer_for(config, local, remote) if config.md5_keys else None
    return signature_stop(signer, segment) if segment.signed or signer is not None else None
