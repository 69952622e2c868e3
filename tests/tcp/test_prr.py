"""Proportional rate reduction: no pause and no burst in recovery (RFC 6937, RFC 9937)."""

from hypothesis import given
from hypothesis import strategies as st
from peer import PLAIN, Peer, established

from lastack.tcp.recovery import Reduction

MSS = 1000
PRR = PLAIN.replace(sack=True, prr=True, initial_window=20)


def in_flight(segments: int) -> Peer:
    peer = established(PRR)
    peer.writes(bytes(MSS * 40))
    assert len(peer.heard) == segments
    peer.heard.clear()
    return peer


def test_something_goes_out_for_every_second_segment_that_arrives() -> None:
    """RFC 6937 3: where RFC 5681 is silent for half a round trip, PRR sends all along."""
    peer = in_flight(20)
    quiet = longest = 0
    for i in range(2, 20):
        peer.sends(f". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:{i * MSS + 1}>")
        quiet = 0 if peer.heard else quiet + 1
        assert len(peer.heard) <= 1
        longest = max(longest, quiet)
        peer.heard.clear()
    assert longest <= 2
    peer.sends(". 1:1(0) ack 22001 win 65535")
    info = peer.connection.info(peer.now)
    assert info.recovery == "open" and info.cwnd == info.ssthresh


def test_many_losses_are_repaired_as_fast_as_data_arrives_and_no_faster() -> None:
    """RFC 6937 3: below ssthresh one segment more than has arrived, while all goes well."""
    reduction = Reduction(10 * MSS, 20 * MSS, 0)
    reduction.on_ack(MSS, 4 * MSS, 0, MSS, False)
    assert reduction.window == 5 * MSS
    reduction.on_ack(MSS, 4 * MSS, MSS, MSS, True)
    assert reduction.window == 6 * MSS


@given(
    st.integers(2, 60),
    st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.integers(0, 2)), max_size=80),
)
def test_it_never_sends_more_than_arrived_beyond_a_segment_an_ack(
    flight: int, acks: list[tuple[int, bool, int]]
) -> None:
    """RFC 6937 3.1: bounded by what has arrived; the target is not exceeded from below."""
    target = max(flight // 2, 2) * MSS
    reduction = Reduction(target, flight * MSS, 0)
    pipe, sent, arrived = flight * MSS, 0, 0
    for segments, safe, lost in acks:
        before_ack = pipe
        taken = min(segments * MSS, pipe)
        pipe -= taken
        arrived += taken
        pipe -= min(lost * MSS, pipe)
        before = pipe
        reduction.on_ack(taken, pipe, sent, MSS, safe)
        while pipe + MSS <= reduction.window:
            pipe += MSS
            sent += MSS
        assert pipe <= max(target, before_ack, before + MSS)
        assert pipe - before <= max(taken + MSS, arrived)
