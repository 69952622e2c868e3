"""A capture for the eye: what it amounts to, what to look at, and its connections as a table."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from rich.box import ASCII, SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from lastack.observe.connection import Connection
from lastack.observe.summary import Summary, plain_word
from lastack.tcp.states import State, linux_name
from lastack.units import MS, SECOND, US
from lastack.view.capture_words import ADVICE, WORDS, verdict_word
from lastack.view.ladder import ASCII_FORMS, CHANGE_STYLE, TROUBLE_STYLE
from lastack.view.wrap import wrapped

_WIDTH: Final = 100
_ENDS: Final = 27
"""Columns for an endpoint."""
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


def summary_lines(summary: Summary, language: str = "en") -> Iterator[Text]:
    """Yield what a person reads first: counts, the worst, what to look at, what was left out."""
    words = WORDS[language]
    yield Text(
        words["counts"].format(
            packets=f"{summary.packets:,}",
            segments=f"{summary.segments:,}",
            connections=f"{summary.connections:,}",
            octets=octets(summary.octets),
            span=span(summary.last - summary.first),
            begin=moment(summary.first),
        )
    )
    if summary.wanted:
        yield Text("  " + words["matched"].format(matched=f"{summary.matched:,}"))
    for title, counts in (("handshake", summary.handshakes), ("teardown", summary.teardowns)):
        if counts:
            yield _titled(words[title], _counted(counts, language))
    yield from _worst(summary, language)
    yield from _advice(summary, language)
    for why, count in summary.skipped.most_common():
        yield _titled(words["skipped"], words["skipped_line"].format(count=f"{count:,}", why=why))
    if summary.evicted:
        line = words["evicted"].format(count=f"{summary.evicted:,}")
        yield _titled(words["skipped"], line, TROUBLE_STYLE)


def connections_table(
    summary: Summary, language: str = "en", ascii_only: bool = False, names: str = "rfc"
) -> Table:
    """Return the table of the connections that the summary shows: two lines each."""
    words = WORDS[language]
    table = Table(
        box=ASCII if ascii_only else SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column(words["number"], justify="right", no_wrap=True)
    table.add_column(words["ends"], no_wrap=True)
    table.add_column(words["states"], no_wrap=True)
    table.add_column(words["opened"], no_wrap=True)
    for name in ("octets", "duration", "rtt", "again"):
        table.add_column(words[name], justify="right", no_wrap=True)
    for one in summary.shown.connections():
        table.add_row(*_row(one, language, names))
    left = summary.matched - len(summary.shown.connections())
    table.caption = words["more"].format(count=f"{left:,}") if left > 0 else None
    table.caption_justify = "left"
    return table


def _titled(title: str, rest: str, style: str = "") -> Text:
    """Return a line under a title; what does not fit goes on below, indented."""
    indent = f"  {title}  "
    line = Text("  ")
    line.append(f"{title}  ", CHANGE_STYLE)
    room = max(20, _WIDTH - cell_len(indent))
    return line.append(wrapped(rest, room).replace("\n", "\n" + " " * cell_len(indent)), style)


def _counted(counts: Counter[str], language: str) -> str:
    return " · ".join(
        f"{count:,} {verdict_word(word, language)}" for word, count in counts.most_common()
    )


def _worst(summary: Summary, language: str) -> Iterator[Text]:
    words = WORDS[language]
    for one in summary.resent.connections():
        yield _titled(
            words["resent"],
            words["resent_line"].format(
                number=one.number,
                a=one.a.endpoint,
                b=one.b.endpoint,
                count=one.resent,
                packets=one.a.packets + one.b.packets,
            ),
        )
    for one in summary.stuck.connections():
        yield _titled(
            words["stuck"],
            words["stuck_line"].format(
                number=one.number,
                a=one.a.endpoint,
                b=one.b.endpoint,
                verdict=verdict_word(one.teardown, language),
                span=span(summary.last - one.since),
            ),
        )


def _advice(summary: Summary, language: str) -> Iterator[Text]:
    words = WORDS[language]
    for kind, places in summary.places.items():
        (place, most), *_ = places.most_common(1)
        count = summary.teardowns[kind] or summary.handshakes[kind]
        line = words["look_line"].format(
            count=f"{count:,}",
            verdict=verdict_word(kind, language),
            place=place,
            most=f"{most:,}",
            advice=ADVICE[language].get(plain_word(kind), ""),
        )
        yield _titled(words["look"], line, TROUBLE_STYLE)


def _row(one: Connection, language: str, names: str) -> list[Text]:
    """Return a connection's cells, of two lines each: A above B."""
    nothing = WORDS[language]["silence"]
    a, b = one.a, one.b
    cells = [Text(str(one.number)), Text("\n".join(cut(side.endpoint, _ENDS) for side in (a, b)))]
    cells.append(
        Text("\n".join(states_in_short(side.states, 14, names) for side in (a, b)), CHANGE_STYLE)
    )
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
