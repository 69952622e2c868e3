"""A segment that the stack has sent beside the one that the script expects."""

from typing import Final

from lastack.script.flow import Flow
from lastack.script.model import ANY_SEQ, Option, SegmentSpec
from lastack.script.scene import Sent
from lastack.wire.segment import ACK, FIN, MD5_SIGNATURE, PSH, SACK, TIMESTAMPS, Segment

_BITS: Final = 0x1FF
_PADDING: Final = (0, 1)


def differences(
    spec: SegmentSpec, sent: Sent, flow: Flow, semantic: bool, ts_slack: int = -1, part: int = -1
) -> list[str]:
    """Return the names of the fields that differ, none when the segment is as expected.

    `semantic` takes the options as a set, ignores padding, and leaves it to the sender where it
    sets PSH on data (RFC 9293 3.9.1.2: it may put pushed data together or not). `ts_slack` is how
    far, in ticks, a timestamp may be off; -1 for any. `part` >= 0 compares a piece of a longer
    segment of the script's that begins so many octets into it.
    """
    segment = sent.segment
    assert segment is not None
    wrong: list[str] = []
    expected_flags, actual_flags = spec.flags & _BITS, segment.flags & _BITS
    if part >= 0 and part + segment.length < spec.length:
        expected_flags &= ~(FIN | PSH)
        actual_flags &= ~PSH
    elif part >= 0 and not actual_flags & PSH:
        # Linux sets PSH on whatever its device is to divide, pushed or not; we had no need to.
        expected_flags &= ~PSH
    if semantic and segment.length:
        expected_flags &= ~PSH
        actual_flags &= ~PSH
    if expected_flags != actual_flags:
        wrong.append("flags")
    seq = (spec.seq + max(part, 0)) & 0xFFFFFFFF
    at = segment.seq if spec.absolute else flow.seq(segment)
    if spec.seq == ANY_SEQ:
        at = seq
    if at != seq or (part < 0 and segment.length != spec.length):
        wrong.append("sequence numbers")
    actual_ack = flow.ack(segment.ack, segment.flags) if segment.flags & ACK else segment.ack
    if actual_ack != max(spec.ack, 0):
        wrong.append("ack")
    if spec.window >= 0 and segment.window != spec.window:
        wrong.append("win")
    if segment.urgent != max(spec.urgent, 0):
        wrong.append("urg")
    if spec.signed and not sent.signature_holds:
        wrong.append("signature")
    if spec.udp != sent.udp:
        wrong.append("UDP ports")
    if spec.options is not None and not _options_fit(spec.options, segment, flow, semantic):
        wrong.append("options")
    elif spec.options is not None and ts_slack >= 0 and not _on_time(spec, segment, flow, ts_slack):
        wrong.append("TS val")
    wrong += _ip_differences(spec, sent)
    return wrong


def _ip_differences(spec: SegmentSpec, sent: Sent) -> list[str]:
    wrong: list[str] = []
    ip = spec.ip
    if ip.ecn >= 0 and sent.tos & 3 != ip.ecn:
        wrong.append("ECN")
    if ip.ecn == -2 and sent.tos & 3 not in (1, 2):
        wrong.append("ECN")
    if ip.tos >= 0 and sent.tos != ip.tos:
        wrong.append("tos")
    if ip.ttl >= 0 and sent.ttl != ip.ttl:
        wrong.append("ttl")
    return wrong


def read_options(octets: bytes) -> list[tuple[int, bytes]]:
    """Return (kind, body) of each option; the rest of a list that is malformed as kind -1."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(octets):
        kind = octets[at]
        if kind in _PADDING:
            found.append((kind, b""))
            at += 1
            continue
        size = octets[at + 1] if at + 1 < len(octets) else 0
        if size < 2 or at + size > len(octets):
            return [*found, (-1, octets[at:])]
        found.append((kind, octets[at + 2 : at + size]))
        at += size
    return found


def _options_fit(
    expected: tuple[Option, ...], segment: Segment, flow: Flow, semantic: bool
) -> bool:
    actual = read_options(segment.options)
    if not semantic:
        return len(actual) == len(expected) and all(
            _fits(option, kind, body, flow)
            for option, (kind, body) in zip(expected, actual, strict=True)
        )
    wanted = sorted([o for o in expected if o.kind not in _PADDING], key=lambda o: o.kind)
    there = sorted([o for o in actual if o[0] not in _PADDING], key=lambda o: o[0])
    return len(wanted) == len(there) and all(
        _fits(option, kind, body, flow) for option, (kind, body) in zip(wanted, there, strict=True)
    )


def _fits(option: Option, kind: int, body: bytes, flow: Flow) -> bool:
    if option.kind != kind:
        return False
    if kind == MD5_SIGNATURE:  # which digest it is has been seen to
        return len(option.body) == len(body)
    if kind == SACK and option.sack:
        edges = [
            flow.ack(int.from_bytes(body[i : i + 4], "big"), 0) for i in range(0, len(body), 4)
        ]
        return edges == [edge for block in option.sack for edge in block]
    if kind == TIMESTAMPS:
        echo = int.from_bytes(body[4:8], "big")
        return len(body) == 8 and (option.ts_ecr < 0 or echo == option.ts_ecr)
    return option.body == body


def _on_time(spec: SegmentSpec, segment: Segment, flow: Flow, slack: int) -> bool:
    """Whether the stack's timestamp is as far on as the script says."""
    for option in spec.options or ():
        if option.kind == TIMESTAMPS and option.ts_val >= 0:
            off = (flow.timestamp(segment.ts_val) - option.ts_val) & 0xFFFFFFFF
            return min(off, 0x100000000 - off) <= slack
    return True
