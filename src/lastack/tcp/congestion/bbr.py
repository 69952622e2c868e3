"""BBR, version 3 (draft-ietf-ccwg-bbr): the pace follows a model of the path, not its losses alone.

    STARTUP -> DRAIN -> DOWN -> CRUISE -> REFILL -> UP -+      PROBE_RTT from any of them
                          ^                             |
                          +-----------------------------+

Gains are percent. Losses and marks bound what is in flight (`Model`); a mark counts as the draft's
predecessors had it, in proportion to the share of what was marked.
"""

from lastack.tcp.congestion.base import AckSample, CongestionController
from lastack.tcp.congestion.bbr_model import BETA_PERCENT, INFINITE, Model
from lastack.tcp.congestion.bbr_states import (
    CRUISE,
    DOWN,
    DRAIN,
    DRAIN_ROUNDS,
    FEEDBACK,
    FULL_LOSS_EVENTS,
    FULL_ROUNDS,
    HEADROOM_PERCENT,
    LEAST_WINDOW,
    LOSS_PERCENT,
    MARGIN_PERCENT,
    MOST_QUANTUM,
    MOST_RENO_ROUNDS,
    NOT_PROBING,
    PACING_GAINS,
    PROBE_RTT,
    PROBE_RTT_TIME,
    REFILL,
    REFILLING,
    STARTING,
    STARTUP,
    STOPPING,
    UP,
    WINDOW_GAINS,
    Phase,
)
from lastack.tcp.congestion.rounds import Rounds
from lastack.units import MS, NEVER, SECOND


class Bbr(CongestionController):
    """The states and their transitions; `model` is what they have found out."""

    mode: Phase
    model: Model
    rounds: Rounds
    round_start: bool
    rate: int
    first_window: int
    full_bw: int
    full_rounds: int
    full_now: bool
    full_reached: bool
    drain_round: int
    phase: int
    cycle_at: int
    probe_wait: int
    rounds_since_probe: int
    probe_sample: bool
    probe_too_high: bool
    precautionary: bool
    up_rounds: int
    up_acked: int
    up_per_segment: int
    prior_cwnd: int
    probe_rtt_until: int
    probe_rtt_round_over: bool
    idle_restart: bool
    in_loss: bool
    undo_mode: Phase
    undo_bounds: tuple[int, int, int]
    chance: int

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self.name, self.bounds_recovery, self.validates_itself = "bbr", True, True
        self.mode = STARTUP
        self.model = Model()
        self.rounds = Rounds()
        self.round_start = False
        self.first_window = initial_window
        self.rate = initial_window * PACING_GAINS[STARTUP] * (SECOND // MS) // 100
        self.full_bw = 0
        self.full_rounds = 0
        self.full_now = False
        self.full_reached = False
        self.drain_round = 0
        self.phase = NOT_PROBING
        self.cycle_at = 0
        self.probe_wait = 0
        self.rounds_since_probe = 0
        self.probe_sample = False
        self.probe_too_high = False
        self.precautionary = False
        self.up_rounds = 0
        self.up_acked = 0
        self.up_per_segment = INFINITE
        self.prior_cwnd = 0
        self.probe_rtt_until = 0
        self.probe_rtt_round_over = False
        self.idle_restart = False
        self.in_loss = False
        self.undo_mode = STARTUP
        self.undo_bounds = (INFINITE, INFINITE, INFINITE)
        self.chance = 0

    def pacing_rate(self) -> int:
        """Return octets a second."""
        return self.rate

    def on_ack(self, sample: AckSample) -> None:
        """Learn, decide, and set pace and window."""
        model = self.model
        self._count_round(sample)
        model.take_signals(sample)
        if sample.lost and self.probe_sample and self._too_high(sample):
            self._handle_too_high(sample)
        model.take_rate(sample)
        model.adapt(self.mode is STARTUP or self.mode is REFILL or self.mode is UP, self.cwnd)
        model.take_aggregation(sample, self.cwnd, self.rounds.count, self.full_reached)
        self._check_full(sample)
        self._check_startup(sample)
        if self.mode is DRAIN and (
            sample.in_flight <= self._inflight(self.model.bw, 100)
            or self.rounds.count > self.drain_round + DRAIN_ROUNDS
        ):
            self._start_down(sample)
        if self.full_reached:
            self._cycle(sample)
        model.take_rtt(sample)
        self._check_probe_rtt(sample)
        model.end_ack(sample)
        model.bound_rate()
        self._set_rate(PACING_GAINS[self.mode])
        self._set_window(sample)

    def _count_round(self, sample: AckSample) -> None:
        self.round_start = self.rounds.is_over(sample)
        if self.round_start:
            self.rounds_since_probe += 1
        self.chance = (self.chance * 1103515245 + sample.now + 12345) & 0x7FFFFFFF

    # -- is the pipe full? ----------------------------------------------------------------------

    def _reset_full(self, bw: int = 0) -> None:
        self.full_bw = bw
        self.full_rounds = 0
        self.full_now = False

    def _check_full(self, sample: AckSample) -> None:
        """Three rounds without a quarter more bandwidth: it is."""
        if self.full_now or not self.round_start or sample.app_limited:
            return
        if sample.rate * 4 >= self.full_bw * 5:
            self._reset_full(sample.rate)
            return
        self.full_rounds += 1
        self.full_now = self.full_rounds >= FULL_ROUNDS
        if self.full_now:
            self.full_reached = True

    def _check_startup(self, sample: AckSample) -> None:
        """Leave STARTUP when the pipe is full, or when it overflows or is marked by half."""
        if self.mode is not STARTUP:
            return
        model = self.model
        if model.loss_round_over and not self.full_reached:
            lost = model.lost_in_round * 100 > LOSS_PERCENT * max(model.inflight_latest, 1)
            if sample.recovering and lost and model.loss_events >= FULL_LOSS_EVENTS:
                self.full_reached = True
                bdp = self._bdp(model.max_bw, 100)
                model.inflight_longterm = max(bdp, model.inflight_latest)
        marked = sample.ecn > 0 and self.round_start and model.mostly_marked
        if marked or self.full_reached:
            self.full_reached = True
            self.mode = DRAIN
            self.drain_round = self.rounds.count

    # -- the cycle ------------------------------------------------------------------------------

    def _start_down(self, sample: AckSample) -> None:
        """Give way: let the queue drain and leave room for others."""
        self.model.reset_signals()
        self.up_per_segment = INFINITE
        self.rounds_since_probe = self.chance >> 8 & 1
        self.probe_wait = 2 * SECOND + (self.chance >> 9) % 1000 * MS
        self.cycle_at = sample.now
        self.phase = STOPPING
        self.rounds.begin(sample.delivered)
        self.mode = DOWN

    def _start_refill(self, sample: AckSample) -> None:
        """Fill the pipe for a round, so that probing finds out about it and not about the queue."""
        self.model.reset_shortterm()
        self.up_rounds = 0
        self.up_acked = 0
        self.precautionary = False
        self.phase = REFILLING
        self.rounds.begin(sample.delivered)
        self.mode = REFILL

    def _start_up(self, sample: AckSample) -> None:
        """Probe for more."""
        self.phase = STARTING
        self.rounds.begin(sample.delivered)
        self._reset_full(sample.rate)
        self.mode = UP
        self._raise_slope()

    def _cycle(self, sample: AckSample) -> None:
        """Move on among DOWN, CRUISE, REFILL and UP."""
        if self._adapt_longterm(sample):
            return
        if self.mode is DOWN or self.mode is CRUISE:
            if self._time_to_probe(sample.now):
                self._start_refill(sample)
            elif self.mode is DOWN and self._time_to_cruise(sample):
                self.mode = CRUISE
        elif self.mode is REFILL and self.round_start:
            self.probe_sample = True
            self._start_up(sample)
        elif self.mode is UP and self._time_to_go_down(sample):
            self.probe_too_high = False
            self._start_down(sample)

    def _time_to_probe(self, now: int) -> bool:
        """After two to three seconds, or as many rounds as Reno takes to grow by this window."""
        target = min(self._bdp(self.model.bw, 100), self.cwnd)
        reno_rounds = min(target // self.mss, MOST_RENO_ROUNDS)
        return now > self.cycle_at + self.probe_wait or self.rounds_since_probe >= reno_rounds

    def _time_to_cruise(self, sample: AckSample) -> bool:
        room = min(self._with_headroom(), self._inflight(self.model.max_bw, 100))
        return sample.in_flight <= room

    def _time_to_go_down(self, sample: AckSample) -> bool:
        longterm = self.model.inflight_longterm
        if self.probe_too_high and sample.in_flight >= longterm:
            self.precautionary = True
            return True
        if sample.cwnd_limited and self.cwnd >= longterm:
            self._reset_full(sample.rate)
            return False
        return self.full_now

    def _adapt_longterm(self, sample: AckSample) -> bool:
        """Learn from probing how much is safe; return whether the state has changed with it."""
        probing_bw = DOWN <= self.mode <= UP
        if self.phase == STARTING and self.round_start:
            self.phase = FEEDBACK
        if self.phase == STOPPING and self.round_start:
            self.probe_sample = False
            self.phase = NOT_PROBING
            if probing_bw and not sample.app_limited:
                self.model.next_cycle()
            if probing_bw and self.precautionary and not self.probe_too_high:
                self._start_refill(sample)
                return True
        if self._too_high(sample):
            return False
        model = self.model
        if model.inflight_longterm < INFINITE:
            model.inflight_longterm = max(model.inflight_longterm, sample.tx_in_flight)
            if self.mode is UP:
                self._probe_upward(sample)
        return False

    def _raise_slope(self) -> None:
        """Each round of UP may add twice as many segments as the one before."""
        self.up_per_segment = max(self.cwnd >> self.up_rounds, self.mss)
        self.up_rounds = min(self.up_rounds + 1, 30)

    def _probe_upward(self, sample: AckSample) -> None:
        model = self.model
        if not sample.cwnd_limited or self.cwnd < model.inflight_longterm:
            return
        self.up_acked += sample.acked
        more = self.up_acked // self.up_per_segment
        self.up_acked -= more * self.up_per_segment
        model.inflight_longterm += more * self.mss
        if self.round_start:
            self._raise_slope()

    def _too_high(self, sample: AckSample) -> bool:
        """Do losses or marks say that too much was in flight?"""
        if sample.lost_since * 100 > sample.tx_in_flight * LOSS_PERCENT:
            return True
        return sample.ecn > 0 and self.model.mostly_marked

    def _handle_too_high(self, sample: AckSample) -> None:
        """Probing went too far: remember where, once a probe, and go down."""
        self.probe_too_high = True
        self.probe_sample = False
        if not sample.app_limited:
            target = min(self._bdp(self.model.bw, 100), self.cwnd)
            safe = max(sample.tx_in_flight - sample.lost_since, 0)
            self.model.inflight_longterm = max(safe, target * BETA_PERCENT // 100)
        if self.mode is UP:
            self.undo_mode = UP
            self._start_down(sample)

    # -- probing for the round-trip time --------------------------------------------------------

    def _check_probe_rtt(self, sample: AckSample) -> None:
        if self.mode is not PROBE_RTT and self.model.probe_rtt_due and not self.idle_restart:
            self._save_window()
            self.mode = PROBE_RTT
            self.probe_rtt_until = 0
            self.phase = STOPPING
            self.rounds.begin(sample.delivered)
        if self.mode is PROBE_RTT:
            if self.probe_rtt_until == 0:
                if sample.in_flight <= self._probe_rtt_window():
                    self.probe_rtt_until = sample.now + PROBE_RTT_TIME
                    self.probe_rtt_round_over = False
                    self.rounds.begin(sample.delivered)
            else:
                self.probe_rtt_round_over = self.probe_rtt_round_over or self.round_start
                if self.probe_rtt_round_over:
                    self._check_probe_rtt_done(sample)
        if sample.acked > 0:
            self.idle_restart = False

    def _check_probe_rtt_done(self, sample: AckSample) -> None:
        if self.probe_rtt_until and sample.now > self.probe_rtt_until:
            self.model.probe_rtt_min_at = sample.now
            self.cwnd = max(self.cwnd, self.prior_cwnd)
            self.model.reset_shortterm()
            if self.full_reached:
                self._start_down(sample)
                self.mode = CRUISE
            else:
                self.mode = STARTUP

    def _probe_rtt_window(self) -> int:
        half = self._bdp(self.model.bw, WINDOW_GAINS[PROBE_RTT])
        return max(half, LEAST_WINDOW * self.mss)

    # -- pace and window ------------------------------------------------------------------------

    def _bdp(self, bw: int, percent: int) -> int:
        if self.model.min_rtt == NEVER:
            return self.first_window
        return self.model.bdp(bw, percent)

    def _inflight(self, bw: int, percent: int) -> int:
        """Return what has to be in flight for that share of the BDP, bursts allowed for."""
        quantum = max(min(self.rate // 1000, MOST_QUANTUM), 2 * self.mss)
        most = max(self._bdp(bw, percent), 3 * quantum, LEAST_WINDOW * self.mss)
        return most + 2 * self.mss if self.mode is UP else most

    def _with_headroom(self) -> int:
        longterm = self.model.inflight_longterm
        if longterm >= INFINITE:
            return INFINITE
        room = min(longterm * HEADROOM_PERCENT // 100, longterm - self.mss)
        return max(room, LEAST_WINDOW * self.mss)

    def _set_rate(self, gain: int) -> None:
        rate = self.model.bw * gain // 100 * MARGIN_PERCENT // 100
        if rate > 0 and (self.full_reached or rate > self.rate):
            self.rate = rate

    def _set_window(self, sample: AckSample) -> None:
        model = self.model
        gain = WINDOW_GAINS[self.mode if self.mode is not PROBE_RTT else CRUISE]
        most = self._inflight(model.bw, gain) + model.extra_acked
        if self.full_reached:
            self.cwnd = min(self.cwnd + sample.acked, most)
        elif self.cwnd < most or sample.delivered < self.first_window:
            self.cwnd += sample.acked
        cap = INFINITE
        if self.mode is PROBE_RTT:
            cap = min(self._probe_rtt_window(), self._with_headroom())
        elif self.mode is CRUISE:
            cap = self._with_headroom()
        elif self.mode is not STARTUP and self.mode is not DRAIN:
            cap = model.inflight_longterm
        cap = max(min(cap, model.inflight_shortterm), LEAST_WINDOW * self.mss)
        self.cwnd = max(min(self.cwnd, cap), LEAST_WINDOW * self.mss)

    # -- losses, and what turned out to be none -------------------------------------------------

    def _save_window(self) -> None:
        if self.in_loss or self.mode is PROBE_RTT:
            self.prior_cwnd = max(self.prior_cwnd, self.cwnd)
        else:
            self.prior_cwnd = self.cwnd

    def on_loss(self, in_flight: int, now: int) -> None:
        """Recovery begins: what is lost is in the samples; only the window is remembered."""
        self._save_window()
        self.in_loss = True

    def on_timeout(self, in_flight: int, now: int) -> None:
        """Begin again with one segment."""
        self._save_window()
        self.in_loss = True
        self.cwnd = self.mss

    def on_recovered(self, in_flight: int, now: int) -> None:
        """Go on with the window of before."""
        self.in_loss = False
        self.cwnd = max(self.cwnd, self.prior_cwnd)

    def on_ecn(self, in_flight: int, now: int) -> None:
        """The samples tell how much was marked."""

    def save(self) -> tuple[int, int]:
        """Keep what `undo` needs."""
        model = self.model
        self.undo_mode = self.mode
        self.undo_bounds = (model.bw_shortterm, model.inflight_shortterm, model.inflight_longterm)
        return super().save()

    def undo(self, saved: tuple[int, int]) -> None:
        """The losses were none: bounds and window go back up, and probing is taken up again."""
        super().undo(saved)
        model = self.model
        bw, shortterm, longterm = self.undo_bounds
        self.in_loss = False
        model.loss_in_round = False
        self._reset_full()
        model.bw_shortterm = max(model.bw_shortterm, bw)
        model.inflight_shortterm = max(model.inflight_shortterm, shortterm)
        model.inflight_longterm = max(model.inflight_longterm, longterm)
        if self.undo_mode is STARTUP and self.mode is not STARTUP:
            self.full_reached = False
            if self.mode is not PROBE_RTT:
                self.mode = STARTUP

    def on_restart(self, now: int, idle: int, srtt: int) -> None:
        """After an idle time, or at the beginning: no burst, and no rash conclusions."""
        if self.model.max_bw == 0:
            if srtt:
                self.rate = self.first_window * PACING_GAINS[STARTUP] * SECOND // (100 * srtt)
            self.model.min_rtt_at = self.model.probe_rtt_min_at = now
            self.model.start_interval(now)
            return
        self.idle_restart = True
        self.model.start_interval(now)
        if DOWN <= self.mode <= UP:
            self._set_rate(100)
