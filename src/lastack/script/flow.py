"""The connection under test: ports, and the way from a script's numbers to the wire's and back.

In a SYN a script has initial sequence numbers of its own choice; in any other segment it counts
from them. Where the stack's begin is learnt from its first SYN; those of the remote host are the
script's, moved by `remote_offset`. A timestamp of the stack is mapped through the first that was
seen; one that a script has named already, through that.
"""

from typing import Final

from lastack.script.model import ANY_SEQ, Option, SegmentSpec
from lastack.wire.segment import ACK, RST, SACK, SYN, TIMESTAMPS, Segment, describe

_MASK: Final = 0xFFFFFFFF


def pattern(start: int, length: int) -> bytes:
    """Return octets that tell their place: `length` of them from sequence number `start` on."""
    return bytes([(7 * i + (i >> 8)) & 0xFF for i in range(start, start + length)])


class Flow:
    """One connection of a script. `local_port` is 0 until the stack has told it.

    `active` tells that the stack opens it: the remote host then begins with its SYN-ACK.
    """

    def __init__(
        self, local_port: int, remote_port: int, remote_offset: int, active: bool = False
    ) -> None:
        self.local_port = local_port
        self.remote_port = remote_port
        self.remote_offset = remote_offset
        self.remote_isn = 0
        self.active = active
        self._remote_known = False
        self.local_offset = 0
        self.local_isn = -1
        self._ts_known: dict[int, int] = {}
        self._ts_offset = 0
        self._ts_seen = False

    def is_mine(self, segment: Segment) -> bool:
        """Whether the stack sent this segment on this connection."""
        if segment.destination_port != self.remote_port:
            return False
        if self.local_port == 0 and segment.flags & SYN:
            self.local_port = segment.source_port
        return segment.source_port == self.local_port

    # from the script to the wire

    def inbound(self, spec: SegmentSpec) -> Segment:
        """Return the segment that the remote host sends."""
        if spec.flags & SYN and not self._remote_known and (spec.flags & ACK or not self.active):
            self._remote_known = True
            self.remote_isn = spec.seq
        ack = max(spec.ack, 0)
        if spec.flags & ACK:
            ack = (ack + self._local_base(spec.flags)) & _MASK
        seq = spec.seq if spec.absolute else (spec.seq + self._remote_base(spec.flags)) & _MASK
        start = (seq + (1 if spec.flags & SYN else 0) - self.remote_offset) & _MASK
        data = pattern(start, spec.length)
        segment = Segment(
            spec.ports[0] if spec.ports is not None and spec.ports[0] else self.remote_port,
            spec.ports[1] if spec.ports is not None and spec.ports[1] else self.local_port,
            seq,
            ack,
            spec.flags,
            max(spec.window, 0),
            max(spec.urgent, 0),
            b"".join([self._encode(option, spec) for option in spec.options or ()]),
            (data,) if data else (),
            spec.length,
        )
        segment.ecn = max(spec.ip.ecn, 0)
        return segment

    def _encode(self, option: Option, spec: SegmentSpec) -> bytes:
        if option.kind in (0, 1):
            return bytes((option.kind,))
        body = option.body
        if option.kind == SACK and option.sack:
            edges = [edge for block in option.sack for edge in block]
            base = self._local_base(spec.flags)
            body = b"".join([((edge + base) & _MASK).to_bytes(4, "big") for edge in edges])
        elif option.kind == TIMESTAMPS:
            echo = max(option.ts_ecr, 0)
            if spec.flags & ACK:
                echo = self._live_timestamp(echo)
            body = max(option.ts_val, 0).to_bytes(4, "big") + echo.to_bytes(4, "big")
        return bytes((option.kind, 2 + len(body))) + body

    def _local_base(self, flags: int) -> int:
        """Return what to add to a script's numbers of the stack, in a segment with these flags."""
        return self.local_offset if flags & SYN else max(self.local_isn, 0)

    def _remote_base(self, flags: int) -> int:
        return self.remote_offset + (0 if flags & SYN else self.remote_isn)

    def _live_timestamp(self, value: int) -> int:
        if value in self._ts_known:
            return self._ts_known[value]
        return (value + self._ts_offset) & _MASK if self._ts_seen else value

    def quoted(self, seq: int, length: int) -> Segment:
        """Return the segment of ours that an ICMP error is about."""
        data = bytes(length)
        return Segment(
            self.local_port,
            self.remote_port,
            (seq + self._local_base(0)) & _MASK,
            0,
            ACK,
            0,
            0,
            b"",
            (data,) if data else (),
            length,
        )

    # from the wire to the script

    def learn(self, segment: Segment, spec: SegmentSpec) -> None:
        """Take the stack's ISN and first timestamp from a segment that the script describes."""
        if spec.seq == ANY_SEQ:
            return
        if segment.flags & SYN and spec.flags & SYN and segment.seq != self.local_isn:
            self.local_isn = segment.seq
            self.local_offset = (segment.seq - spec.seq) & _MASK
        for option in spec.options or ():
            if option.kind == TIMESTAMPS and option.ts_val >= 0 and segment.ts_val >= 0:
                if not self._ts_seen:
                    self._ts_seen = True
                    self._ts_offset = (segment.ts_val - option.ts_val) & _MASK
                self._ts_known[option.ts_val] = segment.ts_val

    def seq(self, segment: Segment) -> int:
        """Return a segment's first sequence number as the script counts."""
        if segment.flags & RST and segment.flags & ACK and segment.seq == 0:
            return 0  # the answer to a segment without ACK has 0, whatever our ISN was
        return (segment.seq - self._local_base(segment.flags)) & _MASK

    def ack(self, number: int, flags: int) -> int:
        """Return a number acknowledged in a segment with these flags as the script counts."""
        return (number - self._remote_base(flags)) & _MASK

    def timestamp(self, value: int) -> int:
        """Return a timestamp of the stack's as the script counts."""
        return (value - self._ts_offset) & _MASK

    def show(self, segment: Segment, inbound: bool) -> str:
        """Return a segment in the script's notation."""
        if inbound:
            bases = self._remote_base(segment.flags), self._local_base(segment.flags)
            text = describe(segment, *bases, 0, self._ts_offset)
        else:
            seq = (segment.seq - self.seq(segment)) & _MASK
            text = describe(segment, seq, self._remote_base(segment.flags), self._ts_offset, 0)
        return text
