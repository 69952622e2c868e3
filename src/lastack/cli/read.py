"""`lastack read`: captures, with the state of both ends of every connection and the evidence."""

from collections.abc import Sequence
from ipaddress import ip_network
from itertools import chain

import click

from lastack.cli.common import (
    STATE,
    Parsed,
    ascii_option,
    console,
    lang_option,
    names_option,
    show,
)
from lastack.cli.main import FAILED
from lastack.cli.reading_bar import reading_bar
from lastack.observe.captures import Capture, captures_in
from lastack.observe.many import Question, cores, summaries
from lastack.observe.reading import MOST_OPEN
from lastack.observe.summary import SORTS, Summary, Wanted, plain_word, verdict_names
from lastack.tcp.states import State
from lastack.view.capture_words import WORDS
from lastack.view.captures import connections_table, in_ascii, summary_lines


def _network(text: str) -> str:
    ip_network(text, False)
    return text


def _verdict(text: str) -> str:
    word = plain_word(text)
    names = verdict_names()
    if word not in map(plain_word, names):
        raise ValueError(f"no verdict {text!r}; there are {', '.join(names)}")
    return word


@click.command()
@click.argument("captures", nargs=-1, type=str, metavar="CAPTURE...")
@click.option(
    "--host",
    type=Parsed("address", _network),
    metavar="ADDRESS[/BITS]",
    help="Only connections with an end there.",
)
@click.option("--port", type=click.IntRange(0, 65535), help="Only connections with that port.")
@click.option("--state", type=STATE, help="Only those with an end in this state at the end.")
@click.option(
    "--verdict",
    type=Parsed("verdict", _verdict),
    metavar="WORDS",
    help="Only those whose handshake or teardown was such.",
)
@click.option("--most", type=click.IntRange(0), help="Connections in the table.  [default: 20]")
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="number",
    show_default=True,
    help="Which connections come first in the table.",
)
@click.option(
    "--most-open",
    type=click.IntRange(1),
    default=MOST_OPEN,
    show_default=True,
    help="Connections kept open at a time.",
)
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one a core]")
@ascii_option
@names_option
@lang_option
def read(
    captures: tuple[str, ...],
    host: str | None,
    port: int | None,
    state: State | None,
    verdict: str | None,
    most: int | None,
    sort: str,
    most_open: int,
    jobs: int | None,
    ascii_only: bool,
    names: str,
    lang: str,
) -> int:
    """Say what captures hold: every connection, the state of both its ends, and what became of it.

    Reads pcap and pcapng, plain, gzip or zstd, from files, folders, pipes and `-`. Files of one
    rotated series are read as one capture.

    \b
    lastack read trace.pcap                        summary and table
    lastack read trace.pcap --verdict abort        only connections that were aborted
    """
    if not captures:
        raise click.UsageError("name a capture, or - for standard input")
    found, passed_over = captures_in(captures)
    for file in passed_over:
        click.echo(f"lastack: {WORDS[lang]['no_capture'].format(file=file)}", err=True)
    if not found:
        raise click.UsageError("there is no capture")
    question = Question(
        Wanted(host or "", port, state, verdict or ""),
        20 if most is None else most,
        sort,
        most_open,
    )
    look = Look(ascii_only, names, lang)
    return _print_summaries(found, question, jobs or cores(), look)


class Look:
    """How things are to be shown."""

    def __init__(self, ascii_only: bool, names: str, lang: str) -> None:
        self.ascii_only = ascii_only
        self.names = names
        self.lang = lang


def _print_summaries(captures: Sequence[Capture], question: Question, jobs: int, look: Look) -> int:
    code = 0
    with reading_bar(captures) as notice:
        found = summaries(captures, question, jobs, notice)
        first = next(found)
    for summary in chain((first,), found):
        if len(captures) > 1:
            click.echo(f"\n{summary.capture}" if summary is not first else summary.capture)
        _print_summary(summary, look)
        code = max(code, complained(summary.problem, summary.capture, look.lang))
    return code


def _print_summary(summary: Summary, look: Look) -> None:
    out = console()
    for line in summary_lines(summary, look.lang):
        show(out, in_ascii(line) if look.ascii_only else line)
    if summary.matched and summary.shown.most:
        table = connections_table(summary, look.lang, look.ascii_only, look.names)
        show(out, table)


def complained(problem: str, capture: str, lang: str) -> int:
    """Say on stderr what is wrong with a capture; return the exit code for it."""
    if not problem:
        return 0
    words = WORDS[lang]["problem"].format(problem=problem)
    click.echo(f"lastack: {capture}: {words}", err=True)
    return FAILED
