"""Whose segments are signed, and what is believed: TCP-AO (RFC 5925), TCP-MD5 (RFC 2385).

A connection whose Config has a key for its peer has a `Signer`. Every segment of its own is signed
on its way out, as the last thing that happens to it, and every segment of the peer's is checked
before it touches any state. Segments without a connection (resets, the ACKs of TIME-WAIT) are
signed with the key of their socket, or of their host. Where a peer has keys of both kinds, those of
TCP-AO count (RFC 5925 8).
"""

from lastack.stack.demux import Slot
from lastack.tcp.config import Config
from lastack.wire.address import Endpoint
from lastack.wire.ao import AoSigner, ao_keys_for
from lastack.wire.segment import MD5_SIGNATURE, Segment
from lastack.wire.signing import Md5Signer, Signer, md5_key_for, place_of_signature
from lastack.wire.stop import Stop


def signer_for(config: Config, local: Endpoint, remote: Endpoint, iss: int = 0) -> Signer | None:
    """Return how segments to and from a peer are signed, None where no key is for it."""
    last = config.option_order == "freebsd"
    if config.ao_keys:
        keys = ao_keys_for(config.ao_keys, remote.address)
        if keys:
            return AoSigner(local, remote, keys, iss, last)
    key = md5_key_for(config.md5_keys, remote.address)
    if key is None:
        return None
    return Md5Signer(local.address, remote.address, key.secret, last)


def renew(slot: Slot, config: Config) -> None:
    """Let a connection sign as its Config, which may have changed, has it.

    Other keys of TCP-AO join a connection that has some; what it knows of numbers stays.
    """
    connection = slot.connection
    tcb = connection.tcb
    old = slot.signer
    signer = signer_for(config, connection.local, connection.remote, tcb.snd.iss)
    if isinstance(old, AoSigner) and isinstance(signer, AoSigner):
        old.use(signer.keys)
        return
    if isinstance(signer, AoSigner):
        signer.synchronized(tcb.snd.max, tcb.rcv.irs, tcb.rcv.nxt)
    slot.signer = signer
    tcb.signature_room = 0 if signer is None else signer.room
    if signer is not None:
        tcb.max_size = 0  # a signature is for one segment: no device can divide it
    tcb.set_path()


def has_keys(config: Config) -> bool:
    """Return whether any peer's segments are signed."""
    return len(config.ao_keys) > 0 or len(config.md5_keys) > 0


def signature_stop(signer: Signer | None, segment: Segment, config: Config) -> Stop | None:
    """Return why a segment, which is signed or is to be, is not believed; None when it is."""
    if signer is not None:
        return signer.check(segment)
    at = place_of_signature(segment.options)
    if at < 0:
        return Stop.SIGNED_TWICE
    if segment.options[at] == MD5_SIGNATURE:
        return Stop.MD5_UNEXPECTED
    return None if config.ao_unmatched_accepted else Stop.AO_UNEXPECTED


def stranger_stop(
    config: Config, local: Endpoint, remote: Endpoint, segment: Segment
) -> Stop | None:
    """Return why a segment for no connection is not believed, by the keys of a socket or host.

    With TCP-AO only a SYN can be: the code of anything else needs ISNs that nobody here knows any
    more (RFC 5925 7.7).
    """
    signer = signer_for(config, local, remote) if has_keys(config) else None
    if not segment.signed and signer is None:
        return None
    return signature_stop(signer, segment, config)
