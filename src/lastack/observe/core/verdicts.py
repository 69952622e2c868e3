"""What became of a connection, in the field's words: how it was opened, and how it ended."""

from enum import IntEnum
from typing import Final

from mypy_extensions import i64, mypyc_attr

from lastack.observe.core.ends import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_SENT,
    SYNCHRONIZED,
    TIME_WAIT,
    UNKNOWN,
    Change,
    End,
    Evidence,
    last_change,
)
from lastack.observe.core.flow import Flow
from lastack.tcp.states import Cause
from lastack.units import SECOND


class Handshake(IntEnum):
    """How it was opened."""

    COMPLETE = 1
    REFUSED = 2
    """The SYN was answered with a reset."""
    NO_ANSWER = 3
    HALF_OPEN = 4
    """The SYN-ACK was never acknowledged."""
    SIMULTANEOUS_OPEN = 5
    SPLIT_HANDSHAKE = 6
    """The SYN was answered with a SYN instead of a SYN-ACK."""
    FAST_OPEN = 7
    """Text in the SYN was accepted (RFC 7413)."""
    MID_STREAM = 8
    """The capture began after it."""
    BACKSCATTER = 9
    """An answer to something that was never sent from there."""
    ABANDONED = 10
    """The end that had asked took its SYN back with a reset."""
    BEING_OPENED = 11
    """The capture ended before an answer was due."""

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-" if self.value == 8 else " ")


class Teardown(IntEnum):
    """How it ended."""

    NORMAL = 1
    """Four segments: FIN, ACK, FIN, ACK."""
    THREE_SEGMENT = 2
    """The second FIN came with the ACK of the first."""
    HALF_CLOSE = 3
    """One end went on sending after the other had finished."""
    SIMULTANEOUS_CLOSE = 4
    """The FINs crossed: both ends were in CLOSING."""
    ABORT = 5
    STUCK_IN_CLOSE_WAIT = 6
    STUCK_IN_FIN_WAIT_1 = 7
    LAST_ACK_LOST = 8
    """The last FIN was never seen acknowledged."""
    TIME_WAIT_ASSASSINATION = 9
    """A reset ended TIME-WAIT (RFC 1337)."""
    HALF_OPEN_DISCOVERED = 10
    """One end knew nothing of the connection any more, or the other still had an old one."""
    PEER_SILENT = 11
    OPEN = 12
    NEVER_OPEN = 13
    STUCK_IN_FIN_WAIT_2 = 14
    """It has finished, and of the other end, which has not, nothing is heard any more."""
    STUCK_IN_CLOSING = 15
    HALF_SEEN = 16
    """It was closing, and of the other end nothing was captured."""
    BEING_CLOSED = 17
    """One end had finished, and the capture ended before more was due."""

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class Also(IntEnum):
    """What happened besides and changed nothing."""

    TIME_WAIT_REUSE = 1
    """Another connection took its addresses and ports over while an end was in TIME-WAIT."""
    BLIND_RESET_REJECTED = 2
    """A reset that was not exact, or was not believed (RFC 5961 3)."""
    BLIND_SYN_REJECTED = 3
    """A SYN into the open connection, which lived on (RFC 5961 4)."""

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


ANSWER_AFTER: Final = SECOND
"""For so long after a SYN or SYN-ACK no answer is due: then it is sent again (RFC 6298 2.1)."""
_WAITS: Final = FIN_WAIT_1 | FIN_WAIT_2 | CLOSE_WAIT | CLOSING | LAST_ACK
SILENT_AFTER: Final = 3
"""Retransmissions without a word from the other end that make it silent."""
STUCK_AFTER: Final = 5 * SECOND
"""What should have followed, and has not for so long before the capture ends, is stuck: a FIN has
been sent again twice by then (RFC 6298 2.1), and Zeek gives up attempts and closed connections
(tcp_attempt_delay, tcp_close_delay)."""


@mypyc_attr(acyclic=True)
class Verdict:
    """What became of a connection.

    `by_a` says which end did it (aborted, is stuck, kept silent) and `state` in which set of states
    that end was; `since` is when, nanoseconds. `retries` counts the retransmissions of a silent
    end's peer. `reused` says that another connection took its addresses and ports over while an end
    was in TIME-WAIT, `rejected_resets` how many resets were not believed.
    """

    handshake: Handshake
    teardown: Teardown
    by_a: bool
    state: i64
    since: i64
    retries: i64
    reused: bool
    rejected_resets: i64
    also: list[Also]

    def __init__(self, handshake: Handshake, teardown: Teardown) -> None:
        self.handshake = handshake
        self.teardown = teardown
        self.by_a = True
        self.state = 0
        self.since = 0
        self.retries = 0
        self.reused = False
        self.rejected_resets = 0
        self.also = []


def verdict_on(flow: Flow) -> Verdict:
    """Return what became of a connection, as far as its segments have been seen."""
    verdict = Verdict(_handshake(flow), Teardown.OPEN)
    verdict.rejected_resets = i64(flow.a.refused_resets + flow.b.refused_resets)
    verdict.reused = flow.reused
    if flow.reused:
        verdict.also.append(Also.TIME_WAIT_REUSE)
    if verdict.rejected_resets:
        verdict.also.append(Also.BLIND_RESET_REJECTED)
    if _was_never_open(flow, verdict):
        return verdict
    if not _was_reset(flow, verdict) and not _is_stuck(flow, verdict):
        _finished(flow, verdict)
    if flow.a.refused_syns + flow.b.refused_syns:
        if verdict.teardown is not Teardown.HALF_OPEN_DISCOVERED:
            verdict.also.append(Also.BLIND_SYN_REJECTED)
    return verdict


def _was_never_open(flow: Flow, verdict: Verdict) -> bool:
    for by_a in (True, False):
        asking, answering = (flow.a, flow.b) if by_a else (flow.b, flow.a)
        if asking.syns and asking.resets and answering.wrong_acks and not answering.syn_acks:
            # RFC 9293 3.5.1: its SYN was answered out of a connection that it did not know.
            verdict.teardown = Teardown.HALF_OPEN_DISCOVERED
            verdict.by_a, verdict.state, verdict.since = by_a, SYN_SENT, asking.last
            return True
    if verdict.handshake is not Handshake.BACKSCATTER and _was_open(flow):
        return False
    verdict.teardown = Teardown.NEVER_OPEN
    return True


def _handshake(flow: Flow) -> Handshake:
    a, b = (flow.a, flow.b) if flow.a.syns else (flow.b, flow.a)
    if not a.syns:
        return _without_a_syn(flow)
    if a.syns and b.syns:
        both = a.syn_acks and b.syn_acks
        return Handshake.SIMULTANEOUS_OPEN if both else Handshake.SPLIT_HANDSHAKE
    if not b.packets:
        if a.resets:
            return Handshake.ABANDONED
        if _reached(a, ESTABLISHED):
            return Handshake.COMPLETE
        return Handshake.BEING_OPENED if _is_early(flow, i64(a.syns)) else Handshake.NO_ANSWER
    if not b.syn_acks:
        if _was_struck(a) and not a.octets - a.syn_octets:
            return Handshake.REFUSED
        return Handshake.NO_ANSWER if not _reached(a, ESTABLISHED) else Handshake.COMPLETE
    if a.syn_taken:
        return Handshake.FAST_OPEN
    if a.ack == UNKNOWN:
        if a.resets:
            return Handshake.ABANDONED
        return Handshake.BEING_OPENED if _is_early(flow, i64(b.syn_acks)) else Handshake.HALF_OPEN
    return Handshake.COMPLETE


def _is_early(flow: Flow, times: i64) -> bool:
    """Return whether the SYN or SYN-ACK, sent so many times, was not to be sent again yet."""
    return times == 1 and flow.until - flow.last < ANSWER_AFTER


def _without_a_syn(flow: Flow) -> Handshake:
    """It began before the capture, unless nobody had asked for what was answered."""
    a, b = flow.a, flow.b
    answers = a.syn_acks + a.resets
    if answers == a.packets and a.octets == 0 and b.resets == b.packets:
        return Handshake.BACKSCATTER
    return Handshake.MID_STREAM


def _was_open(flow: Flow) -> bool:
    if flow.a.start & SYNCHRONIZED or flow.b.start & SYNCHRONIZED:
        return True
    return _reached(flow.b, SYNCHRONIZED) or (
        _reached(flow.a, SYNCHRONIZED) and (flow.a.ack != UNKNOWN or not flow.b.packets)
    )


def _reached(end: End, states: i64) -> bool:
    for change in end.changes:
        if change.evidence is not Evidence.REFUTED and i64(change.after) & states:
            return True
    return False


def _was_in(end: End, state: i64) -> bool:
    """Return whether it was in a state for certain: that, and no other, was possible."""
    for change in end.changes:
        if change.evidence is not Evidence.REFUTED and i64(change.after) == state:
            return True
    return False


def _was_struck(end: End) -> bool:
    """Return whether a reset came that it had to believe; it may have asked again after that."""
    return any(change.cause is Cause.RESET for change in end.changes)


def _last(end: End, cause: Cause) -> Change | None:
    found: Change | None = None
    for change in end.changes:
        if change.cause is cause and change.evidence is not Evidence.REFUTED:
            found = change
    return found


def _moved(end: End) -> i64:
    """Return when it came to where it is; when it was last heard of where that was not seen."""
    change = last_change(end)
    return end.last if change is None else change.time


def _was_reset(flow: Flow, verdict: Verdict) -> bool:
    """A reset that was believed ended it, at the end that got it; not one after the end."""
    for by_a in (True, False):
        sender, other = (flow.a, flow.b) if by_a else (flow.b, flow.a)
        if not sender.resets:
            continue
        struck = _last(other, Cause.RESET)
        if struck is not None and struck.before == TIME_WAIT:
            verdict.teardown = Teardown.TIME_WAIT_ASSASSINATION
            verdict.by_a, verdict.since, verdict.state = by_a, struck.time, TIME_WAIT
            return True
        abort = _last(sender, Cause.ABORT)
        if abort is None or (not struck and other.states & ~(CLOSED | TIME_WAIT | LISTEN)):
            continue
        if not struck and abort.before == TIME_WAIT:
            continue
        verdict.by_a, verdict.since, verdict.state = by_a, abort.time, i64(abort.before)
        verdict.teardown = Teardown.ABORT
        if sender.packets == sender.resets or sender.unheard:
            verdict.teardown, verdict.state = Teardown.HALF_OPEN_DISCOVERED, CLOSED
        elif sender.syns and sender.refused_syns:
            verdict.teardown = Teardown.HALF_OPEN_DISCOVERED
        return True
    return False


def _is_stuck(flow: Flow, verdict: Verdict) -> bool:
    """Something that should have followed did not."""
    if (not flow.a.packets and flow.b.fins) or (not flow.b.packets and flow.a.fins):
        verdict.teardown, verdict.by_a = Teardown.HALF_SEEN, flow.a.fins > 0
        return True
    if flow.a.unanswered < SILENT_AFTER and flow.b.unanswered < SILENT_AFTER:
        if not (flow.a.states | flow.b.states) & _WAITS:
            return False
    for by_a in (True, False):
        end, other = (flow.a, flow.b) if by_a else (flow.b, flow.a)
        gave_up = _last(end, Cause.KEEPALIVE_FAILED)
        # Where nothing was captured of the other end, most of what this one sends must be that.
        silent = end.unanswered >= SILENT_AFTER
        silent = silent and (other.packets > 0 or 2 * i64(end.unanswered) >= end.packets)
        if silent and (end.states & ~CLOSED or gave_up is not None):
            if end.states == LAST_ACK:
                break
            if end.states == FIN_WAIT_2:
                verdict.teardown, verdict.by_a = Teardown.STUCK_IN_FIN_WAIT_2, by_a
                verdict.state, verdict.since = FIN_WAIT_2, _moved(end)
                return True
            verdict.teardown, verdict.by_a = Teardown.PEER_SILENT, not by_a
            verdict.state, verdict.since = end.states, other.last
            if gave_up is not None:
                verdict.state = i64(gave_up.before)
            verdict.retries = i64(end.unanswered)
            return True
    for by_a in (True, False):
        end, other = (flow.a, flow.b) if by_a else (flow.b, flow.a)
        for state, name in (
            (LAST_ACK, Teardown.LAST_ACK_LOST),
            (CLOSE_WAIT, Teardown.STUCK_IN_CLOSE_WAIT),
        ):
            if end.states == state and not (state == CLOSE_WAIT and _only_presumed(end)):
                _waits(flow, verdict, by_a, name)
                return True
    for by_a in (True, False):
        end = flow.a if by_a else flow.b
        for state, name in (
            (FIN_WAIT_1, Teardown.STUCK_IN_FIN_WAIT_1),
            (CLOSING, Teardown.STUCK_IN_CLOSING),
            (FIN_WAIT_2, Teardown.STUCK_IN_FIN_WAIT_2),
        ):
            if end.states == state:
                _waits(flow, verdict, by_a, name)
                return True
    return False


def _waits(flow: Flow, verdict: Verdict, by_a: bool, stuck: Teardown) -> None:
    """One end waits: it is stuck if whoever has to act has done nothing new for long enough."""
    end = flow.a if by_a else flow.b
    must_act = flow.track_a if by_a == (end.states == CLOSE_WAIT) else flow.track_b
    verdict.by_a, verdict.state, verdict.since = by_a, end.states, _moved(end)
    waited = max(flow.until, flow.last) - max(verdict.since, must_act.nxt_at)
    long = waited >= STUCK_AFTER or end.unanswered >= SILENT_AFTER
    verdict.teardown = stuck if long else Teardown.BEING_CLOSED


def _only_presumed(end: End) -> bool:
    """Return whether nothing shows that the FIN has arrived, though the other end repeats it."""
    last = last_change(end)
    return last is not None and last.cause is Cause.FIN and last.evidence is Evidence.PRESUMED


def _finished(flow: Flow, verdict: Verdict) -> None:
    a, b = flow.a, flow.b
    if not flow.over or a.fin == UNKNOWN or b.fin == UNKNOWN:
        return
    closing = _last(a, Cause.CLOSE)
    answer = _last(b, Cause.CLOSE)
    verdict.teardown = Teardown.NORMAL
    if closing is None or answer is None:
        return
    verdict.by_a = closing.packet < answer.packet
    verdict.since = min(closing.time, answer.time)
    first, second = (a, b) if verdict.by_a else (b, a)
    if _was_in(a, CLOSING) or _was_in(b, CLOSING):
        verdict.teardown = Teardown.SIMULTANEOUS_CLOSE
    elif second.after_fin:
        verdict.teardown = Teardown.HALF_CLOSE
    elif first.fin_acked_by_fin:
        verdict.teardown = Teardown.THREE_SEGMENT
