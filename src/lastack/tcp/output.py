"""The only maker of segments: whoever pulls gets the next one that the connection wishes to send.

In this order: answers out of turn, SYN, what is lost, new data and FIN, probes, plain ACKs.
"""

from typing import Final

from lastack.tcp import (
    ecn,
    fast_open,
    mtu_probing,
    pacing,
    sampling,
    spurious,
    syn,
    tail_probe,
    user_timeout,
    validation,
)
from lastack.tcp.answers import Reply
from lastack.tcp.config import UNLIMITED
from lastack.tcp.ecn_state import ACCURATE, NONE
from lastack.tcp.header import make, options_of, room_for_data
from lastack.tcp.span import Sent
from lastack.tcp.states import (
    CLOSED,
    ESTABLISHED,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from lastack.tcp.tally import BUFFER, BUSY, PEER
from lastack.tcp.tcb import WRITABLE, Tcb
from lastack.tcp.when_to_send import how_much, most
from lastack.units import NEVER, SECOND
from lastack.wire.segment import ACK, FIN, PSH, RST, SYN, Part, Segment
from lastack.wire.seq import add, diff, gt

_NO_PARTS: Final[tuple[Part, ...]] = ()


def next_segment(tcb: Tcb, now: int) -> Segment | None:
    """Return the next segment to send, None when there is nothing (more) to send now."""
    replies = tcb.replies
    if replies is not None:
        reply = replies.pop(0)
        if not replies:
            tcb.replies = None
        return _answer(tcb, reply, now)
    state = tcb.state
    if state is CLOSED or state is LISTEN:
        return None
    if tcb.syn_owed:
        return None if fast_open.syn_waits(tcb) else _synchronize(tcb, now)
    if state is SYN_SENT:
        return None
    if tcb.ecn.ack_first:
        tcb.ecn.ack_first = False
        return _acknowledge(tcb, now)
    segment: Segment | None = None
    if state is not TIME_WAIT and (state is not SYN_RECEIVED or tcb.early):
        if tcb.tail_probe_owed:
            segment = _tail_probe(tcb, now)
        if segment is None:
            segment = _data(tcb, now)
        if segment is None and tcb.probe_owed:
            segment = _probe(tcb, now)
    if segment is not None:
        return segment
    if tcb.duplicate_acks_owed > 0:
        tcb.duplicate_acks_owed -= 1
        return _acknowledge(tcb, now)
    if tcb.ack_now:
        return _acknowledge(tcb, now)
    if tcb.keepalive_owed:
        # A sequence number just before the window makes the peer answer (RFC 9293 3.8.4, MAY-5),
        # and no data is needed for that (SHLD-12).
        tcb.keepalive_owed = False
        return make(tcb, add(tcb.snd.max, -1), ACK, _NO_PARTS, 0, now)
    return None


def wants_output(tcb: Tcb) -> bool:
    """Return whether `next_segment` is worth asking; a yes may still turn out to be None."""
    if tcb.replies is not None:
        return True
    state = tcb.state
    if state is CLOSED or state is LISTEN:
        return False
    if tcb.syn_owed and fast_open.syn_waits(tcb):
        return False
    if tcb.ack_now or tcb.syn_owed or tcb.duplicate_acks_owed > 0 or tcb.keepalive_owed:
        return True
    if state is SYN_SENT or state is TIME_WAIT or (state is SYN_RECEIVED and not tcb.early):
        return False
    if tcb.probe_owed or tcb.tail_probe_owed:
        return True
    if tcb.timers.pacing != NEVER:
        return False
    if tcb.sent.lost:
        return True
    snd = tcb.snd
    return not snd.fin_sent and (snd.fin_queued or snd.nxt != snd.end)


# -- segments of their own kind -------------------------------------------------------------------


def _answer(tcb: Tcb, reply: Reply, now: int) -> Segment:
    """Make a segment that answers out of turn."""
    if reply.flags & RST:
        segment = Segment(tcb.local.port, tcb.remote.port, reply.seq, reply.ack, reply.flags, 0)
        if not reply.flags & ACK:
            segment.ack = 0
        if tcb.ts_on:  # RFC 7323 3.2: on a reset too
            segment.options = options_of(tcb, now, None, True)
        tcb.segments_sent += 1
        return segment
    duplicate = (reply.low, reply.high) if reply.low != reply.high else None
    return make(tcb, tcb.snd.max, ACK, _NO_PARTS, 0, now, duplicate)


def _acknowledge(tcb: Tcb, now: int) -> Segment:
    """Make a plain ACK; with our FIN again where the Config has it so."""
    snd = tcb.snd
    if tcb.config.acks_repeat_fin and snd.fin_sent and snd.una != snd.max:
        return make(tcb, add(snd.max, -1), ACK | FIN, _NO_PARTS, 0, now)
    return make(tcb, snd.max, ACK, _NO_PARTS, 0, now)


def _synchronize(tcb: Tcb, now: int) -> Segment:
    """Make our SYN, or SYN-ACK once the peer's SYN has come; the first time or again."""
    snd, rcv, sent = tcb.snd, tcb.rcv, tcb.sent
    tcb.syn_owed = False
    if tcb.state is SYN_SENT:
        flags = SYN | ecn.syn_flags(tcb)
    else:
        flags = SYN | ACK | ecn.syn_ack_flags(tcb)
    window = min(rcv.room, 65535)
    options = syn.options(tcb, flags, now, fast_open.option_of_syn(tcb))
    if options:
        options = user_timeout.option_of(tcb, options)
    parts = _NO_PARTS
    length = 0
    if sent.spans:
        if tcb.passive or not flags & ACK or sent.spans[0].retransmits:
            tcb.retransmissions += 1  # but not the SYN-ACK that a crossing SYN calls for
        sent.resent(sent.spans[0], now)
    else:
        snd.nxt = snd.max = add(snd.iss, 1)
        sent.sent(snd.iss, snd.nxt, now, False)
        parts = fast_open.data_of_syn(tcb)
        if parts and tcb.fast_open is not None:
            length = tcb.fast_open.carried
            snd.nxt = snd.max = add(snd.iss, 1 + length)
            sent.sent(add(snd.iss, 1), snd.nxt, now, length == snd.buffer.end)
            tcb.bytes_sent += length
    ack = 0
    if flags & ACK:
        ack = rcv.nxt
        rcv.edge = add(rcv.nxt, window)
        tcb.last_ack_sent = ack
        tcb.ack_now = False
    if tcb.timers.retransmit == NEVER:
        tcb.timers.retransmit = now + tcb.rtt.rto
    tcb.sent_at = now
    tcb.segments_sent += 1
    return Segment(
        tcb.local.port,
        tcb.remote.port,
        snd.iss,
        ack,
        flags,
        window,
        0,
        options,
        parts,
        length,
    )


# -- data -----------------------------------------------------------------------------------------


def _data(tcb: Tcb, now: int) -> Segment | None:
    """Send what is lost, else what is new."""
    sent, snd = tcb.sent, tcb.snd
    if sent.lost == 0 and snd.nxt == snd.end and not snd.fin_queued:
        return None
    if sent.octets == 0:
        if tcb.ecn.waits:
            return None
        _restart(tcb, now)
    pacer = tcb.pacer
    if pacer is not None and not pacing.may_send(tcb, pacer, now):
        return None
    segment = _new_data_first(tcb, now)
    if segment is None:
        segment = _again(tcb, now) if sent.lost else _more(tcb, now)
    if pacer is not None and segment is not None:
        pacer.sent(segment.length)
    return segment


def _new_data_first(tcb: Tcb, now: int) -> Segment | None:
    """After a timeout that may have come too soon new data asks for the truth (RFC 5682 2b)."""
    recovery = tcb.recovery
    if recovery is None or not recovery.new_data_first or not tcb.sent.lost:
        return None
    segment = _more(tcb, now)
    recovery.new_data_first = segment is not None
    return segment


def _restart(tcb: Tcb, now: int) -> None:
    """Data is about to go with nothing in flight: is the old window still good?"""
    controller = tcb.controller
    if controller is None or tcb.snd.usable <= 0 or tcb.snd.nxt == tcb.snd.end:
        return
    idle = now - tcb.sent_at
    validation.restarts(tcb, controller, idle, now)
    controller.on_restart(now, idle, tcb.rtt.srtt)
    pacing.update(tcb)


def _again(tcb: Tcb, now: int) -> Segment | None:
    """Send a lost record again, as far as both windows allow (RFC 9293 3.8.1, RFC 6675 5)."""
    recovery, controller = tcb.recovery, tcb.controller
    if recovery is None or controller is None:
        return None
    sent, snd = tcb.sent, tcb.snd
    index = recovery.next_to_resend(sent)
    span = sent.spans[index]
    if span.start == snd.iss:
        return _synchronize(tcb, now)
    mss = room_for_data(tcb, True)
    flight = sent.in_flight
    room = tcb.window - flight
    if tcb.resend_owed:
        room = max(room, mss)
    elif flight and room < min(mss, span.length):
        return None
    limit = min(max(room - room % mss, mss), most(tcb, span.start, mss, now))
    allowed = diff(add(snd.una, snd.wnd), span.start)
    if allowed < limit:
        # Inside the peer's window old data goes again (SHLD-16). Beyond it, should it have shrunk,
        # only the oldest octet does, as a probe (MUST-35, MAY-7).
        if allowed <= 0 and not (index == 0 and tcb.resend_owed):
            return None
        is_fin = snd.fin_sent and span.start == snd.end
        limit = max(allowed, 1) if not is_fin else limit
    has_fin = snd.fin_sent and gt(span.end, snd.end)
    if span.length > (limit + 1 if has_fin else limit):
        sent.split(index, add(span.start, limit))
    tcb.resend_owed = False
    tcb.probe_owed = False
    if tcb.timers.retransmit == NEVER or (index == 0 and tcb.config.rack and not tcb.retries):
        tcb.timers.retransmit = now + tcb.rtt.rto  # the oldest has its time again (RFC 6675 5.1)
    return _resend(tcb, span, now)


def _resend(tcb: Tcb, span: Sent, now: int) -> Segment:
    """Make the segment of a record that was sent before."""
    snd = tcb.snd
    if tcb.ecn.feedback is ACCURATE:
        ecn.goes_again(tcb, span.start)
    tcb.sent.resent(span, now)
    if tcb.validation is not None and span.retransmits == 1:
        tcb.validation.resent += span.length
    spurious.was_resent(tcb, span.length, now)
    tcb.retransmissions += 1
    length = span.length
    flags = ACK
    if snd.fin_sent and gt(span.end, snd.end):
        length -= 1
        flags |= FIN
    ends = span.end == snd.end or snd.buffer.ends_record(snd.offset(span.end))
    if length and (ends or fast_open.ends_data_of_syn(tcb, span.end)):
        flags |= PSH
    parts = snd.buffer.take(snd.offset(span.start), length) if length else _NO_PARTS
    tcb.tally.mishap().bytes_resent += length
    tcb.tally.data_segments_sent += (length + tcb.mss - 1) // tcb.mss
    tcb.sent_at = now
    due = tcb.ecn.option_size
    tcb.ecn.option_size = 0
    segment = make(tcb, span.start, flags, parts, length, now)
    tcb.ecn.option_size = due
    return segment


def _tail_probe(tcb: Tcb, now: int) -> Segment | None:
    """Make a segment, of new data if possible, that makes the peer tell what it has (RFC 8985 7.3).

    Neither the congestion window nor Nagle holds it back.
    """
    tcb.tail_probe_owed = False
    sent = tcb.sent
    if not sent.spans or sent.lost or sent.sacked:
        return None  # an ACK has come since: more is known than a probe could ask for
    new = tail_probe.sent_new(tcb)
    if new:
        segment = _more(tcb, now, True)
    else:
        last = len(sent.spans) - 1
        span = sent.spans[last]
        most_of_it = tcb.mss + (1 if tcb.snd.fin_sent else 0)
        if span.length > most_of_it:
            sent.split(last, add(span.end, -most_of_it))
            span = sent.spans[-1]
        if diff(add(tcb.snd.una, tcb.snd.wnd), span.end) < 0:
            return None  # the peer's window has shrunk
        segment = _resend(tcb, span, now)
    if segment is not None:
        tail_probe.was_sent(tcb, not new, now)
    return segment


def _more(tcb: Tcb, now: int, probe: bool = False) -> Segment | None:
    """Send octets that were never sent, and FIN behind the last of them."""
    snd, sent, controller = tcb.snd, tcb.sent, tcb.controller
    if controller is None or snd.fin_sent:
        return None
    unsent = diff(snd.end, snd.nxt)
    buffer = snd.buffer
    if buffer.records is not None:
        unsent = buffer.until_record_end(snd.offset(snd.nxt), unsent)
    flight = sent.in_flight
    if tcb.early and snd.una == snd.iss:
        flight -= 1  # the SYN that is under way takes no room
    if tcb.quick_acks and tcb.ack_now and tcb.segments_sent - tcb.retransmissions == 1:
        tcb.quick_acks = 0  # the handshake's last ACK rides on data: a dialogue, as Linux has it
    n = 0
    if tcb.search is not None and not probe:
        n = mtu_probing.begin_probe(tcb, unsent, flight, now)
        if n:
            tcb.ecn.option_size = 0  # it is as long as it is meant to be
    if unsent and tcb.ecn.feedback is ACCURATE:
        ecn.data_goes_out(tcb)
    mss = room_for_data(tcb)
    if probe:
        n = min(unsent, mss)
    elif n == 0:
        n = how_much(tcb, unsent, mss, tcb.window - flight, flight, now)
    fin = snd.fin_queued and n == diff(snd.end, snd.nxt)
    if n <= 0 and not (fin and unsent == 0):
        if unsent:
            _held_back(tcb, unsent, mss, controller.cwnd - flight, flight, now)
        return None
    flags = ACK
    if fin:
        flags |= FIN
        snd.fin_sent = True
    if n and n == unsent and (not tcb.config.more_until_ack or _is_pushed(tcb, n)):
        flags |= PSH  # MUST-61
    seq = snd.nxt
    end = add(seq, n + 1 if fin else n)
    sent.sent(seq, end, now, sent.app_limited > 0)
    parts = buffer.take(snd.offset(seq), n) if n else _NO_PARTS
    snd.nxt = snd.max = end
    if tcb.stamps is not None:
        tcb.stamps.sent(snd.offset(add(seq, n)), now)
    if n % mss and not mtu_probing.is_probe(tcb, seq):
        snd.small_end = end
    tcb.push_owed = False
    tcb.cork_over = False
    tcb.bytes_sent += n
    tally = tcb.tally
    tally.data_segments_sent += (n + mss - 1) // mss
    if n and tally.limit != BUSY:
        tally.turn(BUSY, now)
    timers = tcb.timers
    timers.persist = NEVER
    timers.cork = NEVER
    if timers.retransmit == NEVER:
        timers.retransmit = now + tcb.rtt.rto
    tcb.begin_user_timeout(now)
    if tcb.config.notsent_lowat < UNLIMITED:
        tcb.notices |= WRITABLE  # what is sent no longer waits
    tcb.sent_at = now
    if tcb.config.tail_loss_probe:
        tail_probe.schedule(tcb, now)
    segment = make(tcb, seq, flags, parts, n, now)
    if n and tcb.ecn.feedback is not NONE:
        ecn.mark(tcb, segment)
    return segment


def _is_pushed(tcb: Tcb, n: int) -> bool:
    """Return whether the next n octets, to the end of the queue or of a record, were pushed."""
    snd = tcb.snd
    return tcb.pushed == snd.end or add(snd.nxt, n) != snd.end


def _held_back(tcb: Tcb, unsent: int, mss: int, room: int, flight: int, now: int) -> None:
    """Note by what: the peer's window, or whatever else there is."""
    by_peer = tcb.snd.usable < min(mss, unsent) and not (flight and room < min(mss, unsent))
    limit = PEER if by_peer else BUSY
    if tcb.tally.limit != limit:
        tcb.tally.turn(limit, now)


def arm_waiting(tcb: Tcb, now: int) -> None:
    """Start the timer for what `next_segment` left unsent: persist, or cork.

    Called when a pull has come to its end. Nothing is in flight that an ACK could come back for, so
    without a timer the rest would wait for ever (MUST-36, MUST-60).
    """
    snd, timers = tcb.snd, tcb.timers
    if tcb.state < ESTABLISHED or snd.fin_sent:
        return
    if snd.nxt == snd.end:
        sampling.note_app_limit(tcb)
        if tcb.tally.starved and tcb.sent.app_limited and tcb.tally.limit == BUSY:
            tcb.tally.turn(BUFFER, now)
        return
    if tcb.corked and not tcb.cork_over and timers.cork == NEVER:
        timers.cork = now + tcb.config.cork_timeout
    if timers.retransmit != NEVER or timers.persist != NEVER:
        return
    if snd.usable < min(tcb.mss, diff(snd.end, snd.nxt)):
        if snd.wnd == 0:
            timers.persist = now + tcb.rtt.rto
        else:
            # The override timer of RFC 9293 3.8.6.2.1: 0.1 to 1 second.
            timers.persist = now + min(tcb.rtt.rto, SECOND // 2)
        tcb.begin_user_timeout(now)


def _probe(tcb: Tcb, now: int) -> Segment | None:
    """Ask about a closed window with one octet, or with an old sequence number (3.8.6.1)."""
    tcb.probe_owed = False
    snd = tcb.snd
    if not tcb.config.probe_with_data:
        return make(tcb, add(snd.una, -1), ACK, _NO_PARTS, 0, now)
    if tcb.sent.spans:
        return _resend(tcb, tcb.sent.spans[0], now)
    if snd.nxt == snd.end:
        return None
    seq = snd.nxt
    tcb.sent.sent(seq, add(seq, 1), now, True)
    snd.nxt = snd.max = add(seq, 1)
    tcb.bytes_sent += 1
    return make(tcb, seq, ACK, snd.buffer.take(snd.offset(seq), 1), 1, now)
