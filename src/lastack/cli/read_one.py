"""`lastack read --connection N` and `--why N`: one connection, looked at closely."""

from pathlib import Path

import click

from lastack.cli.common import console, show
from lastack.cli.main import FAILED
from lastack.observe.captures import Capture
from lastack.observe.connection import connection_of
from lastack.observe.core.flow import Flow
from lastack.observe.second import Corrections, Sought, seek, segments
from lastack.view.capture_words import EVIDENCE, WORDS
from lastack.view.captures import in_ascii
from lastack.view.flow_ladder import captured_ladder, head_lines, ladder_page, why_lines
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


class One:
    """A connection, what was corrected of it, what it broke, and what is wrong with the capture."""

    def __init__(self, flow: Flow, capture: Capture, sought: Sought) -> None:
        self.connection = connection_of(flow, capture.name, steps=True)
        self.corrections = Corrections()
        self.corrections.note(flow)
        self.violations = sought.violations
        self.problem = "" if sought.problem is None else str(sought.problem)


def find(capture: Capture, number: int, most_open: int, lang: str) -> One:
    """Return a connection. Raises UsageError when there is no such connection."""
    sought = seek(capture, number, most_open)
    if sought.flow is None:
        words = EVIDENCE[lang]["no_number"]
        raise click.UsageError(words.format(number=number, count=f"{sought.count:,}"))
    return One(sought.flow, capture, sought)


def show_ladder(capture: Capture, number: int, most_open: int, how: OneOptions) -> str:
    """Print the ladder of a connection; return what is wrong with the capture."""
    if not capture.again:
        raise click.UsageError(EVIDENCE[how.lang]["once"])
    one = find(capture, number, most_open, how.lang)
    seen = segments(capture, one.corrections, number, most_open)
    ladder = captured_ladder(one.connection, seen, one.violations, how.lang)
    if not how.show_all:
        ladder = ladder.shortened(_MOST_SHOWN, EVIDENCE[how.lang]["gap"])
    if how.svg is not None:
        how.svg.write_text(ladder_svg(ladder), encoding="utf-8")
    if how.html is not None:
        page = ladder_page(one.connection, ladder, one.violations, how.lang)
        how.html.write_text(page, encoding="utf-8")
    out = console()
    for head in head_lines(one.connection, how.lang):
        show(out, in_ascii(head) if how.ascii_only else head)
    for line in ladder.lines(min(out.width, 100), how.ascii_only, how.names):
        show(out, line)
    return one.problem


def show_why(capture: Capture, number: int, most_open: int, how: OneOptions) -> str:
    """Print every change of state of a connection; return what is wrong with the capture."""
    one = find(capture, number, most_open, how.lang)
    out = console()
    whys = why_lines(one.connection, one.violations, how.lang)
    for line in (*head_lines(one.connection, how.lang), *whys):
        show(out, in_ascii(line) if how.ascii_only else line)
    return one.problem


def complained(problem: str, capture: str, lang: str) -> int:
    """Say on stderr what is wrong with a capture; return the exit code for it."""
    if not problem:
        return 0
    words = WORDS[lang]["problem"].format(problem=problem)
    click.echo(f"lastack: {capture}: {words}", err=True)
    return FAILED
