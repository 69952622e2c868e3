"""Congestion controllers: NewReno, CUBIC, DCTCP and those of users (RFC 5681, 9438, 9406, 8257)."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peer import PLAIN, established

from lastack.errors import LastackError
from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.stack import options as o
from lastack.stack.sockets import TcpSocket
from lastack.tcp.config import Config
from lastack.tcp.congestion import CONTROLLERS, AckSample, CongestionController, register
from lastack.tcp.congestion.base import MOST_WINDOW
from lastack.tcp.congestion.cubic import Cubic
from lastack.tcp.congestion.dctcp import Dctcp
from lastack.tcp.congestion.hystart import ClassicHyStart, HyStartPlus, SlowStartExit
from lastack.tcp.congestion.newreno import NewReno
from lastack.units import MS, SECOND

MSS = 1000


class Feed:
    """Feeds a controller with the ACKs of a path that has `rtt`, a window at a time."""

    def __init__(self, controller: CongestionController, rtt: int = 100 * MS) -> None:
        self.controller = controller
        self.rtt = rtt
        self.now = 10 * SECOND
        self.delivered = 0

    def round(self, rtt: int = 0, limited: bool = True, marked: int = 0) -> None:
        """A window of segments is acknowledged one by one, spread over half a round trip."""
        count = max(self.controller.cwnd // MSS, 1)
        began = self.delivered
        rtt = rtt or self.rtt
        self.now += rtt // 2
        for i in range(count):
            self.now += rtt // 2 // count
            self.delivered += MSS
            sample = AckSample(self.now, MSS, 0, count * MSS, rtt, 0, False, limited, False)
            sample.delivered = self.delivered
            sample.prior_delivered = began
            sample.srtt = rtt
            sample.ecn = MSS if i < marked else 0
            self.controller.on_ack(sample)

    def rounds(self, span: int, limited: bool = True) -> None:
        until = self.now + span
        while self.now < until:
            self.round(limited=limited)


def after_a_loss(window: int, rtt: int) -> tuple[Cubic, Feed]:
    """CUBIC in congestion avoidance after a loss at so many segments."""
    cubic = Cubic(MSS, window * MSS)
    cubic.on_loss(window * MSS, 10 * SECOND)
    return cubic, Feed(cubic, rtt)


def test_cubic_keeps_seven_tenths_and_is_back_after_k() -> None:
    """MAY-18, RFC 9438 4.2, 4.6: K = cbrt(W_max (1 - beta) / C), here 4.22 seconds."""
    cubic, feed = after_a_loss(100, 100 * MS)
    assert cubic.cwnd == cubic.ssthresh == 70 * MSS
    feed.rounds(2100 * MS)
    assert 93 * MSS <= cubic.cwnd <= 98 * MSS  # half of K has brought seven eighths of the way
    feed.rounds(2100 * MS)
    assert 99 * MSS <= cubic.cwnd <= 101 * MSS
    feed.rounds(3 * SECOND)
    assert cubic.cwnd > 105 * MSS  # convex: it looks for more


def test_cubic_is_no_slower_than_reno_where_round_trips_are_short() -> None:
    """RFC 9438 4.3: the Reno-friendly region."""
    cubic, feed = after_a_loss(20, 5 * MS)
    for _ in range(20):
        feed.round()
    # 0.53 segments a round trip up to the old maximum, then one.
    assert 22 * MSS <= cubic.cwnd <= 27 * MSS


@pytest.mark.parametrize("rtt", [MS, 10 * MS, 100 * MS])
def test_cubic_keeps_up_with_reno_from_the_first_round_trip_on(rtt: int) -> None:
    """4.3: W_est grows by a half of a segment in a round trip, however short that is."""
    cubic, feed = after_a_loss(10, rtt)
    for _ in range(8):
        feed.round()
    assert cubic.cwnd >= 10 * MSS


def test_cubic_gives_way_when_the_maximum_comes_down() -> None:
    """RFC 9438 4.7: fast convergence."""
    cubic = Cubic(MSS, 100 * MSS)
    cubic.on_loss(0, 0)
    assert cubic.curve is not None and cubic.curve.w_max == 100 * MSS
    cubic.on_loss(0, 0)
    assert cubic.curve.w_max == pytest.approx(70 * MSS * 0.85)


def test_cubic_does_not_count_time_in_which_the_user_was_the_limit() -> None:
    """RFC 9438 4.2, 5.8: t has no application-limited periods."""
    busy, feed = after_a_loss(100, 100 * MS)
    feed.rounds(SECOND)
    idle, other = after_a_loss(100, 100 * MS)
    other.rounds(SECOND)
    other.rounds(5 * SECOND, limited=False)
    assert abs(idle.cwnd - busy.cwnd) <= MSS
    other.round()
    other.now += 60 * SECOND
    idle.on_restart(other.now, 60 * SECOND, 100 * MS)
    other.round()
    assert idle.cwnd <= 92 * MSS  # of 102 had the minute counted


def test_cubic_after_a_timeout_begins_with_a_plateau() -> None:
    """RFC 9438 4.8: one segment, slow start to beta, then K = 0."""
    cubic = Cubic(MSS, 100 * MSS)
    feed = Feed(cubic)
    cubic.on_timeout(0, feed.now)
    assert (cubic.cwnd, cubic.ssthresh) == (MSS, 70 * MSS)
    feed.rounds(SECOND)
    assert 70 * MSS <= cubic.cwnd <= 74 * MSS


def test_what_did_not_happen_is_undone_with_the_whole_shape() -> None:
    """RFC 9438 4.9.2: W_max, K and the epoch too."""
    cubic, feed = after_a_loss(100, 100 * MS)
    feed.rounds(SECOND)
    curve = cubic.curve
    assert curve is not None
    before = (cubic.cwnd, cubic.ssthresh, curve.w_max, curve.k, curve.epoch)
    saved = cubic.save()
    cubic.on_loss(0, feed.now)
    cubic.undo(saved)
    assert (cubic.cwnd, cubic.ssthresh, curve.w_max, curve.k, curve.epoch) == before


@pytest.mark.parametrize(("kind", "kept"), [(NewReno, 80), (Cubic, 85)])
def test_a_mark_takes_less_than_a_loss_under_abe(
    kind: type[CongestionController], kept: int
) -> None:
    """RFC 8511 3.1."""
    controller = kind(MSS, 100 * MSS)
    controller.configure(Config(abe=True))
    controller.on_ecn(100 * MSS, 0)
    assert controller.cwnd == kept * MSS


def test_reno_keeps_what_was_acknowledged_towards_the_next_segment_when_it_halves() -> None:
    """RFC 5681 3.1, equation 3: what was acknowledged of a halved window counts for its growth."""
    reno = NewReno(MSS, 8 * MSS)
    reno.ssthresh = 8 * MSS
    feed = Feed(reno)
    for _ in range(2):
        reno.acked_in_avoidance = 3 * MSS
        reno.on_loss(8 * MSS, feed.now)
        assert reno.cwnd == 4 * MSS
    feed.now += feed.rtt
    reno.on_ack(AckSample(feed.now, MSS, 0, 3 * MSS, feed.rtt, 0, False, True, False))
    assert reno.cwnd == 5 * MSS


@pytest.mark.parametrize(("kind", "window", "left", "acks"), [(NewReno, 9, 4, 2), (Cubic, 9, 6, 8)])
def test_the_part_of_a_segment_that_a_loss_leaves_counts_for_the_next(
    kind: type[NewReno | Cubic], window: int, left: int, acks: int
) -> None:
    """Half of 9 is 4 and a half, seven tenths of it 6 and three tenths: what is above the whole
    segments is a part of the way to the next (without it Reno needs 4 ACKs, CUBIC 12)."""
    controller = kind(MSS, window * MSS)
    controller.on_loss(window * MSS, 10 * SECOND)
    assert controller.cwnd == controller.ssthresh == left * MSS
    now, heard = 10 * SECOND, 0
    while controller.cwnd == left * MSS:
        now, heard = now + MS, heard + 1
        controller.on_ack(AckSample(now, MSS, 0, left * MSS, MS, 0, False, True, False))
    assert (controller.cwnd, heard) == ((left + 1) * MSS, acks)


def test_dctcp_reduces_by_half_of_what_was_marked() -> None:
    """RFC 8257 3.3: alpha follows the share of marked octets."""
    dctcp = Dctcp(MSS, 100 * MSS)
    feed = Feed(dctcp)
    dctcp.ssthresh = 100 * MSS
    for _ in range(100):
        feed.round(limited=False, marked=20)
    assert 0.18 < dctcp.alpha / (1 << 20) < 0.22
    dctcp.on_ecn(100 * MSS, feed.now)
    assert 89 * MSS <= dctcp.cwnd <= 91 * MSS
    dctcp.on_loss(90 * MSS, feed.now)
    assert dctcp.cwnd == 45 * MSS


def test_hystart_plus_slows_down_when_delays_rise_and_then_leaves_slow_start() -> None:
    """RFC 9406 4.2: conservative slow start for five rounds."""
    cubic = Cubic(MSS, 10 * MSS)
    feed = Feed(cubic)
    feed.round()
    feed.round()
    assert cubic.cwnd == 40 * MSS
    feed.round(rtt=120 * MS)
    feed.round(rtt=120 * MS)
    assert cubic.exit.divisor == 4
    assert 40 * MSS < cubic.cwnd < 120 * MSS
    for _ in range(6):
        feed.round(rtt=120 * MS)
    assert cubic.exit.over and cubic.ssthresh < 1 << 40


def test_hystart_plus_goes_on_after_a_fluke() -> None:
    """RFC 9406 4.2: the delay has come down again."""
    cubic = Cubic(MSS, 10 * MSS)
    feed = Feed(cubic)
    feed.round()
    feed.round(rtt=120 * MS)
    assert cubic.exit.divisor == 4
    feed.round()
    assert cubic.exit.divisor == 1


def test_linux_grows_by_a_twentieth_until_something_is_lost() -> None:
    """RFC 9438 would stay on its plateau for longer: W_max is unknown."""
    grown: list[int] = []
    for classic in (True, False):
        cubic = Cubic(MSS, 100 * MSS)
        cubic.configure(Config(classic_hystart=classic))
        cubic.ssthresh = 100 * MSS
        feed = Feed(cubic)
        for _ in range(10):
            feed.round()
        grown.append(cubic.cwnd // MSS)
    assert 155 <= grown[0] <= 166 and grown[1] <= 112


def test_the_classic_looks_at_trains_of_acks_from_the_first_round_on() -> None:
    """Half a round trip of ACKs on end fills the pipe: as Linux 6.18, at 246 segments here."""
    octets = 4_000_000
    config = Config(
        strict=True, congestion="cubic", classic_hystart=True, initial_window=10,
        slow_start_segments=0, quick_acks=16, receive_buffer=4 << 20, send_buffer=4 << 20,
    )  # fmt: skip
    pair = TwoHosts(config=config, delay=50 * MS, rate=20_000_000, queue=167, keep=False)
    conversation = Conversation(pair, bytes(octets))
    pair.run(SECOND)
    controller = conversation.left.connection.tcb.controller
    assert controller is not None
    assert 220 <= controller.ssthresh // 1448 <= 260


@pytest.mark.parametrize("exit", [HyStartPlus(), ClassicHyStart(True)])
def test_steady_delays_do_not_end_slow_start(exit: SlowStartExit) -> None:
    """Without a sign of a queue it doubles on."""
    cubic = Cubic(MSS, 10 * MSS)
    cubic.exit = exit
    feed = Feed(cubic)
    for _ in range(6):
        feed.round()
    assert cubic.cwnd == 640 * MSS


def test_an_idle_time_costs_half_the_window_for_each_rto_under_linux() -> None:
    """RFC 2861 3.1, down to the initial window; RFC 5681 4.1 has that at once."""
    for how, rounds, left in (
        ("linux", 1, 50),
        ("linux", 3, 12),
        ("linux", 9, 10),
        ("rfc5681", 1, 10),
    ):
        cubic = Cubic(MSS, 10 * MSS)
        cubic.configure(Config(window_validation=how))
        cubic.cwnd, cubic.ssthresh = 100 * MSS, 60 * MSS
        cubic.on_idle(0, rounds)
        assert cubic.cwnd // MSS == left
        assert cubic.ssthresh == (75 if how == "linux" else 60) * MSS


class Own(CongestionController):
    """As plain as can be: a window that never changes but for losses."""

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self.name = "own"
        self.heard = 0

    def on_ack(self, sample: AckSample) -> None:
        self.heard += sample.acked
        self.cwnd += sample.acked

    def on_loss(self, in_flight: int, now: int) -> None:
        self.cwnd = self.cwnd // 2

    def on_timeout(self, in_flight: int, now: int) -> None:
        self.cwnd = 0


def test_a_class_of_a_users_own_controls_a_connection() -> None:
    """It is plain Python, also when what calls it is compiled."""
    pair = TwoHosts(config=Config(strict=True, congestion=Own), loss=0.02)
    conversation = Conversation(pair, bytes(300_000))
    conversation.run(60 * SECOND)
    assert conversation.right is not None and len(conversation.right.received) == 300_000
    controller = conversation.left.connection.tcb.controller
    assert isinstance(controller, Own) and controller.heard >= 299_000


def test_a_registered_name_means_the_class() -> None:
    """And no name is taken twice."""
    register("own", Own)
    register("own", Own)
    try:
        peer = established(PLAIN.replace(congestion="own"))
        assert peer.connection.info().controller == "own"
        with pytest.raises(ValueError, match="already"):
            register("own", NewReno)
        with pytest.raises(ValueError, match="no name"):
            register("", Own)
    finally:
        del CONTROLLERS["own"]


def test_an_unknown_controller_is_the_callers_mistake() -> None:
    """Nothing a peer does finds it out first."""
    pair = TwoHosts(config=Config(congestion="nosuch"))
    with pytest.raises(LastackError) as error:
        Conversation(pair, b"")
    assert error.value.errno == errno.ENOENT  # type: ignore[attr-defined]


def test_a_window_below_a_segment_or_beyond_all_bounds_is_corrected() -> None:
    """Whatever a user's class says, the connection goes on."""
    peer = established(PLAIN.replace(congestion=Own, initial_window=4))
    controller = peer.connection.tcb.controller
    assert controller is not None
    for wrong in (-5, 0, 1 << 60):
        peer.writes(bytes(1000))
        una = peer.heard.pop().seq + 1000 - 1_000_000
        controller.cwnd = wrong
        peer.sends(f". 1:1(0) ack {una} win 65535")
        assert 1000 <= controller.cwnd <= MOST_WINDOW
        peer.heard.clear()


def test_the_controller_changes_on_a_live_connection() -> None:
    """TCP_CONGESTION: by name, at any time; the window stays what it was."""
    pair = TwoHosts()
    conversation = Conversation(pair, bytes(100_000), left_closes_first=False)
    pair.run(SECOND)
    connection = conversation.left.connection
    assert connection.info().controller == "newreno"
    cwnd = connection.info().cwnd
    connection.config = connection.config.replace(congestion="cubic")
    assert (connection.info().controller, connection.info().cwnd) == ("cubic", cwnd)


def test_the_socket_option_names_it() -> None:
    """ENOENT for what there is not, as in Linux."""
    pair = TwoHosts()
    socket = TcpSocket(pair.left, 2)
    assert socket.getsockopt(0, o.IPPROTO_TCP, o.TCP_CONGESTION) == b"newreno"
    socket.setsockopt(0, o.IPPROTO_TCP, o.TCP_CONGESTION, b"dctcp\0")
    assert socket.getsockopt(0, o.IPPROTO_TCP, o.TCP_CONGESTION) == b"dctcp"
    with pytest.raises(LastackError) as error:
        socket.setsockopt(0, o.IPPROTO_TCP, o.TCP_CONGESTION, b"nosuch")
    assert error.value.errno == errno.ENOENT  # type: ignore[attr-defined]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ack", "ack", "ack", "loss", "timeout", "ecn", "recovered", "idle"]),
        st.integers(0, 1 << 20),
        st.integers(0, 2 * SECOND),
        st.booleans(),
    ),
    max_size=80,
)


@given(kind=st.sampled_from(sorted(CONTROLLERS)), mss=st.integers(8, 9000), events=EVENTS)
def test_no_window_falls_below_a_segment_or_grows_without_need(
    kind: str, mss: int, events: list[tuple[str, int, int, bool]]
) -> None:
    """Nor does one that fixes a rate say a negative one."""
    controller = CONTROLLERS[kind](mss, 10 * mss)
    controller.configure(Config(slow_start_segments=0))
    now, delivered = SECOND, 0
    for what, octets, time, flag in events:
        now += time
        before = controller.cwnd
        if what == "ack":
            delivered += octets
            sample = AckSample(now, octets, octets, octets, time, octets, flag, flag, not flag)
            sample.delivered = delivered
            sample.prior_delivered = max(delivered - octets, 0)
            sample.srtt = time
            sample.tx_in_flight = octets
            controller.on_ack(sample)
            if not flag and kind != "bbr":
                assert controller.cwnd <= before
        elif what == "loss":
            controller.on_loss(octets, now)
        elif what == "timeout":
            controller.on_timeout(octets, now)
        elif what == "ecn":
            controller.on_ecn(octets, now)
        elif what == "recovered":
            controller.on_recovered(octets, now)
        else:
            controller.on_restart(now, time, time)
            controller.on_idle(now, octets)
        assert mss <= controller.cwnd <= MOST_WINDOW
        assert controller.ssthresh >= 2 * mss
        assert controller.pacing_rate() >= 0


def bulk(controller: str, octets: int = 10_000_000, **wire: float) -> tuple[TwoHosts, Conversation]:
    """A transfer over 20 Mbit/s and 40 ms; the wire may be told more."""
    config = Config(strict=True, congestion=controller, initial_window=10, slow_start_segments=0)
    pair = TwoHosts(config=config, delay=20 * MS, rate=20_000_000, keep=False, **wire)  # type: ignore[arg-type]
    conversation = Conversation(pair, bytes(octets))
    pair.run(
        60 * SECOND,
        lambda: conversation.right is None or len(conversation.right.received) < octets,
    )
    return pair, conversation


def megabits(pair: TwoHosts, octets: int = 10_000_000) -> float:
    return octets * 8 * 1000 / pair.now


@pytest.mark.parametrize("controller", ["cubic", "bbr"])
def test_a_bottleneck_is_filled(controller: str) -> None:
    """With a queue of a bandwidth-delay product."""
    pair, _ = bulk(controller, queue=67)
    assert megabits(pair) > 15


def test_classic_hystart_leaves_slow_start_with_the_path_filled() -> None:
    """As Linux does: its own bursts of half a window are no queue, wherever in one it passes 16."""
    config = Config(strict=True, congestion="cubic", classic_hystart=True, initial_window=10)
    config = config.replace(slow_start_segments=0, receive_buffer=4 << 20, quick_acks=16)
    pair = TwoHosts(config=config, delay=50 * MS, rate=20_000_000, queue=167, keep=False)
    conversation = Conversation(pair, bytes(6_000_000))
    pair.run(2 * SECOND)
    controller = conversation.left.connection.tcb.controller
    assert controller is not None and controller.ssthresh < 1 << 40
    assert controller.ssthresh * 8 * SECOND > 20_000_000 * 100 * MS


def test_bbr_keeps_going_where_packets_are_lost_by_chance() -> None:
    """draft-ietf-ccwg-bbr 5.5.10.2: less than two percent is not too much."""
    bbr, _ = bulk("bbr", queue=67, loss=0.005)
    cubic, _ = bulk("cubic", queue=67, loss=0.005)
    assert megabits(bbr) > 12 > megabits(cubic)


def test_bbr_leaves_deep_queues_empty() -> None:
    """A second's worth of queue, of which it uses little."""
    pair, conversation = bulk("bbr", queue=1700)
    tcb = conversation.left.connection.tcb
    assert megabits(pair) > 15
    assert tcb.rtt.srtt < 100 * MS


def test_bbr_probes_for_the_round_trip_time_when_it_has_not_seen_it_for_long() -> None:
    """draft-ietf-ccwg-bbr 5.3.4: five seconds, then 200 ms with little in flight."""
    octets = 14_000_000
    config = Config(strict=True, congestion="bbr", initial_window=10)
    pair = TwoHosts(config=config, delay=20 * MS, rate=20_000_000, queue=200, keep=False)
    conversation = Conversation(pair, bytes(octets))
    least: list[int] = []

    def look() -> None:
        controller = conversation.left.connection.tcb.controller
        if controller is not None and pair.now > 4 * SECOND:
            least.append(controller.cwnd)
        pair.at(pair.now + 20 * MS, look)

    look()
    pair.run(6 * SECOND)
    assert min(least) <= 100_000 // 2 + 3000 < max(least)


def test_what_cubic_owes_reno_and_its_boldness_do_not_add_up() -> None:
    """Seen in Linux: seven segments grow to eight with the sixteenth ACK, not with an earlier one.

    A part of W_est's segment waits; only a whole one counts (4.3), and until then the twentieth of
    a segment for each that `classic_hystart` grows by.
    """
    cubic = Cubic(1000, 10_000)
    cubic.configure(Config(classic_hystart=True))
    cubic.on_timeout(10_000, 0)
    cubic.cwnd = cubic.ssthresh = 7000
    now = 2 * SECOND
    sizes = []
    for pause in [2, 98] + 6 * [2] + [98] + 6 * [2] + [98]:
        now += pause * MS
        sample = AckSample(now, MSS, 0, cubic.cwnd, 100 * MS, 0, False, True, False)
        sample.srtt = 100 * MS
        cubic.on_ack(sample)
        sizes.append(cubic.cwnd)
    assert sizes == 15 * [7000] + [8000]


@pytest.mark.parametrize("linux", [False, True])
def test_newreno_halves_what_is_in_flight_or_as_linux_the_window(linux: bool) -> None:
    """RFC 5681 equation 4; `tcp_reno_ssthresh`, which bunches of ACKs do not lower."""
    for event, left in (("on_loss", 10), ("on_timeout", 1), ("on_ecn", 10)):
        reno = NewReno(MSS, 20 * MSS)
        reno.configure(Config(halve_window=linux))
        getattr(reno, event)(12 * MSS, SECOND)
        half = 10 if linux else 6
        assert reno.ssthresh == half * MSS and reno.cwnd == min(left, half) * MSS
