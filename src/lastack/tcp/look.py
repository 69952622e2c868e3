"""What there is to show of a connection beyond its variables: everything TCP_INFO asks for."""

from lastack.tcp.info import ConnectionInfo
from lastack.tcp.tally import BUFFER, PEER
from lastack.tcp.tcb import Tcb
from lastack.units import NEVER

_LEAST_ESTIMATE = 536


def look(tcb: Tcb, info: ConnectionInfo, now: int) -> ConnectionInfo:
    """Fill in what costs a walk through the records; `now` 0 leaves out what counts from it."""
    tally, ecn, config = tcb.tally, tcb.ecn, tcb.config
    _count_segments(tcb, info)
    info.ecn = ecn.feedback.name.lower()
    info.ecn_seen = ecn.seen
    info.reducing = ecn.reducing
    info.retries = tcb.retries
    info.offered_mss = tcb.offered_mss() - (12 if tcb.ts_on else 0)
    info.peer_segment = max(tcb.rcv.segment_size, min(info.offered_mss, tcb.mss, _LEAST_ESTIMATE))
    counters = ecn.counters
    if counters is not None:
        info.received_by_codepoint = {
            "ect1": counters.received_ect1 - 1,
            "ect0": counters.received_ect0 - 1,
            "ce": counters.received_ce,
        }
        info.delivered_by_codepoint = {
            "ect1": counters.ect1 - 1,
            "ect0": counters.ect0 - 1,
            "ce": counters.ce,
        }
    info.marks_received = ecn.marks_received
    info.marks_delivered = ecn.marks_delivered
    info.data_segments_sent = tally.data_segments_sent
    info.data_segments_received = tally.data_segments_received
    info.segments_delivered = tally.segments_delivered
    info.timeouts = tally.timeouts
    mishaps = tally.mishaps
    if mishaps is not None:
        info.bytes_resent = mishaps.bytes_resent
        info.duplicates_reported = mishaps.duplicates_reported
        info.out_of_order_segments = mishaps.out_of_order
        info.timeout_recoveries = mishaps.timeout_recoveries
        info.timeout_time = mishaps.timeout_time
    info.delivery_rate = tally.delivery_rate
    info.rate_app_limited = tally.rate_app_limited
    info.min_rtt = tcb.rtt.minimum if tcb.rtt.minimum < NEVER else None
    info.pacing_rate = tcb.pacer.rate if tcb.pacer is not None else 0
    info.reordering = config.duplicate_acks
    if tcb.recovery is not None and tcb.recovery.reordering_seen:
        info.reordering = tcb.recovery.reordering
    info.undone = tcb.undone
    info.reordering_seen = tcb.recovery.reordering_seen if tcb.recovery is not None else 0
    info.delayed_ack_timeout = config.delayed_ack_timeout if config.delayed_ack else 0
    info.receive_buffer = tcb.rcv.capacity
    if tcb.tuning is not None:
        info.receive_space = tcb.tuning.space
        info.receive_rtt = tcb.tuning.rtt
    if now:
        begun = tally.established_at or now
        info.since_data_sent = now - max(tcb.sent_at, begun)
        info.since_data_received = now - max(tally.data_received_at, begun)
        info.since_ack_received = now - max(tcb.heard_at, begun)
        info.busy_time = tally.busy_time(now)
        info.limited_by_peer = tally.time_by(PEER, now)
        info.limited_by_buffer = tally.time_by(BUFFER, now)
    return info


def _count_segments(tcb: Tcb, info: ConnectionInfo) -> None:
    """Count what is in flight in segments: a record is one, or a super-segment of several."""
    mss = tcb.mss
    unacked = sacked = lost = resent = repaired = 0
    for span in tcb.sent.spans:
        count = (span.length + mss - 1) // mss
        unacked += count
        if span.sacked:
            sacked += count
        elif span.lost:
            lost += count
        elif span.retransmits:
            resent += count
            repaired += count if span.was_lost else 0
    info.segments_in_flight = unacked
    info.segments_sacked = sacked + tcb.sent.presumed // mss
    info.segments_lost = lost + repaired
    info.segments_resent = resent
