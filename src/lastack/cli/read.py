"""`lastack read`: captures, with the state of both ends of every connection and the evidence."""

from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

import click

from lastack.cli.common import (
    STATE,
    Parsed,
    ascii_option,
    json_option,
    lang_option,
    names_option,
)
from lastack.cli.main import FAILED
from lastack.cli.read_live import Listening, live_options
from lastack.cli.read_look import OneOptions, complained, give_way, plain
from lastack.cli.reading_bar import reading_bar
from lastack.cli.spoken import Spoken
from lastack.observe.captures import SIDES, Capture, captures_in
from lastack.observe.many import Processes, Question, Workers, cores, summaries
from lastack.observe.reading import MOST_OPEN
from lastack.observe.summary import SORTS, Summary, Wanted, plain_word, verdict_names
from lastack.tcp.states import State
from lastack.view.capture_words import EVIDENCE, WORDS
from lastack.view.verdict_words import VERDICTS

FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


def _network(text: str) -> str:
    ip_network(text, False)
    return text


def _verdict(text: str) -> str:
    chinese = {name: word for word, (name, _) in VERDICTS["zh"].items()}
    word = plain_word(chinese.get(text, text))
    names = verdict_names()
    if word not in map(plain_word, names):
        raise ValueError(f"no verdict {text!r}; there are {', '.join(names)}")
    return word


@click.command(cls=Spoken)
@click.argument("captures", nargs=-1, type=str, metavar="CAPTURE...")
@live_options
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
    help="Only those whose handshake or teardown was such, or to which that happened besides.",
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
@click.option("--dask", metavar="ADDRESS", help="Read by the workers of that dask cluster.")
@click.option("--connection", type=click.IntRange(1), metavar="N", help="Draw its ladder.")
@click.option("--why", type=click.IntRange(1), metavar="N", help="Every change of state of it.")
@click.option("--stream", type=click.IntRange(1), metavar="N", help="What its ends said, raw.")
@click.option(
    "--side",
    type=click.Choice(SIDES),
    default="both",
    show_default=True,
    help="Whose stream; both are given in the order of the capture.",
)
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Where the stream goes.")
@click.option("--all", "show_all", is_flag=True, help="Leave nothing out of the ladder.")
@click.option("--svg", type=FILE, metavar="FILE", help="Write the ladder to a file, too.")
@click.option("--html", type=FILE, metavar="FILE", help="The same as a page.")
@json_option
@click.option("--packets", is_flag=True, help="With --json: a line for each segment, too.")
@click.option("--csv", "as_csv", is_flag=True, help="A line for each connection.")
@click.option("--parquet", metavar="DIR", help="Write packets, transitions and connections there.")
@ascii_option
@names_option
@lang_option
def read(
    captures: tuple[str, ...],
    listening: Listening | None,
    host: str | None,
    port: int | None,
    state: State | None,
    verdict: str | None,
    most: int | None,
    sort: str,
    most_open: int,
    jobs: int | None,
    dask: str | None,
    connection: int | None,
    why: int | None,
    stream: int | None,
    side: str,
    output: Path | None,
    show_all: bool,
    svg: Path | None,
    html: Path | None,
    as_json: bool,
    packets: bool,
    as_csv: bool,
    parquet: str | None,
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
    lastack read trace.pcap --connection 3         its ladder; --why 3 tells every change of state
    lastack read trace.pcap --stream 3 --side b    what its end B has sent
    lastack read trace.pcap --parquet DIR          every segment, change and connection as Parquet
    lastack read -i eth0 --duration 10s            the same for what an interface hears
    """
    forms = {"json": as_json, "csv": as_csv, f"parquet {parquet}": parquet}
    data = [form for form, asked in forms.items() if asked]
    one = [number for number in (connection, why, stream) if number]
    if output and not stream:
        raise click.UsageError("--output goes with --stream")
    if (svg or html or show_all) and (not connection or data):
        raise click.UsageError("--svg, --html and --all go with the ladder of --connection")
    if packets and not as_json:
        raise click.UsageError("--packets goes with --json")
    if len(one) > 1 or len(data) > 1 or (data and stream):
        raise click.UsageError("ladder, reasons, stream, json, csv, parquet: one at a time")
    found, code = _found(captures, listening, as_json, lang)
    wanted = _wanted(Wanted(host or "", port, state, verdict or ""), one, bool(data))
    question = Question(wanted, 20 if most is None else most, sort, most_open)
    look = OneOptions(svg, html, show_all, ascii_only, names, lang)
    if one and len(found) > 1:
        raise click.UsageError("--connection, --why and --stream go with one capture")
    if stream:
        from lastack.cli.read_stream import write_stream

        return max(code, write_stream(found[0], stream, side, output, most_open, lang))
    if one and not data:
        return max(code, _show_one(found[0], one[0], bool(connection), most_open, look))
    if packets and as_json and not all(capture.again for capture in found):
        raise click.UsageError(EVIDENCE[lang]["once"])
    workers = _workers(found, jobs, dask)
    if data:
        return max(code, _as_data(found, question, data[0], packets, workers, lang))
    return max(code, _print_summaries(found, question, workers, look))


def _wanted(filters: Wanted, one: Sequence[int], as_data: bool) -> Wanted:
    """Return the filters with the number of the one connection, if only one is asked for."""
    if one and filters and not as_data:
        raise click.UsageError("filters go with the table and with data, not with one connection")
    filters.number = one[0] if one else 0
    return filters


def _found(
    paths: Sequence[str], listening: Listening | None, as_json: bool, lang: str
) -> tuple[list[Capture], int]:
    """Return the captures that are meant, and the exit code so far.

    Listening to an interface begins here.
    """
    if bool(paths) == bool(listening):
        raise click.UsageError("name captures (- is standard input), or an interface with -i")
    if listening:
        return [click.get_current_context().with_resource(listening.begun(lang, as_json))], 0
    found, passed_over = captures_in(paths)
    code = max([_passed_over(file, why, lang) for file, why in passed_over], default=0)
    if not found:
        raise click.UsageError("there is no capture")
    return found, code


def _passed_over(file: str, why: str, lang: str) -> int:
    """Name a file of a folder that is no capture; return 1 where it may be one, but is closed."""
    words = WORDS[lang]["unreadable" if why else "no_capture"]
    click.echo(f"lastack: {words.format(file=plain(file), why=why)}", err=True)
    return FAILED if why else 0


def _workers(captures: Sequence[Capture], jobs: int | None, dask: str | None) -> Workers:
    """Return who reads them; what passes by once is read here."""
    if not all(capture.again for capture in captures):
        return Processes(1)
    if dask is None:
        return Processes(jobs or cores())
    from lastack.observe.cluster import Cluster

    return click.get_current_context().with_resource(Cluster(dask))


def _show_one(capture: Capture, number: int, drawn: bool, most_open: int, look: OneOptions) -> int:
    from lastack.cli.read_one import show_ladder, show_why

    problem = (show_ladder if drawn else show_why)(capture, number, most_open, look)
    return complained(problem, capture.name, look.lang)


def _as_data(
    captures: Sequence[Capture],
    question: Question,
    form: str,
    packets: bool,
    workers: Workers,
    lang: str,
) -> int:
    # Loaded here, for a summary needs nothing of it.
    from lastack.cli.read_data import print_as_text, write_as_parquet

    code = 0
    kind, _, folder = form.partition(" ")
    with reading_bar(captures, lang, 2 if packets else 1) as notice:
        if kind == "parquet":
            problems = write_as_parquet(captures, question, folder, workers, notice)
        else:
            problems = print_as_text(captures, question, kind, packets, workers, notice)
        for problem, capture in zip(problems, captures):
            give_way(notice)
            code = max(code, complained(problem, capture.name, lang))
    return code


def _print_summaries(
    captures: Sequence[Capture], question: Question, workers: Workers, look: OneOptions
) -> int:
    code = told = without = 0
    with reading_bar(captures, look.lang) as notice:
        for summary in summaries(captures, question, workers, notice):
            give_way(notice)
            if len(captures) > 1 and question.wanted and not summary.matched:
                without += 1
            else:
                if len(captures) > 1:
                    click.echo(("\n" if told else "") + plain(summary.capture))
                _print_summary(summary, look)
                told += 1
            code = max(code, complained(summary.problem, summary.capture, look.lang))
    if without:
        words = WORDS[look.lang]["without_one" if without == 1 else "without"]
        click.echo(("\n" if told else "") + words.format(count=f"{without:,}"))
    return code


def _print_summary(summary: Summary, look: OneOptions) -> None:
    # Loaded here, for nothing of it is needed while the captures are read.
    from lastack.cli.screen import console, show
    from lastack.view.captures import WIDTH, connections_table, in_ascii, summary_lines

    out = console()
    width = min(out.width, WIDTH)
    for line in summary_lines(summary, look.lang, width):
        show(out, in_ascii(line) if look.ascii_only else line)
    if summary.matched and summary.shown.most:
        table = connections_table(summary, look.lang, look.ascii_only, look.names, width)
        show(out, table)
