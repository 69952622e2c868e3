"""The options of a SYN: what we offer, and what of the peer's offer holds (RFC 9293 3.7.1)."""

import struct
from typing import Final

from lastack.tcp import ecn, user_timeout
from lastack.tcp.tcb import Tcb
from lastack.wire.segment import ABSENT, ACK, Segment

_MSS: Final = struct.Struct("!BBH")
_STAMPS: Final = struct.Struct("!BBII")


def scale_for(buffer: int) -> int:
    """Return the smallest shift that lets 16 bits speak of the whole buffer (RFC 7323 2.3)."""
    shift = 0
    while shift < 14 and (buffer >> shift) > 65535:
        shift += 1
    return shift


def _scale(tcb: Tcb) -> int:
    """Return the shift that we offer."""
    config = tcb.config
    buffer = max(config.receive_buffer, config.receive_most)  # two by two is compiled well
    return scale_for(max(buffer, config.scaled_buffer))


def _options_tried(tcb: Tcb) -> bool:
    """Return whether our SYN has gone with its options as often as the Config has it."""
    tries = tcb.config.syn_options_tries
    return 0 < tries <= tcb.retries


def _crowded(tcb: Tcb) -> bool:
    """Return whether timestamps give way to a long signature, as in Linux; FreeBSD fills 40 octets.

    Beside both there would be no room for a SACK block in any segment.
    """
    return tcb.signature_room > 16 and tcb.config.option_order != "freebsd"


def options(tcb: Tcb, flags: int, now: int, fast_open: bytes = b"") -> bytes:
    """Return the option list of our SYN, or of our SYN-ACK: there, only what the peer offered.

    `fast_open` is that option, without padding; it comes last, where there is room for it.
    """
    config = tcb.config
    if not config.syn_options:
        return b""
    answers = bool(flags & ACK)
    timestamps = tcb.ts_on if answers else config.timestamps and not _crowded(tcb)
    scale = tcb.scale_on if answers else config.window_scale
    sack = tcb.sack_on if answers else config.sack
    mss = _MSS.pack(2, 4, tcb.offered_mss())  # MUST-14, SHLD-5, MAY-3
    if not answers and _options_tried(tcb):
        return mss
    shift = _scale(tcb)
    stamps = _STAMPS.pack(8, 10, tcb.timestamp(now), tcb.ts_recent) if timestamps else b""
    if config.option_order == "freebsd":
        out = mss
        if scale:
            out += bytes((1, 3, 3, shift))
        if timestamps:
            out += (b"\x04\x02" if sack else b"\x01\x01") + stamps
        elif sack:
            out += b"\x04\x02"
        out += fast_open if len(out) + len(fast_open) <= 40 - tcb.signature_room else b""
        return out + bytes(-len(out) % 4)  # MUST-69: behind the end of the list stand zeros
    out = mss
    if timestamps:
        out += (b"\x04\x02" if sack else b"\x01\x01") + stamps
    elif sack:
        out += b"\x01\x01\x04\x02"
    if scale:
        out += bytes((1, 3, 3, shift))
    if answers:
        marks = ecn.syn_ack_option(tcb)
        out += marks if len(out) + len(marks) <= 40 - tcb.signature_room else b""
    if fast_open and len(out) + len(fast_open) <= 40 - tcb.signature_room:
        out += fast_open + b"\x01" * (-len(fast_open) % 4)
    return out


def learn(tcb: Tcb, segment: Segment, now: int) -> None:
    """Take from the peer's SYN its number, its MSS, and the options that both sides want."""
    config = tcb.config
    if segment.flags & ACK:
        ecn.learn_from_syn_ack(tcb, segment)
    else:
        ecn.learn_from_syn(tcb, segment)
    tcb.rcv.synchronize(segment.seq)
    tcb.rcv.in_steps = config.window_in_steps
    crosses = not tcb.passive and not segment.flags & ACK
    if not config.syn_options or (crosses and _options_tried(tcb)):
        # What we did not offer is not agreed on; and without any options the MSS is not heard.
        # But a SYN-ACK says what the peer has seen and will use, whichever SYN of ours that was.
        config = config.replace(timestamps=False, sack=False, window_scale=False)
    if segment.mss != ABSENT and segment.mss > 0 and config.syn_options:
        tcb.peer_mss = segment.mss  # MUST-14
    tcb.ts_on = config.timestamps and segment.ts_val != ABSENT
    if tcb.ts_on:
        tcb.ts_recent = segment.ts_val
        tcb.ts_recent_at = now
    tcb.sack_on = config.sack and segment.sack_permitted
    if tcb.ts_on and _crowded(tcb) and (tcb.sack_on or not tcb.passive):
        tcb.ts_on = False
    tcb.scale_on = config.window_scale and segment.window_scale != ABSENT
    if tcb.scale_on:
        tcb.snd.scale = min(segment.window_scale, 14)  # RFC 7323 2.3
        tcb.rcv.scale = _scale(tcb)
        tcb.rcv.hold(tcb.rcv.capacity)
        tcb.rcv.bound(tcb.rcv.clamp)
    if config.whole_segments:
        mss = max(min(tcb.peer_mss, tcb.mtu - tcb.headers), 1)
        rounded = (config.receive_buffer + mss - 1) // mss * mss
        tcb.config = tcb.config.replace(receive_buffer=rounded)
        tcb.rcv.hold(rounded)
    tcb.user_timeout_owed = config.user_timeout_option is not None
    if segment.user_timeout != ABSENT:
        user_timeout.arrives(tcb, segment, now)
    tcb.set_path()
