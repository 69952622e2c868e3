"""TIME-WAIT (RFC 9293 3.6.1, 3.10.7.4; RFC 6191; RFC 1337): a small entry, and one function.

The entry is all that is left of a connection for 2MSL. The connection itself, while it still waits
alone, obeys the same function.
"""

import struct

from mypy_extensions import mypyc_attr

from lastack.tcp.answers import Challenges
from lastack.tcp.config import Config
from lastack.tcp.tcb import Tcb
from lastack.units import MS
from lastack.wire.address import Endpoint
from lastack.wire.segment import ABSENT, ACK, FIN, RST, SYN, Segment
from lastack.wire.seq import add, diff, gt, lt
from lastack.wire.signing import Signer
from lastack.wire.stop import Stop


@mypyc_attr(acyclic=True)
class TimeWait:
    """What must be known to answer for a connection that is over.

    `window` is the raw 16 bits to advertise, `room` the same in octets; `reply` is the segment to
    send after `time_wait_segment`, None when nothing is to be said. `over` is set by the stack when
    it has dropped the entry: then the connection is CLOSED. `config` is the
    connection's; `hops`, `signer` and `udp_port` are the stack's too: which source route answers
    take, who signs them, the peer's UDP port around them.
    `oldest_ack` is SND.UNA - MAX.SND.WND (RFC 5961 5.2).
    """

    local: Endpoint
    remote: Endpoint
    number: int
    expires: int
    duration: int
    snd_nxt: int
    oldest_ack: int
    rcv_nxt: int
    window: int
    room: int
    ts_on: bool
    ts_recent: int
    ts_offset: int
    challenges: Challenges | None
    reply: Segment | None
    over: bool
    hops: tuple[bytes, ...]
    config: Config | None
    signer: Signer | None
    udp_port: int

    def __init__(self, local: Endpoint, remote: Endpoint, number: int) -> None:
        self.local = local
        self.remote = remote
        self.number = number
        self.expires = 0
        self.duration = 0
        self.snd_nxt = 0
        self.oldest_ack = 0
        self.rcv_nxt = 0
        self.window = 0
        self.room = 0
        self.ts_on = False
        self.ts_recent = 0
        self.ts_offset = 0
        self.challenges = None
        self.reply = None
        self.over = False
        self.hops = ()
        self.config = None
        self.signer = None
        self.udp_port = 0


def entry_of(tcb: Tcb, now: int) -> TimeWait:
    """Return the entry for a connection in TIME-WAIT."""
    entry = TimeWait(tcb.local, tcb.remote, tcb.number)
    entry.config = tcb.config
    entry.duration = 2 * tcb.config.msl
    entry.expires = tcb.timers.time_wait
    entry.snd_nxt = tcb.snd.nxt
    entry.oldest_ack = add(tcb.snd.una, -max(tcb.snd.max_wnd, 1))
    entry.rcv_nxt = tcb.rcv.nxt
    entry.room = max(tcb.rcv.wnd, 0)
    entry.window = min(entry.room >> tcb.rcv.scale, 65535)
    entry.ts_on = tcb.ts_on
    entry.ts_recent = tcb.ts_recent
    entry.ts_offset = tcb.ts_offset
    return entry


def time_wait_segment(entry: TimeWait, segment: Segment, now: int, config: Config) -> Stop | None:
    """Answer a segment that comes in TIME-WAIT.

    Returns Stop.RESET when the entry is to be dropped, None when the segment is a new SYN that may
    open the connection again (MAY-2), any other Stop otherwise; then `entry.reply` may be set and
    `entry.expires` may have moved.
    """
    entry.reply = None
    flags = segment.flags
    inside = _inside(entry, segment.seq)
    if segment.length and not inside:
        inside = _inside(entry, add(segment.seq, segment.seq_length - 1))
    if flags & RST:
        if not inside:
            return Stop.OUT_OF_WINDOW
        if not config.reset_ends_time_wait:
            return Stop.RST_IN_TIME_WAIT
        if segment.seq != entry.rcv_nxt and config.rfc5961 and config.exact_reset:
            _challenge(entry, now, config)  # RFC 5961 3.2
            return Stop.RST_NOT_EXACT
        return Stop.RESET
    opens = flags & SYN and not flags & ACK and config.reuse_time_wait
    if opens and _is_newer(entry, segment, config):
        return None
    if config.time_wait_needs_ack and (config.reuse_time_wait or not flags & SYN):
        return _needs_ack(entry, segment, now, config)
    if flags & SYN:
        if inside and not (config.rfc5961 and config.challenge_syn):
            here, there = entry.local.port, entry.remote.port
            entry.reply = Segment(here, there, entry.snd_nxt, entry.rcv_nxt, RST | ACK, 0)
            return Stop.RESET
        _challenge(entry, now, config)
        return Stop.SYN_IN_TIME_WAIT
    if entry.ts_on and segment.ts_val != ABSENT and lt(segment.ts_val, entry.ts_recent):
        _challenge(entry, now, config)
        return Stop.OLD_TIMESTAMP
    if flags & FIN and add(segment.seq, segment.seq_length) == entry.rcv_nxt:
        return _repeated_fin(entry, now)
    if inside and not flags & ACK:
        return Stop.NO_ACK
    if inside and not flags & FIN:
        if gt(segment.ack, entry.snd_nxt):
            _challenge(entry, now, config)
            return Stop.ACK_OF_UNSENT
        if config.rfc5961 and lt(segment.ack, entry.oldest_ack):
            _challenge(entry, now, config)
            return Stop.ACK_TOO_OLD
        return Stop.DATA_AFTER_FIN if segment.length else Stop.ACK_IN_TIME_WAIT
    _challenge(entry, now, config)
    return Stop.OLD_IN_TIME_WAIT


def _needs_ack(entry: TimeWait, segment: Segment, now: int, config: Config) -> Stop:
    """Answer as FreeBSD does (`Config.time_wait_needs_ack`)."""
    flags = segment.flags
    if not flags & ACK:
        return Stop.NO_ACK
    if flags & FIN and add(segment.seq, segment.seq_length) == entry.rcv_nxt:
        return _repeated_fin(entry, now)
    in_place = segment.seq == entry.rcv_nxt and segment.ack == entry.snd_nxt
    if in_place and not segment.length and not flags & (SYN | FIN):
        return Stop.ACK_IN_TIME_WAIT
    _challenge(entry, now, config)
    return Stop.OLD_IN_TIME_WAIT


def _inside(entry: TimeWait, seq: int) -> bool:
    offset = diff(seq, entry.rcv_nxt)
    return 0 <= offset < max(entry.room, 1)


def _is_newer(entry: TimeWait, segment: Segment, config: Config) -> bool:
    """Is this SYN surely later than anything of the old connection (RFC 6191 2, RFC 9293 3.6.1)?

    With timestamps a number that is not later will do (SHLD-4): those of the new connection tell
    its segments from any of the old one's, which had smaller ones or none.
    """
    if config.timestamps and segment.ts_val != ABSENT:
        if not entry.ts_on:
            return True
        if segment.ts_val == entry.ts_recent:
            return gt(segment.seq, entry.rcv_nxt)
        return gt(segment.ts_val, entry.ts_recent)
    return gt(segment.seq, entry.rcv_nxt)


def _repeated_fin(entry: TimeWait, now: int) -> Stop:
    """The only thing that can arrive: the peer's FIN again. Our ACK of it was lost."""
    entry.expires = now + entry.duration
    _acknowledge(entry, now)
    return Stop.FIN_IN_TIME_WAIT


def _challenge(entry: TimeWait, now: int, config: Config) -> None:
    """Acknowledge at a bounded rate (RFC 5961 7), so that two ends cannot go on answering."""
    if entry.challenges is None:
        entry.challenges = Challenges()
    if entry.challenges.one_more(now, config):
        _acknowledge(entry, now)


def _acknowledge(entry: TimeWait, now: int) -> None:
    options = b""
    if entry.ts_on:
        value = (now // MS + entry.ts_offset) & 0xFFFFFFFF
        options = struct.pack("!BBBBII", 1, 1, 8, 10, value, entry.ts_recent)
    entry.reply = Segment(
        entry.local.port,
        entry.remote.port,
        entry.snd_nxt,
        entry.rcv_nxt,
        ACK,
        entry.window,
        0,
        options,
    )
