"""Loss recovery at its edges: numbers that wrap, SACK at scale, small segments (RFC 6582, 6675)."""

import pytest
from peer import OURS, PLAIN, Peer, established

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.tcp.config import preset
from lastack.tcp.recovery import Acked, Losses, NewRenoRecovery, Phase
from lastack.tcp.sent import SentLog
from lastack.units import MS, SECOND
from lastack.wire.seq import add

MSS = 1000


def acked(una: int, count: int, sack: bool = False) -> Acked:
    said = Acked(una, add(una, 5 * MSS), MSS, sack)
    said.acked = count
    said.duplicate = count == 0
    return said


def far_along(sack: bool) -> tuple[NewRenoRecovery, SentLog, int]:
    """Recovery after three gigabytes without a loss, and five segments under way."""
    recovery = NewRenoRecovery(0, 3, True)
    sent = SentLog()
    una = 0
    for _ in range(12):
        una = add(una, 1 << 28)
        assert recovery.on_ack(sent, acked(una, 1 << 28, sack), 0) is Losses.NOTHING
    for i in range(5):
        sent.sent(add(una, i * MSS), add(una, (i + 1) * MSS), 0, False)
    return recovery, sent, una


def test_a_loss_after_three_gigabytes_is_repaired_by_duplicate_acks() -> None:
    """`recover` must not fall half the sequence space behind (RFC 6582 3.2 step 2)."""
    recovery, sent, una = far_along(False)
    found = [recovery.on_ack(sent, acked(una, 0), 0) for _ in range(3)]
    assert found == [Losses.NOTHING, Losses.NOTHING, Losses.ENTERED]


def test_a_timeout_after_three_gigabytes_ends_when_all_has_arrived() -> None:
    """RFC 6582 4: `recover` is the highest sequence number sent."""
    recovery, sent, una = far_along(True)
    end = add(una, 5 * MSS)
    assert recovery.on_timeout(sent, una, end, 0)
    sent.acknowledged(end, 0, acked(end, 5 * MSS, True))
    assert recovery.on_ack(sent, acked(end, 5 * MSS, True), 0) is Losses.RECOVERED
    assert recovery.phase is Phase.OPEN


def test_what_is_sacked_side_by_side_is_one_record() -> None:
    """With megabytes under way each ACK must not walk through thousands of records."""
    sent = SentLog()
    for i in range(3000):
        sent.sent(i * MSS, (i + 1) * MSS, i, False)
    for i in range(1, 3000):
        sent.selectively_acknowledged(MSS, (i + 1) * MSS, 5000 + i, acked(0, 0, True))
    assert len(sent.spans) == 2
    assert sent.covers(0, 3000 * MSS)
    assert sent.sacked == 2999 * MSS
    assert sent.acknowledged(3000 * MSS, 9000, acked(3000 * MSS, 0)) == 3000 * MSS
    assert (sent.octets, sent.sacked, sent.lost) == (0, 0, 0)


def test_a_peer_that_reneges_gets_it_all_again() -> None:
    """RFC 2018 8: after a timeout what was SACKed first of all is not trusted any more."""
    peer = established(PLAIN.replace(sack=True, initial_window=8))
    peer.writes(bytes(8000))
    peer.heard.clear()
    peer.sends(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:8001>")
    peer.hears(". 1:1001(1000) ack 1")
    peer.heard.clear()
    peer.sends(". 1:1(0) ack 1001 win 65535")
    peer.heard.clear()
    una = 1001
    for _ in range(8):
        peer.waits_for_timer()
        while peer.heard:
            segment = peer.heard.pop(0)
            if segment.seq - 1_000_000 == una and segment.length:
                una += segment.length
                peer.sends(f". 1:1(0) ack {una} win 65535")
        if una == 8001:
            break
    assert una == 8001


def test_the_small_tail_of_a_super_segment_is_a_small_segment() -> None:
    """Minshall's variant of Nagle counts it as the small one under way."""
    config = PLAIN.replace(nagle_minshall=True, initial_window=10)
    peer = established(config, max_size=8500)
    peer.writes(bytes(2010))
    peer.hears("P. 1:2011(2010) ack 1")
    peer.writes(b"abc")
    peer.hears_nothing()


def test_what_duplicate_acks_have_told_does_not_open_the_window_a_second_time() -> None:
    """RFC 6582 3.2 step 3: the ACK that ends recovery brings one segment that nobody knew of."""
    peer = established(PLAIN.replace(initial_window=4))
    peer.writes(bytes(4000))
    for _ in range(3):
        peer.sends(". 1:1(0) ack 1 win 65535")
    peer.sends(". 1:1(0) ack 4001 win 65535")
    controller = peer.connection.tcb.controller
    assert controller is not None
    assert (controller.ssthresh, controller.cwnd) == (2000, 2000)


def after_a_timeout(acknowledged: int) -> Peer:
    """Eight segments were lost or late; the first went again, and so much was acknowledged then."""
    peer = established(PLAIN.replace(initial_window=8))
    peer.writes(bytes(8000))
    peer.heard.clear()
    peer.waits_for_timer()
    peer.hears(". 1:1001(1000) ack 1")
    peer.sends(f". 1:1(0) ack {acknowledged} win 65535")
    return peer


def times_sent(peer: Peer, seq: int) -> int:
    return sum(segment.seq == OURS + seq for segment in peer.heard)


def test_a_retransmission_that_is_lost_after_a_timeout_costs_no_other_timeout() -> None:
    """RFC 6582 4.1: SND.UNA has moved by four segments at most, and duplicates mean a loss."""
    peer = after_a_timeout(1001)
    for _ in range(2):
        peer.sends(". 1:1(0) ack 1001 win 65535")
    assert times_sent(peer, 1001) == 1
    peer.sends(". 1:1(0) ack 1001 win 65535")
    assert times_sent(peer, 1001) == 2


def test_what_was_sent_again_needlessly_after_a_timeout_is_no_loss() -> None:
    """RFC 6582 4: that three were, shows in SND.UNA moving by more than four segments."""
    peer = after_a_timeout(6001)
    for _ in range(4):
        peer.sends(". 1:1(0) ack 6001 win 65535")
    assert times_sent(peer, 6001) == 1


@pytest.mark.parametrize("name", ["rfc", "linux", "freebsd"])
def test_a_queue_of_one_packet_costs_no_chain_of_timeouts_without_sack(name: str) -> None:
    """A small buffer, small segments, and neither SACK nor timestamps: each timeout was followed by
    the loss of a retransmission, and none gave a sample of the round trip (Karn).
    """
    config = preset(name).replace(
        strict=True, congestion="cubic", initial_window=10, mss_limit=88, nagle=False,
        send_buffer=1000, send_most=0, send_overhead=0,
        sack=False, timestamps=False, window_scale=False,
    )  # fmt: skip
    pair = TwoHosts(delay=20 * MS, rate=1_000_000, queue=1, config=config, mtu=576, keep=False)
    talk = Conversation(pair, bytes(20_000), bytes(12_000))
    pair.run(30 * SECOND)
    assert talk.right is not None and len(talk.right.received) == 20_000
    assert talk.left.connection.tcb.tally.timeouts < 5


def test_without_limited_transmit_recovery_sends_as_much_new_data_as_ever() -> None:
    """RFC 5681 3.2 step 3: three segments have left the network when it begins."""
    peer = established(PLAIN.replace(initial_window=10, limited_transmit=False))
    peer.writes(bytes(20_000))
    peer.heard.clear()
    for _ in range(5):
        peer.sends(". 1:1(0) ack 1 win 65535")
    peer.hears(". 1:1001(1000) ack 1")
    peer.hears_nothing()
    peer.sends(". 1:1(0) ack 1 win 65535")
    peer.hears(". 10001:11001(1000) ack 1")
