"""`lastack script`: play packetdrill scripts against our own TCP, in virtual time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

from lastack.cli.common import TIME, json_option
from lastack.cli.script_view import Report, progress
from lastack.cli.spoken import Spoken, help_lang_option
from lastack.script import Outcome, Settings, Verdict
from lastack.script.apart import run_apart
from lastack.script.batch import run_all
from lastack.script.play import Against
from lastack.script.run import with_knobs
from lastack.tcp.config import Config

_SUBJECTS: Final = {
    Against.STACK: "lastack",
    Against.TUN: "lastack on a TUN device",
    Against.KERNEL: "the kernel",
}


def find_scripts(paths: Iterable[Path]) -> list[Path]:
    """Return the files named, and the *.pkt in the directories named, each in order of name."""
    found: list[Path] = []
    for path in paths:
        found.extend(sorted(path.rglob("*.pkt")) if path.is_dir() else [path])
    return found


def definitions(words: Iterable[str]) -> dict[str, str]:
    """Return the names of `-D name[=value]` and their values."""
    return {name: value for name, _, value in (word.partition("=") for word in words)}


@click.command(cls=Spoken)
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
@click.option(
    "--semantic",
    is_flag=True,
    help="Compare TCP options as a set, without padding; leave PSH to the sender.",
)
@click.option(
    "--all-packets", is_flag=True, help="Fail when packets are left that the script does not name."
)
@click.option(
    "--against",
    type=click.Choice([one.value for one in Against]),
    default=Against.STACK.value,
    show_default=True,
    help="Our stack in virtual time; ours on a real TUN device, in real time; this machine's "
    "kernel in a network namespace made for each script. The last two need root.",
)
@click.option(
    "--tolerance", type=TIME, default="0s", help="How far off any time may be at least, as 20ms."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=None,
    help="Scripts side by side.",
    show_default="one a core, 12 in real time",
)
@click.option("--allow-shell", is_flag=True, help="Run shell lines, as root (--against kernel).")
@click.option(
    "--sysctl",
    "sysctls",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set before each script, in its namespace (--against kernel).",
)
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the verdicts as JUnit's XML.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show what happened in scripts that pass, too.")
@json_option
@help_lang_option
def script(
    paths: tuple[Path, ...],
    preset: str | None,
    defined: tuple[str, ...],
    knobs: tuple[str, ...],
    semantic: bool,
    all_packets: bool,
    against: str,
    tolerance: int,
    jobs: int | None,
    allow_shell: bool,
    sysctls: tuple[str, ...],
    junit_file: Path | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Play packetdrill scripts (files, or directories of *.pkt) against our own TCP.

    Prints a verdict for each: passed, failed or skipped. Exits with 1 when one has failed that was
    not expected to (by a file of its name and .exfail beside it).
    """
    settings = Settings(
        preset or "",
        definitions(defined),
        semantic,
        all_packets,
        knobs=definitions(knobs),
        against=Against(against),
        tolerance=tolerance,
        allow_shell=allow_shell,
        sysctls=definitions(sysctls),
    )
    try:
        with_knobs(Config(), settings.knobs)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--knob") from None
    found = [str(path) for path in find_scripts(paths)]
    report = Report(_SUBJECTS[settings.against], as_json, verbose, junit_file is not None)
    with progress(len(found)) as bar:
        for outcome in _outcomes(found, settings, jobs):
            report.take(outcome)
            if bar is not None:
                bar.advance(bar.task_ids[0])
    click.echo(report.summary(), err=True)
    if junit_file is not None:
        try:
            report.write_junit(junit_file)
        except OSError as error:
            raise click.FileError(str(junit_file), error.strerror or str(error)) from None
    return 1 if report.counts[Verdict.FAILED] else 0


def _outcomes(paths: list[str], settings: Settings, jobs: int | None) -> Iterator[Outcome]:
    if settings.against is Against.STACK:
        return run_all(paths, settings, jobs or 0)
    return run_apart(paths, settings, jobs or 0)
