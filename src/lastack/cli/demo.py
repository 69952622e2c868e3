"""`lastack demo`: two of our TCPs talk over a lossy link, in virtual time, before your eyes."""

import time
from pathlib import Path
from typing import Final

import click
from rich.cells import cell_len

from lastack.cli.common import (
    PROBABILITY,
    SIZE,
    TIME,
    ascii_option,
    json_option,
    lang_option,
    names_option,
    preset_option,
    print_json,
    record_option,
    seed_option,
)
from lastack.cli.records import connection_record
from lastack.cli.rehearsal import Play, Rehearsal
from lastack.cli.screen import console, show
from lastack.cli.spoken import Spoken, said
from lastack.tcp.config import preset as preset_named
from lastack.tcp.events import Advised
from lastack.tcp.states import CLOSED, LISTEN
from lastack.units import MS
from lastack.view.ladder import Ladder, duration
from lastack.view.ladder_svg import ladder_svg
from lastack.view.story import ladder_of
from lastack.view.tcb import tcb_table

_MOST_RUNGS: Final = 60
_MOST_BYTES: Final = 64 << 20

_WORDS: Final = {
    "en": {
        "client": "client",
        "server": "server",
        "gap": "{count} rungs not shown (--all shows them)",
        "good": "{bytes} bytes, every one once and in order",
        "reset": "reset by the client after {bytes} bytes",
        "counts": "{segments} segments, {lost} lost, {again} retransmitted",
        "time": "{virtual} of TCP",
        "real": " in {real} s",
    },
    "zh": {
        "client": "客户端",
        "server": "服务器",
        "gap": "{count} 行未显示（--all 显示全部）",
        "good": "{bytes} 字节，每个恰好一次且按序到达",
        "reset": "{bytes} 字节之后被客户端复位",
        "counts": "{segments} 个报文段，{lost} 个丢失，{again} 个重传",
        "time": "{virtual} 的 TCP",
        "real": "，用时 {real} 秒",
    },
}


@click.command(cls=Spoken)
@click.option("--loss", type=PROBABILITY, default="0", help="Segments lost: 0.05 or 5%.")
@click.option("--delay", type=TIME, default="10ms", show_default=True, help="One way: 20ms, 1.5s.")
@seed_option
@click.option(
    "--bytes",
    "size",
    type=SIZE,
    default="4k",
    show_default=True,
    help="What the client sends: 4k, 1MiB.",
)
@click.option("--reorder", type=PROBABILITY, default="0", help="Segments overtaken by later ones.")
@click.option("--duplicate", type=PROBABILITY, default="0", help="Segments doubled on the way.")
@click.option("--simultaneous-open", is_flag=True, help="Both ends open actively at once.")
@click.option("--simultaneous-close", is_flag=True, help="Both ends close at once.")
@click.option("--half-close", is_flag=True, help="The server answers after the client has closed.")
@click.option("--rst", "reset", is_flag=True, help="The client aborts instead of closing.")
@preset_option("rfc")
@click.option("--all", "show_all", is_flag=True, help="Show every rung of a long ladder.")
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Write the ladder to a file."
)
@record_option
@names_option
@ascii_option
@lang_option
@json_option
def demo(
    loss: float,
    delay: int,
    seed: int,
    size: int,
    reorder: float,
    duplicate: float,
    simultaneous_open: bool,
    simultaneous_close: bool,
    half_close: bool,
    reset: bool,
    preset: str,
    show_all: bool,
    svg: Path | None,
    record: str | None,
    names: str,
    ascii_only: bool,
    lang: str,
    as_json: bool,
) -> int:
    """Play a whole connection between two TCPs, and draw its ladder. Needs no root.

    \b
    lastack demo --loss 10% --seed 7
    lastack demo --simultaneous-open --simultaneous-close
    lastack demo --bytes 1M --loss 2% --reorder 2% --all

    Time is virtual: the 2MSL of TIME-WAIT are sat out at once. Same seed, same ladder. Exits with 1
    when a byte was lost, doubled or changed, or an end did not reach CLOSED.
    """
    if reset and (simultaneous_close or half_close):
        raise click.UsageError("--rst does not go with --simultaneous-close or --half-close")
    if simultaneous_close and half_close:
        raise click.UsageError("--simultaneous-close does not go with --half-close")
    if size > _MOST_BYTES:
        raise click.UsageError(f"--bytes is at most {_MOST_BYTES:,}")
    if max(loss, reorder, duplicate) > 0.9:
        raise click.UsageError("a link that loses more than 90% carries no connection")
    began = time.perf_counter()
    config = preset_named(preset)
    config.strict = True
    rehearsal = Rehearsal(
        Play(seed, size, delay, loss, reorder, duplicate, simultaneous_open, simultaneous_close,
             half_close, reset, config)
    )  # fmt: skip
    rehearsal.run()
    real = time.perf_counter() - began
    ladder = _ladder(rehearsal, lang)
    if record is not None:
        rehearsal.record(record)
    if svg is not None:
        svg.write_text(ladder_svg(_shown(ladder, show_all, lang)), encoding="utf-8")
    complaints = rehearsal.complaints()
    if as_json:
        _print_json(rehearsal, _ladder(rehearsal, "en"), complaints)
    else:
        _print_text(rehearsal, ladder, complaints, show_all, names, ascii_only, lang, real)
    if complaints:
        click.echo(f"lastack: {_joined(complaints, lang)}", err=True)
    return 1 if complaints else 0


def _ladder(rehearsal: Rehearsal, lang: str) -> Ladder:
    pair, words, play = rehearsal.pair, _WORDS[lang], rehearsal.play
    client, server = rehearsal.client.connection.local, rehearsal.client.connection.remote
    return ladder_of(
        pair.crossings,
        pair.events,
        (f"{words['client']} {client}", f"{words['server']} {server}"),
        (CLOSED, CLOSED if play.simultaneous_open else LISTEN),
        lang,
    )


def _shown(ladder: Ladder, show_all: bool, lang: str) -> Ladder:
    return ladder if show_all else ladder.shortened(_MOST_RUNGS, _WORDS[lang]["gap"])


def _print_text(
    rehearsal: Rehearsal,
    ladder: Ladder,
    complaints: list[str],
    show_all: bool,
    names: str,
    ascii_only: bool,
    lang: str,
    real: float,
) -> None:
    out = console()
    width = min(out.width, 100) if out.is_terminal else 100
    for line in _shown(ladder, show_all, lang).lines(max(width, 80), ascii_only, names):
        out.print(line, no_wrap=True, crop=True)
    words = _WORDS[lang]
    infos = [(words[name], info) for name, info in rehearsal.infos()]
    show(out, tcb_table(infos, names, ascii_only, lang))
    counts = _counts(rehearsal)
    good = words["reset" if rehearsal.play.reset else "good"]
    heard = rehearsal.server.heard if rehearsal.server is not None else 0
    parts = [_joined(complaints, lang) or good.format(bytes=f"{heard + rehearsal.client.heard:,}")]
    parts.append(words["counts"].format(**{name: f"{n:,}" for name, n in counts.items()}))
    spent = words["time"].format(virtual=duration(_rounded(rehearsal.pair.now)))
    # Real time differs from run to run: it is told to eyes, not to files that are compared.
    parts.append(spent + (words["real"].format(real=f"{real:.2f}") if out.is_terminal else ""))
    whole = (" | " if ascii_only else " · ").join(parts)
    for each in [whole] if cell_len(whole) <= out.width else parts:
        out.print(each, style="bold red" if complaints else "")


def _joined(complaints: list[str], lang: str) -> str:
    return ("；" if lang == "zh" else "; ").join(said(each, lang) for each in complaints)


def _rounded(span: int) -> int:
    return (span + 5 * MS) // (10 * MS) * (10 * MS) if span > 10 * MS else span


def _counts(rehearsal: Rehearsal) -> dict[str, int]:
    crossings = [c for c in rehearsal.pair.crossings if not c.copy]
    again = sum(info.retransmissions or 0 for _, info in rehearsal.infos())
    return {
        "segments": len(crossings),
        "lost": sum(1 for crossing in crossings if crossing.lost),
        "again": again,
    }


def _print_json(rehearsal: Rehearsal, ladder: Ladder, complaints: list[str]) -> None:
    play, pair = rehearsal.play, rehearsal.pair
    counts = _counts(rehearsal)
    print_json(
        "demo",
        seed=play.seed,
        bytes=play.size,
        client=f"{rehearsal.client.connection.local}",
        server=f"{rehearsal.client.connection.remote}",
        left=ladder.left_state,
        right=ladder.right_state,
    )
    for rung in ladder.rungs:
        print_json("rung", **rung.record())
    for is_left, event in pair.events:
        host = "client" if is_left else "server"
        if isinstance(event, Advised):
            print_json(
                "advice", time_ns=event.time, host=host, advice=event.advice, detail=event.detail
            )
        else:
            print_json(
                "state_changed",
                time_ns=event.time,
                host=host,
                connection=event.connection,
                **{"from": event.state, "to": event.to},
                cause=event.cause,
                section=event.section,
                segment=event.segment,
            )
    for name, info in rehearsal.infos():
        print_json("connection", host=name, **connection_record(info))
    print_json(
        "summary",
        verdict="failed" if complaints else "passed",
        reason="; ".join(complaints),
        time_ns=pair.now,
        bytes=(rehearsal.server.heard if rehearsal.server else 0) + rehearsal.client.heard,
        segments=counts["segments"],
        lost=counts["lost"],
        retransmitted=counts["again"],
    )
