"""Taking back what was done for a loss that did not happen.

An episode begins when the controller has been told of a loss (`begin`). It is undone when it shows
that nothing was lost: an ACK echoes the timestamp of the original (Eifel: RFC 3522, RFC 4015),
D-SACKs report every retransmission as needless (RFC 3708), or after a timeout something arrives
that was taken for lost and not sent again (F-RTO: RFC 5682).
"""

from lastack.tcp.recovery import Acked, Phase
from lastack.tcp.recovery.episode import Episode
from lastack.tcp.tcb import Tcb
from lastack.units import NEVER
from lastack.wire.seq import diff, gt, lt


def begin(tcb: Tcb, saved: tuple[int, int], is_timeout: bool) -> None:
    """The controller, which was as `saved`, has just reduced its window."""
    snd, recovery = tcb.snd, tcb.recovery
    watched = is_timeout and tcb.config.frto
    tcb.episode = Episode(saved, snd.una, snd.nxt, watched)
    if recovery is not None:
        recovery.new_data_first = False


def judge(tcb: Tcb, said: Acked, echo: int, now: int) -> None:
    """Look at an ACK before it counts as any other: is it the original that has arrived?

    `echo` is the timestamp that it echoes, -1 for none.
    """
    episode, recovery = tcb.episode, tcb.recovery
    if episode is None or recovery is None:
        return
    if tcb.ecn.marked:
        tcb.episode = None  # lost or not, there is congestion (RFC 4015 3.2)
        return
    if recovery.phase is Phase.OPEN:
        return
    if said.acked and echo >= 0 and episode.resent_at >= 0 and not episode.proven:
        if tcb.config.eifel and lt(echo, tcb.timestamp(episode.resent_at)):
            _undo(tcb, episode, now)
            return
        episode.proven = True
    if episode.watched and recovery.phase is Phase.LOSS:
        _watch(tcb, episode, said, now)


def _watch(tcb: Tcb, episode: Episode, said: Acked, now: int) -> None:
    """Steps 2 and 3 of F-RTO, with SACK or without (RFC 5682 2.1, 3.1)."""
    snd, recovery = tcb.snd, tcb.recovery
    if recovery is None:
        return
    recovery.new_data_first = False
    if not lt(said.una, episode.end):
        episode.watched = False  # nothing is left that could tell
    elif said.survived and not said.resent_acked:
        _undo(tcb, episode, now)
    elif gt(snd.nxt, episode.end):
        if said.duplicate or said.sacked:
            episode.watched = False  # new data has arrived, what was lost has not
    elif said.acked:
        # Something has arrived, and nobody knows whether the first copy or the second: two new
        # segments bring ACKs that tell, while nothing more is sent again (step 2b).
        episode.end = snd.nxt
        recovery.new_data_first = snd.unsent > 0 and snd.usable > 0
        episode.watched = recovery.new_data_first


def was_resent(tcb: Tcb, octets: int, now: int) -> None:
    """Something was sent again."""
    episode = tcb.episode
    if episode is not None:
        episode.resent += octets
        if episode.resent_at < 0:
            episode.resent_at = now


def duplicate_reported(tcb: Tcb, low: int, high: int, now: int) -> None:
    """The peer has got [low, high) twice: a retransmission was needless (RFC 3708)."""
    episode = tcb.episode
    if not tcb.config.dsack_undo or episode is None or episode.resent <= 0:
        return
    if lt(low, episode.una) or not lt(low, high) or gt(high, tcb.snd.nxt):
        return
    episode.resent -= diff(high, low)
    if episode.resent <= 0:
        _undo(tcb, episode, now)


def _undo(tcb: Tcb, episode: Episode, now: int) -> None:
    """As if nothing had happened: windows, threshold, and what was taken for lost.

    But of RTO, which was too short, samples decide alone (RFC 4015 3.6).
    """
    recovery, controller = tcb.recovery, tcb.controller
    tcb.episode = None
    if recovery is None or controller is None:
        return
    tcb.undone += 1
    controller.undo(episode.saved)
    tcb.retries = 0
    if recovery.phase is not Phase.OPEN:
        recovery.not_lost(tcb.sent, tcb.snd.una)
        tcb.resend_owed = False
    if tcb.timers.retransmit != NEVER:
        tcb.timers.retransmit = now + tcb.rtt.rto
