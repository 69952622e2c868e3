"""`lastack read --json`, `--csv` and `--parquet`: connections, transitions and packets as data."""

import csv
import gzip
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Final, Protocol, TypedDict

import click

from lastack.cli.common import json_line
from lastack.cli.read_look import give_way
from lastack.observe.captures import Capture
from lastack.observe.connection import Connection, connection_of
from lastack.observe.core.verdicts import verdict_on
from lastack.observe.core.violations import Violation
from lastack.observe.many import Question, Workers, done_notice
from lastack.observe.parquet import write_parquet
from lastack.observe.reading import Observer
from lastack.observe.second import Corrections, segments
from lastack.observe.sources import Notice
from lastack.observe.summary import Summary
from lastack.observe.tables import (
    CONNECTIONS,
    connection_row,
    extras,
    group_row,
    packet_row,
    summary_row,
    transition_rows,
    violation_row,
)
from lastack.wire.capture import CaptureError

AHEAD: Final = 2
"""Captures for each worker whose text may be under way or wait for its turn."""
_PIECE: Final = 1 << 16


class _Text(TypedDict):
    encoding: str
    errors: str
    newline: str


_TEXT: Final[_Text] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": "\n"}


class Found:
    """The connections of one capture as they end; afterwards what they amount to.

    `violations` are the first broken rules of all. `numbers` are those of the connections that were
    asked for, and broke one; with `packets` of all that were asked for, and `corrections` are kept.
    """

    def __init__(self, capture: Capture, question: Question, packets: bool) -> None:
        self.capture = capture
        self.question = question
        self.packets = packets
        self.problem = ""
        self.corrections = Corrections()
        self.numbers: set[int] = set()
        self.summary = Summary(capture.name, question.wanted, 0, question.sort)
        self.violations: list[Violation] = []

    def connections(self, steps: bool, notice: Notice | None) -> Iterator[Connection]:
        """Return those that were asked for."""
        observer = Observer(self.question.most_open)
        wanted = self.question.wanted
        try:
            for flow in self.capture.flows(observer, notice):
                verdict = verdict_on(flow)
                self.summary.add(flow)
                if not wanted or wanted.matches(flow, verdict):
                    if self.packets:
                        self.corrections.note(flow)
                    if wanted and (self.packets or flow.a.broken or flow.b.broken):
                        self.numbers.add(flow.number)
                    yield connection_of(flow, self.capture.name, verdict, steps)
        except CaptureError as error:
            self.problem = self.summary.problem = str(error)
        scanner = observer.scanner
        self.violations = scanner.violations.found
        self.summary.count_packets(
            int(scanner.packets), int(scanner.segments), scanner.skipped, observer.evicted
        )


class Out(Protocol):
    """What text is written to."""

    def write(self, text: str, /) -> object:
        """Write it."""


class _Stdout:
    """Standard output, where every line is to be seen at once; on a terminal, nothing beside it."""

    def __init__(self, notice: Notice | None) -> None:
        self._beside = notice if sys.stdout.isatty() else None

    def write(self, text: str, /) -> None:
        """Write it."""
        give_way(self._beside)
        click.echo(text, nl=False)


_Asked = tuple[Capture, Question, str, bool, bool]
"""A capture, what is asked, `json` or `csv`, whether with packets, whether it is the first."""


def print_as_text(
    captures: Sequence[Capture],
    question: Question,
    kind: str,
    packets: bool,
    workers: Workers,
    notice: Notice | None,
) -> Iterator[str]:
    """Print each capture as `json` or `csv`, in order; return what is wrong with each.

    What others read comes from them whole and packed, of `AHEAD` captures for each of them at most.
    """
    given = [(capture, question, kind, packets, n == 0) for n, capture in enumerate(captures)]
    out = _Stdout(notice)
    if workers.only_here(len(given)):
        for one in given:
            yield _write(one, out, notice)
        return
    done = done_notice(captures, notice, 2 if packets else 1)
    for packed, problem in workers.each(_packed, given, done, AHEAD * workers.count):
        with gzip.open(BytesIO(packed), "rt", **_TEXT) as text:
            while some := text.read(_PIECE):
                out.write(some)
        yield problem


def _packed(asked: _Asked) -> tuple[bytes, str]:
    """Return the text of one capture, packed, and what is wrong with the capture."""
    packed = BytesIO()
    with gzip.open(packed, "wt", compresslevel=1, **_TEXT) as text:
        problem = _write(asked, text, None)
    return packed.getvalue(), problem


def _write(asked: _Asked, out: Out, notice: Notice | None) -> str:
    """Write one capture; return what is wrong with it."""
    capture, question, kind, packets, first = asked
    found = Found(capture, question, packets)
    if kind == "csv":
        _write_csv(found, first, out, notice)
    else:
        for name, record in _records(found, notice):
            out.write(json_line(name, **record) + "\n")
    return found.problem


def _records(found: Found, notice: Notice | None) -> Iterator[tuple[str, dict[str, object]]]:
    """Return one a connection and a transition, a broken rule, a group, then the summary.

    With `packets` there is one a segment before the broken rules.
    """
    for one in found.connections(True, notice):
        yield "connection", {**connection_row(one), **extras(one)}
        for record in transition_rows(one):
            yield "transition", record
    if found.packets:
        most_open, wanted = found.question.most_open, bool(found.question.wanted)
        for seen in segments(found.capture, found.corrections, 0, most_open, notice):
            if not wanted or seen.connection in found.numbers:
                yield "packet", {"capture": found.capture.name, **packet_row(seen)}
    for rule in found.violations:
        if not found.question.wanted or rule.connection in found.numbers:
            yield "violation", violation_row(found.capture.name, rule)
    for group in found.summary.found():
        yield "group", group_row(found.capture.name, group)
    yield "summary", summary_row(found.summary)


def _write_csv(found: Found, heading: bool, out: Out, notice: Notice | None) -> None:
    """Write a line a connection."""
    writer = csv.DictWriter(out, CONNECTIONS, lineterminator="\n")
    if heading:
        writer.writeheader()
    for one in found.connections(False, notice):
        writer.writerow(connection_row(one))


def write_as_parquet(
    captures: Sequence[Capture],
    question: Question,
    folder: str,
    workers: Workers,
    notice: Notice | None,
) -> Iterator[str]:
    """Write each capture into the folder; return what is wrong with each."""
    given = [(capture, question, folder, place) for place, capture in enumerate(captures)]
    if workers.only_here(len(given)):
        for one in given:
            yield write_parquet(one, notice)
    else:
        yield from workers.each(write_parquet, given, done_notice(captures, notice))
