"""What a segment does that an RFC forbids, as far as the capture makes that certain.

Not named, for a capture cannot be sure of it: segments longer than the MSS (an offload may have
joined them), acknowledgments of octets that were not captured, and text beyond a window whose ACK
may be missing.
"""

from enum import IntEnum
from typing import Final

from mypy_extensions import i32, i64

from lastack.observe.core.ends import UNKNOWN, End
from lastack.observe.core.flow import Flow
from lastack.observe.core.infer import ACK, FIN, RST, SYN
from lastack.observe.core.moves import distance
from lastack.observe.core.options import timestamp, window_scale

MOST_KEPT: Final = 1000


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
    FIN_WITH_SYN = 7
    """A FIN beside a SYN: CLOSE sends none before the SYN is answered."""

    @property
    def cited(self) -> str:
        """The rule and where it stands: `text after fin (RFC 9293 3.10.4)`."""
        return f"{self} ({self.section})"

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
    Rule.FIN_WITH_SYN: "RFC 9293 3.10.4",
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
        return f"<{self.packet} #{self.connection} {who}: {self.rule.cited}>"


class Violations:
    """Looks at every segment before the connection takes it in.

    `counts` has all by rule, and each end the rules that it broke (`End.broken`); `found` keeps the
    first MOST_KEPT, of connection number `only` where that is not 0.
    """

    found: list[Violation]
    counts: dict[Rule, int]
    only: int

    def __init__(self) -> None:
        self.found = []
        self.counts = {}
        self.only = 0

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
        if flags & SYN:
            scale = window_scale(data, options, stop)
            self._syn(flow, from_a, me, peer, flags, ack, scale, packet)
            return
        if flags & RST:
            return
        if not flags & ACK and me.isn != UNKNOWN and peer.isn != UNKNOWN:
            self._broken(Rule.NO_ACK_FLAG, flow, from_a, packet)
        if length and me.fin != UNKNOWN and distance(seq + length, me.fin - 1) > 0:
            self._broken(Rule.TEXT_AFTER_FIN, flow, from_a, packet)
        if length and seq == me.nxt:
            stamp = timestamp(data, options, stop)
            if stamp == UNKNOWN:
                return
            if me.clock != UNKNOWN and distance(stamp, me.clock) < 0:
                self._broken(Rule.TIMESTAMP_BACK, flow, from_a, packet)
            else:
                me.clock = stamp

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
        if flags & (ACK | FIN) == FIN:
            self._broken(Rule.FIN_WITH_SYN, flow, from_a, packet)
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
        me = flow.a if by_a else flow.b
        me.broken |= 1 << i32(rule)
        if len(self.found) < MOST_KEPT and self.only in (0, flow.number):
            self.found.append(Violation(rule, packet, flow.number, by_a))


def rules_in(broken: int) -> list[Rule]:
    """Return the rules of a set, one bit each, as `End.broken` has them."""
    return [rule for rule in Rule if broken >> rule & 1]
