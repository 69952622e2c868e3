"""What a segment does that an RFC forbids, as far as the capture makes that certain.

Not named, for a capture cannot be sure of it: segments longer than the MSS (an offload may have
joined them), acknowledgments of octets that were not captured, and text beyond a window whose ACK
may be missing.
"""

from enum import IntEnum
from typing import Final

from librt.strings import read_i32_be
from mypy_extensions import i64

from lastack.observe.core.ends import UNKNOWN, End
from lastack.observe.core.flow import Flow
from lastack.observe.core.infer import ACK, RST, SYN, distance

MOST_KEPT: Final = 1000
MOST_CLOCKS: Final = 65536


class Rule(IntEnum):
    """A rule that was broken; `section` says where it stands."""

    NO_ACK_FLAG = 1
    """Once the connection is open every segment but a reset acknowledges."""
    WRONG_ACK_OF_SYN = 2
    """The SYN-ACK acknowledges something else than the SYN."""
    TEXT_AFTER_FIN = 3
    """Octets behind its own FIN."""
    SCALE_TOO_LARGE = 4
    """A window scale above 14."""
    SCALE_UNASKED = 5
    """A window scale in the answer to a SYN without one."""
    TIMESTAMP_BACK = 6
    """The timestamp of new octets is older than one before."""

    @property
    def section(self) -> str:
        """The RFC and its section."""
        return _SECTIONS[self]

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


_SECTIONS: Final = {
    Rule.NO_ACK_FLAG: "RFC 9293 3.1",
    Rule.WRONG_ACK_OF_SYN: "RFC 9293 3.10.7.2",
    Rule.TEXT_AFTER_FIN: "RFC 9293 3.10.4",
    Rule.SCALE_TOO_LARGE: "RFC 7323 2.3",
    Rule.SCALE_UNASKED: "RFC 7323 2.2",
    Rule.TIMESTAMP_BACK: "RFC 7323 5.4",
}


class Violation:
    """A rule broken by a segment: which, in which packet, of which connection, by which end."""

    rule: Rule
    packet: i64
    connection: int
    by_a: bool

    def __init__(self, rule: Rule, packet: i64, connection: int, by_a: bool) -> None:
        self.rule = rule
        self.packet = packet
        self.connection = connection
        self.by_a = by_a

    def __repr__(self) -> str:
        who = "a" if self.by_a else "b"
        return f"<{self.packet} #{self.connection} {who}: {self.rule} ({self.rule.section})>"


class Violations:
    """Looks at every segment before the connection takes it in.

    `found` keeps the first MOST_KEPT, `counts` all by rule.
    """

    found: list[Violation]
    counts: dict[Rule, int]
    clocks: dict[int, i64]
    """The newest timestamp of each end, by twice the connection's number and its side."""

    def __init__(self) -> None:
        self.found = []
        self.counts = {}
        self.clocks = {}

    def segment(
        self,
        flow: Flow,
        from_a: bool,
        data: bytes,
        options: i64,
        stop: i64,
        flags: i64,
        seq: i64,
        ack: i64,
        length: i64,
        packet: i64,
    ) -> None:
        """Look at one segment; data[options:stop] are its options, as far as captured."""
        me, peer = (flow.a, flow.b) if from_a else (flow.b, flow.a)
        scale, stamp = _options(data, options, stop)
        if flags & SYN:
            self._syn(flow, from_a, me, peer, flags, ack, scale, packet)
            return
        if flags & RST:
            return
        if not flags & ACK and me.isn != UNKNOWN and peer.isn != UNKNOWN:
            self._broken(Rule.NO_ACK_FLAG, flow, from_a, packet)
        if length and me.fin != UNKNOWN and distance(seq + length, me.fin - 1) > 0:
            self._broken(Rule.TEXT_AFTER_FIN, flow, from_a, packet)
        if stamp != UNKNOWN and length and seq == me.nxt:
            key = flow.number * 2 + (1 if from_a else 0)
            newest = self.clocks.get(key)
            if newest is not None and distance(stamp, newest) < 0:
                self._broken(Rule.TIMESTAMP_BACK, flow, from_a, packet)
            else:
                if newest is None and len(self.clocks) >= MOST_CLOCKS:
                    self.clocks.clear()
                self.clocks[key] = stamp

    def _syn(
        self,
        flow: Flow,
        from_a: bool,
        me: End,
        peer: End,
        flags: i64,
        ack: i64,
        scale: i64,
        packet: i64,
    ) -> None:
        if scale > 14:
            self._broken(Rule.SCALE_TOO_LARGE, flow, from_a, packet)
        if not flags & ACK or peer.isn == UNKNOWN:
            return
        taken = distance(ack, peer.isn + 1)
        if taken < 0 or taken > peer.syn_octets:
            self._broken(Rule.WRONG_ACK_OF_SYN, flow, from_a, packet)
        other = flow.track_b if from_a else flow.track_a
        if scale >= 0 and other.scale < 0 and peer.syns == 1 and not me.syn_acks:
            self._broken(Rule.SCALE_UNASKED, flow, from_a, packet)

    def _broken(self, rule: Rule, flow: Flow, by_a: bool, packet: i64) -> None:
        self.counts[rule] = self.counts.get(rule, 0) + 1
        if len(self.found) < MOST_KEPT:
            self.found.append(Violation(rule, packet, flow.number, by_a))


def _options(data: bytes, at: i64, stop: i64) -> tuple[i64, i64]:
    """Return the window scale as it stands there, and TSval; UNKNOWN for what is not there."""
    scale: i64 = UNKNOWN
    stamp: i64 = UNKNOWN
    while at < stop:
        kind = i64(data[at])
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if at + 2 > stop:
            break
        size = i64(data[at + 1])
        if size < 2 or at + size > stop:
            break
        if kind == 3 and size == 3:
            scale = i64(data[at + 2])
        elif kind == 8 and size == 10:
            stamp = i64(read_i32_be(data, at + 2)) & 0xFFFFFFFF
        at += size
    return scale, stamp
