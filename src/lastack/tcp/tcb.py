"""The transmission control block: everything that is known of one connection, as plain data.

RFC 9293 3.3.1 names the variables; the two halves are in `send` and `receive`. `enter` is the one
place where a state changes, and it asks the table.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from lastack.errors import BrokenTableError
from lastack.tcp.answers import Challenges, Reply
from lastack.tcp.config import UNLIMITED, Config
from lastack.tcp.congestion import CongestionController, controller_class, initial_window
from lastack.tcp.congestion.validation import Validation
from lastack.tcp.ecn_state import NONE, WITHOUT_ECN, Ecn
from lastack.tcp.events import Advice, Advised, Event, Notice, StateChanged
from lastack.tcp.memory import Memory
from lastack.tcp.mtu_search import MtuSearch
from lastack.tcp.opening import FastOpen
from lastack.tcp.pacer import Pacer
from lastack.tcp.receive import ReceiveHalf
from lastack.tcp.recovery import LossRecovery, NewRenoRecovery, RackRecovery
from lastack.tcp.recovery.episode import Episode
from lastack.tcp.reports import ErrorReport
from lastack.tcp.rtt import RoundTrip
from lastack.tcp.send import SendHalf
from lastack.tcp.sent import SentLog
from lastack.tcp.span import TailProbe
from lastack.tcp.stamps import Stamps
from lastack.tcp.states import CLOSED, ESTABLISHED, TIME_WAIT, Cause, State, transition
from lastack.tcp.tally import Tally
from lastack.tcp.timers import Timers
from lastack.tcp.tuning import ReceiveTuning
from lastack.units import MS, NEVER
from lastack.wire.address import Endpoint
from lastack.wire.segment import RST, Segment

READABLE: Final = 1
WRITABLE: Final = 2
NOTICE_ESTABLISHED: Final = 4
END_OF_STREAM: Final = 8
URGENT: Final = 16
ERROR: Final = 32
NOTICE_CLOSED: Final = 64
assert int(Notice.CLOSED) == NOTICE_CLOSED and int(Notice.URGENT) == URGENT

_NO_LIMIT: Final = Memory(0)
LEAST_MSS: Final = 8
"""Octets of data that fit whatever MSS a peer offers: options may then exceed it."""
MOST_REPLIES: Final = 8
MOST_EVENTS: Final = 256


@mypyc_attr(acyclic=True)
class Tcb:
    """One connection's variables. Whoever reads `arrive`, `output` and `timeouts` reads these."""

    number: int
    local: Endpoint
    remote: Endpoint
    config: Config
    state: State
    error: int = 0
    """The errno that the user is to get next, 0 for none."""
    reports: list[ErrorReport] | None = None
    """What ICMP errors have said in full, while the connection was opening."""
    soft_error: int = 0
    """The errno of the last soft ICMP error (SHLD-25)."""
    notices: int = 0
    events: list[Event] | None = None

    snd: SendHalf
    rcv: ReceiveHalf
    sent: SentLog
    rtt: RoundTrip
    timers: Timers
    ecn: Ecn
    memory: Memory
    """What the host's connections share."""
    tunes: bool
    """The receive buffer grows by how much the user takes."""
    tuning: ReceiveTuning | None = None
    """What is known of that, once data have come."""
    send_limit: int = 0
    """What the send buffer has grown to, where it does."""
    tally: Tally
    controller: CongestionController | None = None
    recovery: LossRecovery | None = None
    pacer: Pacer | None = None
    """None while nothing holds data back but the windows."""
    validation: Validation | None = None
    """What is known of a window that is not made use of (RFC 7661)."""

    # What the path and the peer allow.
    mtu: int
    first_mtu: int
    """What the link carries, whatever the path does."""
    headers: int
    search: MtuSearch | None = None
    stamps: Stamps | None = None
    """What timeouts and probes have shown of the path's MTU, where the Config has them ask."""
    max_size: int
    peer_mss: int
    signature_room: int = 0
    """Octets of options with which every segment is signed on its way out (TCP-MD5, TCP-AO)."""
    mss: int = 0
    """Eff.snd.MSS (RFC 9293 3.7.1), of data alone."""
    sack_on: bool = False
    scale_on: bool = False
    ts_on: bool = False
    ts_offset: int
    ts_recent: int = 0
    ts_recent_at: int = 0
    last_ack_sent: int = 0

    # What the user has said.
    passive: bool = False
    reopened: bool = False
    fast_open: FastOpen | None = None
    early: bool = False
    """A Fast Open child (RFC 7413 4.2.2): its user has it before the handshake is over."""
    deferred: bool = False
    """The ACK of our SYN-ACK has come without data, which the listener waits for."""
    saved_syn: bytes = b""
    """The IP and TCP headers of the peer's SYN, until they are read."""
    syn_data_taken: bool = False
    """All data of the SYN, ours or the peer's, was taken."""
    orphan: bool = False
    """The user has closed and gone; nobody will read or be told."""
    read_closed: bool = False
    close_wanted: bool = False
    """CLOSE came in SYN-RECEIVED with data queued: it waits for ESTABLISHED."""
    corked: bool = False
    cork_over: bool = False
    more_follows: bool = False
    """The last SEND has promised more (MSG_MORE)."""
    pushed: int
    """Behind the last octet that came without such a promise."""

    idle_end: int = 0
    """Behind what was written when nothing waited to be sent or acknowledged."""

    # Wishes: what `output` is to send next.
    syn_owed: bool = False
    ack_now: bool = False
    duplicate_acks_owed: int = 0
    probe_owed: bool = False
    push_owed: bool = False
    """The override timer went off: send what the small window takes."""
    resend_owed: bool = False
    """One lost segment goes out whatever the congestion window says."""
    tail_probe_owed: bool = False
    keepalive_owed: bool = False
    user_timeout_owed: bool = False
    """The next segment without data tells our user timeout (RFC 5482 3.2)."""
    replies: list[Reply] | None = None

    adopted_timeout: int = 0
    """USER_TIMEOUT as it follows from the peer's option (RFC 5482 3.1), 0 without one."""

    # Acknowledging, retransmitting, probing, keeping alive.
    unacked_segments: int = 0
    quick_acks: int
    retries: int = 0
    retrying_since: int = 0
    probes: int = 0
    keepalive_probes: int = 0
    heard_at: int = 0
    sent_at: int = 0
    challenges: Challenges | None = None

    round_end: int = 0
    round_flight: int = 0
    """The most in flight since `round_end` was SND.NXT: whether the window was made use of."""

    lost_told: int = 0
    """How much of `sent.lost_total` the controller has heard of."""
    episode: Episode | None = None
    """The last time that a loss was found, as long as it can be undone."""
    undone: int = 0
    """How often it was undone."""
    tail_probe: TailProbe | None = None
    """The tail loss probe that is under way."""

    # Counts.
    segments_sent: int = 0
    segments_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    bytes_acked: int = 0
    retransmissions: int = 0
    duplicate_acks: int = 0

    def __init__(
        self,
        number: int,
        local: Endpoint,
        remote: Endpoint,
        config: Config,
        iss: int,
        ts_offset: int,
        mtu: int,
        max_size: int,
        state: State = CLOSED,
    ) -> None:
        self.number = number
        self.local = local
        self.remote = remote
        self.config = config
        self.state = state
        self.memory = _NO_LIMIT
        self.tunes = config.receive_most > 0
        self.snd = SendHalf(iss)
        self.rcv = ReceiveHalf(config.receive_buffer, config.window_clamp or UNLIMITED)
        self.sent = SentLog()
        self.rtt = RoundTrip(config)
        self.timers = Timers()
        self.ecn = Ecn()
        self.tally = Tally()
        self.mtu = mtu
        self.first_mtu = mtu
        self.max_size = max_size
        if len(local.address) == 4:
            self.headers = 40
            self.peer_mss = config.mss_default_v4  # MUST-15
        else:
            self.headers = 60
            self.peer_mss = config.mss_default_v6
        self.ts_offset = ts_offset
        self.round_end = iss
        self.pushed = (iss + 1) & 0xFFFFFFFF
        self.quick_acks = config.quick_acks
        self._derive_mss()

    def _derive_mss(self) -> None:
        """Eff.snd.MSS of RFC 9293 3.7.1: what the peer takes and the path carries, less options.

        MUST-16: the smaller of the two.
        """
        limit = self.mtu - self.headers
        search = self.search
        if search is not None and search.active and search.low - self.headers < limit:
            limit = search.low - self.headers
        if self.peer_mss < limit:
            limit = self.peer_mss
        if 0 < self.config.mss_limit < limit:
            limit = self.config.mss_limit
        if self.ts_on:
            limit -= 12
        limit -= self.signature_room
        self.mss = limit if limit > LEAST_MSS else LEAST_MSS

    @property
    def overhead(self) -> int:
        """Octets of a packet that are no data, as long as no SACK blocks are among them."""
        return self.headers + 12 if self.ts_on else self.headers

    def set_path(self) -> None:
        """The MTU, the peer's MSS or the options have changed: derive what follows."""
        self._derive_mss()
        if self.controller is not None:
            self.controller.set_mss(self.mss)

    def begin_sending(self) -> None:
        """The peer's SYN is known: make the controller and loss recovery (MUST-19)."""
        if self.controller is None:
            self._begin_search()
            kind = controller_class(self.config.congestion)
            window = initial_window(self.mss, self.config.initial_window)
            if self.retries:
                # The SYN or its ACK was lost: one segment (RFC 5681 3.1).
                window = self.mss
            self.controller = kind(self.mss, window)
            self.controller.configure(self.config)
            self.recovery = self._loss_recovery()

    @property
    def window(self) -> int:
        """What may be in flight: the controller's window, or what bounds recovery."""
        recovery, controller = self.recovery, self.controller
        if recovery is not None and recovery.reduction is not None:
            return recovery.reduction.window
        return controller.cwnd if controller is not None else 0

    def _loss_recovery(self) -> LossRecovery:
        iss, config = self.snd.iss, self.config
        if config.rack and self.sack_on:
            return RackRecovery(iss, config.duplicate_acks, config.limited_transmit, self.rtt)
        return NewRenoRecovery(iss, config.duplicate_acks, config.limited_transmit)

    def _begin_search(self) -> None:
        """Look out for the path's MTU; an active end begins low at once, as Linux does."""
        config = self.config
        if config.mtu_probing or config.blackhole_detection:
            low = config.base_mss + self.overhead
            self.search = MtuSearch(low, self.peer_mss + self.headers, config.mtu_probing > 1)
            if not self.passive:
                self._derive_mss()

    def change_controller(self) -> None:
        """The Config names another controller: it goes on with the window of the old one."""
        old = self.controller
        if old is not None:
            kind = controller_class(self.config.congestion)
            self.controller = kind(self.mss, initial_window(self.mss, self.config.initial_window))
            self.controller.configure(self.config)
            self.controller.cwnd = old.cwnd
            self.controller.ssthresh = old.ssthresh

    def forget_peer(self) -> None:
        """Back in LISTEN: whoever comes next finds nothing of the one that was refused."""
        config = self.config
        self.snd = SendHalf(self.snd.iss)
        self.rcv = ReceiveHalf(config.receive_buffer, config.window_clamp or UNLIMITED)
        self.sent = SentLog()
        self.rtt = RoundTrip(config)
        self.ecn = Ecn()
        self.timers.clear()
        self.controller = self.recovery = self.search = self.pacer = None
        self.validation = None
        self.retries = 0
        self.peer_mss = (
            config.mss_default_v4 if len(self.local.address) == 4 else config.mss_default_v6
        )
        self.ack_now = False
        self.syn_owed = False
        self.duplicate_acks_owed = 0

    def offered_mss(self) -> int:
        """Return the MSS option's value: what this host can receive (RFC 9293 3.7.1, MUST-67).

        What an ICMP error says of the path away from here does not change it (RFC 1191 3.1).
        """
        mtu = self.first_mtu
        if self.config.path_bounds_offer and self.mtu < mtu:
            mtu = self.mtu
        mss = mtu - self.headers
        if 0 < self.config.mss_limit < mss:
            mss = self.config.mss_limit
        return mss

    def begin_user_timeout(self, now: int) -> None:
        """The user's octets wait for the peer: their timeout begins, unless it runs already."""
        limit = self.config.user_timeout or self.adopted_timeout
        if self.timers.user_timeout == NEVER and limit:
            self.timers.user_timeout = now + limit

    def timestamp(self, now: int) -> int:
        """Return TSval for this moment: milliseconds, from an offset of the connection's own."""
        return (now // MS + self.ts_offset) & 0xFFFFFFFF

    def advise(self, advice: Advice, detail: int, now: int) -> None:
        """Tell the user something that changes no state."""
        self.tell(Advised(now, self.number, advice, detail))

    def tell(self, event: Event) -> None:
        """Keep an event until somebody takes it, one of MOST_EVENTS."""
        if self.events is None:
            self.events = [event]
        elif len(self.events) < MOST_EVENTS:
            self.events.append(event)

    def reply(self, reply: Reply) -> None:
        """Wish for a segment out of turn; the queue is bounded, the peer cannot make it grow."""
        if self.replies is None:
            self.replies = [reply]
        elif len(self.replies) < MOST_REPLIES:
            self.replies.append(reply)

    def error_reports(self) -> list[ErrorReport]:
        """Return the list of them, made when first asked for: hardly any connection has one."""
        if self.reports is None:
            self.reports = []
        return self.reports

    def fail(self, error: int) -> None:
        """Note the errno that the user will get."""
        self.error = error
        self.notices |= ERROR


def enter(tcb: Tcb, cause: Cause, now: int, segment: Segment | None = None) -> None:
    """Follow the table from the present state: the only place where a state changes.

    Raises BrokenTableError when there is no such row; the connection's facade answers for that.
    """
    row = transition(tcb.state, cause)
    if row is None:
        raise BrokenTableError(f"{tcb.state} has no row for {cause}")
    tcb.state = row.to
    header = None if segment is None else segment.without_data()
    tcb.tell(StateChanged(now, tcb.number, row.state, row.to, cause, row.section, header))
    if row.to is CLOSED:
        _end(tcb)
    elif row.to is TIME_WAIT:
        tcb.timers.clear()
        tcb.timers.time_wait = now + 2 * tcb.config.msl  # MUST-13
        tcb.rcv.clear()
    elif row.to is ESTABLISHED:
        tcb.notices |= NOTICE_ESTABLISHED | WRITABLE
        tcb.tally.established_at = now
        if tcb.ecn.feedback is NONE:
            tcb.ecn = WITHOUT_ECN
        if tcb.config.keepalive:
            tcb.timers.keepalive = now + tcb.config.keepalive_idle


def _end(tcb: Tcb) -> None:
    """CLOSED: no timer runs, nothing waits to be sent; what was received can still be read."""
    tcb.timers.clear()
    tcb.snd.buffer.clear()
    tcb.sent = SentLog()
    tcb.rcv.clear()
    if tcb.replies is not None:
        tcb.replies = [reply for reply in tcb.replies if reply.flags & RST] or None
    tcb.syn_owed = False
    tcb.ack_now = False
    tcb.duplicate_acks_owed = 0
    tcb.probe_owed = False
    tcb.push_owed = False
    tcb.resend_owed = False
    tcb.tail_probe_owed = False
    tcb.keepalive_owed = False
    tcb.notices |= NOTICE_CLOSED | READABLE | WRITABLE


def end_with(tcb: Tcb, cause: Cause, error: int, now: int, segment: Segment | None = None) -> None:
    """End the connection for a reason that the user is told as an errno."""
    if error:
        tcb.fail(error)
    enter(tcb, cause, now, segment)
