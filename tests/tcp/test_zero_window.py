"""Windows that close: probing with a user timeout, with FIN behind, and when they open again."""

from peer import OURS, PLAIN, THEIRS, established

from lastack.tcp.states import State
from lastack.units import HOUR, MINUTE, NEVER, SECOND
from lastack.wire.segment import ACK, Segment


def test_a_probe_that_took_the_last_octet_leaves_nothing_to_probe_for() -> None:
    """3.8.6.1: probes are for data that waits: an idle connection with a closed window lives on."""
    peer = established(win=0)
    peer.writes(b"a")
    peer.waits_for_timer()
    peer.hears(". 1:2(1) ack 1", b"a")
    peer.sends(". 1:1(0) ack 2 win 0")
    peer.waits(HOUR)
    peer.hears_nothing()
    peer.is_in(State.ESTABLISHED)
    assert peer.connection.next_deadline() == NEVER


def test_the_user_timeout_does_not_end_probing_that_is_answered() -> None:
    """MUST-37: as long as the peer acknowledges probes, the window may stay closed."""
    peer = established(PLAIN.replace(user_timeout=30 * SECOND), win=0)
    peer.writes(b"abc")
    end = peer.now + 10 * MINUTE
    while peer.now < end:
        peer.waits_for_timer()
        peer.is_in(State.ESTABLISHED)
        if peer.heard:
            peer.heard.clear()
            peer.sends(". 1:1(0) ack 1 win 0")
    silent_since = peer.now
    while peer.connection.state is State.ESTABLISHED:
        peer.waits_for_timer()
    assert peer.now - silent_since <= (60 + 30) * SECOND


def test_the_user_timeout_does_not_end_a_window_that_closed_over_data_in_flight() -> None:
    """MUST-37, SHLD-17: retransmissions are the probes then."""
    peer = established(PLAIN.replace(user_timeout=90 * SECOND))
    peer.writes(b"abc")
    end = peer.now + 10 * MINUTE
    while peer.now < end:
        peer.heard.clear()
        peer.sends(". 1:1(0) ack 1 win 0")
        peer.waits_for_timer()
        peer.is_in(State.ESTABLISHED)


def test_a_window_that_opens_over_data_in_flight_lets_it_go_at_once() -> None:
    """What served as probes does not wait for a timer that had backed off to a minute."""
    peer = established()
    peer.writes(b"abc")
    for _ in range(8):
        peer.heard.clear()
        peer.sends(". 1:1(0) ack 1 win 0")
        peer.waits_for_timer()
    peer.heard.clear()
    peer.sends(". 1:1(0) ack 1 win 0")
    peer.hears_nothing()
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.hears(". 1:2(1) ack 1", b"a")
    peer.hears("P. 2:4(2) ack 1", b"bc")


def test_an_octet_of_a_probe_that_was_taken_after_all_is_no_future() -> None:
    """Its ACK crosses the news of a window that opened too little to send into."""
    peer = established(win=10000)
    peer.writes(bytes(10000))
    while peer.heard:
        end = peer.heard[-1].seq + peer.heard[-1].length - 1_000_000
        peer.heard.clear()
        peer.sends(f". 1:1(0) ack {end} win {10001 - end}")
    peer.writes(b"x" * 500)
    peer.waits_for_timer()
    peer.hears(". 10001:10002(1) ack 1")
    peer.sends(". 1:1(0) ack 10001 win 100")
    peer.hears_nothing()
    assert peer.sends("P. 1:4(3) ack 10002 win 100", b"abc") is None
    assert peer.reads() == b"abc"
    assert peer.connection.info().snd_una == 1_010_002
    peer.waits(SECOND)
    assert [s.seq - 1_000_000 for s in peer.heard if s.length] == [10002]


def test_until_then_our_acks_stand_behind_the_octet_of_the_probe() -> None:
    """A peer that has taken it would find an older sequence number out of its window."""
    peer = established(win=10000)
    peer.writes(bytes(10000))
    while peer.heard:
        end = peer.heard[-1].seq + peer.heard[-1].length - 1_000_000
        peer.heard.clear()
        peer.sends(f". 1:1(0) ack {end} win {10001 - end}")
    peer.writes(b"x" * 500)
    peer.waits_for_timer()
    peer.hears(". 10001:10002(1) ack 1")
    peer.sends(". 1:1(0) ack 10001 win 100")
    peer.sends("P. 1:1001(1000) ack 10001 win 100", bytes(1000))
    peer.sends("P. 1001:2001(1000) ack 10001 win 100", bytes(1000))
    peer.hears(". 10002:10002(0) ack 2001")
    peer.connection.abort(peer.now)
    peer.hears("R. 10002:10002(0) ack 2001")


def test_a_fin_behind_the_octet_of_a_probe_arrives_when_the_window_opens() -> None:
    """close() at a zero window: octet and FIN are sent again until they are taken."""
    peer = established(win=0)
    peer.writes(b"a")
    peer.waits_for_timer()
    peer.hears(". 1:2(1) ack 1")
    peer.connection.shutdown_write(peer.now)
    peer.hears("F. 2:2(0) ack 1")
    for _ in range(5):
        peer.sends(". 1:1(0) ack 1 win 0")
        peer.waits_for_timer()
        peer.hears("P. 1:2(1) ack 1", b"a")
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.hears("P. 1:2(1) ack 1", b"a")
    peer.hears("F. 2:2(0) ack 1")
    peer.sends(". 1:1(0) ack 3 win 1000")
    peer.is_in(State.FIN_WAIT_2)


def test_a_closed_connection_has_no_timer_whatever_was_unsent() -> None:
    """ABORT throws away what is queued; asking for output afterwards starts nothing (3.10.5)."""
    peer = established(win=0)
    peer.writes(bytes(5000))
    peer.connection.abort(peer.now)
    peer.hears("R. 1:1(0) ack 1")
    peer.hears_nothing()
    assert peer.connection.next_deadline() == NEVER


def test_a_probe_that_was_not_pulled_in_time_is_owed_no_more() -> None:
    """Its octet was acknowledged meanwhile; the next one that waits has a timer of its own."""
    peer = established(win=0)
    connection = peer.connection
    peer.writes(b"a")
    peer.waits_for_timer()
    peer.hears(". 1:2(1) ack 1")
    peer.now += 2 * SECOND
    connection.deadline_passed(peer.now)
    connection.segment_arrives(Segment(80, 40000, THEIRS + 1, OURS + 2, ACK, 0), peer.now)
    peer.now += 4 * SECOND
    connection.deadline_passed(peer.now)
    peer.writes(b"b")
    peer.hears_nothing()
    assert connection.next_deadline() < NEVER
