"""Users who write less than the window takes: RFC 5681 4.1, RFC 2861, RFC 7661."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.tcp.config import Config, preset
from lastack.tcp.congestion import AckSample, CongestionController
from lastack.tcp.congestion.base import MOST_WINDOW
from lastack.tcp.congestion.newreno import NewReno
from lastack.tcp.congestion.validation import MOST_PEAKS, UNDEFINED, PipeAck, Validation
from lastack.tcp.recovery import Phase
from lastack.tcp.tcb import Tcb
from lastack.units import MINUTE, MS, SECOND
from lastack.wire.seq import add

MSS = 1448
RTT = 100 * MS
CONTROLLERS = ["newreno", "cubic", "dctcp"]


class Greedy(CongestionController):
    """A user's own that does not ask whether its window was made use of."""

    def on_ack(self, sample: AckSample) -> None:
        if not sample.recovering:
            self.cwnd += sample.acked

    def on_loss(self, in_flight: int, now: int) -> None:
        self.ssthresh = self.cwnd = max(self.cwnd * 9 // 10, 2 * self.mss)

    def on_timeout(self, in_flight: int, now: int) -> None:
        self.on_loss(in_flight, now)


class Writer:
    """The user of a connection between two hosts, 100 ms apart, who writes now and then.

    Of the segments with data that it sends from now on `loses` drops some, by their number.
    """

    def __init__(self, how: str, keep: bool = False, rate: int = 0, **knobs: object) -> None:
        buffers = Config(strict=True, receive_buffer=4 << 20, send_buffer=4 << 20)
        plain = buffers.replace(initial_window=10, slow_start_segments=0, window_validation=how)
        self.lost: set[int] = set()
        self.count = 0
        self.written = 0
        self.pair = TwoHosts(
            config=plain.replace(**knobs), delay=RTT // 2, drop=self._drops, rate=rate, keep=keep
        )
        self.talk = Conversation(self.pair, left_closes_first=False)
        self.passes(SECOND)

    def _drops(self, from_a: bool, number: int, packet: object) -> bool:
        if from_a and self.lost:
            self.count += 1
            return self.count in self.lost
        return False

    @property
    def tcb(self) -> Tcb:
        return self.talk.left.connection.tcb

    @property
    def controller(self) -> CongestionController:
        controller = self.tcb.controller
        assert controller is not None
        return controller

    @property
    def cwnd(self) -> float:
        """Segments."""
        return self.controller.cwnd / MSS

    @property
    def ssthresh(self) -> float:
        return self.controller.ssthresh / MSS

    @property
    def validation(self) -> Validation:
        validation = self.tcb.validation
        assert validation is not None
        return validation

    @property
    def pipe_ack(self) -> float:
        return self.validation.pipe.value(SECOND, self.pair.now) / MSS

    def writes(self, segments: float) -> None:
        left = self.talk.left
        octets = int(segments * MSS)
        self.written += octets
        left.data = left.data[left.sent :] + bytes(octets)
        left.sent = 0
        left.act()
        self.passes(0)

    def passes(self, time: int) -> None:
        self.pair.run(self.pair.now + time)

    def trickles(self, time: int, segments: int = 2, every: int = RTT // 2) -> None:
        """Write so much, again and again."""
        end = self.pair.now + time
        while self.pair.now < end:
            self.writes(segments)
            self.passes(every)

    def until(self, arrived: Callable[[], bool]) -> int:
        """Let time pass until then; return how much that was."""
        began = self.pair.now
        assert self.pair.run(began + MINUTE, lambda: not arrived())
        return self.pair.now - began

    def takes(self, segments: int) -> int:
        """Write so much and wait until it is acknowledged."""
        self.writes(segments)
        return self.until(lambda: not self.tcb.sent.octets and not self.tcb.snd.unsent)

    def loses(self, *numbers: int) -> None:
        self.lost = set(numbers)
        self.count = 0

    def has_arrived_whole(self) -> bool:
        return self.talk.right is not None and len(self.talk.right.received) == self.written


def in_doubt(controller: str | type[object] = "newreno", **knobs: object) -> Writer:
    """A writer with a window of 310 segments who has made use of four for five seconds."""
    writer = Writer("rfc7661", congestion=controller, **knobs)
    writer.writes(300)
    writer.passes(SECOND)
    assert writer.validation.validated
    assert writer.cwnd == 310
    writer.trickles(5 * SECOND)
    assert not writer.validation.validated
    assert 4 <= writer.pipe_ack <= 6
    return writer


# -- the non-validated phase ----------------------------------------------------------------------


@pytest.mark.parametrize("controller", [*CONTROLLERS, Greedy])
def test_a_window_that_is_not_made_use_of_is_kept(controller: str | type[object]) -> None:
    """RFC 7661 4.4: it neither grows nor shrinks, whatever the controller makes of it."""
    assert in_doubt(controller).cwnd == 310


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_after_ten_seconds_a_burst_takes_as_long_as_before(controller: str) -> None:
    """RFC 7661 4.4: without slow start; RFC 5681 4.1 needs four round trips."""
    writer = in_doubt(controller, delayed_ack=False)
    writer.passes(10 * SECOND)
    assert writer.takes(100) < 2 * RTT
    assert writer.cwnd == 310
    classic = Writer("rfc5681", congestion=controller, delayed_ack=False)
    classic.writes(300)
    classic.passes(10 * SECOND)
    assert classic.takes(100) >= 4 * RTT


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_who_uses_half_of_the_window_has_validated_it(controller: str) -> None:
    """RFC 7661 4.3: pipeACK >= cwnd / 2; it may then grow as ever."""
    writer = in_doubt(controller, delayed_ack=False)
    writer.takes(200)
    assert writer.validation.validated
    assert writer.cwnd >= 310
    writer.takes(700)
    assert writer.cwnd > 400


def test_who_fills_the_window_may_let_it_grow() -> None:
    """RFC 7661 4.4: "A sender that is cwnd-limited MAY use the standard TCP method"."""
    writer = in_doubt(delayed_ack=False)
    writer.writes(1000)
    writer.until(lambda: writer.cwnd > 310)
    assert writer.tcb.round_flight > 309 * MSS


@pytest.mark.parametrize(
    ("minutes", "left"), [(4.9, 310), (5.1, 155), (10.1, 77.5), (20.1, 19.375), (1000, 10)]
)
def test_an_idle_window_is_halved_every_five_minutes(minutes: float, left: float) -> None:
    """RFC 7661 4.4.3: one reduction for each period, down to IW; ssthresh remembers."""
    writer = in_doubt()
    writer.controller.ssthresh = 20 * MSS
    writer.passes(int(minutes * MINUTE))
    writer.writes(1)
    assert writer.cwnd == left
    assert writer.ssthresh == (20 if left == 310 else 310 * 3 / 4)


def test_a_trickle_for_five_minutes_halves_it_too() -> None:
    """RFC 7661 4.4.3: idle or slow is all the same."""
    writer = in_doubt()
    writer.trickles(4 * MINUTE, 1, SECOND)
    assert writer.cwnd == 310
    writer.trickles(2 * MINUTE, 1, SECOND)
    assert writer.cwnd == 155


def test_a_window_below_the_initial_one_is_not_raised() -> None:
    """RFC 7661 4.4.3: "to be not greater than"."""
    writer = in_doubt()
    writer.passes(SECOND)
    writer.controller.cwnd = 6 * MSS
    writer.passes(6 * MINUTE)
    writer.writes(1)
    assert writer.cwnd == 6


def test_bursts_are_spread_while_the_window_is_in_doubt() -> None:
    """RFC 7661 4.4.2: paced out over the round trip, without Config.pacing."""
    writer = in_doubt(keep=True)
    writer.passes(10 * SECOND)
    before = len(writer.pair.crossings)
    writer.takes(100)
    sent = [c.sent_at for c in writer.pair.crossings[before:] if c.to_right]
    assert max(sent.count(time) for time in set(sent)) <= 6
    assert 10 * MS <= sent[90] - sent[0] <= RTT
    writer.takes(400)
    writer.writes(1)
    writer.passes(SECOND // 5)
    assert writer.validation.validated
    assert writer.tcb.pacer is None


def test_a_pause_within_the_sampling_period_changes_nothing() -> None:
    """RFC 7661 4.2: what was used within a second, or three round trips, still counts."""
    writer = Writer("rfc7661")
    writer.writes(300)
    writer.passes(SECOND)
    writer.takes(310)
    writer.passes(800 * MS)
    writer.writes(1)
    assert writer.validation.validated
    writer.passes(1100 * MS)
    writer.writes(1)
    assert not writer.validation.validated


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("how", ["linux", "freebsd", "rfc"])
def test_who_always_has_more_to_send_is_never_in_doubt(controller: str, how: str) -> None:
    """In slow start too, in which the window is twice what has just been acknowledged."""
    config = preset(how).replace(strict=True, congestion=controller, window_validation="rfc7661")
    pair = TwoHosts(config=config, delay=20 * MS, rate=20_000_000, queue=80, keep=False)
    talk = Conversation(pair, bytes(4_000_000))
    tcb = talk.left.connection.tcb
    while talk.right is None or len(talk.left.data) > talk.left.sent:
        assert pair.step()
        assert tcb.validation is None or tcb.validation.validated, pair.now
    assert tcb.retransmissions


# -- congestion in the non-validated phase --------------------------------------------------------


@pytest.mark.parametrize("prr", [False, True])
@pytest.mark.parametrize("controller", [*CONTROLLERS, Greedy])
def test_a_loss_takes_the_window_to_half_of_what_was_in_use(
    controller: str | type[object], prr: bool
) -> None:
    """RFC 7661 4.4.1: max(pipeACK, LossFlightSize) / 2, and (... - R) / 2 when it is repaired."""
    writer = in_doubt(controller, prr=prr, delayed_ack=False)
    writer.passes(10 * SECOND)
    writer.loses(5, 6, 7, 8)
    writer.writes(40)
    writer.until(lambda: writer.tcb.recovery.phase is Phase.RECOVERY)
    in_use = writer.validation.capacity / MSS
    assert 30 <= in_use <= 40
    assert writer.cwnd == writer.ssthresh == pytest.approx(in_use / 2, abs=0.001)
    writer.until(lambda: writer.tcb.recovery.phase is Phase.OPEN)
    assert writer.tcb.retransmissions == writer.validation.resent // MSS == 4
    assert writer.ssthresh == pytest.approx((in_use - 4) / 2, abs=0.001)
    assert writer.cwnd <= writer.ssthresh + 2  # what was acknowledged since may count
    assert writer.validation.validated
    writer.passes(SECOND)
    assert writer.has_arrived_whole()


def test_what_was_in_use_a_moment_ago_counts_for_a_loss_at_the_end() -> None:
    """RFC 7661 4.2, the note: pipeACK, not the few octets that are under way."""
    writer = in_doubt(delayed_ack=False)
    writer.passes(SECOND)
    writer.takes(100)
    writer.loses(1)
    writer.writes(5)
    writer.until(lambda: writer.tcb.recovery.phase is Phase.RECOVERY)
    assert writer.cwnd == 50
    writer.until(lambda: writer.tcb.recovery.phase is Phase.OPEN)
    assert writer.ssthresh == 49.5


def test_after_recovery_nothing_is_known() -> None:
    """RFC 7661 4.4.1: pipeACK is undefined, until a round trip has been measured."""
    writer = in_doubt(delayed_ack=False)
    writer.loses(1)
    writer.writes(10)
    writer.until(lambda: writer.tcb.recovery.phase is Phase.RECOVERY)
    writer.until(lambda: writer.tcb.recovery.phase is Phase.OPEN)
    assert writer.validation.pipe.value(SECOND, writer.pair.now) == UNDEFINED
    assert writer.validation.validated


def test_a_loss_of_a_validated_window_is_answered_as_ever() -> None:
    """RFC 7661 4.3: the standard methods."""
    writer = Writer("rfc7661", delayed_ack=False)
    writer.takes(300)
    writer.takes(310)
    writer.loses(1)
    writer.writes(300)
    writer.until(lambda: writer.tcb.recovery.phase is Phase.RECOVERY)
    assert writer.validation.capacity == 0
    assert 140 <= writer.ssthresh <= 150


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_timeout_ends_the_doubt(controller: str) -> None:
    """RFC 7661 4.4: then RFC 5681; what was not in use is forgotten by CUBIC too."""
    writer = in_doubt(controller)
    writer.passes(10 * SECOND)
    writer.loses(*range(1, 5))
    writer.writes(4)
    writer.until(lambda: writer.tcb.recovery.phase is Phase.LOSS)
    assert writer.cwnd == 1
    assert writer.ssthresh == 2  # CUBIC's 0.7 of 4: the part of a segment waits in its `credit`
    assert writer.validation.validated
    writer.passes(5 * SECOND)
    assert writer.has_arrived_whole()


@pytest.mark.parametrize(("controller", "left"), [("newreno", 0.5), ("cubic", 0.7), ("dctcp", 0.5)])
def test_a_mark_is_answered_by_what_was_in_use(controller: str, left: float) -> None:
    """RFC 7661 4.4.1: the preserved window was too much; the answer is the controller's."""
    writer = in_doubt(controller, ecn="on", rate=50_000_000, delayed_ack=False)
    writer.pair.wire.mark = 20
    writer.passes(10 * SECOND)
    writer.writes(120)
    writer.until(lambda: writer.tcb.ecn.reducing)
    assert writer.validation.validated
    assert 30 * left <= writer.cwnd <= 120 * left + 6  # and what has come since
    writer.passes(5 * SECOND)
    assert writer.has_arrived_whole()


def test_a_loss_that_was_none_gives_the_window_back() -> None:
    """RFC 3522: as if nothing had happened, so also the doubt that is judged next."""
    writer = in_doubt(eifel=True, delayed_ack=False)
    writer.passes(10 * SECOND)
    writer.pair.wire.delay = (
        2 * SECOND
    )  # longer than RTO: a timeout, and then the ACK of the original
    writer.writes(10)
    writer.until(lambda: writer.tcb.retransmissions > 0)
    assert writer.cwnd == 1
    writer.until(lambda: writer.tcb.undone > 0)
    assert writer.cwnd == 310


# -- the others -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "cwnd", "ssthresh"),
    [("rfc5681", 10, 20), ("freebsd", 10, 232.5), ("linux", 155, 232.5), ("off", 310, 20)],
)
def test_what_an_idle_rto_does(how: str, cwnd: float, ssthresh: float) -> None:
    """RFC 5681 4.1 begins again, RFC 2861 3.1 halves; who has neither keeps all."""
    writer = Writer(how)
    writer.takes(300)
    writer.controller.ssthresh = 20 * MSS
    writer.passes(1900 * MS)
    writer.writes(1)
    assert (writer.cwnd, writer.ssthresh) == (cwnd, ssthresh)


@pytest.mark.parametrize("how", ["rfc7661", "linux", "rfc5681", "freebsd", "off"])
def test_bbr_is_left_alone(how: str) -> None:
    """It has its own account of what limited it."""
    writer = Writer(how, congestion="bbr")
    writer.takes(300)
    cwnd = writer.cwnd
    writer.trickles(5 * SECOND, 1)
    writer.passes(11 * MINUTE)
    writer.writes(1)
    assert writer.cwnd == cwnd
    assert writer.tcb.validation is None


def test_nothing_is_remembered_where_it_is_not_wanted() -> None:
    """Memory is for those who ask."""
    writer = Writer("rfc5681")
    writer.writes(300)
    writer.trickles(2 * SECOND)
    assert writer.tcb.validation is None


def test_the_knob_may_change_on_a_live_connection() -> None:
    """From the next data on."""
    writer = Writer("rfc5681")
    writer.takes(300)
    connection = writer.talk.left.connection
    connection.config = connection.config.replace(window_validation="rfc7661")
    writer.passes(10 * SECOND)
    writer.takes(1)
    assert writer.cwnd == 310 and writer.validation is not None
    connection.config = connection.config.replace(window_validation="rfc5681")
    writer.passes(10 * SECOND)
    writer.writes(1)
    assert writer.cwnd == 10 and writer.tcb.validation is None


# -- properties -----------------------------------------------------------------------------------


@given(
    acks=st.lists(
        st.tuples(st.integers(0, 2 * SECOND), st.integers(1, 50), st.integers(0, 50)), max_size=60
    ),
    rtt=st.integers(1 * MS, 3 * SECOND),
)
def test_pipe_ack_is_never_more_than_what_a_round_trip_has_brought(
    acks: list[tuple[int, int, int]], rtt: int
) -> None:
    """RFC 7661 4.2: MUST NOT exceed the maximum within the sampling period; samples are bounded."""
    pipe = PipeAck()
    period = max(3 * rtt, SECOND)
    una, now, delivered, base, since = 0, 0, 0, 0, 0
    samples: list[tuple[int, int]] = []
    for time, acked, flight in acks:
        now += time
        una = add(una, acked)
        delivered += acked
        if pipe.acknowledged(una, add(una, flight), delivered, 10, period, now):
            samples.append((now, delivered - base))
            base = delivered
        since = now
        recent = [octets for at, octets in samples if now - at <= period]
        value = pipe.value(period, now)
        assert value == UNDEFINED if not samples else value <= max(recent, default=0)
        assert len(pipe.peaks) <= MOST_PEAKS
    assert pipe.value(period, since + period + 1) in (0, UNDEFINED)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 5, 20, 100, 300]),
        st.sampled_from([0, 10 * MS, 100 * MS, 500 * MS, 2 * SECOND, 30 * SECOND, 7 * MINUTE]),
        st.sets(st.integers(1, 40), max_size=6),
    ),
    min_size=1,
    max_size=12,
)


@given(
    steps=STEPS,
    controller=st.sampled_from([*CONTROLLERS, "bbr", Greedy]),
    how=st.sampled_from(["rfc7661", "rfc7661", "linux", "freebsd", "off"]),
    base=st.sampled_from(["rfc", "linux", "freebsd"]),
)
@settings(max_examples=25, deadline=None)
def test_windows_keep_their_bounds_and_all_arrives(
    steps: list[tuple[int, int, set[int]]],
    controller: str | type[object],
    how: str,
    base: str,
) -> None:
    """A segment at least; without a full window none grows that is in doubt."""
    knobs = {f: getattr(preset(base), f) for f in ("prr", "rack", "eifel", "frto", "dsack_undo")}
    writer = Writer(how, congestion=controller, keepalive=False, **knobs)
    tcb = writer.tcb
    for segments, pause, lost in steps:
        writer.loses(*lost)
        writer.writes(segments)
        end = writer.pair.now + pause
        undone = tcb.undone
        while True:
            cwnd = writer.controller.cwnd
            before = tcb.validation is not None and not tcb.validation.validated
            if not writer.pair.step(end):
                break
            assert tcb.mss <= writer.controller.cwnd <= MOST_WINDOW
            after = tcb.validation is not None and not tcb.validation.validated
            if before and after and undone == tcb.undone and writer.controller.cwnd > cwnd:
                assert tcb.round_flight + tcb.mss >= cwnd
            undone = tcb.undone
    writer.lost = set()
    writer.passes(10 * MINUTE)
    assert writer.has_arrived_whole()


def test_an_unknown_word_is_refused() -> None:
    """Not taken for any of the others."""
    with pytest.raises(KeyError):
        NewReno(MSS, MSS).configure(Config(window_validation="rfc9999"))
