"""Plays one probe: brings the stack under test into the state, sends, and judges what comes."""

from typing import Final, NamedTuple

from lastack.check.carrier import Carrier
from lastack.check.probes import CLOSED, ESTABLISHED_WITH_TIMESTAMPS, WAYS_IN, Probe
from lastack.wire.notation import Base, format_segment, parse_segment
from lastack.wire.segment import ABSENT, ACK, FIN, RST, SYN, Segment
from lastack.wire.seq import add, diff, gt, lt

_ISS: Final = 1_000_000
_RESERVED_BITS: Final = 0xE00
_ANSWER: Final = 0.6
"""A delayed ACK takes less than half a second (MUST-40)."""
_SILENCE: Final = 0.2
_GREETING: Final = 0.05
_AGAIN: Final = 7.0
"""How long a retransmission or a probe may take; the first is due after a second (RFC 6298 2)."""
_LEAST_WINDOW: Final = 20


class Verdict(NamedTuple):
    """How a probe ended: `passed`, `failed` or `skipped`, why, and what went over the wire."""

    probe: Probe
    verdict: str
    reason: str
    trace: list[str]


class Unmet(Exception):
    """Something else came than what a probe wants."""


class Unreached(Exception):
    """The state that a probe begins in was not reached."""


def play(carrier: Carrier, probe: Probe, port: int) -> Verdict:
    """Play a probe on the service at `port` (for the state CLOSED: a port without service)."""
    conversation = Conversation(carrier, port)
    try:
        try:
            for step in WAYS_IN[probe.state]:
                conversation.takes(step)
            conversation.settles(probe.state)
        except (Unmet, Unreached) as error:
            return Verdict(probe, "skipped", f"{probe.state}: {error}", conversation.trace)
        for step in probe.steps:
            conversation.takes(step)
    except Unmet as error:
        return Verdict(probe, "failed", str(error), conversation.trace)
    except Unreached as error:
        return Verdict(probe, "skipped", str(error), conversation.trace)
    finally:
        conversation.ends()
    return Verdict(probe, "passed", "", conversation.trace)


class Conversation:
    """One connection of ours, on a port of its own."""

    def __init__(self, carrier: Carrier, port: int) -> None:
        self.carrier = carrier
        self.port = port
        self.ours = carrier.take_port()
        self.base = Base(_ISS, 0)
        self.edge = 0
        """Where their window ends, relative to our ISS."""
        self.nxt = 0
        """What they will send next, absolute."""
        self.said = 0
        """The same before the segment heard last."""
        self.acked = 0
        self.trace: list[str] = []

    # a step

    def takes(self, step: str) -> None:
        """Take one step of a probe; raises Unmet."""
        sort, _, what = step.partition(" ")
        if sort == "<":
            self.sends(what)
        elif what in ("syn-ack again", "says again", "asks"):
            self.waits_for(what, _AGAIN)
        elif what == "says":
            try:
                self.waits_for(what, _ANSWER)
            except Unmet:
                raise Unreached("needs a service that answers five octets (echo)") from None
        elif what == "silence":
            self.hears_nothing()
        elif what.startswith("alive "):
            at = int(what.removeprefix("alive "))
            # Two octets: one alone would be taken for by a FIN that had no right to be taken.
            self.sends(f"P. {at}:{at + 2}(2) ack 1 win 5000")
            self.waits_for(f"ack {at + 2}", _ANSWER)
        elif what.startswith("gone "):
            at = int(what.removeprefix("gone "))
            self.sends(f". {at}:{at}(0) ack 1 win 5000")
            self.waits_for("reset 1", _ANSWER)
        else:
            self.waits_for(what, _ANSWER)

    def sends(self, text: str) -> None:
        """Send a segment in the probe's notation."""
        far = self.edge + 1000
        filled = text.format(
            edge=self.edge,
            last=self.edge - 1,
            far=far,
            far_end=far + 5,
            said=diff(self.nxt, self.base.ack),
        )
        words = filled.split(" ", 1)
        prefix = words[0] if words[0] in ("reserved", "corrupt") else ""
        if prefix:
            filled = words[1]
        segment = parse_segment(filled, self.base, self.ours, self.port)
        segment.parts = (b"x" * segment.length,) if segment.length else ()
        if prefix == "reserved":
            segment.flags |= _RESERVED_BITS
        self.trace.append(f"< {prefix} {filled}" if prefix else f"< {filled}")
        self.carrier.send(segment, prefix == "corrupt")

    def hears(self, seconds: float) -> Segment | None:
        """Return the next segment of this conversation, None when none comes in that time."""
        until = self.carrier.time() + seconds
        while (left := until - self.carrier.time()) > 0:
            segment = self.carrier.get(left)
            if segment is None or segment.destination_port != self.ours:
                continue
            if segment.source_port != self.port:
                continue
            self.said = self.nxt
            self.notes(segment)
            self.trace.append(f"> {format_segment(segment, self.base.reversed())}")
            return segment
        return None

    def notes(self, segment: Segment) -> None:
        """Learn their ISS, their window, and what they send next."""
        if segment.flags & RST:
            return
        if segment.flags & SYN and not self.nxt:
            self.base.ack = segment.seq
            self.nxt = segment.seq
        end = add(segment.seq, segment.seq_length)
        if gt(end, self.nxt):
            self.nxt = end
        if segment.flags & ACK:
            self.acked = segment.ack
            self.edge = diff(segment.ack, _ISS) + segment.window

    # what must come

    def waits_for(self, what: str, seconds: float) -> None:
        """Go on until what is expected has come; raises Unmet when it does not, or a reset does."""
        until = self.carrier.time() + seconds
        while (left := until - self.carrier.time()) > 0:
            segment = self.hears(left)
            if segment is None:
                break
            if self.is_what(segment, what):
                return
            if segment.flags & RST:
                raise Unmet(f"expected {what}, got {self.trace[-1][2:]}")
        raise Unmet(f"expected {what}, it did not come")

    def is_what(self, segment: Segment, what: str) -> bool:
        """Return whether a segment is what a step says."""
        words = what.split()
        base = self.base.reversed()
        if words[0] == "reset":
            if not segment.flags & RST:
                return False
            if words[1] == "ack":
                return segment.seq == 0 and segment.ack == add(_ISS, int(words[2]))
            return segment.seq == add(base.seq, int(words[1]))
        if segment.flags & RST:
            return False
        if words[0] == "says":
            again = words[-1] == "again"
            return segment.length > 0 and lt(segment.seq, self.said) == again
        if words[0] == "asks":
            return True
        if words[0] == "syn-ack":
            good = segment.flags & (SYN | ACK) == SYN | ACK and segment.ack == add(_ISS, 1)
            return good and (words[-1] != "mss" or segment.mss != ABSENT)
        good = bool(segment.flags & ACK) and segment.ack == add(_ISS, int(words[1]))
        return good and (len(words) == 2 or segment.ts_ecr == int(words[3]))

    def hears_nothing(self) -> None:
        """Neither a reset nor a bare ACK comes; raises Unmet."""
        until = self.carrier.time() + _SILENCE
        while (left := until - self.carrier.time()) > 0:
            segment = self.hears(left)
            if segment is None:
                return
            bare = not segment.length and not segment.flags & (SYN | FIN)
            if segment.flags & RST or bare:
                raise Unmet(f"expected silence, got {self.trace[-1][2:]}")

    # before and after

    def settles(self, state: str) -> None:
        """Let the service say what it says unasked, acknowledge that, and count from there."""
        if not state.startswith("ESTABLISHED"):
            return
        if state == ESTABLISHED_WITH_TIMESTAMPS and "TS val" not in self.trace[1]:
            raise Unreached("it does not do timestamps")
        stamp = " <nop,nop,TS val 1000 ecr 0>" if state == ESTABLISHED_WITH_TIMESTAMPS else ""
        while (segment := self.hears(_GREETING)) is not None:
            if segment.flags & (RST | FIN):
                raise Unreached("the service ends the connection at once")
            if segment.length:
                self.base.ack = add(self.nxt, -1)
                self.sends(f". 1:1(0) ack 1 win 5000{stamp}")
        if self.edge < _LEAST_WINDOW:
            raise Unreached("its window is too small")

    def ends(self) -> None:
        """Reset what may be left, so that nothing lingers; let late answers pass."""
        if self.acked:
            self.carrier.send(Segment(self.ours, self.port, self.acked, 0, RST, 0))
        self.carrier.give_port(self.ours)


def is_closed(carrier: Carrier, port: int) -> bool:
    """Return whether a SYN to this port is answered by a reset."""
    conversation = Conversation(carrier, port)
    try:
        conversation.sends("S 0:0(0) win 5000 <mss 1000>")
        segment = conversation.hears(_ANSWER)
        return segment is not None and bool(segment.flags & RST)
    finally:
        conversation.ends()


def needs_closed_port(probe: Probe) -> bool:
    """Return whether a probe is for a port without service."""
    return probe.state == CLOSED
