"""`lastack watch`: the kernel's own TCP sockets, live or once; and with `--kill`, their end."""

import errno
import sys
from collections import Counter
from dataclasses import asdict
from importlib.util import find_spec

import click
from rich.text import Text

from lastack.cli.common import (
    STATE,
    TIME,
    Parsed,
    ascii_option,
    ended_by_signals,
    json_option,
    lang_option,
    names_option,
    print_json,
    spelled,
    undisturbed,
)
from lastack.cli.records import connection_record
from lastack.cli.screen import console, show, show_whole
from lastack.cli.spoken import Spoken
from lastack.observe.core.diag import KernelSocket
from lastack.observe.kernel_info import connection_info, text_of
from lastack.observe.sockets import destroy
from lastack.observe.talkers import Choice, process_name, talkers
from lastack.observe.watching import Look, Watching
from lastack.tcp.states import State
from lastack.view.watch import (
    WORDS,
    counts_table,
    kill_question,
    place_of,
    socket_cells,
    sockets_table,
    talkers_table,
)
from lastack.view.why import missing_line
from lastack.wire.address import pack_address

_HOST = Parsed("address", pack_address)
_MOST = 30


@click.command(cls=Spoken)
@click.option("--once", is_flag=True, help="Look once and print, instead of the live view.")
@click.option("--interval", type=TIME, default="1s", show_default=True, help="Between two looks.")
@click.option("--state", "states", type=STATE, multiple=True, help="Only sockets in this state.")
@click.option(
    "--port", "ports", type=click.IntRange(0, 65535), multiple=True, help="Of either end."
)
@click.option("--host", "hosts", type=_HOST, multiple=True, help="An address, of either end.")
@click.option("--pid", "pids", type=int, multiple=True, help="Only sockets that it holds.")
@click.option("--most", type=click.IntRange(0), help="Rows of the table; 0: all.  [default: 30]")
@click.option("--kill", is_flag=True, help="Destroy the sockets that the filters select (root).")
@click.option("--yes", is_flag=True, help="With --kill: do not ask.")
@names_option
@ascii_option
@lang_option
@json_option
def watch(
    once: bool,
    interval: int,
    states: tuple[State, ...],
    ports: tuple[int, ...],
    hosts: tuple[bytes, ...],
    pids: tuple[int, ...],
    most: int | None,
    kill: bool,
    yes: bool,
    names: str,
    ascii_only: bool,
    lang: str,
    as_json: bool,
) -> None:
    """Watch the TCP sockets of this machine's kernel (Linux).

    Counts by the eleven states over time, the picture of the machine with the counts on it, who
    has most sockets and moves most octets, and each socket with its timers and TCP_INFO. Filters
    of one kind add up, those of different kinds must all hold.

    \b
    lastack watch                           live (needs the extra: lastack[tui])
    lastack watch --once --state CLOSE-WAIT
    lastack watch --kill --state CLOSE-WAIT --pid 4127
    """
    choice = Choice(frozenset(states), frozenset(ports), frozenset(hosts), frozenset(pids))
    if kill:
        if most is not None:
            raise click.UsageError(WORDS[lang]["no_most"])
        _kill(choice, yes, names, lang, as_json)
        return
    if once or as_json:
        with ended_by_signals(), Watching(events=not once) as watching:
            while True:
                look = watching.look()
                if as_json:
                    _print_json(look, watching, choice, names)
                else:
                    rows = _MOST if most is None else most
                    _print(look, watching, choice, rows, names, ascii_only, lang)
                if once:
                    return
                sys.stdout.flush()
                watching.listen(interval)
    if find_spec("textual") is None:
        raise click.ClickException(
            "the live view needs textual: pip install 'lastack[tui]'; --once works without it"
        )
    from lastack.cli.watch_live import WatchApp

    with ended_by_signals(), Watching() as watching:
        app = WatchApp(watching, choice, interval, names, ascii_only, lang)
        app.run()
        undisturbed()  # the view has had the signals to itself
        with app.looking:  # a look may be under way yet
            pass
    if app.return_code:
        raise SystemExit(app.return_code)


def _print(
    look: Look,
    watching: Watching,
    choice: Choice,
    most: int,
    names: str,
    ascii_only: bool,
    lang: str,
) -> None:
    out = console()
    chosen = choice.of(look)
    counts = Counter(each.state for each in chosen)
    show(out, counts_table(counts, names, ascii_only=ascii_only))
    show(out, talkers_table(talkers(chosen, look, watching), 5, lang, ascii_only))
    rows = []
    for each in sorted(chosen, key=place_of)[: most or None]:
        who, age = process_name(each, look, watching), watching.age_of(each, look.time)
        rows.append(socket_cells(each, who, age, names, lang, ascii_only))
    show_whole(out, sockets_table(rows, len(chosen) - len(rows), lang, ascii_only))
    if missing := missing_line(watching.sources, watching.heard, lang):
        show(out, Text(missing, style="dim"))


def _print_json(look: Look, watching: Watching, choice: Choice, names: str) -> None:
    chosen = choice.of(look)
    for each in chosen:
        age = watching.age_of(each, look.time)
        print_json(
            "socket",
            name=spelled(each.state, names),
            **connection_record(connection_info(each, look.time)),
            age_ns=age and age.time,
            age_exact=age and age.exact,
            inode=each.inode,
            uid=each.uid,
            cgroup=watching.cgroups.path_of(each.cgroup),
            process=process_name(each, look, watching),
            holders=[
                {"pid": h.pid, "name": h.name, "command": h.command, "descriptors": h.descriptors}
                for h in look.holders.of(each.inode)
            ],
        )
    counts = Counter(each.state for each in chosen)
    print_json(
        "watch",
        time_ns=look.time,
        count=len(chosen),
        states={str(state): counts[state] for state in State},
        talkers={
            kind: [
                {"name": t.name, "sockets": t.sockets, "in": t.octets_in, "out": t.octets_out}
                for t in found
            ]
            for kind, found in talkers(chosen, look, watching).items()
        },
        sources={each.name: each.missing for each in watching.sources},
        heard=asdict(watching.heard),
    )


class _NoPrivilege(click.ClickException):
    exit_code = 3


def _kill(choice: Choice, yes: bool, names: str, lang: str, as_json: bool) -> None:
    words = WORDS[lang]
    if not choice:
        raise click.UsageError(words["no_filter"])
    if not yes and not sys.stdin.isatty():
        raise click.UsageError(words["no_terminal"])
    with Watching(events=False) as watching:
        look = watching.look()
        # A listener is meant only where its state is named.
        chosen = [
            each
            for each in choice.of(look)
            if each.state is not State.LISTEN or State.LISTEN in choice.states
        ]
        if not chosen:
            raise click.ClickException(words["nothing"])
        for each in chosen:
            click.echo(_line(each, look, watching, names), err=True)
    if not yes:
        click.confirm(kill_question(chosen, lang), abort=True, err=True)
    done = sum(_destroyed(each, words) for each in chosen)
    if as_json:
        print_json("killed", count=done, ended=len(chosen) - done)
    else:
        click.echo(words["done"].format(count=f"{done:,}"))


def _destroyed(each: KernelSocket, words: dict[str, str]) -> bool:
    """Destroy one, unless it has ended by itself."""
    try:
        destroy(each)
    except FileNotFoundError:
        return False
    except PermissionError:
        raise _NoPrivilege(words["no_privilege"]) from None
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        raise click.ClickException(words["no_destroy"]) from None
    return True


def _line(each: KernelSocket, look: Look, watching: Watching, names: str) -> str:
    ends = text_of(each.local, each.local_port), text_of(each.remote, each.remote_port)
    line = f"{spelled(each.state, names):12} {ends[0]} {ends[1]}"
    return f"{line}  {process_name(each, look, watching)}".rstrip()
