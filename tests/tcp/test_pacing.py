"""Pacing: data flows instead of bursting, and never more than a quantum goes at once."""

from hypothesis import given
from hypothesis import strategies as st
from peer import PLAIN, established

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.tcp import pacing
from lastack.tcp.config import Config
from lastack.tcp.congestion import AckSample, CongestionController
from lastack.tcp.pacer import MOST_QUANTUM, Pacer
from lastack.units import MS, NEVER, SECOND

Going = list[tuple[int, int]]


@given(
    rate=st.integers(1, 10**11),
    mss=st.integers(8, 9000),
    gaps=st.lists(st.integers(0, 5 * MS), max_size=60),
    wanted=st.integers(1, 70_000),
)
def test_no_interval_has_more_than_a_quantum_and_what_flows_meanwhile(
    rate: int, mss: int, gaps: list[int], wanted: int
) -> None:
    """Whenever it is asked and whatever is asked for."""
    pacer = Pacer()
    pacer.set_rate(rate, mss)
    assert 2 * mss <= pacer.quantum <= max(MOST_QUANTUM, 2 * mss)
    went: Going = []
    now = SECOND
    for gap in gaps:
        now += gap
        going = min(pacer.room(now), wanted)
        if going > 0:
            pacer.sent(going)
            went.append((now, going))
        else:
            assert pacer.when_half_full() > now
    for first, (began, _) in enumerate(went):
        total = 0
        for at, octets in went[first:]:
            total += octets
            assert total * SECOND <= pacer.quantum * SECOND + (at - began) * rate


@given(rate=st.integers(1, 10**11), mss=st.integers(8, 9000))
def test_when_the_timer_goes_off_a_segment_may_go(rate: int, mss: int) -> None:
    """Or it would go off without end."""
    pacer = Pacer()
    pacer.set_rate(rate, mss)
    now = SECOND
    for _ in range(3):
        pacer.sent(pacer.room(now))
        assert pacer.room(now) < mss
        now = pacer.when_half_full()
        assert pacer.room(now) >= mss


def paced(**changes: object) -> tuple[TwoHosts, Conversation]:
    config = Config(strict=True, pacing=True, initial_window=10).replace(**changes)
    pair = TwoHosts(config=config, delay=50 * MS)
    return pair, Conversation(pair, bytes(400_000))


def test_a_window_is_spread_over_the_round_trip() -> None:
    """Without pacing all ten segments of the second round would leave within the ACKs' bunch."""
    pair, conversation = paced()
    conversation.run(30 * SECOND)
    assert conversation.right is not None
    assert len(conversation.right.received) == 400_000
    sent = [c.sent_at for c in pair.crossings if c.to_right and c.segment and c.segment.length]
    at_once = max(sent.count(time) for time in set(sent[10:]))
    assert at_once <= 2


def test_without_pacing_nothing_waits_for_a_timer() -> None:
    """It is off by default, as on systems without the fq queue."""
    peer = established(PLAIN.replace(initial_window=10))
    peer.writes(bytes(10_000))
    assert len(peer.heard) == 10
    assert peer.connection.tcb.pacer is None
    assert peer.connection.tcb.timers.pacing == NEVER


def test_what_pacing_holds_back_goes_by_its_timer_alone() -> None:
    """No ACK has to come for it, and no thread looks after it."""
    peer = established(PLAIN.replace(initial_window=10, pacing=True))
    assert peer.connection.tcb.rtt.srtt == 1  # the handshake took no time at all
    peer.connection.tcb.rtt.srtt = 100 * MS
    peer.writes(bytes(10_000))
    assert len(peer.heard) == 2
    began = peer.now
    while len(peer.heard) < 10:
        peer.waits_for_timer()
    assert peer.now - began <= 50 * MS  # twice cwnd / SRTT in slow start


def test_pacing_holds_retransmissions_back_too() -> None:
    """A burst of old data is a burst."""
    peer = established(PLAIN.replace(initial_window=10, pacing=True, sack=True))
    peer.connection.tcb.rtt.srtt = 100 * MS
    peer.writes(bytes(10_000))
    while len(peer.heard) < 10:
        peer.waits_for_timer()
    peer.heard.clear()
    peer.sends(". 1:1(0) ack 1 win 65535 <nop,nop,sack 5001:10001>")
    for _ in range(3):
        assert len(peer.heard) <= 2
        peer.heard.clear()
        peer.waits_for_timer()
        assert peer.heard


def test_segments_that_have_grown_are_not_held_back_for_ever() -> None:
    """Two of the new size are a quantum at once: the timer would go off without end otherwise."""
    pair, talk = paced()
    tcb = talk.left.connection.tcb
    pair.run(while_=lambda: tcb.pacer is None)
    pacer = tcb.pacer
    assert pacer is not None
    pacer.set_rate(10_000, tcb.mss // 3)  # as before the segments grew
    pacer.sent(pacer.room(pair.now))
    tcb.timers.pacing = NEVER
    assert not pacing.may_send(tcb, pacer, pair.now)
    when = tcb.timers.pacing
    assert pair.now < when < NEVER
    tcb.timers.pacing = NEVER
    assert pacing.may_send(tcb, pacer, when)


class Wavering(CongestionController):
    """Names whatever rate it is given."""

    rate = 1_000_000

    def on_ack(self, sample: AckSample) -> None:
        self.slow_start(min(sample.acked, 20 * self.mss - self.cwnd))

    def on_loss(self, in_flight: int, now: int) -> None:
        self.cwnd = 2 * self.mss

    def on_timeout(self, in_flight: int, now: int) -> None:
        self.cwnd = self.mss

    def pacing_rate(self) -> int:
        return self.rate


def wavering() -> tuple[TwoHosts, Conversation, Wavering]:
    """A transfer after its beginning, and its controller."""
    config = Config(strict=True, congestion=Wavering, initial_window=10)
    pair = TwoHosts(config=config, delay=5 * MS)
    talk = Conversation(pair, bytes(4_000_000))
    pair.run(SECOND)
    controller = talk.left.connection.tcb.controller
    assert isinstance(controller, Wavering)
    return pair, talk, controller


def test_what_waits_by_a_low_rate_goes_when_the_rate_has_risen() -> None:
    """The timer was set for when two segments would have flowed: in minutes, it may be."""
    pair, talk, controller = wavering()
    controller.rate = 20
    pair.run(pair.now + SECOND)
    controller.rate = 1_000_000
    begun = pair.now
    pair.run(while_=lambda: talk.left.connection.unacknowledged > 0)
    assert pair.now - begun < 6 * SECOND


def test_a_pace_is_a_segment_a_second_at_least() -> None:
    """A rate of next to nothing is measured as one, for ever (draft-ietf-ccwg-bbr has no floor)."""
    pair, talk, controller = wavering()
    controller.rate = 1
    before = talk.left.connection.tcb.bytes_acked
    pair.run(pair.now + 20 * SECOND)
    assert talk.left.connection.tcb.bytes_acked - before >= 18 * talk.left.connection.tcb.mss
