"""What TCP_INFO tells beyond the variables: counts in segments, and what bounded the sender."""

from peer import PLAIN, established

from lastack.units import MS

PIECE = bytes(1000)


def test_segments_are_counted_whatever_their_size() -> None:
    """Two small segments in flight are two; a super-segment is as many as it is cut into."""
    peer = established(PLAIN.replace(nagle=False), max_size=60000)
    peer.writes(b"a")
    peer.writes(b"b")
    peer.writes(PIECE * 2)
    info = peer.connection.info(peer.now)
    assert info.segments_in_flight == 4
    assert info.data_segments_sent == 4
    assert info.segments_sent == 6  # the SYN and the ACK of the SYN-ACK too
    peer.sends(". 1:1(0) ack 2003 win 65535")
    info = peer.connection.info(peer.now)
    assert info.segments_in_flight == 0


def test_time_goes_to_the_peer_while_its_window_holds_data_back() -> None:
    """As in Linux's tcp_info: busy from the first octet given until all is acknowledged."""
    peer = established(win=0)
    peer.waits(30 * MS)
    assert peer.connection.info(peer.now).busy_time == 0
    peer.writes(PIECE)
    peer.waits(100 * MS)
    info = peer.connection.info(peer.now)
    assert (info.busy_time, info.limited_by_peer) == (100 * MS, 100 * MS)
    peer.sends(". 1:1(0) ack 1 win 2000")
    peer.hears("P. 1:1001(1000) ack 1")
    peer.waits(20 * MS)
    peer.sends(". 1:1(0) ack 1001 win 2000")
    peer.waits(50 * MS)
    info = peer.connection.info(peer.now)
    assert (info.busy_time, info.limited_by_peer) == (120 * MS, 100 * MS)


def test_time_goes_to_the_buffer_while_the_user_waits_for_room() -> None:
    """All is sent, the window would allow more, and the user has more to give."""
    peer = established(PLAIN.replace(send_buffer=2000, initial_window=10))
    assert peer.writes(PIECE * 5) == 2000
    peer.waits(40 * MS)
    peer.sends(". 1:1(0) ack 2001 win 65535")
    peer.waits(10 * MS)
    info = peer.connection.info(peer.now)
    assert (info.limited_by_buffer, info.limited_by_peer, info.busy_time) == (40 * MS, 0, 40 * MS)


def test_the_congestion_window_is_nobodys_fault() -> None:
    """What it holds back is busy time and nothing else."""
    peer = established(PLAIN.replace(initial_window=2))
    peer.writes(PIECE * 5)
    peer.waits(40 * MS)
    info = peer.connection.info(peer.now)
    assert (info.limited_by_buffer, info.limited_by_peer, info.busy_time) == (0, 0, 40 * MS)


def test_times_since_begin_when_the_connection_does() -> None:
    """A connection that was silent for as long as it lives says so."""
    peer = established()
    peer.waits(70 * MS)
    info = peer.connection.info(peer.now)
    assert info.since_data_received == 70 * MS
    peer.sends("P. 1:11(10) ack 1 win 65535")
    peer.waits(20 * MS)
    info = peer.connection.info(peer.now)
    assert (info.since_data_received, info.since_ack_received) == (20 * MS, 20 * MS)
    assert info.data_segments_received == 1


def test_timeouts_and_what_they_cost_are_counted() -> None:
    """Every one, how many stretches of them, and the time until something was acknowledged."""
    peer = established()
    peer.writes(b"abc")
    peer.waits_for_timer()
    second = peer.waits_for_timer()
    peer.sends(". 1:1(0) ack 4 win 65535")
    info = peer.connection.info(peer.now)
    assert (info.timeouts, info.timeout_recoveries, info.timeout_time) == (2, 1, second)
    assert info.bytes_resent == 6


def test_the_largest_segment_of_a_super_segment_is_no_larger_than_its_parts() -> None:
    """Linux's tcpi_rcv_mss is of segments."""
    peer = established()
    peer.sends("P. 1:701(700) ack 1 win 65535")
    assert peer.connection.info(peer.now).peer_segment == 700
