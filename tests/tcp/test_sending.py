"""Sending: Nagle, cork, silly windows, probes, retransmission (RFC 9293 3.7.4, 3.8)."""

import errno

import pytest
from peer import PLAIN, established

from lastack.tcp.config import preset
from lastack.tcp.states import State
from lastack.units import HOUR, MINUTE, MS, SECOND


def test_nagle_holds_a_small_segment_while_data_is_in_flight() -> None:
    """SHLD-7: the first goes, the second waits for its ACK."""
    peer = established()
    peer.writes(b"a")
    peer.writes(b"bc")
    peer.hears("P. 1:2(1) ack 1")
    peer.hears_nothing()
    peer.sends(". 1:1(0) ack 2 win 65535")
    peer.hears("P. 2:4(2) ack 1", b"bc")


def test_nagle_can_be_switched_off() -> None:
    """3.7.4, MUST-17: for one connection."""
    peer = established(PLAIN.replace(nagle=False))
    peer.writes(b"a")
    peer.writes(b"bc")
    peer.hears("P. 1:2(1) ack 1")
    peer.hears("P. 2:4(2) ack 1")


def test_full_segments_do_not_wait_for_nagle_and_their_tail_does() -> None:
    """A segment of the effective MSS is full, options or not."""
    peer = established(PLAIN.replace(timestamps=True))
    peer.writes(bytes(2 * 988 + 10))
    peer.hears(". 1:989(988) ack 1 <...>")
    peer.hears(". 989:1977(988) ack 1 <...>")
    peer.hears_nothing()


def test_linux_holds_a_tail_only_behind_another_small_segment() -> None:
    """Minshall's variant, preset `linux`."""
    linux = preset("linux").replace(timestamps=False, sack=False, window_scale=False, strict=True)
    peer = established(linux)
    peer.writes(bytes(1010))
    peer.hears(". 1:1001(1000) ack 1")
    peer.hears("P. 1001:1011(10) ack 1")
    peer.writes(bytes(5))
    peer.hears_nothing()


def test_cork_gathers_for_at_most_200_ms() -> None:
    """MSG_MORE and TCP_CORK; MUST-60: not for ever."""
    peer = established()
    peer.writes(b"head", more=True)
    peer.hears_nothing()
    assert peer.waits_for_timer() == 200 * MS
    peer.hears("P. 1:5(4) ack 1")
    peer.sends(". 1:1(0) ack 5 win 65535")
    peer.writes(b"head", more=True)
    peer.writes(b"body")
    peer.hears("P. 5:13(8) ack 1", b"headbody")


def test_psh_marks_the_last_segment_of_what_the_user_gave() -> None:
    """3.9.1.2, MUST-61: when nothing more is queued."""
    peer = established()
    peer.writes(bytes(2000))
    peer.hears(". 1:1001(1000) ack 1")
    peer.hears("P. 1001:2001(1000) ack 1")


def test_a_small_window_is_not_filled_with_silly_segments() -> None:
    """MUST-38: less than a segment and less than half the largest window waits, then goes."""
    peer = established(win=3000)
    peer.writes(bytes(5000))
    for i in range(3):
        peer.hears(f". {1 + 1000 * i}:{1001 + 1000 * i}(1000) ack 1")
    peer.sends(". 1:1(0) ack 3001 win 100")
    peer.hears_nothing()
    waited = peer.waits_for_timer()
    assert SECOND // 10 <= waited <= SECOND
    peer.hears(". 3001:3101(100) ack 1")


def test_nothing_is_sent_into_a_closed_window_but_probes_that_back_off() -> None:
    """MUST-36, SHLD-29, SHLD-30: first after RTO, then at growing intervals."""
    peer = established(win=0)
    peer.writes(b"abcdef")
    peer.hears_nothing()
    waits = []
    for _ in range(4):
        waits.append(peer.waits_for_timer())
        peer.hears(". 1:2(1) ack 1", b"a")
        peer.sends(". 1:1(0) ack 1 win 0")
    assert waits[0] == peer.connection.info().rto
    assert waits[1:] == sorted(waits[1:])
    assert waits[2] == 2 * waits[1]


def test_probes_go_on_for_ever_while_they_are_acknowledged() -> None:
    """MUST-37: a closed window does not time out."""
    peer = established(win=0)
    peer.writes(b"abcdef")
    end = peer.now + 24 * HOUR
    while peer.now < end:
        peer.waits_for_timer()
        peer.heard.clear()
        peer.sends(". 1:1(0) ack 1 win 0")
    peer.is_in(State.ESTABLISHED)
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.hears("P. 1:7(6) ack 1", b"abcdef")


def test_probes_that_nobody_answers_end_the_connection() -> None:
    """R2 counts while the peer is silent."""
    peer = established(win=0)
    peer.writes(b"abcdef")
    began = peer.now
    while peer.connection.state is State.ESTABLISHED:
        peer.waits_for_timer()
    assert 10 * MINUTE <= peer.now - began < 12 * MINUTE
    with pytest.raises(TimeoutError):
        peer.reads()


def test_a_probe_that_is_taken_counts_as_sent() -> None:
    """The peer may acknowledge the octet of the probe."""
    peer = established(win=0)
    peer.writes(b"abcdef")
    peer.waits_for_timer()
    peer.hears(". 1:2(1) ack 1")
    peer.sends(". 1:1(0) ack 2 win 1000")
    peer.hears("P. 2:7(5) ack 1", b"bcdef")
    peer.sends(". 1:1(0) ack 7 win 1000")
    peer.hears_nothing()


def test_a_super_segment_that_was_lost_is_one_again() -> None:
    """What is sent again is cut by the device like what was sent first."""
    peer = established(PLAIN.replace(initial_window=8, sack=True), max_size=8500)
    peer.writes(bytes(20000))
    peer.heard.clear()
    peer.sends(". 1:1(0) ack 1 win 65535 <nop,nop,sack 4001:8001>")
    assert peer.hears(". 1:4001(4000) ack 1").gso_size == 1000


def test_linux_probes_with_an_old_sequence_number() -> None:
    """Preset `linux`: no data in the probe."""
    peer = established(PLAIN.replace(probe_with_data=False), win=0)
    peer.writes(b"abc")
    peer.waits_for_timer()
    peer.hears(". 0:0(0) ack 1")


def test_a_window_that_shrinks_is_survived() -> None:
    """MUST-34, SHLD-15, SHLD-16: no new data, old data is still sent again, life goes on."""
    peer = established(win=3000)
    peer.writes(bytes(5000))
    for i in range(3):
        peer.hears(f". {1 + 1000 * i}:{1001 + 1000 * i}(1000) ack 1")
    peer.sends(". 1:1(0) ack 1001 win 500")
    peer.hears_nothing()
    peer.waits_for_timer()
    peer.hears(". 1001:1501(500) ack 1")
    peer.sends(". 1:1(0) ack 1501 win 4000")
    peer.is_in(State.ESTABLISHED)


def test_old_segments_do_not_move_the_window() -> None:
    """MUST: SND.WL1 and SND.WL2 keep the newest word."""
    peer = established(win=1000)
    peer.sends("P. 11:12(1) ack 1 win 2000", b"x")
    assert peer.connection.info().snd_wnd == 2000
    peer.sends(". 1:1(0) ack 1 win 10")
    assert peer.connection.info().snd_wnd == 2000


def test_data_is_given_up_after_r2_and_the_user_is_advised_at_r1() -> None:
    """3.8.3, MUST-20, SHLD-9, SHLD-11."""
    peer = established()
    peer.writes(b"abc")
    began = peer.now
    while peer.connection.state is State.ESTABLISHED:
        peer.waits_for_timer()
    assert peer.now - began >= 100 * SECOND
    assert "r1 reached" in peer.advice()
    assert peer.connection.error == errno.ETIMEDOUT


def test_the_user_timeout_ends_it_sooner() -> None:
    """3.9.1.8, RFC 5482."""
    peer = established(PLAIN.replace(user_timeout=30 * SECOND))
    peer.writes(b"abc")
    began = peer.now
    while peer.connection.state is State.ESTABLISHED:
        peer.waits_for_timer()
    assert peer.now - began == 30 * SECOND
    assert peer.connection.error == errno.ETIMEDOUT


def test_the_retransmission_timer_backs_off_to_its_maximum() -> None:
    """MUST-19, RFC 6298 5.5 and 2.5."""
    peer = established()
    peer.writes(b"abc")
    waits = [peer.waits_for_timer() // SECOND for _ in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_karn_takes_no_sample_from_what_was_sent_twice() -> None:
    """3.8.1, MUST-18: nor does the back-off end."""
    peer = established()
    peer.writes(b"abc")
    before = peer.connection.info().srtt
    peer.waits_for_timer()
    peer.sends(". 1:1(0) ack 4 win 65535")
    assert peer.connection.info().srtt == before
    assert peer.connection.info().backoff == 1


def test_three_duplicate_acks_send_the_first_segment_again() -> None:
    """RFC 5681 3.2: fast retransmit; the first two let new data out (RFC 3042)."""
    peer = established(PLAIN.replace(initial_window=4))
    peer.writes(bytes(10000))
    for i in range(4):
        peer.hears(f". {1 + 1000 * i}:{1001 + 1000 * i}(1000) ack 1")
    peer.sends(". 1:1(0) ack 1 win 65535")
    peer.hears(". 4001:5001(1000) ack 1")
    peer.sends(". 1:1(0) ack 1 win 65535")
    peer.hears(". 5001:6001(1000) ack 1")
    peer.sends(". 1:1(0) ack 1 win 65535")
    peer.hears(". 1:1001(1000) ack 1")
    assert peer.connection.info().retransmissions == 1


def test_sack_sends_exactly_the_holes_again() -> None:
    """RFC 6675: what has been SACKed is not sent again."""
    peer = established(PLAIN.replace(initial_window=8, sack=True))
    peer.writes(bytes(8000))
    for _ in range(8):
        peer.heard.pop(0)
    for edge in (3001, 4001, 5001, 6001):
        peer.sends(f". 1:1(0) ack 1001 win 65535 <nop,nop,sack 2001:{edge}>")
    peer.hears(". 1001:2001(1000) ack 1")
    peer.hears_nothing()
    peer.sends(". 1:1(0) ack 6001 win 65535")
    assert peer.connection.info().retransmissions == 1


def test_a_super_segment_is_a_multiple_of_the_mss() -> None:
    """What a device cuts are full segments."""
    peer = established(PLAIN.replace(initial_window=20), max_size=8500)
    peer.writes(bytes(20000))
    sizes = [segment.length for segment in peer.heard]
    assert sizes == [8000, 8000, 4000]
    assert all(segment.gso_size == 1000 for segment in peer.heard)


def test_an_idle_connection_starts_slowly_again() -> None:
    """RFC 5681 4.1: after RTO of silence, no burst of an old window."""
    peer = established(PLAIN.replace(initial_window=2))
    sent = 0
    for _ in range(6):
        peer.writes(bytes(8000))
        sent += 8000
        while peer.heard:
            last = peer.heard[-1]
            peer.heard.clear()
            peer.sends(f". 1:1(0) ack {(last.seq + last.length - 1_000_000)} win 65535")
    peer.waits(60 * SECOND)
    peer.writes(bytes(20000))
    assert len(peer.heard) == 2


def test_send_takes_no_more_than_the_buffer() -> None:
    """A full buffer takes 0 octets, and takes more once some are acknowledged."""
    peer = established(PLAIN.replace(send_buffer=1500), win=0)
    assert peer.writes(bytes(2000)) == 1500
    assert peer.writes(b"x") == 0
    assert not peer.connection.writable


def test_what_the_user_gave_may_be_changed_afterwards() -> None:
    """A bytearray is copied; a memoryview is not kept."""
    peer = established(win=0)
    data = bytearray(b"hello")
    peer.writes(memoryview(data))
    data[:] = b"HELLO"
    data.clear()
    peer.sends(". 1:1(0) ack 1 win 1000")
    peer.hears("P. 1:6(5) ack 1", b"hello")


def test_linux_pushes_the_middle_of_a_long_write() -> None:
    """Whenever more than half the largest window was written since the last PSH: `push_within`."""
    peer = established(PLAIN.replace(push_within=True, more_until_ack=True), win=4000)
    peer.writes(bytes(2000), more=True)
    peer.writes(bytes(5000), more=True)
    for seq in (1, 1001, 2001):
        peer.hears(f". {seq}:{seq + 1000}(1000) ack 1")
    peer.hears("P. 3001:4001(1000) ack 1")
    peer.sends(". 1:1(0) ack 4001 win 4000")
    for seq in (4001, 5001, 6001):
        peer.hears(f". {seq}:{seq + 1000}(1000) ack 1")
    peer.sends(". 1:1(0) ack 7001 win 4000")
    assert peer.connection.tcb.snd.buffer.records is None
