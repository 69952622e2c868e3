"""`lastack read --json`, `--csv` and `--parquet`: connections, transitions and packets as data."""

import csv
import sys
from collections.abc import Iterator, Sequence

import click

from lastack.cli.common import print_json
from lastack.observe.captures import Capture
from lastack.observe.connection import Connection, connection_of
from lastack.observe.core.verdicts import verdict_on
from lastack.observe.core.violations import Violation
from lastack.observe.many import Question, Workers
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
from lastack.view.capture_words import EVIDENCE
from lastack.wire.capture import CaptureError


class Found:
    """The connections of one capture as they end; afterwards what they amount to.

    `numbers` are those of the connections that were asked for, `violations` the first broken rules
    of all.
    """

    def __init__(self, capture: Capture, question: Question) -> None:
        self.capture = capture
        self.question = question
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
                    self.corrections.note(flow)
                    if wanted:
                        self.numbers.add(flow.number)
                    yield connection_of(flow, self.capture.name, verdict, steps)
        except CaptureError as error:
            self.problem = self.summary.problem = str(error)
        scanner = observer.scanner
        self.violations = scanner.violations.found
        self.summary.count_packets(
            int(scanner.packets), int(scanner.segments), scanner.skipped, observer.evicted
        )


def print_as_json(found: Found, packets: bool, lang: str, notice: Notice | None) -> str:
    """Print a line a connection and a transition, a broken rule, a group, then the summary.

    With `packets` there is one a segment before the summary. Returns what is wrong with the
    capture.
    """
    if packets and not found.capture.again:
        raise click.UsageError(EVIDENCE[lang]["once"])
    for one in found.connections(True, notice):
        print_json("connection", **connection_row(one), **extras(one))
        for record in transition_rows(one):
            print_json("transition", **record)
    if packets:
        most_open, wanted = found.question.most_open, bool(found.question.wanted)
        for seen in segments(found.capture, found.corrections, 0, most_open, notice):
            if not wanted or seen.connection in found.numbers:
                print_json("packet", capture=found.capture.name, **packet_row(seen))
    for rule in found.violations:
        if not found.question.wanted or rule.connection in found.numbers:
            print_json("violation", **violation_row(found.capture.name, rule))
    for group in found.summary.found():
        print_json("group", **group_row(found.capture.name, group))
    print_json("summary", **summary_row(found.summary))
    return found.problem


def print_as_csv(found: Found, heading: bool, notice: Notice | None) -> str:
    """Print a line a connection; return what is wrong with the capture."""
    writer = csv.DictWriter(sys.stdout, CONNECTIONS, lineterminator="\n")
    if heading:
        writer.writeheader()
    for one in found.connections(False, notice):
        writer.writerow(connection_row(one))
    return found.problem


def write_as_parquet(
    captures: Sequence[Capture],
    question: Question,
    folder: str,
    workers: Workers,
    notice: Notice | None,
) -> Iterator[str]:
    """Write each capture into the folder; return what is wrong with each."""
    given = [(capture, question, folder, place) for place, capture in enumerate(captures)]
    if workers.near and len(given) == 1:
        yield write_parquet(given[0], notice)
    else:
        yield from workers.each(write_parquet, given)
