"""The steps that an end has gone: written down, gone anew without some, or perhaps never gone.

What was not captured leaves sets of states behind: a step that may have been is POSSIBLE, and is
taken out again when a later segment shows that it was not.
"""

from typing import Final

from mypy_extensions import i16, i64

from lastack.observe.core.ends import (
    CLOSE_WAIT,
    CLOSED,
    ESTABLISHED,
    NOWHERE,
    SYN_RECEIVED,
    SYNCHRONIZED,
    TIME_WAIT,
    UNKNOWN,
    Change,
    End,
    Evidence,
    action,
    arrival,
)
from lastack.tcp.states import Cause
from lastack.units import SECOND

TWO_MSL: Final = 240 * SECOND
"""How long TIME-WAIT lasts at most (RFC 9293 3.4.1: MSL is two minutes; many systems wait less)."""

_SENT: Final = Evidence.SENT
_ACKED: Final = Evidence.ACKED
_PRESUMED: Final = Evidence.PRESUMED
_REFUTED: Final = Evidence.REFUTED
_POSSIBLE: Final = Evidence.POSSIBLE
MOST_CHANGES: Final = 128
"""Changes of an end that are remembered: no end has so many unless somebody makes them up."""

_CAN_CLOSE: Final = SYN_RECEIVED | ESTABLISHED | CLOSE_WAIT


def distance(a: i64, b: i64) -> i64:
    """Return how far sequence number a is after b, from -2**31 to 2**31 - 1."""
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def covers(ack: i64, number: i64) -> bool:
    """Return whether an acknowledgment reaches a sequence number."""
    return distance(ack, number & 0xFFFFFFFF) >= 0


def whole(end: End, peer: End) -> bool:
    """Return whether all that an end has sent was seen passing, or has been acknowledged."""
    return end.hole == UNKNOWN or (peer.ack != UNKNOWN and distance(peer.ack, end.hole) > 0)


def step(
    end: End,
    cause: Cause,
    after: i64,
    evidence: Evidence,
    now: i64,
    packet: i64,
    threshold: i64 = UNKNOWN,
) -> None:
    """Write a step down, if it is one."""
    if after == end.states or after == NOWHERE:
        return
    _make_room(end)
    end.changes.append(Change(now, packet, end.states, after, cause, evidence, threshold))
    end.states = after
    if evidence is _PRESUMED:
        end.pending += 1


def _make_room(end: End) -> None:
    """Forget the earlier half where there are too many, and all that was refuted."""
    if len(end.changes) < MOST_CHANGES:
        return
    held = [change for change in end.changes if change.evidence is not _REFUTED]
    kept = held[max(0, len(held) - MOST_CHANGES // 2) :]
    if kept:
        end.start = i64(kept[0].before)
    end.pending = 0
    for change in kept:
        if change.evidence is _PRESUMED:
            end.pending += 1
    end.changes = kept


def walk_again(end: End) -> None:
    """Something was refuted: go the way from the start without it."""
    end.rewritten = True
    states = end.start
    for change in end.changes:
        if change.evidence is _REFUTED:
            continue
        after = arrival(states, change.cause)
        if change.evidence is _POSSIBLE:
            after = states | i64(change.after)
        elif change.evidence is _SENT:
            after = action(states, change.cause) or after
        change.before = i16(states)
        change.after = i16(after)
        states = after
    end.states = states


def had_the_fin(end: End, before: Cause, packet: i64) -> None:
    """The other's FIN had arrived before something else, though it was captured behind that."""
    _make_room(end)
    for place, change in enumerate(end.changes):
        if change.cause is before and change.evidence is not _REFUTED:
            at = i64(change.before)
            arrived = Change(change.time, change.packet, at, at, Cause.FIN, _ACKED, UNKNOWN)
            arrived.proof = packet
            end.changes.insert(place, arrived)
            walk_again(end)
            return


def had_one_before(end: End) -> None:
    """It has a connection, however that came to be: what was captured did not begin it."""
    end.states = end.start = SYNCHRONIZED
    end.changes = []
    end.pending = 0
    end.rewritten = True


def never_reset(end: End, packet: i64) -> None:
    """It says something new after a reset under its address: somebody else had sent that."""
    last = end.changes[len(end.changes) - 1] if end.changes else None
    if last is not None and last.cause is Cause.ABORT:
        last.evidence = _REFUTED
        last.proof = packet
        walk_again(end)


def may_have_closed(end: End, peer: End, now: i64, packet: i64) -> None:
    """Something of `end` was not captured: was its FIN there, which the peer may have by now?"""
    if end.fin != UNKNOWN:
        return
    closed = action(end.states & _CAN_CLOSE, Cause.CLOSE)
    may_have_moved(end, Cause.CLOSE, closed | arrival(closed, Cause.ACK_OF_FIN), now, packet)
    arrived = action(peer.states, Cause.FIN)
    if peer.fin != UNKNOWN:
        arrived |= arrival(peer.states | arrived, Cause.ACK_OF_FIN)
    may_have_moved(peer, Cause.FIN, arrived & ~CLOSED, now, packet)


def may_have_moved(end: End, cause: Cause, after: i64, now: i64, packet: i64) -> None:
    """It is in one of `after` now, or still where it was."""
    step(end, cause, end.states | after, _POSSIBLE, now, packet)


def did_not_move(end: End, cause: Cause) -> None:
    """What may have been was not."""
    kept = [
        change
        for change in end.changes
        if change.evidence is not _POSSIBLE or change.cause is not cause
    ]
    if len(kept) < len(end.changes):
        end.changes = kept
        walk_again(end)


def time_wait_is_over(end: End, last: i64) -> None:
    """By now 2 MSL have passed since `last`, when the connection's last segment was seen."""
    if end.states & TIME_WAIT and end.changes:
        began = end.changes[len(end.changes) - 1].packet
        after = arrival(end.states, Cause.TIME_WAIT_OVER)
        step(end, Cause.TIME_WAIT_OVER, after, Evidence.TIMER, last + TWO_MSL, began)


def narrow(end: End, mask: i64) -> None:
    """Leave of the possible states those in `mask`, if any is."""
    if end.states & mask:
        end.states &= mask
        if not end.changes:
            end.start = end.states
