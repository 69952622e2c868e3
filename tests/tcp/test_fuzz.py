"""Whatever a peer sends, a user calls and the time does: one connection keeps its promises."""

import struct
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from lastack.tcp.config import Config, preset
from lastack.tcp.connection import Connection
from lastack.tcp.events import Notice, StateChanged
from lastack.tcp.icmp_errors import IcmpError
from lastack.tcp.states import ESTABLISHED, LISTEN, TIME_WAIT, State, transition
from lastack.tcp.tcb import MOST_REPLIES
from lastack.units import MS, NEVER, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.segment import ACK, FIN, PSH, RST, SYN, URG, Segment
from lastack.wire.seq import diff

LOCAL: Final = Endpoint(bytes((10, 0, 0, 1)), 1000)
REMOTE: Final = Endpoint(bytes((10, 0, 0, 2)), 2000)
OURS: Final = 0xFFFFF800
THEIRS: Final = 0x7FFFF000

NEAR = st.one_of(
    st.integers(-2, 2), st.integers(-3000, 3000), st.sampled_from([-(2**31), 2**31 - 1, 70000])
)
FLAGS = st.one_of(
    st.sampled_from([ACK, ACK, ACK, ACK | PSH, ACK | FIN, ACK | URG, SYN, SYN | ACK, RST, FIN]),
    st.integers(0, 0x1FF),
)
SEGMENT = st.tuples(
    st.just("segment"),
    FLAGS,
    st.sampled_from(["nxt", "edge", "irs", "read"]),
    NEAR,
    st.sampled_from(["una", "nxt", "max", "iss"]),
    NEAR,
    st.sampled_from([0, 0, 1, 3, 100, 1000, 5000]),
    st.sampled_from([0, 0, 1, 50, 1000, 65535]),
    st.sampled_from([0, 1, 3, 2000, 65535]),
    st.sampled_from(["", "", "T", "t", "S", "TS", "D", "M", "m"]),
    st.sampled_from([0, 0, 1, 500]),
)
USER = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 9000), st.booleans(), st.booleans()),
    st.tuples(st.just("read"), st.sampled_from([0, 1, 100, 1 << 20]), st.booleans()),
    st.tuples(st.just("urgent"), st.booleans()),
    st.tuples(st.sampled_from(["shutdown", "shutdown_read", "close", "abort"])),
    st.tuples(st.just("cork"), st.booleans()),
    st.tuples(
        st.just("config"),
        st.sampled_from(
            [
                {"keepalive": True, "keepalive_idle": SECOND, "keepalive_interval": SECOND},
                {"keepalive": False},
                {"user_timeout": 5 * SECOND},
                {"user_timeout": 0},
                {"receive_buffer": 3000},
                {"urgent_inline": True},
                {"nagle": False},
                {"mss_limit": 100},
            ]
        ),
    ),
)
TIME = st.one_of(
    st.tuples(st.just("timer")),
    st.tuples(st.just("wait"), st.sampled_from([0, MS, 200 * MS, SECOND, 3600 * SECOND])),
    st.tuples(st.just("pull"), st.sampled_from([1, 2, 1000])),
)
ICMP = st.tuples(
    st.just("icmp"),
    st.sampled_from(list(IcmpError)),
    st.integers(-2, 3000),
    st.sampled_from([0, 68, 600, 1400]),
)
STEPS = st.lists(st.one_of(SEGMENT, SEGMENT, SEGMENT, USER, TIME, ICMP), max_size=60)
KNOBS = st.fixed_dictionaries(
    {},
    optional={
        "sack": st.booleans(),
        "timestamps": st.booleans(),
        "window_scale": st.booleans(),
        "dsack": st.booleans(),
        "nagle": st.booleans(),
        "delayed_ack": st.booleans(),
        "urgent_inline": st.booleans(),
        "rfc5961": st.booleans(),
        "probe_with_data": st.booleans(),
        "send_buffer": st.sampled_from([1, 2000, 100_000]),
        "receive_buffer": st.sampled_from([1, 2000, 100_000]),
        "reassembly_blocks": st.sampled_from([1, 3]),
        "initial_window": st.sampled_from([1, 10]),
        "keepalive": st.booleans(),
        "user_timeout": st.sampled_from([0, SECOND]),
    },
)


class Fuzzed:
    """One connection, what is done to it, and what must be true of it at every moment."""

    def __init__(self, config: Config, max_size: int, start: str, offer: bytes) -> None:
        self.now = SECOND
        self.connection = Connection(1, LOCAL, REMOTE, config, OURS, 7, 1500, max_size)
        self.state = State.CLOSED
        self.aborted = False
        self.capacity = 0
        if start == "listen":
            self.connection.open_passive(self.now)
        elif start != "closed":
            self.connection.open_active(self.now)
        if start == "established":
            self.pull(1000)
            syn = Segment(2000, 1000, THEIRS, OURS + 1, SYN | ACK, 5000, 0, offer)
            self.connection.segment_arrives(syn, self.now)
        self.check()

    def does(self, step: tuple[Any, ...]) -> None:
        """Do one thing, then look whether all is well."""
        connection = self.connection
        connection.notices = 0
        was_readable, was_writable = connection.readable, connection.writable
        asked = step[0] not in ("segment", "timer", "wait", "icmp", "pull")
        try:
            getattr(self, "do_" + step[0], self.do_call)(*step)
        except OSError as error:
            assert asked and error.errno, step
        if not asked:
            woken = connection.notices
            if connection.readable and not was_readable:
                assert woken & (Notice.READABLE | Notice.CLOSED | Notice.ERROR), step
            if connection.writable and not was_writable:
                assert woken & (Notice.WRITABLE | Notice.CLOSED), step
        self.check()

    def do_segment(self, _: str, *what: Any) -> None:
        flags, base, off, ack_base, ack_off, length, window, urgent, options, gso = what
        tcb = self.connection.tcb
        rcv, snd = tcb.rcv, tcb.snd
        at = {"nxt": rcv.nxt, "edge": rcv.edge, "irs": rcv.irs, "read": rcv.read_seq}[base]
        ack = {"una": snd.una, "nxt": snd.nxt, "max": snd.max, "iss": snd.iss}[ack_base]
        segment = Segment(
            2000, 1000, at + off & 0xFFFFFFFF, ack + ack_off & 0xFFFFFFFF, flags, window, urgent,
            self.options(options, off, ack_off), (bytes(length),) if length else (), length, gso,
        )  # fmt: skip
        self.connection.segment_arrives(segment, self.now)

    def options(self, kinds: str, off: int, ack_off: int) -> bytes:
        tcb = self.connection.tcb
        out = b""
        for kind in kinds:
            if kind in "Tt":
                value = tcb.ts_recent + (off if kind == "t" else 1) & 0xFFFFFFFF
                echo = tcb.timestamp(self.now) + (ack_off if kind == "t" else 0) & 0xFFFFFFFF
                out += struct.pack("!BBBBII", 1, 1, 8, 10, value, echo)
            elif kind == "S":
                low = tcb.snd.una + off & 0xFFFFFFFF
                out += struct.pack("!BBBBII", 1, 1, 5, 10, low, low + 700 & 0xFFFFFFFF)
            elif kind == "D":
                low = tcb.snd.una - 5 & 0xFFFFFFFF
                high = tcb.snd.nxt
                out += struct.pack("!BBBBIIII", 1, 1, 5, 18, low, tcb.snd.una, low, high)
            elif kind == "M":
                out += struct.pack("!BBHBBBBBB", 2, 4, 1000, 4, 2, 3, 3, 14, 0)
            else:
                out += struct.pack("!BBHBBBBBBII", 2, 4, 1, 4, 2, 1, 1, 8, 10, 5, 0)
        return out

    def do_icmp(self, _: str, error: IcmpError, off: int, mtu: int) -> None:
        seq = self.connection.tcb.snd.una + off & 0xFFFFFFFF
        self.connection.icmp_arrives(error, 111, seq, mtu, self.now)

    def do_timer(self, _: str) -> None:
        deadline = self.connection.next_deadline()
        if deadline < NEVER:
            self.now = max(self.now, deadline)
            self.connection.deadline_passed(self.now)

    def do_wait(self, _: str, time: int) -> None:
        until = self.now + time
        for _n in range(50):
            if self.connection.next_deadline() > until:
                break
            self.do_timer("")
            self.pull(1000)
        self.now = max(until, self.now)

    def do_pull(self, _: str, most: int) -> None:
        self.pull(most)

    def do_call(self, name: str, *arguments: Any) -> None:
        connection, now = self.connection, self.now
        if name == "write":
            size, urgent, more = arguments
            assert 0 <= connection.send(bytes(size), now, urgent, more) <= size
        elif name == "read":
            limit, peek = arguments
            assert len(connection.receive(limit, now, peek)) <= limit
        elif name == "urgent":
            assert len(connection.receive_urgent(now, arguments[0])) <= 1
        elif name == "shutdown":
            connection.shutdown_write(now)
        elif name == "cork":
            connection.cork = arguments[0]
        elif name == "config":
            connection.config = connection.config.replace(**arguments[0])
        else:
            getattr(connection, name)(now)
            self.aborted = self.aborted or name == "abort"

    def pull(self, most: int) -> None:
        """Collect segments; there must be an end to them."""
        for pulled in range(most):
            segment = self.connection.next_segment(self.now)
            if segment is None:
                return
            assert pulled < 900, "it sends without end"
            assert len(segment.header()) <= 60
            assert segment.length == sum([len(part) for part in segment.parts])
            assert 0 <= segment.window < 65536 and 0 <= segment.urgent < 65536

    def check(self) -> None:
        """What must be true at every moment."""
        connection = self.connection
        tcb = connection.tcb
        snd, rcv, sent = tcb.snd, tcb.rcv, tcb.sent
        for event in connection.take_events():
            if isinstance(event, StateChanged):
                row = transition(event.state, event.cause)
                assert row is not None and row.to is event.to and event.state is self.state
                self.state = event.to
        assert connection.state is self.state
        assert not self.aborted or self.state is State.CLOSED
        assert sent.covers(snd.una, snd.nxt)
        assert 0 <= sent.presumed <= sent.octets
        if self.state > LISTEN:
            assert 0 <= diff(snd.max, snd.nxt) <= 1
            # SYN, FIN and the octet of a probe are not bounded by the window.
            assert diff(snd.max, snd.una) <= snd.max_wnd + 3
        self.capacity = max(self.capacity, rcv.capacity)
        assert rcv.out_of_order <= self.capacity and len(rcv.blocks or ()) <= 1024
        assert rcv.queued <= 2 * self.capacity + 1
        assert len(tcb.replies or ()) <= MOST_REPLIES and tcb.duplicate_acks_owed <= 1024
        if self.state is State.CLOSED:
            assert connection.next_deadline() == NEVER and not sent.spans
        connection.info(self.now)

    def settled(self) -> None:
        """After everything has been pulled: whoever waits for the peer has a timer."""
        self.pull(1000)
        self.check()
        tcb = self.connection.tcb
        if self.connection.wants_output:
            assert tcb.snd.unsent > 0 or tcb.sent.lost  # windows hold it back
            assert tcb.state >= ESTABLISHED
        if ESTABLISHED <= tcb.state < TIME_WAIT and (tcb.sent.spans or tcb.snd.unsent > 0):
            assert self.connection.next_deadline() < NEVER, "nothing will wake it"


@given(
    name=st.sampled_from(["rfc", "linux", "freebsd"]),
    knobs=KNOBS,
    max_size=st.sampled_from([0, 0, 8500, 65000]),
    start=st.sampled_from(["closed", "listen", "opening", "established", "established"]),
    offer=st.sampled_from(["", "M", "m", "MT"]),
    steps=STEPS,
)
def test_one_connection_keeps_its_promises_whatever_happens(
    name: str,
    knobs: dict[str, Any],
    max_size: int,
    start: str,
    offer: str,
    steps: list[tuple[Any, ...]],
) -> None:
    """It raises nothing but errors of its user, stays in bounds, and ends without a timer."""
    config = preset(name).replace(strict=True, **knobs)
    offers = {
        "": b"",
        "M": struct.pack("!BBHBBBBBB", 2, 4, 1000, 4, 2, 3, 3, 3, 0),
        "m": struct.pack("!BBHBBBBBBII", 2, 4, 1, 4, 2, 1, 1, 8, 10, 5, 0),
        "MT": struct.pack("!BBHBBBBIIBBBB", 2, 4, 1460, 4, 2, 8, 10, 2**32 - 5, 0, 3, 3, 14, 1),
    }
    fuzzed = Fuzzed(config, max_size, start, offers[offer])
    for step in steps:
        fuzzed.does(step)
        if step[0] == "pull" and step[1] == 1000:
            fuzzed.settled()
    fuzzed.settled()
    fuzzed.connection.abort(fuzzed.now)
    fuzzed.aborted = True
    fuzzed.settled()
    assert fuzzed.connection.state is State.CLOSED
    assert fuzzed.connection.next_deadline() == NEVER
    assert fuzzed.connection.next_segment(fuzzed.now) is None
