"""`lastack compete`: congestion controllers, yours among them, share one bottleneck."""

import importlib.util
import re
import sys
from pathlib import Path as FilePath
from traceback import extract_tb
from typing import Any, Final

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from lastack.cli.common import (
    PROBABILITY,
    RATE,
    TIME,
    Parsed,
    json_option,
    lang_option,
    preset_option,
    print_json,
    seed_option,
)
from lastack.cli.screen import console, show
from lastack.cli.spoken import Spoken
from lastack.sim.compete import Entrant, Path, Result
from lastack.sim.compete import compete as run_competition
from lastack.tcp.config import Config
from lastack.tcp.config import preset as preset_named
from lastack.tcp.congestion import CONTROLLERS, CongestionController, controller_class
from lastack.units import MS, SECOND
from lastack.view.curves import Panel, curves_svg

_MOST_FLOWS: Final = 64

_WORDS: Final = {
    "en": {
        "flow": "flow",
        "rate": "Mbit/s",
        "share": "share",
        "again": "retransmitted",
        "rtt": "RTT ms",
        "sum": "Jain's fairness {jain:.3f} · {used:.1%} of {rate:g} Mbit/s · "
        "queue delay {mean:.1f} ms on average, {most:.1f} ms at most",
        "loss": "{dropped:,} packets found the queue of {queue:,} full, {lost:,} lost by chance",
        "title": "{flows} share {rate:g} Mbit/s, {rtt:g} ms, a queue of {queue} packets",
        "cwnd": "congestion window, kB",
        "speed": "throughput, Mbit/s",
        "queue": "queue delay, ms",
        "time": "seconds",
    },
    "zh": {
        "flow": "流",
        "rate": "Mbit/s",
        "share": "份额",
        "again": "重传",
        "rtt": "RTT ms",
        "sum": "Jain 公平性 {jain:.3f} · {rate:g} Mbit/s 用了 {used:.1%} · "
        "排队时延平均 {mean:.1f} ms，最大 {most:.1f} ms",
        "loss": "{dropped:,} 个包遇到队列（{queue:,} 个包）已满，{lost:,} 个随机丢失",
        "title": "{flows} 共享 {rate:g} Mbit/s、{rtt:g} ms、{queue} 个包的队列",
        "cwnd": "拥塞窗口，kB",
        "speed": "吞吐量，Mbit/s",
        "queue": "排队时延，ms",
        "time": "秒",
    },
}


def parse_queue(text: str) -> tuple[float, int]:
    """Return (times, 0) for `1.5bdp` and (0, packets) for a bare number."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(bdp)?", text.strip().lower())
    if found is None or float(found[1]) <= 0 or (not found[2] and "." in found[1]):
        raise ValueError(f"{text!r} is no queue; write it as 1bdp, or as a number of packets")
    return (float(found[1]), 0) if found[2] else (0.0, int(found[1]))


QUEUE: Final = Parsed("queue", parse_queue)


@click.command(cls=Spoken)
@click.option(
    "--controllers",
    required=True,
    metavar="NAME,...",
    help=f"One flow each: {', '.join(CONTROLLERS)}, or FILE.py:CLASS.",
)
@click.option("--rate", type=RATE, default="50mbit", show_default=True, help="Of the bottleneck.")
@click.option("--delay", type=TIME, default="20ms", show_default=True, help="One way.")
@click.option("--loss", type=PROBABILITY, default="0", show_default=True, help="By chance.")
@click.option("--queue", type=QUEUE, default="1bdp", show_default=True, help="1bdp, or packets.")
@click.option(
    "--ecn", type=QUEUE, metavar="THRESHOLD", help="Mark from this length on; flows ask for ECN."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 3600),
    default=30,
    show_default=True,
    help="Of virtual time.",
)
@seed_option
@preset_option("linux")
@json_option
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, writable=True, path_type=FilePath),
    metavar="FILE",
    help="Draw it to a file.",
)
@lang_option
def compete(
    controllers: str,
    rate: int,
    delay: int,
    loss: float,
    queue: tuple[float, int],
    ecn: tuple[float, int] | None,
    seconds: float,
    seed: int,
    preset: str,
    as_json: bool,
    svg: FilePath | None,
    lang: str,
) -> int:
    """Let congestion controllers compete for one bottleneck, in virtual time.

    Prints throughput, fairness, queue delay and retransmissions; --svg draws window, rate and queue
    over time. A controller of your own is a class in a Python file: --controllers
    cubic,mine.py:Mine (examples/own_controller.py is one).
    """
    config = preset_named(preset).replace(strict=True)  # what a user's class raises is to be seen
    if rate <= 0:
        raise click.UsageError("a bottleneck has a --rate")
    if loss > 0.9:
        raise click.UsageError("a link that loses more than 90% carries no connection")
    if ecn is not None:
        config.ecn = "accurate"
    path = Path(rate, delay, loss)
    path.queue = queue[1] or path.bdp(queue[0])
    if ecn is not None:
        path.mark = ecn[1] or path.bdp(ecn[0])
    entrants = _entrants(controllers, config)
    try:
        result = run_competition(entrants, path, round(seconds * SECOND), seed)
    except Exception as error:
        sentence = _explained(error, entrants)
        if not sentence:
            raise
        raise click.ClickException(sentence) from error
    if svg is not None:
        svg.write_text(_picture(result, lang), encoding="utf-8")
    if as_json:
        _print_json(result, seed)
    else:
        _print_text(result, lang)
    return 0


def _entrants(controllers: str, config: Config) -> list[Entrant]:
    names = [name.strip() for name in controllers.split(",") if name.strip()]
    if not 1 <= len(names) <= _MOST_FLOWS:
        raise click.UsageError(f"--controllers takes 1 to {_MOST_FLOWS} names")
    kinds = {name: _kind(name) for name in dict.fromkeys(names)}
    found: list[Entrant] = []
    for i, name in enumerate(names):
        shown = name.rpartition(":")[2]
        if names.count(name) > 1:
            shown += f" {names[: i + 1].count(name)}"
        found.append(Entrant(shown, kinds[name], config))
    return found


def _kind(name: str) -> str | type[object]:
    """Return what Config takes for a name, or for FILE.py:CLASS, which is loaded."""
    if name in CONTROLLERS:
        return name
    file, colon, attribute = name.rpartition(":")
    if not colon:
        known = ", ".join(CONTROLLERS)
        raise click.UsageError(f"{name!r} is none of {known}, nor FILE.py:CLASS")
    spec = importlib.util.spec_from_file_location(f"competing_{FilePath(file).stem}", file)
    if spec is None or spec.loader is None or not FilePath(file).is_file():
        raise click.UsageError(f"there is no Python file {file!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    kind: Any = getattr(module, attribute, None)
    if not isinstance(kind, type) or not issubclass(kind, CongestionController):
        raise click.UsageError(f"{file} has no CongestionController named {attribute!r}")
    try:
        return controller_class(kind)
    except OSError as error:
        raise click.UsageError(f"{file}: {str(error.strerror).partition(': ')[2]}") from None


def _explained(error: Exception, entrants: list[Entrant]) -> str:
    """Return what came of a user's class in a sentence, with the place in its file if it is there;
    "" where no such class takes part.
    """
    kinds = [entrant.config.congestion for entrant in entrants]
    files = [sys.modules[kind.__module__].__file__ for kind in kinds if isinstance(kind, type)]
    place = ""
    for frame in extract_tb(error.__traceback__):
        if frame.filename in files:
            place = f"{frame.filename}:{frame.lineno}: "
    return f"{place}{type(error).__name__}: {error}" if files else ""


def _print_text(result: Result, lang: str) -> None:
    out, words = console(), _WORDS[lang]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, collapse_padding=True)
    table.add_column(words["flow"], no_wrap=True)
    for heading in ("rate", "share", "again", "rtt"):
        table.add_column(words[heading], justify="right", no_wrap=True)
    whole = sum(flow.throughput for flow in result.flows) or 1
    for flow in result.flows:
        again = flow.retransmissions / max(flow.segments, 1)
        table.add_row(
            flow.name,
            f"{flow.throughput / 1e6:.2f}",
            f"{flow.throughput / whole:.1%}",
            f"{flow.retransmissions:,} ({again:.2%})",
            f"{flow.rtt / MS:.1f}",
        )
    show(out, table)
    path = result.path
    click.echo(
        words["sum"].format(
            jain=result.jain,
            used=result.utilization,
            rate=path.rate / 1e6,
            mean=result.delay_mean / MS,
            most=result.delay_most / MS,
        )
    )
    click.echo(words["loss"].format(dropped=result.dropped, queue=path.queue, lost=result.lost))


def _print_json(result: Result, seed: int) -> None:
    path = result.path
    for flow in result.flows:
        print_json(
            "flow",
            name=flow.name,
            throughput=flow.throughput,
            segments=flow.segments,
            retransmissions=flow.retransmissions,
            srtt_ns=flow.rtt,
            cwnds=flow.cwnds,
            rates=flow.rates,
        )
    print_json(
        "competition",
        seed=seed,
        rate=path.rate,
        delay_ns=path.delay,
        loss=path.loss,
        queue=path.queue,
        mark=path.mark,
        time_ns=result.time,
        jain=round(result.jain, 6),
        utilization=round(result.utilization, 6),
        queue_delay_mean_ns=result.delay_mean,
        queue_delay_most_ns=result.delay_most,
        dropped=result.dropped,
        lost=result.lost,
        times_ns=result.times,
        queue_delays_ns=result.queues,
    )


def _picture(result: Result, lang: str) -> str:
    words, path = _WORDS[lang], result.path
    title = words["title"].format(
        flows=", ".join(flow.name for flow in result.flows),
        rate=path.rate / 1e6,
        rtt=2 * path.delay / MS,
        queue=path.queue,
    )
    panels = [
        Panel(words["cwnd"], [(f.name, [c / 1000 for c in f.cwnds]) for f in result.flows]),
        Panel(words["speed"], [(f.name, [r / 1e6 for r in f.rates]) for f in result.flows]),
        Panel(words["queue"], [("", [q / MS for q in result.queues])]),
    ]
    return curves_svg(title, words["time"], [time / SECOND for time in result.times], panels)
