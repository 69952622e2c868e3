"""A captured connection as a ladder, and its changes of state as sentences."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from textwrap import indent
from typing import Final

from rich.text import Text

from lastack.observe.connection import Connection, Transition, states_text
from lastack.observe.core.analysis import Remark
from lastack.observe.core.violations import Violation
from lastack.observe.second import Seen
from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.view.capture_words import EVIDENCE, WORDS
from lastack.view.captures import WIDTH, moment, octets, some, span, states_in_short
from lastack.view.ladder import CHANGE_STYLE, TROUBLE_STYLE, Ending, Ladder, Rung, clock, short
from lastack.view.machine_words import cause_words, section_words
from lastack.view.verdict_words import REMARKS, advice_on, rule_words, verdict_word
from lastack.view.wrap import wrapped
from lastack.wire.notation import Base, format_segment
from lastack.wire.segment import ACK, SYN, Segment, decode_segment

MOST_RUNGS: Final = 100_000
_MOST_NAMED: Final = 5
BEHIND: Final = " " * 21
"""What stands before the reason of a change."""
_USUAL: Final = ("complete", "normal", "three segment", "open")
"""Verdicts that need no explanation."""
_NOT_UNANSWERED: Final = ("no answer", "half open discovered")
"""No SYN-ACK came, but something did: the teardown says what."""
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


def captured_ladder(
    connection: Connection,
    segments: Iterable[Seen],
    violations: Sequence[Violation] = (),
    language: str = "en",
) -> Ladder:
    """Return the ladder of a captured connection, A on the left; at most MOST_RUNGS segments.

    Numbers count from both ISNs, or from the first number seen where the SYN was not captured.
    """
    broken: dict[int, list[str]] = {}
    for one in violations:
        broken.setdefault(int(one.packet), []).append(rule_words(one.rule.cited, language))
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
                remark=", ".join([*broken.get(seen.packet, []), *remark_words(seen, language)]),
                trouble=bool(seen.remarks & _TROUBLE) or seen.packet in broken,
            )
        )
    steps = connection.transitions
    starts = [
        next((step.before for step in steps if step.end == end and step.evidence != "refuted"), ())
        or side.states
        for end, side in (("a", connection.a), ("b", connection.b))
    ]
    names = f"A {connection.a.endpoint}", f"B {connection.b.endpoint}"
    return Ladder(*names, _ending(starts[0]), _ending(starts[1]), rungs, _places(connection))


def remark_words(seen: Seen, language: str) -> list[str]:
    """Return what there is to say of a segment beside those before it."""
    return [REMARKS[language][one] for one in Remark if seen.remarks & one]


def _places(connection: Connection) -> int:
    """Return how many places seconds have: what took less than one is told by the microsecond."""
    return 6 if connection.last - connection.first < SECOND else 3


def head_lines(one: Connection, language: str = "en", width: int = WIDTH) -> Iterator[Text]:
    """Yield the lines above the ladder: verdicts, octets, time; what they mean; what else was."""
    words = WORDS[language]
    parts = [
        f"#{one.number}",
        moment(one.first),
        verdict_word(one.handshake, language),
        verdict_word(one.teardown, language) + (f" ({one.by.upper()})" if one.by else ""),
        f"A {octets(one.a.octets)}, B {octets(one.b.octets)}",
        span(one.last - one.first),
    ]
    yield Text(wrapped(" · ".join(parts), width - 4).replace("\n", "\n    "))
    for word in (one.handshake, one.teardown, *one.also):
        if word not in _USUAL and (word, one.teardown) != _NOT_UNANSWERED:
            meaning = words["meaning"].format(
                verdict=verdict_word(word, language), advice=advice_on(word, language)
            )
            yield Text("  " + wrapped(meaning, width - 4).replace("\n", "\n    "))
    for name, side in (("A", one.a), ("B", one.b)):
        for rule in side.broken:
            line = words["broken"].format(end=name, rule=rule_words(rule.cited, language))
            yield Text(f"  {line}", TROUBLE_STYLE)
    if one.evicted:
        line = words["evicted"].format(connections=some("connections", 1, language))
        yield Text(f"  {line}", TROUBLE_STYLE)
    yield Text(f"  Zeek: {one.zeek_state} {one.zeek_history}")


def why_lines(
    connection: Connection,
    violations: Sequence[Violation] = (),
    language: str = "en",
    width: int = WIDTH,
) -> Iterator[Text]:
    """Yield each change of state of both ends: when, from where, whither, why, how sure.

    Behind them stand the rules that the end broke, with the packets.
    """
    words = EVIDENCE[language]
    for name, side in (("A", connection.a), ("B", connection.b)):
        yield Text(f"{name} {side.endpoint}", CHANGE_STYLE)
        for step in connection.transitions:
            if step.end == name.lower():
                yield _step_line(step, connection, language, width)
        for rule in side.broken:
            mine = [one for one in violations if one.rule is rule and one.by_a == (name == "A")]
            places = " ".join(f"#{one.packet}" for one in mine[:_MOST_NAMED])
            places += f" … ({len(mine)})" if len(mine) > _MOST_NAMED else ""
            line = f"{rule_words(rule.cited, language)}: {places}"
            yield Text(_indented(line, width), TROUBLE_STYLE)
        end = words["end"].format(states=states_text(side.states))
        yield Text("  " + wrapped(end, width - 4).replace("\n", "\n    "))


def _step_line(step: Transition, connection: Connection, language: str, width: int) -> Text:
    words = EVIDENCE[language]
    before, after = states_text(step.before), states_text(step.after)
    refuted = step.evidence == "refuted"
    time = clock(step.time - connection.first, _places(connection))
    line = Text(f"  {time:>9}  #{step.packet:<6} ")
    moved = f"{before} -> {after}" if before != after else before
    line.append(_indented(moved, width).lstrip(), "" if refuted else "bold")
    section = section_words(step.section, language)
    cause = words["cause" if section else "cause_alone"].format(
        cause=cause_words(step.cause, language), section=section
    )
    why = cause + words[step.evidence].format(proof=step.proof)
    begin = len(line) + 1 + len(BEHIND) + len(cause)
    line.append("\n" + _indented(why, width))
    if refuted:
        line.stylize(TROUBLE_STYLE, begin)
    return line


def _indented(text: str, width: int) -> str:
    """Return a text in lines that stand behind the packet's number."""
    return indent(wrapped(text, max(20, width - len(BEHIND))), BEHIND)


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
