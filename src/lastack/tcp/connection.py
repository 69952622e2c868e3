"""The connection: one TCB behind the calls that its stack, its user and its looker-on make."""

import errno

from lastack.tcp import (
    arrive,
    handshake,
    icmp_errors,
    output,
    time_wait,
    timeouts,
    user,
    user_timeout,
)
from lastack.tcp.config import UNLIMITED, Config
from lastack.tcp.events import Event
from lastack.tcp.icmp_errors import IcmpError
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.look import look
from lastack.tcp.replies import wish_abort
from lastack.tcp.send_room import is_roomy, push_within
from lastack.tcp.states import CLOSED, ESTABLISHED, LISTEN, TIME_WAIT, Cause, State
from lastack.tcp.tcb import Tcb, enter
from lastack.tcp.time_wait import TimeWait
from lastack.wire.address import Endpoint
from lastack.wire.segment import Segment
from lastack.wire.seq import diff
from lastack.wire.stop import Stop


class Connection:
    """One end of a TCP connection: segments in, segments out; time is an argument.

    There are four kinds of method. **Tell** it what happened: `segment_arrives`, `icmp_arrives`,
    `deadline_passed`. **Ask** it, as its user: `open_active`, `open_passive`, `send`, `receive`,
    `shutdown_write`, `close`, `abort`. **Collect** what it wants: `next_segment` until None,
    `next_deadline`, `take_events`, `notices`. **Look**: `state`, `info()`.

    After telling or asking, pull `next_segment` and look at `next_deadline` again. Times are
    integer nanoseconds of any clock that does not run backward. A connection whose `state` is
    CLOSED and that does not want output is dead. The peer can never make it raise; its own mistakes
    end it with Cause.INTERNAL, or raise when its Config is strict. `user` is a slot for whoever
    owns it, and `notices` collects `Notice` bits for that owner, who sets it to 0.
    """

    tcb: Tcb
    entry: TimeWait | None
    user: object
    _cork: bool

    def __init__(
        self,
        number: int,
        local: Endpoint,
        remote: Endpoint,
        config: Config,
        iss: int,
        ts_offset: int,
        mtu: int,
        max_size: int = 0,
        state: State = CLOSED,
    ) -> None:
        self.tcb = Tcb(number, local, remote, config, iss, ts_offset, mtu, max_size, state)
        self.entry = None
        self.user = None
        self._cork = False

    # -- 1 tell it what happened ----------------------------------------------------------------

    def segment_arrives(self, segment: Segment, now: int) -> Stop | None:
        """A segment for this connection has arrived (RFC 9293 3.10.7).

        Returns None, or the named reason why (the rest of) the segment went no further.
        """
        try:
            return arrive.segment_arrives(self.tcb, segment, now)
        except Exception:
            if self.tcb.config.strict:
                raise
            self._break(now)
            return Stop.INTERNAL

    def icmp_arrives(
        self, error: IcmpError, number: int, quoted_seq: int, mtu: int, now: int
    ) -> Stop:
        """An ICMP error quotes a segment of this connection; `number` is its errno."""
        return icmp_errors.icmp_arrives(self.tcb, error, number, quoted_seq, mtu, now)

    def path_mtu_is(self, mtu: int, now: int) -> None:
        """The path to the peer carries packets of `mtu` octets now, fewer or more than before."""
        icmp_errors.path_mtu_is(self.tcb, mtu, now)

    def deadline_passed(self, now: int) -> None:
        """`next_deadline()` has come."""
        try:
            timeouts.deadline_passed(self.tcb, now)
        except Exception:
            if self.tcb.config.strict:
                raise
            self._break(now)

    def _break(self, now: int) -> None:
        """Our own mistake: reset the peer, tell the user, live on."""
        tcb = self.tcb
        if tcb.state is not CLOSED:
            wish_abort(tcb)
            tcb.fail(errno.ECONNABORTED)
            enter(tcb, Cause.INTERNAL, now)

    # -- 2 ask it, as its user ------------------------------------------------------------------

    def open_active(self, now: int) -> None:
        """CLOSED (or LISTEN) to SYN-SENT."""
        user.open_active(self.tcb, now)

    def open_passive(self, now: int) -> None:
        """CLOSED to LISTEN."""
        user.open_passive(self.tcb, now)

    def reopen(self, segment: Segment, now: int) -> Stop | None:
        """TIME-WAIT to SYN-RECEIVED: a SYN opens the 4-tuple of an old connection again (MAY-2).

        For a connection made with `state` TIME-WAIT and an ISS beyond what the old one has used.
        """
        return handshake.arrives_in_listen(self.tcb, segment, now)

    def answered_long_ago(self) -> None:
        """The SYN-ACK just pulled was sent before, who knows when: no round trip is seen here."""
        handshake.answered_long_ago(self.tcb)

    def send(
        self,
        data: bytes | bytearray | memoryview,
        now: int,
        urgent: bool = False,
        more: bool = False,
        record: bool = False,
    ) -> int:
        """Queue octets; return how many were taken, 0 when the buffer is full.

        `record` ends a record behind the last octet: what is sent later shares no segment with it.

        `more` promises that more follows: a partial segment waits for it, 200 ms at most (a SEND
        without PUSH: MAY-15, MAY-16). Raises
        EPIPE after closing, ENOTCONN before opening, or the error that ended the connection.
        """
        taken = user.send(self.tcb, data, now, urgent)
        if taken:
            tcb = self.tcb
            tcb.corked = more or self._cork
            tcb.cork_over = False
            tcb.more_follows = more
            if tcb.config.push_within and diff(tcb.snd.end, tcb.pushed) > tcb.snd.max_wnd >> 1:
                push_within(tcb, taken)
            if record and taken == len(data):
                tcb.snd.buffer.end_record(tcb.snd.buffer.end)
            if tcb.stamps is not None:
                tcb.stamps.queued(tcb.snd.buffer.end)
            if not more:
                tcb.pushed = tcb.snd.end
        return taken

    def receive(self, limit: int, now: int, peek: bool = False) -> bytes:
        """Return up to `limit` octets in order; b"" for none now, or at the end (see `at_end`)."""
        return user.receive(self.tcb, limit, now, peek)

    def receive_urgent(self, now: int, peek: bool = False) -> bytes:
        """Return the urgent octet out of line, b"" while it is on its way; EINVAL without any."""
        return user.receive_urgent(self.tcb, peek)

    def shutdown_write(self, now: int) -> None:
        """CLOSE of RFC 9293: FIN after what is queued; receiving goes on."""
        user.shutdown_write(self.tcb, now)

    def shutdown_read(self, now: int) -> None:
        """Throw away what has come and what will come."""
        user.shutdown_read(self.tcb)

    def close(self, now: int) -> None:
        """close(2): the user is gone; a reset if data is unread, FIN otherwise."""
        user.close(self.tcb, now)

    def abort(self, now: int) -> None:
        """ABORT of RFC 9293: a reset, and everything queued is thrown away."""
        user.abort(self.tcb, now)

    # -- 3 collect what it wants ----------------------------------------------------------------

    def next_segment(self, now: int) -> Segment | None:
        """Return the next segment to send now; pull until None."""
        try:
            segment = output.next_segment(self.tcb, now)
            if segment is None:
                output.arm_waiting(self.tcb, now)
            return segment
        except Exception:
            if self.tcb.config.strict:
                raise
            self._break(now)
            return None

    @property
    def wants_output(self) -> bool:
        """Whether pulling `next_segment` is worth the call."""
        return output.wants_output(self.tcb)

    def next_deadline(self) -> int:
        """Return when `deadline_passed` is to be called, NEVER when no timer runs."""
        return self.tcb.timers.next_deadline()

    def take_events(self) -> list[Event]:
        """Return the events since the last call."""
        events = self.tcb.events
        self.tcb.events = None
        return events if events is not None else []

    def release_time_wait(self, now: int) -> TimeWait:
        """Return the small entry that answers in our stead for the rest of TIME-WAIT."""
        self.entry = time_wait.entry_of(self.tcb, now)
        return self.entry

    # -- 4 look ---------------------------------------------------------------------------------

    @property
    def number(self) -> int:
        """The number of the connection in its stack."""
        return self.tcb.number

    @property
    def local(self) -> Endpoint:
        """This end."""
        return self.tcb.local

    @property
    def remote(self) -> Endpoint:
        """The other end."""
        return self.tcb.remote

    @property
    def state(self) -> State:
        """One of the eleven."""
        if self.entry is not None and self.entry.over:
            return CLOSED
        return self.tcb.state

    @property
    def config(self) -> Config:
        """The knobs of this connection; assign a replaced Config to change them."""
        return self.tcb.config

    @config.setter
    def config(self, config: Config) -> None:
        tcb = self.tcb
        old = tcb.config
        keepalive_begins = config.keepalive and (
            not old.keepalive or config.keepalive_idle != old.keepalive_idle
        )
        tcb.config = config
        if config.user_timeout != old.user_timeout:
            user_timeout.changes(tcb, old)
        if config.receive_buffer != old.receive_buffer or not config.receive_most:
            tcb.rcv.hold(config.receive_buffer)
        if not config.receive_most:
            tcb.tunes = False
            tcb.tuning = None
        if config.user_timeout_option != old.user_timeout_option and tcb.state >= ESTABLISHED:
            tcb.user_timeout_owed = tcb.ack_now = config.user_timeout_option is not None
        tcb.rcv.bound(config.window_clamp or UNLIMITED)
        tcb.set_path()
        if config.congestion != old.congestion:
            tcb.change_controller()
        if keepalive_begins and ESTABLISHED <= tcb.state < TIME_WAIT:
            tcb.timers.keepalive = tcb.heard_at + config.keepalive_idle

    @property
    def notices(self) -> int:
        """`Notice` bits collected since its owner set it to 0."""
        return self.tcb.notices

    @notices.setter
    def notices(self, value: int) -> None:
        self.tcb.notices = value

    @property
    def error(self) -> int:
        """The errno that ended the connection and has not been raised yet, 0 for none."""
        return self.tcb.error

    @error.setter
    def error(self, value: int) -> None:
        self.tcb.error = value

    @property
    def soft_error(self) -> int:
        """The errno of the last soft ICMP error, 0 for none (SHLD-25).

        It stays here: no call fails for it, and who does not look is not told (SHLD-20).
        """
        return self.tcb.soft_error

    def push(self) -> None:
        """Send what is queued, however little: for what cork has held back until now."""
        self.tcb.cork_over = True

    @property
    def cork(self) -> bool:
        """TCP_CORK: partial segments wait."""
        return self._cork

    @cork.setter
    def cork(self, value: bool) -> None:
        self._cork = value
        self.tcb.corked = value

    @property
    def is_orphan(self) -> bool:
        """Whether the user has gone."""
        return self.tcb.orphan

    @property
    def readable(self) -> bool:
        """Whether `receive` would return data, the end of the stream, or raise."""
        tcb = self.tcb
        if tcb.error or tcb.rcv.finished or tcb.read_closed:
            return True
        if tcb.rcv.queued:
            return user.available(tcb) >= user.low_water(tcb) or tcb.state is CLOSED
        return tcb.state is CLOSED

    @property
    def writable(self) -> bool:
        """Whether `send` would take octets, or raise."""
        tcb = self.tcb
        if tcb.state is CLOSED or tcb.snd.fin_queued:
            return True
        return (tcb.state >= ESTABLISHED or tcb.early) and is_roomy(tcb)

    @property
    def available(self) -> int:
        """Octets that `receive` could return now (FIONREAD)."""
        return user.available(self.tcb)

    @property
    def unacknowledged(self) -> int:
        """Octets given to `send` that the peer has not acknowledged (SIOCOUTQ)."""
        return self.tcb.snd.buffer.end - self.tcb.snd.buffer.start

    @property
    def at_end(self) -> bool:
        """Whether all the peer sent has been read and no more will come."""
        tcb = self.tcb
        if tcb.rcv.queued:
            return False
        return tcb.rcv.finished or tcb.read_closed or tcb.state is CLOSED

    @property
    def at_mark(self) -> bool:
        """Whether the next octet is the urgent one."""
        return user.at_mark(self.tcb)

    @property
    def urgent_remaining(self) -> int:
        """Octets to read up to and with the urgent one, 0 without urgent data (MUST-33)."""
        return user.urgent_remaining(self.tcb)

    def info(self, now: int = 0) -> ConnectionInfo:
        """Return everything there is to show; `now` makes the timers' times left."""
        tcb = self.tcb
        snd, rcv, sent, rtt = tcb.snd, tcb.rcv, tcb.sent, tcb.rtt
        known = tcb.state is not CLOSED and tcb.state is not LISTEN
        controller = tcb.controller
        found = ConnectionInfo(
            local=str(tcb.local),
            remote=str(tcb.remote),
            state=self.state,
            number=tcb.number,
            time=now,
            snd_una=snd.una,
            snd_nxt=snd.nxt,
            snd_wnd=snd.wnd,
            snd_up=snd.up,
            snd_wl1=snd.wl1,
            snd_wl2=snd.wl2,
            iss=snd.iss,
            rcv_nxt=rcv.nxt if known or rcv.irs else None,
            rcv_wnd=max(rcv.wnd, 0),
            rcv_up=rcv.up,
            irs=rcv.irs,
            mss=tcb.mss,
            path_mtu=tcb.mtu,
            snd_scale=snd.scale if tcb.scale_on else -1,
            rcv_scale=rcv.scale if tcb.scale_on else -1,
            timestamps=tcb.ts_on,
            sack=tcb.sack_on,
            unsent=max(snd.unsent, 0),
            in_flight=sent.octets,
            unread=rcv.queued,
            out_of_order=rcv.out_of_order,
            srtt=rtt.srtt or None,
            rttvar=rtt.rttvar or None,
            rto=rtt.rto,
            backoff=rtt.backoff,
            controller=controller.name if controller is not None else None,
            cwnd=tcb.window if controller is not None else None,
            ssthresh=controller.ssthresh if controller is not None else None,
            recovery=tcb.recovery.phase.name.lower() if tcb.recovery is not None else None,
            sacked=sent.sacked,
            lost=sent.lost,
            resent=sent.resent_octets,
            probes=tcb.probes,
            segments_sent=tcb.segments_sent,
            segments_received=tcb.segments_received,
            bytes_sent=tcb.bytes_sent,
            bytes_received=tcb.bytes_received,
            bytes_acked=tcb.bytes_acked,
            retransmissions=tcb.retransmissions,
            duplicate_acks=tcb.duplicate_acks,
            timers=tcb.timers.running(now),
            error=tcb.error,
            opened_passively=tcb.passive,
            syn_data=tcb.syn_data_taken,
        )
        return look(tcb, found, now)
