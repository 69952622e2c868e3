"""`lastack read --connection N` and `--why N`: one connection, looked at closely."""

import click

from lastack.cli.read_look import OneOptions
from lastack.cli.reading_bar import reading_bar
from lastack.cli.screen import console, show
from lastack.observe.captures import Capture
from lastack.observe.connection import connection_of
from lastack.observe.core.flow import Flow
from lastack.observe.second import Corrections, Sought, seek, segments
from lastack.view.capture_words import EVIDENCE
from lastack.view.captures import WIDTH, in_ascii
from lastack.view.flow_ladder import captured_ladder, head_lines, why_lines
from lastack.view.flow_page import ladder_page
from lastack.view.ladder_svg import ladder_svg

_MOST_SHOWN = 120


def find(capture: Capture, number: int, most_open: int, lang: str) -> tuple[Flow, Sought]:
    """Return a connection and what is known with it. Raises UsageError when there is none such."""
    with reading_bar([capture], lang) as notice:
        sought = seek(capture, number, most_open, notice)
    if sought.flow is None:
        words = EVIDENCE[lang]["no_number"]
        raise click.UsageError(words.format(number=number, count=f"{sought.count:,}"))
    return sought.flow, sought


def show_ladder(capture: Capture, number: int, most_open: int, how: OneOptions) -> str:
    """Print the ladder of a connection; return what is wrong with the capture."""
    if not capture.again:
        raise click.UsageError(EVIDENCE[how.lang]["once"])
    flow, sought = find(capture, number, most_open, how.lang)
    one = connection_of(flow, capture.name, steps=True)
    corrections = Corrections()
    corrections.note(flow)
    with reading_bar([capture], how.lang) as notice:
        seen = segments(capture, corrections, number, most_open, notice)
        ladder = captured_ladder(one, seen, sought.violations, how.lang)
    if not how.show_all:
        ladder = ladder.shortened(_MOST_SHOWN, EVIDENCE[how.lang]["gap"])
    if how.svg is not None:
        how.svg.write_text(ladder_svg(ladder), encoding="utf-8")
    if how.html is not None:
        page = ladder_page(one, ladder, sought.violations, how.lang)
        how.html.write_text(page, encoding="utf-8")
    out = console()
    width = min(out.width, WIDTH)
    for head in head_lines(one, how.lang, width):
        show(out, in_ascii(head) if how.ascii_only else head)
    for line in ladder.lines(width, how.ascii_only, how.names):
        show(out, line)
    return str(sought.problem or "")


def show_why(capture: Capture, number: int, most_open: int, how: OneOptions) -> str:
    """Print every change of state of a connection; return what is wrong with the capture."""
    flow, sought = find(capture, number, most_open, how.lang)
    one = connection_of(flow, capture.name, steps=True)
    out = console()
    width = min(out.width, WIDTH)
    whys = why_lines(one, sought.violations, how.lang, width)
    for line in (*head_lines(one, how.lang, width), *whys):
        show(out, in_ascii(line) if how.ascii_only else line)
    return str(sought.problem or "")
