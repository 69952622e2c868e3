"""A capture for the eye: what it amounts to, what to look at, and its connections as a table."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from rich.box import ASCII, SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from lastack.observe.connection import Connection, Side
from lastack.observe.core.groups import (
    CLOSE_WAIT_LEAK,
    PORT_SCAN,
    SYN_FLOOD,
    Group,
)
from lastack.observe.summary import Summary
from lastack.tcp.states import State, linux_name
from lastack.units import MS, SECOND, US
from lastack.view.capture_words import WORDS
from lastack.view.ladder import ASCII_FORMS, CHANGE_STYLE, TROUBLE_STYLE
from lastack.view.verdict_words import GROUPS, SKIPPED, advice_on, rule_words, verdict_word
from lastack.view.wrap import wrapped

WIDTH: Final = 100
"""Columns that lines take at most."""
_ENDS: Final = 27
"""Columns for an endpoint."""
_COLUMNS: Final = ("number", "ends", "states", "opened", "octets", "duration", "rtt", "again")
_LEFT: Final = ("ends", "states", "opened")
_NEEDED: Final = 4
"""The first so many columns are always there."""
_MOST_KINDS: Final = 8
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_BLOCKS_WIDE: Final = 24
_BETWEEN: Final = re.compile(" (?:at|to) ")
_TOLD: Final = {
    SYN_FLOOD: ("half open", "no answer"),
    PORT_SCAN: ("refused", "no answer", "half open", "abandoned"),
    CLOSE_WAIT_LEAK: ("stuck in close wait",),
}
"""Which kinds of trouble a group tells of."""
_ABBREVIATIONS: Final[dict[State, str]] = {
    State.CLOSED: "CLOSED",
    State.LISTEN: "LISTEN",
    State.SYN_SENT: "SYN-S",
    State.SYN_RECEIVED: "SYN-R",
    State.ESTABLISHED: "ESTAB",
    State.FIN_WAIT_1: "FIN-W1",
    State.FIN_WAIT_2: "FIN-W2",
    State.CLOSE_WAIT: "CLOSE-W",
    State.CLOSING: "CLOSING",
    State.LAST_ACK: "LAST-ACK",
    State.TIME_WAIT: "TIME-W",
}


def states_in_short(states: tuple[State, ...], width: int = 12, names: str = "rfc") -> str:
    """Return possible states in so few columns: the name, short names with strokes, or `?3`.

    `?3` says that three are possible.
    """
    spell = linux_name if names == "linux" else str
    whole = "|".join(spell(state) for state in states)
    if len(whole) <= width:
        return whole or "?"
    short = "|".join(_ABBREVIATIONS[state] for state in states)
    return short if len(short) <= width else f"?{len(states)}"


def octets(count: int) -> str:
    """Return a count of octets in few places: `812`, `14.3 kB`, `1.2 MB`, `3 GB`."""
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return (
                f"{count / size:.3g} {unit}" if count < 1000 * size else f"{count // size:,} {unit}"
            )
    return f"{count} B"


def span(time: int) -> str:
    """Return a span of time with three digits in the unit that suits it, up to hours."""
    for size, unit in ((US, "us"), (MS, "ms")):
        if time < 1000 * size:
            return f"{time / size:.3g} {unit}" if time < 999 * size else f"{time // size} {unit}"
    if time < 120 * SECOND:
        return f"{time / SECOND:.3g} s"
    minutes = time // (60 * SECOND)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def cut(text: str, width: int) -> str:
    """Return a text without its middle where it is wider than so many columns."""
    if len(text) <= width:
        return text
    tail = width // 2
    return f"{text[: width - tail - 1]}…{text[-tail:]}"


def moment(time: int) -> str:
    """Return a time since the epoch as date and time to the millisecond, UTC."""
    try:
        found = datetime.fromtimestamp(time // SECOND, UTC)
    except (OverflowError, OSError, ValueError):
        return f"{time / SECOND:.3f}"
    return f"{found:%Y-%m-%d %H:%M:%S}.{time % SECOND // MS:03}"


def in_ascii(line: Text) -> Text:
    """Return a line with what has no place in ASCII written otherwise."""
    line.plain = line.plain.translate(ASCII_FORMS)
    return line


def summary_lines(summary: Summary, language: str = "en", width: int = WIDTH) -> Iterator[Text]:
    """Yield what a person reads first: counts, what to look at, the worst, what was left out."""
    words = WORDS[language]
    counts = {
        "packets": some("packets", summary.packets, language),
        "segments": some("segments", summary.segments, language),
        "connections": some("connections", summary.connections, language),
    }
    if summary.connections:
        counts["octets"] = octets(summary.octets)
        counts["span"] = span(summary.last - summary.first)
        counts["begin"] = moment(summary.first)
    yield Text(words["counts" if summary.connections else "nothing"].format(**counts))
    if summary.wanted:
        matched = words["matched"].format(matched=f"{summary.matched:,}")
        yield Text("  " + wrapped(matched, width - 2).replace("\n", "\n  "))
    for title, rest, style in _parts(summary, language):
        yield _titled(title, rest, width, style)


def _parts(summary: Summary, language: str) -> Iterator[tuple[str, str, str]]:
    """Yield the titles, what stands under each, and how it is to look."""
    words = WORDS[language]
    for title, found in (("handshake", summary.handshakes), ("teardown", summary.teardowns)):
        if found:
            yield words[title], _counted(found, language), ""
    groups = summary.found()
    for group in groups:
        yield words["look"], group_line(group, summary.last, language), TROUBLE_STYLE
    if groups and summary.groups.given_way:
        given_way = words["given_way"].format(count=f"{summary.groups.given_way:,}")
        yield words["look"], given_way, ""
    yield from _troubles(summary, groups, language)
    yield from _worst(summary, language)
    for why, count in summary.skipped.most_common():
        packets = some("packets", count, language)
        line = words["skipped_line"].format(packets=packets, why=SKIPPED[language][why])
        yield words["skipped"], line, ""
    if summary.evicted:
        line = words["evicted"].format(connections=some("connections", summary.evicted, language))
        yield words["skipped"], line, TROUBLE_STYLE


def some(name: str, count: int, language: str) -> str:
    """Return so many packets, segments or connections: `1 packet`, `2 packets`."""
    forms = WORDS[language][name].split("|")
    return forms[0 if count == 1 else -1].format(f"{count:,}")


def connections_table(
    summary: Summary,
    language: str = "en",
    ascii_only: bool = False,
    names: str = "rfc",
    width: int = WIDTH,
) -> Table:
    """Return the table of the connections that the summary shows: two lines each.

    Where it does not fit into so many columns, resent, RTT, time and octets give way in that order.
    """
    words = WORDS[language]
    shown = summary.shown.connections()
    rows = [_row(one, language, names) for one in shown]
    kept = list(_COLUMNS)
    while len(kept) > _NEEDED and _width_of(kept, rows, words) > width:
        kept.pop()
    table = Table(
        box=ASCII if ascii_only else SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        collapse_padding=True,
    )
    for name in kept:
        left_side = name in _LEFT
        table.add_column(words[name], justify="left" if left_side else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row[: len(kept)])
    below = []
    if any(_is_presumed(side) for one in shown for side in (one.a, one.b)):
        below.append(words["presumed"])
    if any(line.startswith("?") for row in rows for line in row[2].plain.split("\n")):
        below.append(words["one_of"])
    if summary.matched > len(shown):
        below.append(words["more"].format(count=f"{summary.matched - len(shown):,}"))
    table.caption = Text("\n".join(wrapped(line, width) for line in below)) if below else None
    table.caption_justify = "left"
    return table


def _width_of(names: list[str], rows: list[list[Text]], words: dict[str, str]) -> int:
    """Return how many columns of the screen these columns take."""
    total = 0
    for place, name in enumerate(names):
        cells = (line for row in rows for line in row[place].plain.split("\n"))
        total += max([cell_len(words[name]), *map(cell_len, cells)])
    return total + 2 * len(names)


def _titled(title: str, rest: str, width: int, style: str) -> Text:
    """Return a line under a title; what does not fit goes on below, indented."""
    indent = f"  {title}  "
    line = Text("  ")
    line.append(f"{title}  ", CHANGE_STYLE)
    room = max(20, width - cell_len(indent))
    return line.append(wrapped(rest, room).replace("\n", "\n" + " " * cell_len(indent)), style)


def _counted(counts: Counter[str], language: str) -> str:
    return " · ".join(
        f"{count:,} {verdict_word(word, language)}" for word, count in counts.most_common()
    )


def group_line(group: Group, end: int, language: str = "en") -> str:
    """Return what a group is and what to do about it; `end` is when the capture ends."""
    return GROUPS[language][group.kind].format(
        place=WORDS[language]["place"].join(_BETWEEN.split(group.place)),
        count=f"{group.count:,}",
        peers=f"{group.peers:,}",
        span=span(group.until - group.since),
        age=span(max(end - group.since, 0)),
        course=_course(group),
    )


def _course(group: Group) -> str:
    """Return how many there were over time, as a row of blocks."""
    if not group.over_time:
        return ""
    width, high = group.until - group.since, []
    for i in range(_BLOCKS_WIDE):
        begin = group.since + width * i // _BLOCKS_WIDE
        stop = group.since + width * (i + 1) // _BLOCKS_WIDE
        before = [count for time, count in group.over_time if time <= begin]
        within = [count for time, count in group.over_time if begin < time < stop]
        high.append(max([*before[-1:], *within], default=0))
    return "".join(_BLOCKS[-(-count * (len(_BLOCKS) - 1) // group.count)] for count in high)


def _troubles(
    summary: Summary, groups: list[Group], language: str
) -> Iterator[tuple[str, str, str]]:
    """Yield the kinds of trouble, the most frequent first, but for what the groups have said."""
    words = WORDS[language]
    told: Counter[str] = Counter()
    for group in groups:
        for kind in _TOLD.get(group.kind, ()):
            told[kind] += group.count
    left = [one for one in summary.troubles.most_common() if one[1] > told[one[0]]]
    for kind, count in left[:_MOST_KINDS]:
        broken = "(" in kind
        place, most = summary.places[kind].most_common(1)[0]
        facts = {"count": f"{count:,}", "most": f"{most:,}", "place": place}
        facts["number"] = str(summary.examples[kind])
        if broken:
            facts["rule"] = rule_words(kind, language)
        else:
            facts["verdict"] = verdict_word(kind, language)
            facts["advice"] = advice_on(kind, language)
        form = ("broken_" if broken else "look_") + ("one" if count == 1 else "line")
        yield words["look"], words[form].format(**facts), TROUBLE_STYLE
    if len(left) > _MOST_KINDS:
        line = words["more_kinds"].format(count=len(left) - _MOST_KINDS)
        yield words["look"], line, ""


def _worst(summary: Summary, language: str) -> Iterator[tuple[str, str, str]]:
    words = WORDS[language]
    worst = [
        words["resent_one"].format(
            number=one.number, a=one.a.endpoint, b=one.b.endpoint, count=f"{one.resent:,}"
        )
        for one in summary.resent.connections()
    ]
    if worst:
        line = words["resent_line"].format(
            count=f"{summary.sent_again:,}",
            segments=f"{summary.sent:,}",
            share=f"{100 * summary.sent_again / summary.sent:.2g}",
            worst=words["then"].join(worst),
        )
        yield words["resent"], line, ""
    longest = [one for one in summary.stuck.connections() if summary.last - one.since >= SECOND]
    for i, one in enumerate(longest):
        line = words["stuck_line"].format(
            number=one.number,
            a=one.a.endpoint,
            b=one.b.endpoint,
            verdict=verdict_word(one.teardown, language),
            span=span(summary.last - one.since),
        )
        title = words["stuck"]
        yield " " * cell_len(title) if i else title, line, ""


def _row(one: Connection, language: str, names: str) -> list[Text]:
    """Return a connection's cells, of two lines each: A above B."""
    nothing = WORDS[language]["silence"]
    a, b = one.a, one.b
    cells = [Text(str(one.number)), Text("\n".join(cut(side.endpoint, _ENDS) for side in (a, b)))]
    states = "\n".join(_states_of(side, names) for side in (a, b))
    cells.append(Text(states, CHANGE_STYLE))
    ended = verdict_word(one.teardown, language)
    if one.by and one.teardown in ("abort", "peer silent"):
        ended += f" ({one.by.upper()})"
    cells.append(Text(f"{verdict_word(one.handshake, language)}\n{ended}"))
    cells.append(Text(f"{octets(a.octets)}\n{octets(b.octets)}"))
    cells.append(Text(span(one.last - one.first)))
    trips = [nothing if side.rtt_mean is None else span(side.rtt_mean) for side in (a, b)]
    cells.append(Text("\n".join(trips)))
    again = "\n".join(f"{side.resent:,}" if side.resent else "" for side in (a, b))
    cells.append(Text(again, TROUBLE_STYLE))
    return cells


def _states_of(side: Side, names: str) -> str:
    """Return the states of an end at the end, with a `?` behind one that is presumed."""
    presumed = _is_presumed(side)
    return states_in_short(side.states, 14 - presumed, names) + "?" * presumed


def _is_presumed(side: Side) -> bool:
    return side.evidence == "presumed" and len(side.states) == 1
