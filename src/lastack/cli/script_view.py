"""What `lastack script` shows: verdicts, the ladder up to a difference, progress, the sums."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from lastack.cli.common import print_json
from lastack.script import Outcome, Verdict
from lastack.script.batch import expected_to_fail
from lastack.script.junit import junit
from lastack.script.trace import Move
from lastack.tcp.states import CLOSED
from lastack.view.ladder import Ladder, Rung

_RUNGS: Final = 24
_GAP: Final = "{count} more"


def ladder_of(outcome: Outcome, subject: str) -> Ladder:
    """Return what happened in a run as a ladder: the script on the left, its subject right."""
    rungs: list[Rung] = []
    state = CLOSED
    for move in outcome.trace.moves:
        state = move.state or state
        remark = move.stop.sentence if move.stop is not None else ""
        text = move.text or "a packet"
        rungs.append(Rung(move.time, None, state, move.inbound, text, "", remark, bool(remark)))
    return Ladder("the script", subject, None, CLOSED, rungs)


def _rung(move: Move) -> dict[str, object]:
    """Return a move as docs/json.md has it."""
    sides = {None: "", True: "script", False: "subject"}
    return {
        "time_ns": move.time,
        "from": sides[move.inbound],
        "text": move.text,
        "state": str(move.state) if move.state is not None else "",
        "stop": move.stop.name if move.stop is not None else "",
    }


class Report:
    """Takes the outcomes of a run as they come, shows them and counts them."""

    def __init__(self, subject: str, as_json: bool, verbose: bool, keep: bool) -> None:
        self.subject = subject
        self.as_json = as_json
        self.verbose = verbose
        self.keep = keep
        self.counts: Counter[Verdict] = Counter()
        self.foreseen: set[str] = set()
        self.surprises = 0
        self.outcomes: list[Outcome] = []
        self.begun = time.monotonic()

    def take(self, outcome: Outcome) -> None:
        """Show one outcome."""
        foreseen = expected_to_fail(outcome.path)
        if foreseen and outcome.verdict is Verdict.FAILED:
            self.foreseen.add(outcome.path)
        else:
            self.counts[outcome.verdict] += 1
            self.surprises += bool(foreseen) and outcome.verdict is Verdict.PASSED
        if self.keep:
            self.outcomes.append(outcome)
        if self.as_json:
            self._json(outcome, bool(foreseen))
        elif outcome.verdict is Verdict.PASSED:
            click.echo(f"{outcome.path}: passed" + (", though not expected to" if foreseen else ""))
            if self.verbose:
                click.echo(ladder_of(outcome, self.subject).text(), nl=False)
        elif outcome.path in self.foreseen:
            click.echo(f"{outcome.path}: failed, as expected: {outcome.reason} ({foreseen})")
        else:
            self._tell(outcome)

    def _json(self, outcome: Outcome, foreseen: bool) -> None:
        more: dict[str, object] = {"expected_failure": True} if foreseen else {}
        if outcome.verdict is Verdict.FAILED:
            more |= {
                "expected": outcome.expected,
                "actual": outcome.actual,
                "rule": outcome.trace.rule,
                "ladder": [_rung(move) for move in outcome.trace.moves],
            }
        print_json(
            "script",
            path=outcome.path,
            verdict=str(outcome.verdict),
            reason=outcome.reason,
            line=outcome.line,
            **more,
        )

    def _tell(self, outcome: Outcome) -> None:
        click.echo(outcome.report(0))
        if outcome.verdict is Verdict.FAILED and outcome.trace.moves:
            ladder = ladder_of(outcome, self.subject)
            if not self.verbose:
                ladder = ladder.shortened(_RUNGS, _GAP)
            click.echo(ladder.text(), nl=False)

    def summary(self) -> str:
        """Return the sums in one line."""
        words = ", ".join(f"{self.counts[verdict]} {verdict}" for verdict in Verdict)
        if self.foreseen:
            words += f", {len(self.foreseen)} failed as expected"
        if self.surprises:
            words += f" ({self.surprises} of those passed were expected to fail)"
        return f"{words} in {time.monotonic() - self.begun:.1f} s"

    def write_junit(self, path: Path) -> None:
        """Write the outcomes as JUnit's XML. Raises OSError."""
        seconds = time.monotonic() - self.begun
        path.write_bytes(junit(self.outcomes, frozenset(self.foreseen), seconds))


@contextmanager
def progress(total: int) -> Iterator[Progress | None]:
    """Yield a progress bar on stderr, None where that is no terminal or there is little to do."""
    console = Console(stderr=True)
    if not console.is_terminal or total < 2:
        yield None
        return
    columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        shown.add_task("", total=total)
        yield shown
