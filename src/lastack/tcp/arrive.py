"""SEGMENT ARRIVES (RFC 9293 3.10.7): eight steps, top to bottom.

A step changes the TCB and notes wishes; none sends. It returns None to go on, or the name of the
reason why the segment goes no further. The third step, security, is not ours.
"""

import errno

from lastack.tcp import acks, ecn, handshake, time_wait, user_timeout
from lastack.tcp.answers import Reply
from lastack.tcp.ecn_state import NONE
from lastack.tcp.events import Advice
from lastack.tcp.replies import wish_abort, wish_challenge, wish_duplicate, wish_reset
from lastack.tcp.states import (
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Cause,
)
from lastack.tcp.tcb import READABLE, URGENT, Tcb, end_with, enter
from lastack.tcp.text import eighth_check_fin, seventh_process_text
from lastack.units import NEVER, SECOND
from lastack.wire.segment import ABSENT, ACK, AE, CWR, ECE, FIN, RST, SYN, URG, Segment
from lastack.wire.seq import add, between, diff, ge, gt, le, lt
from lastack.wire.stop import Stop

_TS_RECENT_LIFE = 24 * 86400 * SECOND


def segment_arrives(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    """Process one segment; what it asks us to send is pulled from `output` afterwards."""
    tcb.segments_received += segment.segments
    state = tcb.state
    if state is SYN_SENT:
        return _syn_sent(tcb, segment, now)
    if state is LISTEN:
        return handshake.arrives_in_listen(tcb, segment, now)
    if state is CLOSED:
        wish_reset(tcb, segment)
        return Stop.CLOSED_CONNECTION
    if state is TIME_WAIT:
        return _time_wait(tcb, segment, now)
    stop = first_check_sequence(tcb, segment, now)
    if stop is Stop.OUT_OF_WINDOW and tcb.config.take_old_acks and _is_old_ack(tcb, segment):
        fifth_check_ack(tcb, segment, now)
    if stop is None and segment.flags & RST:
        stop = second_check_reset(tcb, segment, now)
    if stop is None and segment.flags & SYN:
        stop = fourth_check_syn(tcb, segment, now)
    if stop is None:
        stop = fifth_check_ack(tcb, segment, now)
    if stop is not None:
        return stop
    if tcb.ts_on and segment.ts_val != ABSENT:
        _remember_timestamp(tcb, segment, now)
    return _rest(tcb, segment, now)


def _syn_sent(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    stop = handshake.arrives_in_syn_sent(tcb, segment, now)
    if stop is not None or tcb.state is not ESTABLISHED:
        return stop
    if segment.length or segment.flags & (URG | FIN):
        # The SYN's own place is taken: what follows begins one further on.
        segment.seq = add(segment.seq, 1)
        segment.flags &= ~SYN
        return _rest(tcb, segment, now)
    return None


def _time_wait(tcb: Tcb, segment: Segment, now: int) -> Stop:
    """TIME-WAIT before a stack has put it in its table: the same function answers."""
    entry = time_wait.entry_of(tcb, now)
    stop = time_wait.time_wait_segment(entry, segment, now, tcb.config)
    if stop is Stop.RESET:
        if entry.reply is not None:
            wish_abort(tcb)
        end_with(tcb, Cause.RESET, 0, now, segment)
        return Stop.RESET
    tcb.timers.time_wait = entry.expires
    if stop is Stop.FIN_IN_TIME_WAIT:
        tcb.ack_now = True
    elif stop is None or entry.reply is not None:
        wish_challenge(tcb, now)
    return Stop.SYN_IN_TIME_WAIT if stop is None else stop


def _rest(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    """Steps six to eight, for a segment that has passed the first five."""
    if tcb.ecn.feedback is not NONE:
        ecn.arrives(tcb, segment)
    if segment.user_timeout != ABSENT:
        user_timeout.arrives(tcb, segment, now)
    if segment.flags & URG:
        sixth_check_urgent(tcb, segment, now)
    stop: Stop | None = None
    if segment.length:
        stop = seventh_process_text(tcb, segment, now)
    if segment.flags & FIN and tcb.state is not CLOSED:
        eighth_check_fin(tcb, segment, now)
    return stop


# -- first ----------------------------------------------------------------------------------------


def first_check_sequence(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    """Is any of it inside the window? And is it no old duplicate (PAWS, RFC 7323 5)?"""
    rcv = tcb.rcv
    if tcb.ts_on:
        stop = _check_timestamp(tcb, segment, now)
        if stop is not None:
            return stop
    seq = segment.seq
    length = segment.seq_length
    window = rcv.wnd
    half_open = tcb.state is SYN_RECEIVED and tcb.passive
    if not tcb.config.window_in_steps and rcv.room > window and not half_open:
        window = rcv.room  # what there is room for, whatever the peer was told
    if tcb.state is SYN_RECEIVED and _is_repeated_syn(tcb, segment):
        if segment.flags & ACK:
            return None
        if not ecn.syn_comes_again(tcb, segment):
            return _contradicted(tcb, segment, now)
        return Stop.REPEATED_SYN
    if length == 0:
        good = seq == rcv.nxt if window <= 0 else _inside(seq, rcv.nxt, window)
    elif window <= 0:
        # A closed window takes no octets, but from the octet we wait for it takes the ACK,
        # the URG and the RST that come along (3.10.7.4 first, MUST-66).
        good = seq == rcv.nxt and segment.flags & (ACK | RST) != 0
    else:
        good = _inside(seq, rcv.nxt, window) or _inside(add(seq, length - 1), rcv.nxt, window)
        good = good or (le(seq, rcv.nxt) and ge(add(seq, length), add(rcv.nxt, window)))
    if not good:
        return _unacceptable(tcb, segment, now)
    tcb.heard_at = now
    tcb.keepalive_probes = 0
    return None


def _inside(seq: int, nxt: int, window: int) -> bool:
    return between(seq, nxt, add(nxt, window))


def _is_repeated_syn(tcb: Tcb, segment: Segment) -> bool:
    """In SYN-RECEIVED: the peer's SYN again, or the SYN-ACK of a simultaneous open.

    The latter completes the handshake: its SYN is taken off, its ACK looked at.
    """
    if not segment.flags & SYN or segment.flags & RST or segment.seq != tcb.rcv.irs:
        return False
    if not segment.flags & ACK:
        tcb.syn_owed = True
        return True
    if tcb.passive or not (lt(tcb.snd.iss, segment.ack) and le(segment.ack, tcb.snd.nxt)):
        return False
    if tcb.config.crossing_syn_is_duplicate:
        wish_duplicate(tcb, segment.seq, add(segment.seq, 1))
    segment.flags &= ~(SYN | AE | ECE | CWR)  # on a SYN-ACK they echo no mark
    segment.seq = add(segment.seq, 1)
    # A SYN's window is never scaled (RFC 7323 2.2); one that is open must not look closed.
    segment.window = segment.window >> tcb.snd.scale or min(segment.window, 1)
    return True


def _contradicted(tcb: Tcb, segment: Segment, now: int) -> Stop:
    """The peer has asked for two kinds of ECN feedback: reset it (RFC 9768 3.1.5)."""
    tcb.syn_owed = False
    wish_abort(tcb)
    if tcb.passive:
        _return_to_listen(tcb, Cause.SYN, segment, now)
    else:
        end_with(tcb, Cause.RESET, errno.ECONNRESET, now, segment)
    return Stop.SYN_IN_WINDOW


def _check_timestamp(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    if segment.flags & RST:
        return None
    if segment.ts_val == ABSENT:
        if tcb.config.require_timestamps and not segment.flags & SYN:
            return Stop.NO_TIMESTAMP
        return None
    if lt(segment.ts_val, tcb.ts_recent):
        if now - tcb.ts_recent_at > _TS_RECENT_LIFE:
            tcb.ts_recent = segment.ts_val  # RFC 7323 5.5: too old to be compared with
            tcb.ts_recent_at = now
            return None
        if segment.length and not gt(add(segment.seq, segment.length), tcb.rcv.nxt):
            wish_duplicate(tcb, segment.seq, add(segment.seq, segment.length))
        else:
            wish_challenge(tcb, now)
        return Stop.OLD_TIMESTAMP
    return None


def _is_old_ack(tcb: Tcb, segment: Segment) -> bool:
    """Return whether, in a synchronized state, it acknowledges and repeats what had come."""
    if tcb.state is SYN_RECEIVED or segment.flags & (SYN | RST | ACK) != ACK:
        return False
    return segment.seq_length > 0 and le(add(segment.seq, segment.seq_length), tcb.rcv.nxt)


def _remember_timestamp(tcb: Tcb, segment: Segment, now: int) -> None:
    """TS.Recent (RFC 7323 4.3), of a segment whose ACK has been found good.

    That of a reset, of a SYN or of an ACK of nothing is not believed: it may come from anybody.
    """
    if le(segment.seq, tcb.last_ack_sent) and ge(segment.ts_val, tcb.ts_recent):
        tcb.ts_recent = segment.ts_val
        tcb.ts_recent_at = now


def _unacceptable(tcb: Tcb, segment: Segment, now: int) -> Stop:
    """Outside the window: an ACK says where we are, unless it was a reset (MUST: first step)."""
    if segment.flags & RST:
        return Stop.OUT_OF_WINDOW
    rcv = tcb.rcv
    if segment.flags & SYN and segment.flags & ACK and segment.seq == rcv.irs:
        ecn.syn_ack_comes_again(tcb, segment)
    end = add(segment.seq, segment.length)
    if segment.length and le(end, rcv.nxt):
        wish_duplicate(tcb, segment.seq, end)
    elif segment.length:
        tcb.ack_now = True  # beyond the window
    elif segment.flags & FIN:
        tcb.reply(Reply(0, 0, ACK))  # ours was lost; with our FIN again it would be answered again
    else:
        wish_challenge(tcb, now)
    return Stop.OUT_OF_WINDOW


# -- second and fourth ----------------------------------------------------------------------------


def second_check_reset(tcb: Tcb, segment: Segment, now: int) -> Stop:
    """A reset, with or without data (SHLD-2), ends it only when it is exact (RFC 5961 3.2)."""
    state = tcb.state
    config = tcb.config
    if config.rfc5961 and config.exact_reset and segment.seq != tcb.rcv.nxt:
        wish_challenge(tcb, now)
        return Stop.RST_NOT_EXACT
    if state is SYN_RECEIVED and tcb.passive and not tcb.early:  # MUST-11
        _return_to_listen(tcb, Cause.RESET_OF_PASSIVE, segment, now)
    elif state is SYN_RECEIVED and not tcb.early:
        end_with(tcb, Cause.RESET, errno.ECONNREFUSED, now, segment)
    elif (state is CLOSING or state is LAST_ACK) and not config.reset_always_told:
        end_with(tcb, Cause.RESET, 0, now, segment)
    else:
        end_with(tcb, Cause.RESET, errno.ECONNRESET, now, segment)  # MUST-12
    return Stop.RESET


def _return_to_listen(tcb: Tcb, cause: Cause, segment: Segment, now: int) -> None:
    """A passive open that came to nothing: its user is not told (3.10.7.4 second and fourth)."""
    if tcb.reopened:
        enter(tcb, Cause.RESET_OF_REOPENED, now, segment)
        tcb.syn_owed = False
        return
    enter(tcb, cause, now, segment)
    if tcb.close_wanted:
        enter(tcb, Cause.CLOSE, now)
    else:
        tcb.forget_peer()


def fourth_check_syn(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    """A SYN on a connection that has one: challenge ACK (RFC 5961 4.2, RFC 9293 3.10.7.4)."""
    if tcb.state is SYN_RECEIVED and tcb.passive and not tcb.early:
        _return_to_listen(tcb, Cause.SYN, segment, now)
        return Stop.SYN_IN_WINDOW
    in_window = ge(segment.seq, tcb.rcv.nxt)  # or is it data of an old one that is?
    if in_window and not (tcb.config.rfc5961 and tcb.config.challenge_syn):
        wish_abort(tcb)
        end_with(tcb, Cause.RESET, errno.ECONNRESET, now, segment)
        return Stop.SYN_IN_WINDOW
    wish_challenge(tcb, now)
    return Stop.SYN_IN_WINDOW


# -- fifth ----------------------------------------------------------------------------------------


def fifth_check_ack(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    """Without ACK nothing goes further; with it, the states that wait for one move on."""
    if not segment.flags & ACK:
        return Stop.NO_ACK
    snd = tcb.snd
    if tcb.state is SYN_RECEIVED:
        if not (lt(snd.una, segment.ack) and le(segment.ack, snd.nxt)):
            wish_reset(tcb, segment)
            return Stop.BAD_ACK_IN_SYN_RECEIVED
        if handshake.is_deferred(tcb, segment):
            return Stop.ACK_DEFERRED
        handshake.our_syn_ack_is_acknowledged(tcb, segment, now)
        if tcb.close_wanted:
            tcb.close_wanted = False
            snd.fin_queued = True
            enter(tcb, Cause.CLOSE, now)
    stop = acks.acceptable(tcb, segment, now)
    if stop is not None:
        return stop
    acks.acknowledge(tcb, segment, now)
    if snd.fin_sent and snd.una == snd.nxt and not tcb.sent.spans:
        _our_fin_is_acknowledged(tcb, segment, now)
        if tcb.state is CLOSED:
            return None
    return None


def _our_fin_is_acknowledged(tcb: Tcb, segment: Segment, now: int) -> None:
    state = tcb.state
    if state is FIN_WAIT_1:
        enter(tcb, Cause.ACK_OF_FIN, now, segment)
        if tcb.orphan and tcb.config.fin_wait_2_timeout < NEVER:
            tcb.timers.fin_wait_2 = now + tcb.config.fin_wait_2_timeout
    elif state is CLOSING or state is LAST_ACK:
        enter(tcb, Cause.ACK_OF_FIN, now, segment)


# -- sixth ----------------------------------------------------------------------------------------


def sixth_check_urgent(tcb: Tcb, segment: Segment, now: int) -> None:
    """RCV.UP moves forward, and the user hears of it (MUST-32, MUST-33)."""
    state = tcb.state
    if state is not ESTABLISHED and state is not FIN_WAIT_1 and state is not FIN_WAIT_2:
        return
    rcv = tcb.rcv
    up = add(segment.seq, segment.urgent)
    if segment.urgent == 0 or not gt(up, rcv.read_seq) or not gt(up, rcv.up):
        return
    if rcv.urgent and rcv.queued:
        tcb.notices |= READABLE  # the urgent octet until now falls back into the stream
    rcv.up = up
    rcv.urgent = True
    tcb.notices |= URGENT
    tcb.advise(Advice.URGENT_DATA, diff(up, rcv.read_seq), now)
