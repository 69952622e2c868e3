"""What a hostile or broken peer cannot make us do: raise, grow, or lose a reset."""

import time

from peer import PLAIN, established, opening

from lastack.tcp.acked import Acked
from lastack.tcp.answers import Reply
from lastack.tcp.receive import ReceiveHalf
from lastack.tcp.sent import MOST_SPANS, SentLog
from lastack.tcp.states import State
from lastack.wire.segment import ACK

SACK = PLAIN.replace(sack=True)
STAMPED = PLAIN.replace(sack=True, timestamps=True)


def test_an_mss_that_options_would_fill_leaves_room_for_data() -> None:
    """A SYN may offer an MSS of next to nothing, and SACK blocks take what is left (3.7.1)."""
    for mss in (1, 20, 28, 40, 48):
        peer = opening(STAMPED)
        peer.sends(f"S. 0:0(0) ack 1 win 9999 <mss {mss},sackOK,TS val 1 ecr 1000,nop,nop>")
        for at in (10, 20, 30, 40):
            peer.sends(f". {at}:{at + 1}(1) ack 1 win 9999 <nop,nop,TS val 1 ecr 1000>", b"x")
        peer.heard.clear()
        peer.writes(bytes(100))
        sent = [segment.length for segment in peer.heard if segment.length]
        assert sent and min(sent) >= 8, mss


def test_the_reset_of_an_abort_is_not_lost_behind_other_answers() -> None:
    """Answers wait in a bounded queue; ABORT's reset makes them all superfluous (3.10.5)."""
    peer = established(SACK)
    connection = peer.connection
    peer.sends("P. 1:4(3) ack 1 win 1000", b"abc")
    peer.heard.clear()
    for _ in range(20):
        connection.tcb.reply(_challenge())
    connection.abort(peer.now)
    peer.hears("R. 1:1(0) ack 4")
    peer.hears_nothing()


def test_a_connection_that_was_reset_says_nothing_more() -> None:
    """3.10.7.4 second: all queues are flushed, answers too; the peer has gone."""
    peer = established(SACK)
    peer.connection.tcb.reply(_challenge())
    peer.sends("R 1:1(0)")
    peer.is_in(State.CLOSED)
    peer.hears_nothing()


def test_sack_blocks_of_single_octets_do_not_cut_the_records_to_dust() -> None:
    """A peer that reports every other octet must not make us keep a record for each."""
    sent = SentLog()
    length = 4 << 20
    sent.sent(0, length, 0, False)
    for i in range(1, 2 * MOST_SPANS, 2):
        said = Acked(0, length, 1000, True)
        sent.selectively_acknowledged(length - i - 1, length - i, 0, said)
    assert len(sent.spans) <= MOST_SPANS + 2
    assert sent.covers(0, length)


def test_octets_that_arrive_backwards_one_by_one_cost_little() -> None:
    """Tiny segments in descending order: neither quadratic work nor an object for each octet."""
    rcv = ReceiveHalf(1 << 20)
    rcv.synchronize(0)
    rcv.edge = 1 << 20
    began = time.perf_counter()
    for at in range(60_000, 1, -1):
        rcv.keep(at, b"x", 1024)
    assert time.perf_counter() - began < 2
    assert sum([len(block.parts) for block in rcv.blocks or ()]) < 200
    rcv.deliver(b"x")
    rcv.drain()
    assert rcv.queued == 60_000


def _challenge() -> Reply:
    return Reply(0, 0, ACK)
