"""SEGMENT ARRIVES in LISTEN and SYN-SENT (RFC 9293 3.10.7.2 and 3.10.7.3)."""

import errno

from lastack.tcp import ecn, fast_open, syn
from lastack.tcp.acked import Acked
from lastack.tcp.acks import sample_echo
from lastack.tcp.receive import trimmed
from lastack.tcp.replies import wish_reset
from lastack.tcp.states import TIME_WAIT, Cause
from lastack.tcp.tcb import READABLE, Tcb, end_with, enter
from lastack.units import NEVER
from lastack.wire.segment import ABSENT, ACK, FIN, RST, SYN, Segment
from lastack.wire.seq import add, between, diff, gt, le
from lastack.wire.stop import Stop


def refused_in_listen(segment: Segment) -> Stop | None:
    """Return why a segment cannot begin a connection (3.10.7.2), None for a clean SYN."""
    if segment.flags & RST:
        return Stop.RST_IN_LISTEN
    if segment.flags & ACK:
        return Stop.ACK_IN_LISTEN
    if not segment.flags & SYN:
        return Stop.NO_SYN_IN_LISTEN
    return None


def arrives_in_listen(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    """LISTEN: a SYN begins the connection; an ACK is answered with a reset."""
    stop = refused_in_listen(segment)
    if stop is not None:
        if stop is Stop.ACK_IN_LISTEN:
            wish_reset(tcb, segment)
        return stop
    tcb.passive = True
    tcb.reopened = tcb.state is TIME_WAIT
    syn.learn(tcb, segment, now)
    tcb.snd.wnd = segment.window
    tcb.snd.max_wnd = segment.window
    tcb.snd.wl1 = segment.seq
    if tcb.early:
        fast_open.data_of_syn_arrives(tcb, segment)
    elif 0 < segment.length <= tcb.rcv.room and tcb.config.syn_data and tcb.fast_open is None:
        # Kept, acknowledged, and given to the user once the handshake is complete.
        tcb.rcv.deliver(trimmed(segment.parts, 0, segment.length))
        tcb.rcv.edge = tcb.rcv.nxt
        tcb.bytes_received += segment.length
    tcb.syn_owed = True
    enter(tcb, Cause.SYN, now, segment)
    tcb.begin_sending()
    return None


def arrives_in_syn_sent(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    """SYN-SENT: first ACK, second RST, (third security), fourth SYN, fifth all else."""
    snd = tcb.snd
    flags = segment.flags
    acceptable = False
    if flags & ACK:
        if le(segment.ack, snd.iss) or gt(segment.ack, snd.nxt):
            if flags & RST:
                return Stop.BAD_RST_IN_SYN_SENT
            wish_reset(tcb, segment)
            return Stop.BAD_ACK_IN_SYN_SENT
        if tcb.config.echo_in_syn_ack_checked and _echo_is_not_ours(tcb, segment, now):
            wish_reset(tcb, segment)
            return Stop.BAD_ECHO_IN_SYN_SENT
        acceptable = True
    if flags & RST:
        if not acceptable:
            return Stop.BAD_RST_IN_SYN_SENT
        end_with(tcb, Cause.RESET, errno.ECONNREFUSED, now, segment)
        return Stop.RESET
    if not flags & SYN:
        return Stop.NO_SYN_IN_SYN_SENT
    syn.learn(tcb, segment, now)
    tcb.rcv.edge = add(tcb.rcv.nxt, min(tcb.rcv.room, 65535))  # as our SYN has said
    snd.wnd = segment.window  # never scaled in a SYN (RFC 7323 2.2)
    snd.max_wnd = segment.window
    snd.wl1 = segment.seq
    snd.wl2 = segment.ack
    if not acceptable:
        # Simultaneous open (MUST-10): our SYN goes again, now as a SYN-ACK.
        tcb.syn_owed = True
        if tcb.config.crossing_syn_data and 0 < segment.length <= min(tcb.rcv.room, 65535):
            # Text is queued until the connection is established.
            data = trimmed(segment.parts, 0, segment.length)
            tcb.rcv.keep(tcb.rcv.nxt, data, tcb.config.reassembly_blocks)
        enter(tcb, Cause.SYN, now, segment)
        tcb.begin_sending()
        return None
    tcb.begin_sending()
    fast_open.syn_ack_arrives(tcb, segment)
    _our_syn_is_acknowledged(tcb, segment, segment.ack, now)
    enter(tcb, Cause.SYN_ACK, now, segment)
    tcb.ack_now = True
    return None


def _echo_is_not_ours(tcb: Tcb, segment: Segment, now: int) -> bool:
    """Return whether a timestamp is echoed that no SYN of ours can have had."""
    if segment.ts_ecr == ABSENT or segment.ts_ecr == 0 or not tcb.sent.spans:
        return False
    first = tcb.timestamp(tcb.sent.spans[0].first_sent_at)
    return not between(segment.ts_ecr, first, add(tcb.timestamp(now), 1))


def _our_syn_is_acknowledged(tcb: Tcb, segment: Segment, ack: int, now: int) -> None:
    """Our SYN, and what else is before `ack`, has arrived."""
    sent = tcb.sent
    said = Acked(ack, tcb.snd.nxt, tcb.mss, tcb.sack_on)
    octets = sent.acknowledged(ack, now, said)
    # As Linux counts: our SYN is one, with the data that it carried.
    tcb.tally.segments_delivered += 1
    if tcb.passive:
        tcb.tally.acknowledged(octets - 1, tcb.mss, False)
    tcb.bytes_acked += diff(ack, tcb.snd.iss) - 1
    tcb.snd.advance(ack)
    if tcb.stamps is not None:
        tcb.stamps.acknowledged(tcb.snd.offset(ack), now)  # of octets on the SYN
    if said.rtt >= 0 and not said.resent_acked:
        tcb.rtt.sample(said.rtt, tcb.config)
    elif tcb.ts_on and segment.ts_ecr != ABSENT:
        if said.newest is not None:
            sample_echo(tcb, segment, said.newest.first_sent_at, now)
    elif tcb.retries:
        # RFC 6298 5.7: a SYN that had to be sent again means three seconds to begin with.
        tcb.rtt.rto = max(tcb.config.initial_rto, 3 * tcb.config.initial_rto)
    if tcb.retries and tcb.controller is not None:
        # The SYN or its ACK was lost: one segment (RFC 5681 3.1).
        tcb.controller.cwnd = min(tcb.controller.cwnd, tcb.mss)
    tcb.retries = 0
    tcb.timers.retransmit = NEVER
    tcb.timers.user_timeout = NEVER
    if sent.spans:
        tcb.timers.retransmit = now + tcb.rtt.rto
        tcb.begin_user_timeout(now)
        fast_open.data_was_left_out(tcb)
    tcb.heard_at = now
    if tcb.syn_owed:
        # It has come before ours was sent (again): what is left of a SYN-ACK is its ACK.
        tcb.syn_owed = False
        tcb.ack_now = True


def is_deferred(tcb: Tcb, segment: Segment) -> bool:
    """Return whether a bare ACK is not to open the connection yet (TCP_DEFER_ACCEPT)."""
    if not tcb.passive or tcb.early or tcb.retries >= tcb.config.defer_accept:
        return False
    if segment.length or segment.flags & FIN:
        return False
    tcb.deferred = True
    return True


def answered_long_ago(tcb: Tcb) -> None:
    """Let nobody measure a round trip by our SYN-ACK: it was sent when there was no connection."""
    for span in tcb.sent.spans:
        span.retransmits = 1


def our_syn_ack_is_acknowledged(tcb: Tcb, segment: Segment, now: int) -> None:
    """SYN-RECEIVED: the ACK of our SYN opens the connection (3.10.7.4 fifth)."""
    tcb.snd.wnd = segment.window << tcb.snd.scale
    tcb.snd.max_wnd = tcb.snd.wnd
    tcb.snd.wl1 = segment.seq
    tcb.snd.wl2 = segment.ack
    ecn.syn_ack_is_acknowledged(tcb, segment)
    _our_syn_is_acknowledged(tcb, segment, add(tcb.snd.iss, 1), now)
    enter(tcb, Cause.ACK_OF_SYN, now, segment)
    rcv = tcb.rcv
    before = rcv.nxt
    if rcv.drain():
        # The text of the peer's SYN, or what came while the handshake lasted: new as of now.
        tcb.bytes_received += diff(rcv.nxt, before)
        if tcb.config.delayed_ack and tcb.unacked_segments < 1:
            tcb.unacked_segments += 1
            tcb.timers.delayed_ack = now + tcb.config.delayed_ack_timeout
        else:
            tcb.ack_now = True
    if rcv.queued:
        tcb.notices |= READABLE
