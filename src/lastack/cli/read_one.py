"""`lastack read --connection N` and `--why N`: one connection, looked at closely."""

from pathlib import Path

import click

from lastack.cli.common import console, show
from lastack.observe.captures import Capture
from lastack.observe.connection import Connection, connection_of
from lastack.observe.second import Corrections, seek, segments
from lastack.view.capture_words import EVIDENCE
from lastack.view.captures import in_ascii
from lastack.view.flow_ladder import captured_ladder, head_line, ladder_page, why_lines
from lastack.view.ladder_svg import ladder_svg

_MOST_SHOWN = 120


class OneOptions:
    """How one connection is to be shown."""

    def __init__(
        self, svg: Path | None, html: Path | None, show_all: bool, ascii_only: bool,
        names: str, lang: str,
    ) -> None:  # fmt: skip
        self.svg = svg
        self.html = html
        self.show_all = show_all
        self.ascii_only = ascii_only
        self.names = names
        self.lang = lang


def find(
    capture: Capture, number: int, most_open: int, lang: str
) -> tuple[Connection, Corrections, str]:
    """Return a connection, what was corrected of it, and what is wrong with the capture.

    Raises UsageError when there is no such connection.
    """
    sought = seek(capture, number, most_open)
    if sought.flow is None:
        words = EVIDENCE[lang]["no_number"]
        raise click.UsageError(words.format(number=number, count=f"{sought.count:,}"))
    found = connection_of(sought.flow, capture.name, steps=True)
    corrections = Corrections()
    corrections.note(sought.flow)
    problem = "" if sought.problem is None else str(sought.problem)
    return found, corrections, problem


def show_ladder(capture: Capture, number: int, most_open: int, how: OneOptions) -> str:
    """Print the ladder of a connection; return what is wrong with the capture."""
    if not capture.again:
        raise click.UsageError(EVIDENCE[how.lang]["once"])
    found, corrections, problem = find(capture, number, most_open, how.lang)
    ladder = captured_ladder(found, segments(capture, corrections, number, most_open))
    if not how.show_all:
        ladder = ladder.shortened(_MOST_SHOWN, EVIDENCE[how.lang]["gap"])
    if how.svg is not None:
        how.svg.write_text(ladder_svg(ladder), encoding="utf-8")
    if how.html is not None:
        how.html.write_text(ladder_page(found, ladder, how.lang), encoding="utf-8")
    out = console()
    head = head_line(found, how.lang)
    show(out, in_ascii(head) if how.ascii_only else head)
    for line in ladder.lines(min(out.width, 100), how.ascii_only, how.names):
        show(out, line)
    return problem


def show_why(capture: Capture, number: int, most_open: int, how: OneOptions) -> str:
    """Print every change of state of a connection; return what is wrong with the capture."""
    found, _, problem = find(capture, number, most_open, how.lang)
    out = console()
    for line in (head_line(found, how.lang), *why_lines(found, how.lang)):
        show(out, in_ascii(line) if how.ascii_only else line)
    return problem
