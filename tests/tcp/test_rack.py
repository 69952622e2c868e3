"""RACK and tail loss probes between a connection and the lines of a test (RFC 8985)."""

from peer import PLAIN, Peer, opening

from lastack.tcp.timers import Timer
from lastack.units import MS, NEVER

RACK = PLAIN.replace(sack=True, rack=True, initial_window=10, duplicate_acks=3)
PROBING = RACK.replace(tail_loss_probe=True, min_rto=200 * MS)


def in_flight(segments: int, config=RACK) -> Peer:  # type: ignore[no-untyped-def]
    """So many segments of 1000 octets are on their way, on a path of 100 ms."""
    peer = opening(config)
    peer.waits(100 * MS)
    peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1000,nop,nop,sackOK>")
    peer.writes(bytes(1000))
    peer.heard.clear()
    peer.waits(100 * MS)
    peer.sends(". 1:1(0) ack 1001 win 65535")
    peer.writes(bytes(1000 * segments))
    assert len(peer.heard) == segments
    peer.heard.clear()
    peer.waits(100 * MS)
    return peer


def test_a_lost_retransmission_is_found_without_a_timeout() -> None:
    """RFC 8985 6.2: what was sent again and is overtaken by what was sent after it is lost."""
    peer = in_flight(6)
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 2001:5001>")
    peer.hears(". 1001:2001(1000) ack 1")
    peer.writes(bytes(2000))
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 2001:6001>")
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 2001:7001>")
    peer.hears(". 7001:8001(1000) ack 1")
    peer.waits(100 * MS)
    peer.heard.clear()
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 2001:8001>")
    peer.hears(". 1001:2001(1000) ack 1")
    assert peer.connection.tcb.retries == 0


def test_reordering_is_borne_for_a_quarter_of_the_round_trip() -> None:
    """RFC 8985 6.2 step 4: with one segment overtaken nothing is sent again at once."""
    peer = in_flight(4)
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 2001:3001>")
    peer.hears_nothing()
    assert peer.connection.tcb.timers.deadline(Timer.REORDERING) == peer.now + 27 * MS
    peer.waits(20 * MS)
    peer.sends(". 1:1(0) ack 3001 win 65535")
    peer.hears_nothing()
    assert peer.connection.tcb.timers.deadline(Timer.REORDERING) == NEVER
    assert peer.connection.info(peer.now).recovery == "open"


def test_what_does_not_come_within_that_time_is_lost() -> None:
    """RFC 8985 6.3: the timer for reordering goes off."""
    peer = in_flight(4)
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 2001:3001>")
    assert peer.waits_for_timer() == 27 * MS
    peer.hears(". 1001:2001(1000) ack 1")
    peer.hears_nothing()


def test_the_last_segment_is_probed_for() -> None:
    """RFC 8985 7.2 and 7.3: two round trips after it, without new data the last one again."""
    peer = in_flight(3, PROBING)
    assert peer.waits_for_timer() == 102 * MS
    peer.hears("P. 3001:4001(1000) ack 1")
    peer.waits(100 * MS)
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 3001:4001>")
    peer.waits(30 * MS)
    peer.hears(". 1001:2001(1000) ack 1")
    assert peer.connection.tcb.retries == 0


def test_a_probe_carries_new_data_where_there_is_some() -> None:
    """RFC 8985 7.3: whatever the congestion window says."""
    peer = in_flight(10, PROBING)
    peer.writes(bytes(3000))
    peer.heard.clear()
    assert peer.waits_for_timer() == 102 * MS
    peer.hears(". 11001:12001(1000) ack 1")
    peer.hears_nothing()


def test_a_lone_segment_is_given_time_for_a_delayed_ack() -> None:
    """RFC 8985 7.2: the peer may wait with its ACK; never longer than RTO."""
    peer = in_flight(1, PROBING.replace(min_rto=1000 * MS))
    assert peer.waits_for_timer() == 300 * MS
    peer.hears("P. 1001:2001(1000) ack 1")


def test_a_loss_that_a_probe_repaired_is_told_to_the_controller() -> None:
    """RFC 8985 7.4.2: once more than the probe is acknowledged and no duplicate was reported."""
    peer = in_flight(8, PROBING)
    peer.waits_for_timer()
    peer.waits(50 * MS)
    peer.sends(". 1:1(0) ack 9001 win 65535")
    before = peer.connection.info(peer.now).ssthresh
    peer.writes(bytes(1000))
    peer.waits(50 * MS)
    peer.sends(". 1:1(0) ack 10001 win 65535")
    after = peer.connection.info(peer.now).ssthresh
    assert before is not None and after is not None and after < before


def test_a_probe_that_arrived_as_well_is_no_loss() -> None:
    """RFC 8985 7.4.2: a D-SACK for the probe."""
    peer = in_flight(8, PROBING)
    peer.waits_for_timer()
    before = peer.connection.info(peer.now).ssthresh
    peer.sends(". 1:1(0) ack 9001 win 65535")
    peer.sends(". 1:1(0) ack 9001 win 65535 <nop,nop,sack 8001:9001>")
    peer.writes(bytes(1000))
    peer.waits(50 * MS)
    peer.sends(". 1:1(0) ack 10001 win 65535")
    assert peer.connection.info(peer.now).ssthresh == before


def test_no_probe_goes_beyond_a_window_that_has_shrunk() -> None:
    """RFC 9293 3.8.6: only the oldest octet may; the timeout sees to that."""
    peer = in_flight(4, PROBING)
    peer.sends(". 1:1(0) ack 2001 win 1000")
    peer.waits_for_timer()
    assert all(s.seq - 1_000_000 < 3001 for s in peer.heard)


def test_what_is_sacked_before_a_probe_leaves_is_not_probed_with() -> None:
    """RFC 8985 7.2: once something is SACKed, no probe goes; what is SACKed never goes again."""
    peer = in_flight(3, PROBING)
    probe_at = peer.connection.tcb.timers.deadline(Timer.LOSS_PROBE)
    peer.now = probe_at
    peer.connection.deadline_passed(peer.now)  # the wish is there, and an ACK in the same batch
    peer.sends(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 3001:4001>")
    peer.hears_nothing()
    assert not peer.connection.tcb.tail_probe
