"""What an ACK tells the congestion controller: the numbers of an AckSample, and how they are found.

Delivery rates are those of draft-cheng-iccrg-delivery-rate-estimation: what was delivered between
the sending of a record and its arrival, over the longer of the times that sending and arriving
took; bunched ACKs cannot make it look faster than it was sent.
"""

from lastack.tcp import pacing, validation
from lastack.tcp.congestion import AckSample
from lastack.tcp.congestion.base import MOST_WINDOW
from lastack.tcp.recovery import Acked, Phase
from lastack.tcp.tcb import Tcb
from lastack.units import SECOND
from lastack.wire.seq import add, ge


def tell_controller(tcb: Tcb, said: Acked, prior: int, delivered: int, now: int) -> None:
    """Give the controller its sample of this ACK, and take the pace that follows."""
    recovery, controller, sent = tcb.recovery, tcb.controller, tcb.sent
    if recovery is None or controller is None:
        return
    # Only what moves SND.UNA opens the window (RFC 5681 3.1): SACK blocks alone do not, unless the
    # path is known to reorder, nor does anything in the round in which it was reduced for a mark
    # (RFC 3168 6.1.2).
    forward = said.acked > 0 or (delivered > 0 and recovery.reordering > tcb.config.duplicate_acks)
    filled = _cwnd_limited(tcb, said, prior)
    lost = sent.lost_total - tcb.lost_told
    tcb.lost_told = sent.lost_total
    if delivered <= 0 and not said.acked and not lost and not tcb.ecn.marked:
        return
    most = MOST_WINDOW
    if tcb.validation is not None and validation.acknowledged(tcb, controller, said, now):
        filled = tcb.round_flight + tcb.mss >= controller.cwnd
        most = most if filled else controller.cwnd
    limited = filled and forward and not tcb.ecn.reducing
    sample = AckSample(
        now,
        delivered,
        sent.in_flight,
        prior,
        said.rtt,
        0,
        False,
        limited,
        recovery.phase is Phase.RECOVERY,
    )
    sample.ecn = tcb.ecn.marked
    tcb.ecn.marked = 0
    sample.srtt = tcb.rtt.srtt
    sample.lost = lost
    _measure_rate(tcb, said, sample)
    if sent.app_limited and sent.delivered > sent.app_limited:
        sent.app_limited = 0  # the bubble has come through
    tcb.tally.measured(sample.rate, sample.app_limited)
    controller.on_ack(sample)
    if not tcb.mss <= controller.cwnd <= most:  # a user's own may be off
        controller.cwnd = max(min(controller.cwnd, most), tcb.mss)
    pacing.update(tcb)


def _cwnd_limited(tcb: Tcb, said: Acked, prior: int) -> bool:
    """Return whether the window was made use of in this round (RFC 7661 4.3, RFC 9438 5.8)."""
    controller = tcb.controller
    if controller is None:
        return False
    # The most that was in flight in a round counts: its last ACKs find less.
    if ge(add(said.una, -said.acked), tcb.round_end) or prior > tcb.round_flight:
        tcb.round_flight = prior
        tcb.round_end = said.nxt
    if controller.cwnd < controller.ssthresh:
        return 2 * tcb.round_flight > controller.cwnd
    return tcb.round_flight + tcb.mss >= controller.cwnd


def _measure_rate(tcb: Tcb, said: Acked, sample: AckSample) -> None:
    """Fill in what the record says that was the last to be sent of those that have arrived."""
    sent = tcb.sent
    newest = said.newest
    sample.delivered = sent.delivered
    sample.prior_delivered = -1  # nothing has arrived: no round trip is over
    if newest is not None:
        sample.prior_delivered = newest.delivered
        sample.app_limited = newest.app_limited
        sample.tx_in_flight = newest.tx_in_flight
        sample.lost_since = sent.lost_total - newest.lost_before
        interval = max(newest.sent_at - newest.flight_began, sample.now - newest.delivered_at)
        sent.flight_began = newest.sent_at
        sample.interval = interval
        # What takes less than any round trip was no round trip: it was sent twice.
        if interval > 0 and (tcb.rtt.srtt == 0 or interval >= tcb.rtt.minimum):
            sample.rate = (sent.delivered - newest.delivered) * SECOND // interval
    newest_lost = sent.newest_lost
    if sample.lost and newest_lost is not None:
        sample.tx_in_flight = newest_lost.tx_in_flight
        sample.lost_since = sent.lost_total - newest_lost.lost_before
    sent.newest_lost = None


def note_app_limit(tcb: Tcb) -> None:
    """All has been sent and the window has room: until that has arrived the user is the limit."""
    sent, controller = tcb.sent, tcb.controller
    if controller is not None and sent.lost == 0:
        flight = sent.in_flight
        if flight < tcb.window:
            sent.app_limited = max(sent.delivered + flight, 1)
