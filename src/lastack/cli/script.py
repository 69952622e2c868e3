"""`lastack script`: play packetdrill scripts against our own TCP, in virtual time."""

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click

from lastack.cli.common import json_option, print_json
from lastack.script import Outcome, Settings, Verdict, run_file
from lastack.script.run import with_knobs
from lastack.tcp.config import Config


def find_scripts(paths: Iterable[Path]) -> list[Path]:
    """Return the files named, and the *.pkt in the directories named, each in order of name."""
    found: list[Path] = []
    for path in paths:
        found.extend(sorted(path.rglob("*.pkt")) if path.is_dir() else [path])
    return found


def definitions(words: Iterable[str]) -> dict[str, str]:
    """Return the names of `-D name[=value]` and their values."""
    return {name: value for name, _, value in (word.partition("=") for word in words)}


@click.command()
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH...",
)
@click.option(
    "--preset",
    type=click.Choice(["rfc", "linux", "freebsd"]),
    default=None,
    show_default="as the script's dialect has it",
    help="Whose knobs.",
)
@click.option(
    "-D", "--define", "defined", multiple=True, metavar="NAME[=VALUE]", help="For #ifdef."
)
@click.option(
    "--knob", "knobs", multiple=True, metavar="NAME=VALUE", help="A knob other than the preset's."
)
@click.option("--semantic", is_flag=True, help="Compare TCP options as a set, without padding.")
@click.option(
    "--all-packets", is_flag=True, help="Fail when packets are left that the script does not name."
)
@click.option("--verbose", "-v", is_flag=True, help="Show what happened in scripts that pass, too.")
@json_option
def script(
    paths: tuple[Path, ...],
    preset: str | None,
    defined: tuple[str, ...],
    knobs: tuple[str, ...],
    semantic: bool,
    all_packets: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Play packetdrill scripts (files, or directories of *.pkt) against our own TCP.

    Prints a verdict for each: passed, failed or skipped. Exits with 1 when one has failed.
    """
    settings = Settings(
        preset or "", definitions(defined), semantic, all_packets, knobs=definitions(knobs)
    )
    try:
        with_knobs(Config(), settings.knobs)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--knob") from None
    counts: Counter[Verdict] = Counter()
    begun = time.monotonic()
    for path in find_scripts(paths):
        outcome = run_file(str(path), settings)
        counts[outcome.verdict] += 1
        _print(outcome, as_json, verbose)
    seconds = time.monotonic() - begun
    words = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)
    click.echo(f"{words} in {seconds:.1f} s", err=True)
    return 1 if counts[Verdict.FAILED] else 0


def _print(outcome: Outcome, as_json: bool, verbose: bool) -> None:
    if as_json:
        print_json(
            "script",
            path=outcome.path,
            verdict=str(outcome.verdict),
            reason=outcome.reason,
            line=outcome.line,
        )
    elif outcome.verdict is Verdict.PASSED and not verbose:
        click.echo(f"{outcome.path}: passed")
    else:
        click.echo(outcome.report(10_000 if verbose else 24))
        if verbose and outcome.verdict is Verdict.PASSED:
            click.echo("\n".join(f"  {line}" for line in outcome.trace))
