"""In which state is each end after a segment has passed, why, and how sure is that?

A segment says something of both ends. Of its sender, because only some states send such a thing
and because its ACK says what had arrived there: that is known. Of the one it is sent to, because it
will arrive: that is presumed, until a segment of that end shows that it did (ACKED), or that it had
not when the segment was sent (REFUTED). Every step is a row of the transition table.
"""

from typing import Final

from mypy_extensions import i32, i64

from lastack.observe.core.ends import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    HAS_THE_PEERS_FIN,
    LAST_ACK,
    LISTEN,
    MAY_SEND_DATA,
    SYN_RECEIVED,
    SYN_SENT,
    SYNCHRONIZED,
    TIME_WAIT,
    UNKNOWN,
    Change,
    End,
    Evidence,
    action,
    arrival,
)
from lastack.observe.core.moves import (
    covers,
    did_not_move,
    distance,
    had_one_before,
    had_the_fin,
    may_have_closed,
    may_have_moved,
    narrow,
    never_reset,
    step,
    walk_again,
    whole,
)
from lastack.tcp.states import Cause
from lastack.units import MS, SECOND

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10

_SENT: Final = Evidence.SENT
_ACKED: Final = Evidence.ACKED
_PRESUMED: Final = Evidence.PRESUMED
_REFUTED: Final = Evidence.REFUTED

_NOT_OPEN: Final = CLOSED | LISTEN | SYN_SENT
_UNTOLD: Final = FIN_WAIT_1 | FIN_WAIT_2 | CLOSING | TIME_WAIT
_LACKS_THE_FIN: Final = ESTABLISHED | FIN_WAIT_1 | FIN_WAIT_2
_ROUND_TRIP: Final = 200 * MS
"""For so long after a reset passed may segments come that were sent before it arrived."""
_MANY: Final = 3
"""Whoever resets after so many keep-alives without an answer has not been told to by its user."""
_SYN_AGAIN: Final = 100 * MS
_FIN_AGAIN: Final = 5 * MS
"""What comes again sooner was not sent again: it was captured twice."""


def segment_passes(
    me: End,
    peer: End,
    flags: i64,
    seq: i64,
    ack: i64,
    length: i64,
    window: i64,
    now: i64,
    packet: i64,
) -> None:
    """Take in one segment from `me` to `peer` as the capture shows it.

    `length` is of the text alone; `window` the 16 bits; `now` nanoseconds; `packet` its number.
    """
    if flags & (SYN | FIN) and not flags & RST:
        if flags & (SYN | ACK) == SYN:
            flags &= ~FIN  # no CLOSE sends it beside a SYN: it closes nothing
        if _is_a_copy(me, flags, seq, ack, length, now):
            return
        me.marked = now
    under_way = None
    if me.pending and (flags & FIN or not _overtaken(me, seq, length, now)):
        under_way = _settle(me, peer, flags, seq, ack, length, now, packet)
    if flags & RST:
        if me.nxt == UNKNOWN or seq == me.nxt or seq == peer.ack or me.states & _NOT_OPEN:
            _reset_is_sent(me, peer, flags, seq, now, packet)
        _reset_arrives(me, peer, flags, seq, ack, now, packet)
        return
    if flags & SYN:
        me.syn_octets += length
        _syn_is_sent(me, peer, flags, seq, ack, now, packet)
    else:
        _is_sent(me, peer, flags, seq, ack, length, now, packet)
    if flags & ACK and peer.fin != UNKNOWN and not me.states & ~_LACKS_THE_FIN:
        if distance(ack, peer.fin) >= 0:
            _has_the_fin(me, now, packet)
    if peer.fin != UNKNOWN and flags & ACK and distance(ack, peer.fin) >= 0:
        if length and me.nxt != UNKNOWN and distance(seq, me.nxt) >= 0:
            me.after_fin += length
        if flags & FIN and me.ack != UNKNOWN and distance(me.ack, peer.fin) < 0:
            peer.fin_acked_by_fin = True
    if flags & FIN:
        me.fins += 1
    if flags & FIN and me.fin == UNKNOWN:
        did_not_move(me, Cause.CLOSE)
        did_not_move(peer, Cause.FIN)
        if me.nxt != UNKNOWN and distance(seq + length, me.nxt) >= 0:
            narrow(me, MAY_SEND_DATA)
            narrow(peer, _LACKS_THE_FIN)
        if flags & ACK and _acks_unseen(me, peer, ack):
            may_have_closed(peer, me, now, packet)
        step(me, Cause.CLOSE, action(me.states, Cause.CLOSE), _SENT, now, packet)
        me.fin = (seq + length + 1) & 0xFFFFFFFF
        me.fin_ack = ack if flags & ACK else UNKNOWN
        if peer.fin_ack == me.fin:
            had_the_fin(peer, Cause.CLOSE, packet)
    if under_way is not None:
        after = arrival(me.states, Cause.ACK_OF_FIN)
        when, which = under_way.time, under_way.packet
        step(me, Cause.ACK_OF_FIN, after, _PRESUMED, when, which, under_way.threshold)
    _arrives(me, peer, flags, seq, ack, length, now, packet)
    if flags & FIN and peer.ack == me.fin and me.states & (FIN_WAIT_1 | CLOSING | LAST_ACK):
        # The capture has them in the wrong order: the ACK of this FIN came before it.
        after = arrival(me.states, Cause.ACK_OF_FIN)
        step(me, Cause.ACK_OF_FIN, after, _PRESUMED, now, packet, me.fin)


def _is_a_copy(me: End, flags: i64, seq: i64, ack: i64, length: i64, now: i64) -> bool:
    """Return whether a SYN or FIN is the one before, captured twice (RFC 6298 is not so quick)."""
    if flags & ACK and ack != me.ack:
        return False
    if flags & SYN:
        known = me.syn_acks if flags & ACK else me.syns
        return known > 0 and seq == me.isn and now - me.marked < _SYN_AGAIN
    return me.fin == (seq + length + 1) & 0xFFFFFFFF and now - me.marked < _FIN_AGAIN


def _overtaken(me: End, seq: i64, length: i64, now: i64) -> bool:
    """Return whether text that was sent later came just before: its ACK is of no news."""
    if not length or me.nxt == UNKNOWN or now - me.last > _FIN_AGAIN:
        return False
    return distance(seq + length, me.nxt) < 0


def _has_the_fin(me: End, now: i64, packet: i64) -> None:
    """It acknowledges the other's FIN; what passed less than a round trip ago comes after that."""
    last = me.changes[len(me.changes) - 1] if me.changes else None
    if last is not None and last.evidence is _PRESUMED and now - last.time < me.round_trip:
        if last.cause is Cause.ACK_OF_FIN:
            had_the_fin(me, Cause.ACK_OF_FIN, packet)
            return
    step(me, Cause.FIN, arrival(me.states, Cause.FIN), _ACKED, now, packet)


def _acks_unseen(me: End, peer: End, ack: i64) -> bool:
    """Return whether an ACK covers more than the one before, and more than was captured."""
    if me.ack == UNKNOWN or distance(ack, me.ack) <= 0:
        return False
    return peer.nxt == UNKNOWN or distance(ack, peer.nxt) > 0


def begin(me: End, peer: End, flags: i64) -> None:
    """Give both ends the states from which their first segment can come."""
    if flags & SYN and not flags & ACK:
        me.states, peer.states = CLOSED, LISTEN
    elif flags & SYN:
        # Its SYN was not captured: either it answers, or somebody else's address was used.
        me.states, peer.states = LISTEN, SYN_SENT | CLOSED
    elif flags & RST:
        me.states, peer.states = SYNCHRONIZED | SYN_RECEIVED | CLOSED, SYNCHRONIZED | CLOSED
    else:
        me.states, peer.states = SYNCHRONIZED, SYNCHRONIZED
    me.start, peer.start = me.states, peer.states


# -- what a segment says of its sender ------------------------------------------------------------


def _settle(
    me: End,
    peer: End,
    flags: i64,
    seq: i64,
    ack: i64,
    length: i64,
    now: i64,
    packet: i64,
) -> Change | None:
    """What was presumed to have arrived here: has it, by this segment?

    Returns the ACK of a FIN that may have been under way to this end when it sent its FIN again.
    """
    under_way: Change | None = None
    left: i32 = 0
    again = False
    for change in me.changes:
        if change.evidence is not _PRESUMED:
            continue
        verdict = _arrived(me, change, flags, seq, ack, length, now)
        if verdict > 0:
            change.evidence = _ACKED
            change.proof = packet
        elif verdict < 0:
            change.evidence = _REFUTED
            change.proof = packet
            if change.cause is Cause.FIN:
                me.refuted += 1
            elif change.cause is Cause.RESET and flags & (SYN | ACK) != SYN:
                me.refused_resets += 1  # a SYN again is no doubt: some systems ask more than once
            elif change.cause is Cause.ACK_OF_FIN and now - change.time < me.round_trip:
                under_way = change
            again = True
        else:
            left += 1
    me.pending = left
    if again:
        walk_again(me)
    return under_way


def _arrived(me: End, change: Change, flags: i64, seq: i64, ack: i64, length: i64, now: i64) -> int:
    """Return 1 when its own segment shows that the cause had arrived, -1 that it had not, or 0."""
    cause = change.cause
    if flags & RST:
        if cause is Cause.SYN and flags & ACK and ack == change.threshold:
            return -1  # it answers the SYN with a reset: nobody listened
        if cause is Cause.FIN and i64(change.after) == TIME_WAIT:
            return -1  # it answers the FIN with a reset: TIME-WAIT would have taken it
        return 1 if cause is Cause.RESET else 0
    reached = flags & ACK != 0 and distance(ack, change.threshold) >= 0
    if cause is Cause.FIN:
        if reached:
            return 1
        if not flags & FIN and now - change.time < me.round_trip:
            return 0  # it was sent before the FIN can have arrived
        return -1 if flags & ACK else 0
    if cause is Cause.SYN_ACK and flags & SYN:
        return -1  # its SYN again; or a SYN-ACK, which answers a SYN without ACK
    if cause is Cause.SYN or cause is Cause.SYN_ACK:
        if reached:
            return 1
        return -1 if flags & SYN else 0
    if cause is Cause.ACK_OF_SYN:
        if flags & SYN:
            return -1 if me.syn_acks or me.isn == UNKNOWN else 0  # again; a SYN's first crossed it
        return 1 if length or flags & FIN or reached else 0
    if cause is Cause.ACK_OF_FIN:
        if flags & FIN:
            return -1  # the FIN again
        return 1 if flags & ACK and distance(ack, change.threshold) > 0 else 0
    if cause is Cause.RESET:
        if flags & SYN and me.isn == UNKNOWN:
            return 1  # it answers the one that asks anew
        # It goes on as if nothing had been: what it had sent before apart, it was not believed.
        return -1 if now - change.time > _ROUND_TRIP else 0
    return 0


def _syn_is_sent(me: End, peer: End, flags: i64, seq: i64, ack: i64, now: i64, packet: i64) -> None:
    if flags & ACK:
        me.syn_acks += 1
    else:
        me.syns += 1
    if me.isn == UNKNOWN and peer.syn_acks == 1 and peer.ack == (seq + 1) & 0xFFFFFFFF:
        if not flags & ACK and me.start & CLOSED:
            # The SYN-ACK that answers it stands before it in the capture.
            me.isn = seq
            me.states = me.start = CLOSED
            me.changes = []
            me.pending = 0
            step(me, Cause.ACTIVE_OPEN, SYN_SENT, _SENT, now, packet)
            behind = (peer.isn + 1) & 0xFFFFFFFF
            step(me, Cause.SYN_ACK, ESTABLISHED, _PRESUMED, now, packet, behind)
            return
    if me.states & SYNCHRONIZED:
        if seq != me.isn:
            me.refused_syns += 1  # an old duplicate, or it has forgotten the connection
        return
    if seq == me.isn and me.ack != UNKNOWN:
        return  # captured twice: the connection that it opened is over
    me.isn = seq
    if flags & ACK:
        if me.states == CLOSED and ack == (peer.isn + 1) & 0xFFFFFFFF:
            step(me, Cause.PASSIVE_OPEN, LISTEN, _SENT, now, packet)
        if me.states & (LISTEN | SYN_SENT):
            step(me, Cause.SYN, action(me.states, Cause.SYN), _SENT, now, packet)
    elif me.states & (CLOSED | LISTEN):
        if not me.changes or me.changes[0].evidence is _REFUTED:
            me.states = me.start = CLOSED
        step(me, Cause.ACTIVE_OPEN, SYN_SENT, _SENT, now, packet)
        if peer.isn != UNKNOWN:
            # Simultaneous open: the peer's SYN is still on its way.
            behind = (peer.isn + 1) & 0xFFFFFFFF
            step(me, Cause.SYN, SYN_RECEIVED, _PRESUMED, now, packet, behind)


def _is_sent(
    me: End, peer: End, flags: i64, seq: i64, ack: i64, length: i64, now: i64, packet: i64
) -> None:
    """Any segment but a SYN or a reset."""
    states = me.states
    if states == SYN_SENT and flags & ACK and covers(seq, me.isn + 1):
        # The SYN-ACK was not captured, but it must have arrived.
        step(me, Cause.SYN_ACK, ESTABLISHED, _SENT, now, packet)
    elif states == SYN_RECEIVED and flags & ACK and _goes_on(me, peer, ack, length):
        step(me, Cause.ACK_OF_SYN, ESTABLISHED, _SENT, now, packet)
        if not peer.packets:
            narrow(peer, ~CLOSED)
    elif length and flags & ACK and not states & (SYNCHRONIZED | SYN_RECEIVED):
        if states == CLOSED and me.resets and me.nxt != UNKNOWN and distance(seq, me.nxt) >= 0:
            never_reset(me, packet)
        elif not me.resets and not me.fins and (me.nxt == UNKNOWN or me.ack != UNKNOWN):
            # It talks, so it has a connection, however that came to be.
            had_one_before(me)
    if states & FIN_WAIT_1 and not flags & FIN and not peer.packets and seq == me.fin:
        # Of the other end nothing was captured: the ACK of this FIN, or its own, may have come.
        may_have_moved(me, Cause.ACK_OF_FIN, _UNTOLD, now, packet)
        anything = CLOSE_WAIT | LAST_ACK | _UNTOLD | CLOSED
        may_have_moved(peer, Cause.CLOSE, anything, now, packet)
    if peer.states == SYN_SENT and flags & ACK and ack != (peer.isn + 1) & 0xFFFFFFFF:
        me.wrong_acks += 1
    states = me.states
    if states & (states - 1) == 0:
        return
    # Several states are possible: which of them send this?
    news = length > 0 and (me.nxt == UNKNOWN or distance(seq + length, me.nxt) >= 0)
    if news and me.nxt != UNKNOWN:
        did_not_move(me, Cause.CLOSE)
        did_not_move(peer, Cause.FIN)
        narrow(me, MAY_SEND_DATA)
        narrow(peer, _LACKS_THE_FIN)
    elif length or flags & ACK:
        narrow(me, SYNCHRONIZED)


def _goes_on(me: End, peer: End, ack: i64, length: i64) -> bool:
    """Return whether it does what needs an open connection, and not TCP Fast Open."""
    if peer.isn != UNKNOWN and distance(ack, peer.isn + 1 + peer.syn_octets) > 0:
        return True
    return length > 0 and not peer.syn_octets


def _reset_is_sent(me: End, peer: End, flags: i64, seq: i64, now: i64, packet: i64) -> None:
    """Whoever resets has no connection (any more)."""
    me.resets += 1
    if not flags & ACK and now - me.last >= SECOND:
        me.unheard = peer.unanswered  # it was silent, and then it did not know of anything
    if me.states == LISTEN and not me.syn_acks:
        me.states = me.start = CLOSED  # the SYN found nobody listening
    elif me.states == SYN_SENT and peer.wrong_acks and not flags & ACK and seq == peer.ack:
        # RFC 9293 3.10.7.3 first: it goes on asking, and the peer has a connection of its own.
        had_one_before(peer)
    elif me.probing and me.unanswered >= _MANY and me.states & SYNCHRONIZED:
        step(me, Cause.KEEPALIVE_FAILED, CLOSED, Evidence.TIMER, now, packet)
    elif me.states & ~(CLOSED | LISTEN):
        step(me, Cause.ABORT, CLOSED, _SENT, now, packet)


# -- what it will do where it arrives -------------------------------------------------------------


def _reset_arrives(
    me: End, peer: End, flags: i64, seq: i64, ack: i64, now: i64, packet: i64
) -> None:
    """Is it exact (RFC 5961 3.2)? One that is not draws a challenge, and changes nothing."""
    if peer.states == SYN_SENT:
        if not flags & ACK or distance(ack, peer.isn) <= 0 or distance(ack, peer.nxt) > 0:
            peer.refused_resets += 1
            return
    elif peer.ack != UNKNOWN and seq != peer.ack:
        # Behind everything captured is exact too, when the ACK of it has not been seen yet.
        if me.nxt == UNKNOWN or seq != me.nxt or me.hole != UNKNOWN:
            peer.refused_resets += 1
            return
    if peer.states & ~(CLOSED | LISTEN):
        after = arrival(peer.states, Cause.RESET)
        step(peer, Cause.RESET, after, _PRESUMED, now, packet, seq)


def _arrives(
    me: End, peer: End, flags: i64, seq: i64, ack: i64, length: i64, now: i64, packet: i64
) -> None:
    """What the segment does at the other end once it is there: SYN, ACK, FIN, in that order."""
    late = me.fin != UNKNOWN and peer.refuted > 0 and peer.refuted <= me.fins
    if late and not length and not flags & FIN:
        # The FIN was under way when the peer sent what refuted it: it comes before this one.
        _fin_arrives(me, peer, now, packet)
    states = peer.states
    if flags & SYN:
        _syn_arrives(me, peer, flags, seq, ack, now, packet)
    elif flags & ACK:
        if states & SYN_RECEIVED and _acks_the_syn(me, peer, ack):
            after = arrival(states, Cause.ACK_OF_SYN)
            step(peer, Cause.ACK_OF_SYN, after, _PRESUMED, now, packet, me.nxt)
    if flags & ACK and peer.fin != UNKNOWN and ack == peer.fin:
        if peer.states & (FIN_WAIT_1 | CLOSING | LAST_ACK):
            after = arrival(peer.states, Cause.ACK_OF_FIN)
            threshold = seq if me.nxt == UNKNOWN or distance(me.nxt, seq) < 0 else me.nxt
            step(peer, Cause.ACK_OF_FIN, after, _PRESUMED, now, packet, threshold)
    if flags & FIN or late:
        _fin_arrives(me, peer, now, packet)


def _fin_arrives(me: End, peer: End, now: i64, packet: i64) -> None:
    if peer.states & ~HAS_THE_PEERS_FIN and whole(me, peer):
        after = arrival(peer.states, Cause.FIN)
        step(peer, Cause.FIN, after, _PRESUMED, now, packet, me.fin)


def _acks_the_syn(me: End, peer: End, ack: i64) -> bool:
    """Return whether an ACK ends SYN-RECEIVED: of a SYN-ACK not captured, who is synchronized."""
    if peer.isn == UNKNOWN:
        return me.states & ~SYNCHRONIZED == 0
    return covers(ack, peer.isn + 1)


def _syn_arrives(me: End, peer: End, flags: i64, seq: i64, ack: i64, now: i64, packet: i64) -> None:
    states = peer.states
    behind = (seq + 1) & 0xFFFFFFFF
    if not flags & ACK:
        if states & (LISTEN | SYN_SENT):
            after = arrival(states, Cause.SYN)
            step(peer, Cause.SYN, after, _PRESUMED, now, packet, behind)
        return
    ours = peer.isn == UNKNOWN or ack == (peer.isn + 1) & 0xFFFFFFFF
    if not ours and peer.syn_octets and covers(ack, peer.isn + 1):
        ours = peer.syn_taken = True
    if states & SYN_SENT and ours:
        after = arrival(states, Cause.SYN_ACK)
        step(peer, Cause.SYN_ACK, after, _PRESUMED, now, packet, behind)
    elif states & SYN_RECEIVED and ours:
        # A simultaneous open: the SYN-ACK acknowledges our SYN.
        after = arrival(states, Cause.ACK_OF_SYN)
        step(peer, Cause.ACK_OF_SYN, after, _PRESUMED, now, packet, behind)
