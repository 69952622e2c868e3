"""What was done for a loss that did not happen is undone (RFC 3522, 4015, 3708, 5682)."""

import pytest
from peer import PLAIN, Peer, opening

from lastack.tcp.config import Config
from lastack.tcp.info import ConnectionInfo
from lastack.units import MS

BASE = PLAIN.replace(initial_window=10, min_rto=200 * MS, slow_start_segments=0)
EIFEL = BASE.replace(timestamps=True, eifel=True)
FRTO = BASE.replace(frto=True)
DSACK = BASE.replace(sack=True, dsack_undo=True)


def in_flight(config: Config, segments: int = 10) -> Peer:
    """So many segments of 1000 octets are under way, on a path of 100 ms, and more are queued."""
    peer = opening(config)
    peer.waits(100 * MS)
    offer = "<mss 1012,nop,nop,TS val 1 ecr 1000>" if config.timestamps else "<mss 1000>"
    if config.sack:
        offer = "<mss 1000,nop,nop,sackOK>"
    peer.sends(f"S. 0:0(0) ack 1 win 65535 {offer}")
    peer.writes(bytes(1000 * segments + 20_000))
    assert len([s for s in peer.heard if s.length]) == segments
    peer.heard.clear()
    return peer


def look(peer: Peer) -> ConnectionInfo:
    return peer.connection.info(peer.now)


@pytest.mark.parametrize("sack", [False, True])
def test_a_fast_retransmission_for_what_was_late_is_undone(sack: bool) -> None:
    """RFC 3522 3.2: the ACK echoes the timestamp of the original; window and threshold return."""
    peer = in_flight(EIFEL)
    before = look(peer)
    peer.waits(100 * MS)
    for _ in range(4):
        peer.sends(". 1:1(0) ack 1 win 65535 <nop,nop,TS val 101 ecr 1100>")
    assert look(peer).recovery == "recovery"
    peer.waits(10 * MS)
    peer.sends(". 1:1(0) ack 6001 win 65535 <nop,nop,TS val 111 ecr 1100>")
    after = look(peer)
    assert (after.recovery, after.ssthresh, after.undone) == ("open", before.ssthresh, 1)
    assert after.cwnd is not None and before.cwnd is not None and after.cwnd >= before.cwnd
    assert after.lost == 0


def test_a_fast_retransmission_for_a_loss_is_not_undone() -> None:
    """RFC 3522 3.2: the ACK echoes the retransmission's timestamp."""
    peer = in_flight(EIFEL)
    peer.waits(100 * MS)
    for _ in range(4):
        peer.sends(". 1:1(0) ack 1 win 65535 <nop,nop,TS val 101 ecr 1100>")
    peer.waits(100 * MS)
    peer.sends(". 1:1(0) ack 6001 win 65535 <nop,nop,TS val 201 ecr 1200>")
    assert look(peer).undone == 0 and look(peer).recovery == "recovery"


def test_a_timeout_that_came_too_soon_is_undone_by_timestamps() -> None:
    """RFC 4015: window and threshold are as before, and nothing more is sent again."""
    peer = in_flight(EIFEL)
    before = look(peer)
    peer.waits_for_timer()
    assert [s.length for s in peer.heard] == [1000]
    peer.heard.clear()
    assert look(peer).recovery == "loss" and look(peer).backoff == 1
    peer.waits(20 * MS)
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,TS val 301 ecr 1100>")
    after = look(peer)
    assert (after.recovery, after.ssthresh, after.backoff) == ("open", before.ssthresh, 0)
    assert after.cwnd is not None and before.cwnd is not None and after.cwnd >= before.cwnd
    assert all(s.seq - 1_000_000 >= 10_001 for s in peer.heard if s.length)


def test_new_data_shows_that_a_timeout_came_too_soon() -> None:
    """RFC 5682 2.1: the first ACK brings two new segments, the second the proof."""
    peer = in_flight(FRTO)
    before = look(peer)
    peer.waits_for_timer()
    peer.hears(". 1:1001(1000) ack 1")
    peer.sends(". 1:1(0) ack 1001 win 65535")
    peer.hears(". 10001:11001(1000) ack 1")
    peer.hears(". 11001:12001(1000) ack 1")
    peer.hears_nothing()
    peer.sends(". 1:1(0) ack 2001 win 65535")
    after = look(peer)
    assert (after.recovery, after.ssthresh, after.undone) == ("open", before.ssthresh, 1)
    assert after.lost == 0 and after.in_flight == 10_000 + sum(s.length for s in peer.heard)


def test_new_data_that_brings_a_duplicate_shows_that_the_loss_was_real() -> None:
    """RFC 5682 2.1 step 3a: conventional recovery goes on."""
    peer = in_flight(FRTO)
    peer.waits_for_timer()
    peer.hears(". 1:1001(1000) ack 1")
    peer.sends(". 1:1(0) ack 1001 win 65535")
    peer.hears(". 10001:11001(1000) ack 1")
    peer.hears(". 11001:12001(1000) ack 1")
    peer.sends(". 1:1(0) ack 1001 win 65535")
    peer.sends(". 1:1(0) ack 1001 win 65535")
    peer.hears(". 1001:2001(1000) ack 1")
    assert look(peer).undone == 0 and look(peer).recovery == "loss"


def test_a_d_sack_for_all_that_was_sent_again_undoes_it() -> None:
    """RFC 3708 3: every retransmission was needless, so nothing was lost."""
    peer = in_flight(DSACK)
    before = look(peer)
    peer.waits(100 * MS)
    for end in (2001, 3001, 4001):
        peer.sends(f". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:{end}>")
    assert [s.seq - 1_000_000 for s in peer.heard if s.seq - 1_000_000 < 4001] == [1]
    peer.sends(". 1:1(0) ack 4001 win 65535")
    assert look(peer).recovery == "recovery"
    peer.sends(". 1:1(0) ack 4001 win 65535 <nop,nop,sack 1:1001>")
    after = look(peer)
    assert (after.undone, after.recovery, after.ssthresh) == (1, "open", before.ssthresh)


def test_what_is_not_switched_on_is_not_undone() -> None:
    """The preset `rfc` reacts to every loss once and for all (RFC 5681)."""
    peer = in_flight(EIFEL.replace(eifel=False))
    peer.waits_for_timer()
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,TS val 301 ecr 1100>")
    assert look(peer).undone == 0 and look(peer).recovery == "loss"


def test_a_peer_that_takes_its_sacks_back_is_not_waited_for_long() -> None:
    """RFC 2018 8: an ACK up to what was SACKed says that it is gone, if nothing more follows."""
    peer = in_flight(DSACK.replace(rack=True))
    peer.waits(100 * MS)
    peer.sends(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:10001>")
    peer.waits(40 * MS)
    peer.heard.clear()
    peer.waits(60 * MS)
    peer.sends(". 1:1(0) ack 1001 win 65535")
    peer.heard.clear()
    assert peer.waits_for_timer() <= 60 * MS
    assert peer.heard[0].seq - 1_000_000 == 1001


def test_rto_counts_from_the_sending_of_the_oldest_when_little_is_in_flight() -> None:
    """RFC 7765 4: an ACK does not add a round trip to the wait for the next segment."""
    peer = in_flight(BASE.replace(rto_restart=True, nagle=False), 10)
    peer.waits(100 * MS)
    for ack in range(2001, 30_002, 2000):
        peer.sends(f". 1:1(0) ack {ack} win 65535")
    peer.writes(bytes(1000))
    peer.waits(10 * MS)
    peer.writes(bytes(1000))
    sent_at = peer.now
    peer.waits(90 * MS)
    peer.sends(". 1:1(0) ack 31001 win 65535")
    assert peer.connection.tcb.timers.retransmit == sent_at + peer.connection.tcb.rtt.rto
