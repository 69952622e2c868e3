"""A captured connection as a ladder, and its changes of state as sentences."""

from collections.abc import Iterable, Iterator
from html import escape
from itertools import islice
from typing import Final

from rich.text import Text

from lastack.observe.connection import Connection, Transition, states_text
from lastack.observe.core.analysis import Remark
from lastack.observe.second import Seen
from lastack.tcp.states import State
from lastack.view.capture_words import EVIDENCE, verdict_word
from lastack.view.captures import moment, octets, span, states_in_short
from lastack.view.ladder import CHANGE_STYLE, TROUBLE_STYLE, Ending, Ladder, Rung, clock, short
from lastack.view.ladder_svg import ladder_svg
from lastack.wire.notation import Base, format_segment
from lastack.wire.segment import ACK, SYN, Segment, decode_segment

MOST_RUNGS: Final = 100_000
_BELOW: Final = " " * 21
_TROUBLE: Final = (
    Remark.RETRANSMISSION
    | Remark.FAST_RETRANSMISSION
    | Remark.SPURIOUS_RETRANSMISSION
    | Remark.OUT_OF_ORDER
    | Remark.LOST_SEGMENT
    | Remark.ACK_LOST_SEGMENT
    | Remark.ZERO_WINDOW
    | Remark.WINDOW_FULL
)


def captured_ladder(connection: Connection, segments: Iterable[Seen]) -> Ladder:
    """Return the ladder of a captured connection, A on the left; at most MOST_RUNGS segments.

    Numbers count from both ISNs, or from the first number seen where the SYN was not captured.
    """
    base: Base | None = None
    rungs: list[Rung] = []
    known = [False, False]
    for seen in islice(segments, MOST_RUNGS):
        base = _base(base, seen, known)
        way = base if seen.from_a else base.reversed()
        rungs.append(
            Rung(
                seen.time - connection.first,
                _ending(seen.states_a),
                _ending(seen.states_b),
                seen.from_a,
                short(_notation(seen, way)),
                remark=str(seen.remarks),
                trouble=bool(seen.remarks & _TROUBLE),
            )
        )
    steps = connection.transitions
    starts = [
        next((step.before for step in steps if step.end == end and step.evidence != "refuted"), ())
        or side.states
        for end, side in (("a", connection.a), ("b", connection.b))
    ]
    names = f"A {connection.a.endpoint}", f"B {connection.b.endpoint}"
    return Ladder(*names, _ending(starts[0]), _ending(starts[1]), rungs)


def ladder_page(connection: Connection, ladder: Ladder, language: str = "en") -> str:
    """Return one self-contained HTML page: the ladder, and why each state changed."""
    lines = "\n".join(line.plain for line in why_lines(connection, language))
    title = f"{connection.a.endpoint} {connection.b.endpoint}"
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title></head>\n<body>\n"
        f"{ladder_svg(ladder)}<pre>{escape(lines)}</pre>\n</body></html>\n"
    )


def head_line(one: Connection, language: str = "en") -> Text:
    """Return the line above the ladder: verdicts, octets, time."""
    parts = [
        f"#{one.number}",
        moment(one.first),
        verdict_word(one.handshake, language),
        verdict_word(one.teardown, language) + (f" ({one.by.upper()})" if one.by else ""),
        f"A {octets(one.a.octets)}, B {octets(one.b.octets)}",
        span(one.last - one.first),
    ]
    return Text(" · ".join(parts))


def why_lines(connection: Connection, language: str = "en") -> Iterator[Text]:
    """Yield each change of state of both ends: when, from where, whither, why, how sure."""
    words = EVIDENCE[language]
    for name, side in (("A", connection.a), ("B", connection.b)):
        yield Text(f"{name} {side.endpoint}", CHANGE_STYLE)
        for step in connection.transitions:
            if step.end == name.lower():
                yield _step_line(step, connection.first, words)
        yield Text(f"  {words['end'].format(states=states_text(side.states))}")


def _step_line(step: Transition, first: int, words: dict[str, str]) -> Text:
    before, after = states_text(step.before), states_text(step.after)
    refuted = step.evidence == "refuted"
    line = Text(f"  {clock(step.time - first):>9}  #{step.packet:<6} ")
    line.append(f"{before} -> {after}" if before != after else before, "" if refuted else "bold")
    section = f" (RFC 9293 {step.section})" if step.section else ""
    line.append(f"\n{'':21}{step.cause}{section}")
    line.append(
        f"; {words[step.evidence].format(proof=step.proof)}", TROUBLE_STYLE if refuted else ""
    )
    return line


def _ending(states: tuple[State, ...]) -> Ending:
    return states[0] if len(states) == 1 else states_in_short(states, 12)


def _base(base: Base | None, seen: Seen, known: list[bool]) -> Base:
    """Return what numbers count from; the ISN of each direction as soon as it is known."""
    base = base or Base()
    me, peer = (0, 1) if seen.from_a else (1, 0)
    if not known[me]:
        _set(base, seen.from_a, seen.seq)
        known[me] = True
    if not known[peer] and seen.flags & ACK:
        isn = (seen.ack - 1) & 0xFFFFFFFF if seen.flags & SYN else seen.ack
        _set(base, not seen.from_a, isn)
        known[peer] = True
    return base


def _set(base: Base, of_a: bool, number: int) -> None:
    if of_a:
        base.seq = number
    else:
        base.ack = number


def _notation(seen: Seen, base: Base) -> str:
    found = decode_segment(seen.data, 0, len(seen.data))
    if not isinstance(found, Segment):
        found = Segment(0, 0, seen.seq, seen.ack, seen.flags, seen.window)
    found.length = seen.length  # on the wire; less of it may have been captured
    return format_segment(found, base)
