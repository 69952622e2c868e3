"""What became of a connection, in the field's words: how it was opened, and how it ended."""

from enum import IntEnum
from typing import Final

from mypy_extensions import i64

from lastack.observe.core.ends import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    LAST_ACK,
    LISTEN,
    SYNCHRONIZED,
    TIME_WAIT,
    UNKNOWN,
    Change,
    End,
    Evidence,
)
from lastack.observe.core.flow import Flow
from lastack.tcp.states import Cause


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
    """One end knew nothing of the connection any more and said so with a reset."""
    PEER_SILENT = 11
    OPEN = 12
    NEVER_OPEN = 13

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


SILENT_AFTER: Final = 3
"""Retransmissions without a word from the other end that make it silent."""


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

    def __init__(self, handshake: Handshake, teardown: Teardown) -> None:
        self.handshake = handshake
        self.teardown = teardown
        self.by_a = True
        self.state = 0
        self.since = 0
        self.retries = 0
        self.reused = False
        self.rejected_resets = 0


def verdict_on(flow: Flow) -> Verdict:
    """Return what became of a connection, as far as its segments have been seen."""
    verdict = Verdict(_handshake(flow), Teardown.OPEN)
    verdict.rejected_resets = flow.a.refused_resets + flow.b.refused_resets
    verdict.reused = flow.reused
    if not _was_open(flow):
        verdict.teardown = Teardown.NEVER_OPEN
        return verdict
    if not _was_reset(flow, verdict) and not _is_stuck(flow, verdict):
        _finished(flow, verdict)
    return verdict


def _handshake(flow: Flow) -> Handshake:
    a, b = flow.a, flow.b
    if not a.syns:
        if a.syn_acks or a.resets:
            return Handshake.BACKSCATTER if not b.packets or b.resets else Handshake.MID_STREAM
        return Handshake.MID_STREAM
    if a.syns and b.syns:
        both = a.syn_acks and b.syn_acks
        return Handshake.SIMULTANEOUS_OPEN if both else Handshake.SPLIT_HANDSHAKE
    if not b.packets:
        if a.resets:
            return Handshake.ABANDONED
        return Handshake.NO_ANSWER if a.states & ~SYNCHRONIZED else Handshake.COMPLETE
    if not b.syn_acks:
        if b.resets and not a.octets - a.syn_octets:
            return Handshake.REFUSED
        return Handshake.NO_ANSWER if not _reached(a, ESTABLISHED) else Handshake.COMPLETE
    if a.syn_taken:
        return Handshake.FAST_OPEN
    if not _acknowledged(flow):
        return Handshake.ABANDONED if a.resets else Handshake.HALF_OPEN
    return Handshake.COMPLETE


def _acknowledged(flow: Flow) -> bool:
    """Return whether the first end has acknowledged the SYN-ACK."""
    return flow.a.ack != UNKNOWN


def _was_open(flow: Flow) -> bool:
    if flow.a.start & SYNCHRONIZED or flow.b.start & SYNCHRONIZED:
        return True
    return _reached(flow.b, SYNCHRONIZED) or (
        _reached(flow.a, SYNCHRONIZED) and (flow.a.ack != UNKNOWN or not flow.b.packets)
    )


def _reached(end: End, states: i64) -> bool:
    for change in end.changes:
        if change.evidence is not Evidence.REFUTED and change.after & states:
            return True
    return False


def _last(end: End, cause: Cause) -> Change | None:
    found: Change | None = None
    for change in end.changes:
        if change.cause is cause and change.evidence is not Evidence.REFUTED:
            found = change
    return found


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
        verdict.by_a, verdict.since, verdict.state = by_a, abort.time, abort.before
        verdict.teardown = Teardown.ABORT
        if sender.packets == sender.resets and not sender.syns + sender.syn_acks:
            verdict.teardown = Teardown.HALF_OPEN_DISCOVERED
        elif other.syns and other.refused_syns:
            verdict.teardown = Teardown.HALF_OPEN_DISCOVERED
        return True
    return False


def _is_stuck(flow: Flow, verdict: Verdict) -> bool:
    """Something that should have followed did not."""
    for by_a in (True, False):
        end, other = (flow.a, flow.b) if by_a else (flow.b, flow.a)
        if end.unanswered >= SILENT_AFTER and end.states & ~CLOSED:
            if end.states == LAST_ACK:
                break
            verdict.teardown, verdict.by_a = Teardown.PEER_SILENT, not by_a
            verdict.state, verdict.since = end.states, other.last
            verdict.retries = end.unanswered
            return True
    for by_a in (True, False):
        end, other = (flow.a, flow.b) if by_a else (flow.b, flow.a)
        for state, name in (
            (LAST_ACK, Teardown.LAST_ACK_LOST),
            (CLOSE_WAIT, Teardown.STUCK_IN_CLOSE_WAIT),
        ):
            if end.states == state:
                verdict.teardown, verdict.by_a, verdict.state = name, by_a, state
                verdict.since = end.changes[-1].time
                return True
    for by_a in (True, False):
        end = flow.a if by_a else flow.b
        if end.states == FIN_WAIT_1:
            verdict.teardown, verdict.by_a = Teardown.STUCK_IN_FIN_WAIT_1, by_a
            verdict.state, verdict.since = FIN_WAIT_1, end.changes[-1].time
            return True
    return False


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
    if _reached(a, CLOSING) or _reached(b, CLOSING):
        verdict.teardown = Teardown.SIMULTANEOUS_CLOSE
    elif second.after_fin:
        verdict.teardown = Teardown.HALF_CLOSE
    elif first.fin_acked_by_fin:
        verdict.teardown = Teardown.THREE_SEGMENT
