"""`lastack why STATE`: who holds the kernel's sockets in a state, since when, and who must act."""

from dataclasses import asdict

import click

from lastack.cli.common import (
    STATE,
    TIME,
    ascii_option,
    ended_by_signals,
    json_option,
    lang_option,
    names_option,
    print_json,
    spelled,
)
from lastack.cli.screen import console
from lastack.cli.spoken import Spoken
from lastack.observe.findings import Finding, finding_of
from lastack.observe.watching import Watching
from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.view.state_texts import about
from lastack.view.why import why_lines

_BY_EVENTS = (State.TIME_WAIT,)


@click.command(cls=Spoken)
@click.argument("state", type=STATE)
@click.option(
    "--for",
    "span",
    type=TIME,
    help="Watch so long before answering; 1s for TIME-WAIT, which has no owner, else not at all.",
)
@names_option
@ascii_option
@lang_option
@json_option
def why(
    state: State, span: int | None, names: str, ascii_only: bool, lang: str, as_json: bool
) -> None:
    """Say why sockets of this machine's kernel are in STATE.

    Who holds them, since when, how much is unread, who the peers are, which side must act, what
    ends it and what to look for. Without root only one's own processes are named; what cannot be
    seen is said.

    \b
    lastack why CLOSE-WAIT
    lastack why TIME-WAIT --for 5s     who closes them, seen as it happens
    """
    if span is None:
        span = SECOND if state in _BY_EVENTS else 0
    with ended_by_signals(), Watching(events=span > 0) as watching:
        if span:
            watching.look()
            watching.listen(span)
        found = finding_of(state, watching.look(), watching)
    if as_json:
        _print_json(found, lang, names)
        return
    out = console()
    for line in why_lines(found, lang, min(out.width, 100), ascii_only, names):
        out.print(line, soft_wrap=True)


def _print_json(found: Finding, lang: str, names: str) -> None:
    record = asdict(found)
    for name in ("oldest", "youngest"):
        age = record[name]
        record[name] = age and {"time_ns": age.time, "exact": age.exact, "by": age.by}
    record["peers"] = [{"peer": peer, "count": count} for peer, count in found.peers]
    record["cgroups"] = [{"cgroup": path, "count": count} for path, count in found.cgroups]
    for name in ("next_timer", "last_timer"):
        record[f"{name}_ns"] = record.pop(name)
    for each in record["destinations"]:
        each["runs_out_ns"] = each.pop("runs_out")
    del record["timers"]
    record["sources"] = {each.name: each.missing for each in found.sources}
    said = about(found.state, lang)
    texts = {"meaning": said.meaning, "actor": said.actor, "ends": said.ends, "many": said.many}
    print_json("why", name=spelled(found.state, names), **record, **texts)
