"""The header that every segment of a synchronized connection gets."""

import struct
from typing import Final

from lastack.tcp import ecn, user_timeout
from lastack.tcp.ecn_state import NONE
from lastack.tcp.mtu_probing import is_probe
from lastack.tcp.tcb import LEAST_MSS, Tcb
from lastack.units import NEVER
from lastack.wire.segment import FIN, URG, Part, Segment
from lastack.wire.seq import diff, gt, lt

_TIMESTAMPS: Final = struct.Struct("!BBBBII")
_BLOCK: Final = struct.Struct("!II")


def room_for_data(tcb: Tcb, again: bool = False) -> int:
    """Return the octets of data that fill the next segment, SACK blocks taking theirs.

    What goes `again` has no AccECN option, which would make it longer than it was.
    """
    found = _sackable(tcb)
    ecn_size = 0 if again else tcb.ecn.option_size
    if not found and not ecn_size:
        return tcb.mss
    if ecn_size:
        ecn_size = room_for_ecn(tcb, found)
    room = tcb.mss - ecn_size
    blocks = min(found, most_blocks(tcb, ecn_size))
    if blocks:
        room -= 4 + 8 * blocks
    return room if room > LEAST_MSS else LEAST_MSS


def _sackable(tcb: Tcb) -> int:
    """Return how many blocks there are that SACK could speak of."""
    blocks = tcb.rcv.blocks
    return len(blocks) if blocks is not None and tcb.sack_on else 0


def most_blocks(tcb: Tcb, ecn_size: int = 0) -> int:
    """Return how many SACK blocks fit beside timestamps, marks and a signature (RFC 2018 3)."""
    return (36 - (12 if tcb.ts_on else 0) - ecn_size - tcb.signature_room) // 8


def room_for_ecn(tcb: Tcb, blocks: int) -> int:
    """Return the octets that the AccECN option takes, 0 where there is no room for it.

    Two SACK blocks are more important (RFC 9768 3.2.3.3).
    """
    size = tcb.ecn.option_size
    return size if most_blocks(tcb, size) >= min(blocks, 2) else 0


def options_of(tcb: Tcb, now: int, duplicate: tuple[int, int] | None, bare: bool = False) -> bytes:
    """Return timestamps, and SACK blocks (a D-SACK first) when there is something to say.

    No MSS: that belongs on a SYN (MUST-65). `bare` leaves it at timestamps.
    """
    options = b""
    if tcb.ts_on:
        options = _TIMESTAMPS.pack(1, 1, 8, 10, tcb.timestamp(now), tcb.ts_recent)
    ecn_size = 0
    if tcb.ecn.option_size and not bare:
        ecn_size = room_for_ecn(tcb, _sackable(tcb) + (1 if duplicate is not None else 0))
        if ecn_size:
            options += ecn.option(tcb)
    waiting = tcb.rcv.blocks is not None
    if not bare and tcb.sack_on and (waiting or duplicate is not None):
        most = most_blocks(tcb, ecn_size)
        if most == 0:
            return options
        blocks = [] if duplicate is None else [duplicate]
        if waiting:
            blocks += tcb.rcv.sack_blocks(most - len(blocks))
        options += bytes((1, 1, 5, 2 + 8 * len(blocks)))
        for low, high in blocks:
            options += _BLOCK.pack(low, high)
    return options


def make(
    tcb: Tcb,
    seq: int,
    flags: int,
    parts: tuple[Part, ...],
    length: int,
    now: int,
    duplicate: tuple[int, int] | None = None,
) -> Segment:
    """Make a segment of a synchronized connection; it acknowledges all that has come."""
    rcv, snd = tcb.rcv, tcb.snd
    window = rcv.window(tcb.mss) >> rcv.scale
    urgent = 0
    if gt(snd.up, seq) and (flags & FIN or length or lt(snd.una, snd.up)):
        flags |= URG  # MUST-30
        # MUST-62: behind the urgent data; MUST-31: as near as 16 bits come to it.
        urgent = min(diff(snd.up, seq), 65535)
    plain = rcv.blocks is None and duplicate is None
    if tcb.ecn.feedback is not NONE:
        pure = not length and not flags & FIN and plain
        flags |= ecn.flags_of(tcb, pure)
    mss = room_for_data(tcb) if length else 0
    if tcb.ts_on or not plain or tcb.ecn.option_size:
        options = options_of(tcb, now, duplicate)
    else:
        options = b""
    if tcb.user_timeout_owed and not length:
        tcb.user_timeout_owed = False
        options = user_timeout.option_of(tcb, options)
    tcb.ack_now = False  # MUST-58: one ACK for all that has been processed
    tcb.unacked_segments = 0
    tcb.timers.delayed_ack = NEVER
    tcb.last_ack_sent = rcv.nxt
    tcb.segments_sent += 1
    gso_size = 0
    if length > mss:
        gso_size = mss
        tcb.segments_sent += (length - 1) // mss
    if gso_size and is_probe(tcb, seq):
        gso_size = 0  # however long, it is one segment
    return Segment(
        tcb.local.port,
        tcb.remote.port,
        seq,
        rcv.nxt,
        flags,
        window if window < 65536 else 65535,
        urgent,
        options,
        parts,
        length,
        gso_size,
    )
