"""Playing a script: each event in its turn, at its time, against one stack in virtual time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from lastack.script.compare import differences
from lastack.script.descriptors import Wait, errno_expected, result_of
from lastack.script.flow import Flow
from lastack.script.icmp import icmp_differences, icmp_of
from lastack.script.model import (
    ANYTHING,
    Call,
    Clock,
    Event,
    IcmpSpec,
    Script,
    SegmentSpec,
    Shell,
    Snippet,
)
from lastack.script.scene import Sent
from lastack.script.snippet import Snippets
from lastack.script.subject import Attempt, Subject
from lastack.script.symbols import Unknown, errno_name, errno_number, number
from lastack.script.trace import Journal, Move, Trace, seconds
from lastack.script.verdict import Mismatch
from lastack.units import NEVER, SECOND
from lastack.wire.segment import SYN, Segment
from lastack.wire.stop import Stop

_BEYOND: Final = 2 * SECOND
"""How long after its time an expected packet is waited for, to be able to say when it came."""
_FIRST_PORT: Final = 40_000
TOO_LATE: Final = "too late for this event"


class Against(Enum):
    """Whom scripts are played against."""

    STACK = "stack"
    """Our stack, in virtual time."""
    TUN = "tun"
    """Our stack on a real device, in real time."""
    KERNEL = "kernel"


@dataclass
class Settings:
    """How scripts are played.

    `preset` "" follows the script's dialect (`rfc` where nothing tells one); `semantic` compares
    options as sets and leaves PSH to the sender; `all_packets` also fails when packets are left
    that the script does not mention; `remote_isn` moves the sequence numbers of the remote host;
    `knobs` change the preset.
    `tolerance` is the least that any time may be off, nanoseconds. For the kernel, `allow_shell`
    lets scripts run commands, as root, and `sysctls` are set in its namespace beforehand.
    """

    preset: str = ""
    defined: Mapping[str, str] = field(default_factory=dict)
    semantic: bool = False
    all_packets: bool = False
    seed: int = 1
    remote_isn: int = 0
    knobs: Mapping[str, str] = field(default_factory=dict)
    against: Against = Against.STACK
    tolerance: int = 0
    allow_shell: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)


class Play:
    """One run of one script."""

    def __init__(self, script: Script, subject: Subject, settings: Settings) -> None:
        self.script = script
        self.settings = settings
        self.stage = subject.scene
        self.stage.remote_offset = settings.remote_isn
        self.stage.on_change = self._retry
        self.stage.on_sent = self._sent
        self.calls = subject.calls
        self.calls.on_open = self._opened
        self.system = subject.machine
        self.snippets = Snippets()
        self.event: Event | None = None
        self.line = 0
        self.flow: Flow | None = None
        self._flows: list[Flow] = []
        self._last: Event | None = None
        self._last_time = 0
        self._time = 0
        self._pending: _Pending | None = None
        self._broken: _Broken | None = None
        self._stop: Stop | None = None
        self.journal = Journal(self.calls.state_of)

    def play(self) -> None:
        """Play every event; raises Mismatch when the stack does otherwise, Unknown to skip."""
        begun = False
        for event in self.script.events:
            if not begun and not isinstance(event.action, Shell):
                begun = True
                self.stage.begin()
            self.event, self.line = event, event.line
            self._time, latest = self._times(event)
            try:
                self._play(event, latest)
            except Mismatch:
                if "packet" not in self._forgiven or not _is_outbound(event):
                    raise
            self._check_broken()
            self._last, self._last_time = event, self._time
        if self._pending is not None:
            self._await(self._pending)
            self._check_broken()
        if self.settings.all_packets:
            self._nothing_left()

    # time

    def _times(self, event: Event) -> tuple[int, int]:
        """Return the first and last moment, in the script's time, of an event about to be."""
        when = event.when
        if when.clock is Clock.ABSOLUTE:
            return when.start, when.latest
        base = self.stage.now
        if self._last is not None and _is_inbound(self._last) and _is_inbound(event):
            base = self._last_time
        return base + when.start, base + when.latest

    def _tolerance(self, time: int, since: int) -> int:
        """Return how far off an event at `time` may be: so much, or a part of the time passed."""
        header = self.script.header
        least = max(header.tolerance, self.settings.tolerance)
        return max(least, int((time - since) * header.tolerance_percent / 100))

    def _go_to(self, event: Event) -> None:
        """Let time pass until an event that the script makes."""
        if event.when.clock is not Clock.ANY:
            self.stage.advance(self._time)
        late = self.stage.now - self._time
        if event.when.clock is not Clock.ANY and late > self._tolerance(
            self._time, self._last_time
        ):
            raise Mismatch(TOO_LATE, seconds(self._time), seconds(self.stage.now))

    # events

    def _play(self, event: Event, latest: int) -> None:
        action = event.action
        if isinstance(action, SegmentSpec) and not action.inbound:
            self._expect(event, action, latest)
            return
        if isinstance(action, IcmpSpec) and not action.inbound:
            self._expect_icmp(event, action, latest)
            return
        if isinstance(action, Call) and self._pending is not None:
            self._await(self._pending)
        self._go_to(event)
        if isinstance(action, SegmentSpec):
            self._deliver(action)
        elif isinstance(action, IcmpSpec):
            kind, code, rest = icmp_of(action, self.stage.version)
            flow = self.flow or self._new_flow(self.script.header.bind_port)
            self._note(None, None, event.text.partition("<")[2].strip(), inbound=True)
            about = flow.quoted(action.seq, action.length)
            self.stage.deliver_icmp(kind, code, rest, about, udp=action.udp)
        elif isinstance(action, Shell):
            self.system.obey(action.command)
            self.stage.settle()
        elif isinstance(action, Snippet):
            ports = (self.flow.local_port, self.flow.remote_port) if self.flow else (0, 0)
            self.snippets.run(action.code, self.calls.facts(*ports))
        elif isinstance(action, Call):
            self._call(event, action)

    def _deliver(self, spec: SegmentSpec) -> None:
        flow = self.flow
        if flow is None:
            flow = self._new_flow(self.script.header.bind_port)
        if spec.ports is not None:
            flow = self._flow_of(spec.ports[1], spec.ports[0])
        segment = flow.inbound(spec)
        move = self._note(flow, segment, "", inbound=True)
        ttl = spec.ip.ttl if spec.ip.ttl >= 0 else 64
        stop = self.stage.deliver(segment, ttl, max(spec.ip.tos, 0), spec.udp, spec.signed)
        self.journal.settled(move, flow, stop)
        self._stop = stop

    def _expect(self, event: Event, spec: SegmentSpec, latest: int) -> None:
        """The stack must send this now."""
        if spec.ports is not None:
            self.flow = self._flow_of(spec.ports[0], spec.ports[1])
        flow = self.flow
        if flow is None:
            raise Mismatch("nothing has been opened that could send this", event.text, "nothing")
        part = -1
        strict = self.script.header.strict_segments
        while True:
            sent = self._next_sent(flow, event, latest)
            segment = sent.segment
            assert segment is not None
            flow.learn(segment, spec)
            if not strict and part < 0 and 0 < segment.length < spec.length:
                part = 0
            elif strict and 0 < segment.length == spec.length:
                part = 0  # the last piece of what Linux's device has divided has PSH
            self._compare(event, spec, sent, flow, part)
            self._on_time(event, sent, latest)
            if part >= 0:
                part += segment.length
                if part < spec.length:
                    continue
            return

    def _expect_icmp(self, event: Event, spec: IcmpSpec, latest: int) -> None:
        """The stack must send this message now."""
        sent = self._next_sent(None, event, latest)
        assert sent.message is not None
        wrong = icmp_differences(spec, sent.message)
        if wrong:
            raise Mismatch(f"{' and '.join(wrong)} differ", event.text, f"> {sent.what}")
        self._on_time(event, sent, latest)

    def _next_sent(self, flow: Flow | None, event: Event, latest: int) -> Sent:
        """Return the next segment of this connection (None: the next ICMP message), letting time
        pass for it.
        """
        limit = NEVER if event.when.clock is Clock.ANY else latest + _BEYOND
        while True:
            while self.stage.outbox:
                sent = self.stage.outbox.popleft()
                if flow is None:
                    mine = sent.message is not None
                else:
                    mine = sent.segment is not None and flow.is_mine(sent.segment)
                if mine:
                    return sent
            self._check_broken()
            if not self.stage.happens(limit):
                raise Mismatch("the stack sends nothing", event.text, "nothing")

    def _compare(self, event: Event, spec: SegmentSpec, sent: Sent, flow: Flow, part: int) -> None:
        assert sent.segment is not None
        header = self.script.header
        slack = -1
        if header.ts_tick:
            slack = self._tolerance(self.stage.now, 0) // header.ts_tick + 1
        wrong = differences(spec, sent, flow, self.settings.semantic, slack, part)
        if not wrong and not self._right_data(sent.segment, flow):
            wrong = ["data"]
        if wrong:
            actual = f"> {flow.show(sent.segment, False)}"
            raise Mismatch(
                f"{' and '.join(wrong)} differ", event.text, f"{seconds(sent.time)} {actual}"
            )

    def _right_data(self, segment: Segment, flow: Flow) -> bool:
        stream = self.calls.streams.get((segment.source_port, segment.destination_port))
        if not segment.length or stream is None or flow.local_isn < 0:
            return True
        first = flow.local_isn + (0 if segment.flags & SYN else 1)
        offset = (segment.seq - first) & 0xFFFFFFFF
        return segment.payload == bytes(stream[offset : offset + segment.length])

    def _on_time(self, event: Event, sent: Sent, latest: int) -> None:
        if event.when.clock is Clock.ANY:
            self._time = sent.time
            return
        slack = self._tolerance(self._time, self._last_time)
        if not self._time - slack <= sent.time <= latest + slack:
            expected = seconds(self._time)
            if latest > self._time:
                expected += f" to {seconds(latest)}"
            raise Mismatch("the packet is sent at another time", expected, seconds(sent.time))

    def _nothing_left(self) -> None:
        for sent in self.stage.outbox:
            flow = self.flow
            if sent.segment is not None and flow is not None and flow.is_mine(sent.segment):
                actual = f"{seconds(sent.time)} > {flow.show(sent.segment, False)}"
                raise Mismatch("the stack sends more than the script says", "nothing", actual)

    # system calls

    def _call(self, event: Event, call: Call) -> None:
        pending = _Pending(event, call, self.stage.now)
        if call.end >= 0:
            relative = event.when.clock is Clock.RELATIVE
            pending.end = call.end + (self._time - event.when.start if relative else 0)
        try:
            pending.attempt = self.calls.make(call)
        except Unknown:
            if "syscall" not in self._forgiven:
                raise
            return  # it may fail, and so it does
        if not self._try(pending):
            if call.end < 0:
                raise Mismatch("the call would block", event.text, "blocks")
            self._pending = pending
        self.stage.settle()

    def _retry(self) -> None:
        """Something has changed: can the call that waits go on?"""
        pending = self._pending
        if pending is None or self._broken is not None:
            return
        self._pending = None
        try:
            done = self._try(pending)
        except (Mismatch, Unknown) as error:
            # Raised where the script is, not in the middle of the stack's doings.
            self._broken = _Broken(pending.event.line, error)
            return
        if not done:
            self._pending = pending

    def _try(self, pending: "_Pending") -> bool:
        """Try a call; False when it has to wait. Checks result and time of one that is over."""
        assert pending.attempt is not None
        result = -1
        code = 0
        try:
            result = pending.attempt()
        except Wait as wait:
            self.stage.alarm = min(self.stage.alarm, wait.until)
            return False
        except OSError as error:
            code = error.errno or 0
        shown = f"= {result}" + (f" {errno_name(code)}" if code else "")
        call, event = pending.call, pending.event
        self._note(None, None, f"{call.name}(...) {shown}")
        if not self._as_expected(call, result, code) and "syscall" not in self._forgiven:
            raise Mismatch(f"{call.name} returns otherwise", result_of(call), shown)
        if call.end >= 0:
            slack = self._tolerance(pending.end, pending.start)
            if abs(self.stage.now - pending.end) > slack:
                raise Mismatch(
                    f"{call.name} returns at another time, {event.text}",
                    seconds(pending.end),
                    seconds(self.stage.now),
                )
        return True

    @property
    def _forgiven(self) -> frozenset[str]:
        return self.script.header.forgiven

    def _as_expected(self, call: Call, result: int, code: int) -> bool:
        if call.result is ANYTHING:
            return True
        if errno_expected(call):
            return code == errno_number(call.errno)  # some have two names
        if call.result == -1 and code:
            return True  # some error
        return code == 0 and result == number(call.result)

    def _await(self, pending: "_Pending") -> None:
        """Wait for the end of a blocking call."""
        limit = pending.end + _BEYOND
        while self._pending is pending and self._broken is None:
            if not self.stage.happens(limit):
                self.line = pending.event.line
                raise Mismatch("the call does not return", pending.event.text, "blocks")
        self._check_broken()

    def _check_broken(self) -> None:
        if self._broken is not None:
            broken = self._broken
            self._broken = None
            self.line = broken.line
            raise broken.error

    # connections

    def _opened(self, local_port: int, remote_port: int) -> None:
        """The user has opened: the next packets are about this connection."""
        if remote_port:
            self.flow = Flow(local_port, remote_port, self.settings.remote_isn, active=True)
            self._flows.append(self.flow)
        else:
            self.flow = None

    def _new_flow(self, local_port: int) -> Flow:
        """A new remote end comes to a port of ours."""
        port = _FIRST_PORT + 1 + len(self._flows)
        self.flow = Flow(local_port, port, self.settings.remote_isn)
        self._flows.append(self.flow)
        return self.flow

    def _flow_of(self, local_port: int, remote_port: int) -> Flow:
        for flow in self._flows:
            if (flow.local_port, flow.remote_port) == (local_port, remote_port):
                self.flow = flow
                return flow
        self.flow = Flow(local_port, remote_port, self.settings.remote_isn)
        self._flows.append(self.flow)
        return self.flow

    # what has happened

    def _sent(self, sent: Sent) -> None:
        mine = None
        if sent.segment is not None:
            for flow in self._flows:
                if flow.is_mine(sent.segment):
                    mine = flow
        self._note(mine, sent.segment, sent.what, inbound=False)

    def _note(
        self, flow: Flow | None, segment: Segment | None, text: str, inbound: bool | None = None
    ) -> Move:
        return self.journal.note(self.stage.now, inbound, text, flow, segment)

    def trace(self) -> Trace:
        """Return what has happened, in the script's numbers, and the rule followed last."""
        rule = self._stop.sentence if self._stop is not None else self.calls.rule()
        return self.journal.trace(rule)


class _Pending:
    """A call that has not returned yet."""

    def __init__(self, event: Event, call: Call, start: int) -> None:
        self.event = event
        self.call = call
        self.start = start
        self.end = start
        self.attempt: Attempt | None = None


class _Broken:
    """A blocking call came to a bad end while time passed."""

    def __init__(self, line: int, error: Exception) -> None:
        self.line = line
        self.error = error


def _is_inbound(event: Event) -> bool:
    return isinstance(event.action, SegmentSpec | IcmpSpec) and event.action.inbound


def _is_outbound(event: Event) -> bool:
    return isinstance(event.action, SegmentSpec) and not event.action.inbound
