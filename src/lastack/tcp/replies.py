"""Answers that need no connection, and the wishes for those that have one (RFC 9293 3.10.7)."""

from lastack.tcp.answers import Challenges, Reply
from lastack.tcp.tcb import Tcb
from lastack.wire.segment import ACK, RST, Segment


def reset_for(segment: Segment) -> Segment | None:
    """Return the reset for a segment that belongs to no connection (RFC 9293 3.10.7.1).

    None when it is a reset itself. The sequence number is one that the sender will believe.
    """
    if segment.flags & RST:
        return None
    if segment.flags & ACK:
        seq, ack, flags = segment.ack, 0, RST
    else:
        seq, ack, flags = 0, (segment.seq + segment.seq_length) & 0xFFFFFFFF, RST | ACK
    return Segment(segment.destination_port, segment.source_port, seq, ack, flags, 0)


def wish_reset(tcb: Tcb, segment: Segment) -> None:
    """Answer a segment that cannot belong to this connection with a reset."""
    reset = reset_for(segment)
    if reset is not None:
        tcb.reply(Reply(reset.seq, reset.ack, reset.flags))


def wish_abort(tcb: Tcb) -> None:
    """Tell the peer that the connection is aborted: <SEQ=SND.NXT><CTL=RST> (RFC 9293 3.10.5)."""
    tcb.replies = None  # whatever they would have answered is over
    tcb.reply(Reply(tcb.snd.max, tcb.rcv.nxt, RST | ACK))


def wish_challenge(tcb: Tcb, now: int) -> None:
    """Answer with an ACK that a true peer will understand, at a bounded rate (RFC 5961 7)."""
    if tcb.challenges is None:
        tcb.challenges = Challenges()
    if tcb.challenges.one_more(now, tcb.config):
        tcb.reply(Reply(0, 0, ACK))


def wish_duplicate(tcb: Tcb, low: int, high: int) -> None:
    """Answer octets that had come before with an ACK that names them (D-SACK, RFC 2883)."""
    if tcb.sack_on and tcb.config.dsack:
        tcb.reply(Reply(0, 0, ACK, low, high))
    else:
        tcb.duplicate_acks_owed += 1
