"""`lastack states`: the eleven states, what each means, what ends it, who must act."""

from pathlib import Path

import click
from rich.box import ASCII, SIMPLE_HEAD, Box
from rich.cells import cell_len
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lastack.cli.common import (
    STATE,
    ascii_option,
    json_option,
    lang_option,
    names_option,
    print_json,
    spelled,
)
from lastack.cli.screen import console, show
from lastack.cli.spoken import Spoken
from lastack.tcp.states import ROWS, Row, State
from lastack.view.machine import machine_text
from lastack.view.machine_svg import machine_svg
from lastack.view.machine_words import CAUSES, section_words
from lastack.view.state_texts import HEADINGS, about
from lastack.view.wrap import wrapped


@click.command(cls=Spoken)
@click.argument("state", type=STATE, required=False)
@click.option(
    "--diagram",
    type=click.Choice(["text", "svg", "none"]),
    default=None,
    help="The picture of the machine: as text (the default without STATE), as SVG alone, or not.",
)
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Write the picture to a file."
)
@names_option
@ascii_option
@lang_option
@json_option
def states(
    state: State | None,
    diagram: str | None,
    svg: Path | None,
    names: str,
    ascii_only: bool,
    lang: str,
    as_json: bool,
) -> None:
    """Show the eleven states of TCP, or explain one STATE in depth.

    STATE may be spelled in any common way: CLOSE-WAIT, close_wait, FIN_WAIT1, SYN_RCVD ...

    \b
    lastack states                     the table and the picture
    lastack states CLOSE-WAIT          one state in depth
    lastack states --svg states.svg    the picture for a paper
    """
    if svg is not None:
        svg.write_text(machine_svg(names=names), encoding="utf-8")
    if diagram == "svg":
        click.echo(machine_svg(names=names), nl=False)
        return
    if as_json:
        for each in [state] if state is not None else list(State):
            _print_json(each, lang, names)
        return
    out = console()
    if state is not None:
        show(out, _in_depth(state, lang, names, ascii_only, out.width))
    else:
        show(out, _table(lang, names, ascii_only, out.width))
    if diagram == "text" or (diagram is None and state is None):
        click.echo(machine_text(None, ascii_only, names, lang), nl=False)


def _ways(state: State) -> tuple[list[Row], list[Row]]:
    return [row for row in ROWS if row.to is state], [row for row in ROWS if row.state is state]


def _print_json(state: State, lang: str, names: str) -> None:
    said = about(state, lang)
    ways_in, ways_out = _ways(state)
    print_json(
        "state",
        state=str(state),
        name=spelled(state, names),
        language=lang,
        **said._asdict(),
        ways_in=[{"from": r.state, "cause": r.cause, "section": r.section} for r in ways_in],
        ways_out=[{"to": r.to, "cause": r.cause, "section": r.section} for r in ways_out],
    )


def _box(ascii_only: bool) -> Box:
    return ASCII if ascii_only else SIMPLE_HEAD


def _table(lang: str, names: str, ascii_only: bool, width: int) -> Table:
    words = HEADINGS[lang]
    table = Table(box=_box(ascii_only), show_lines=ascii_only, pad_edge=False, leading=1)
    table.add_column(words["state"], no_wrap=True, style="bold cyan")
    spare = max(60, width - 24)
    widths = (spare * 5 // 14, spare * 5 // 14, spare * 4 // 14)
    for heading, room in zip(("meaning", "ends", "actor"), widths, strict=True):
        table.add_column(words[heading], width=room)
    for state in State:
        said = about(state, lang)
        texts = _typed(ascii_only, said.meaning, said.ends, said.actor)
        fitting = (wrapped(text, room) for text, room in zip(texts, widths, strict=True))
        table.add_row(spelled(state, names), *fitting)
    return table


def _typed(ascii_only: bool, *words: str) -> list[str]:
    """Return the words, with straight quotation marks where only ASCII may be drawn."""
    if not ascii_only:
        return list(words)
    return [word.replace("“", '"').replace("”", '"') for word in words]


def _in_depth(state: State, lang: str, names: str, ascii_only: bool, width: int) -> Group:
    said, words = about(state, lang), HEADINGS[lang]
    ways_in, ways_out = _ways(state)
    head = Table.grid(expand=True)
    head.add_column()
    head.add_column(justify="right", style="dim")
    section = f"RFC 9293 {section_words(said.section, lang)}"
    head.add_row(Text(spelled(state, names), style="bold cyan"), section)
    body = Table.grid(padding=(0, 2, 1, 0))
    body.add_column(style="bold", no_wrap=True)
    body.add_column()
    room = max(40, width - 7 - max(cell_len(heading) for heading in words.values()))
    for heading, text in (
        ("meaning", said.meaning),
        ("arrival", said.arrival),
        ("ends", said.ends),
        ("actor", said.actor),
        ("many", said.many),
        ("timers", said.timers),
    ):
        body.add_row(words[heading], *(wrapped(t, room) for t in _typed(ascii_only, text)))
    arrow = "->" if ascii_only else "→"
    body.add_row(words["ways_in"], _rows(ways_in, False, names, arrow, lang))
    body.add_row(words["ways_out"], _rows(ways_out, True, names, arrow, lang))
    return Group(head, Padding(body, (1, 0, 0, 2)))


def _rows(rows: list[Row], out: bool, names: str, arrow: str, lang: str) -> Table | Text:
    """Return the rows one below the other; those that share cause and section stand in one."""
    if not rows:
        return Text(HEADINGS[lang]["none"])
    joined: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        other = spelled(row.to if out else row.state, names)
        said = CAUSES[lang][row.cause], section_words(row.section, lang)
        joined.setdefault(said, []).append(other)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(style="dim", no_wrap=True)
    for (cause, section), others in joined.items():
        found = ", ".join(others)
        table.add_row(cause, f"{arrow} {found}" if out else found, section)
    return table
