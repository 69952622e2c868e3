"""`lastack check`: does the TCP at an address do what RFC 9293 says? Asked over the wire alone."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import click

from lastack.check import (
    PROBES,
    Carrier,
    Probe,
    RawCarrier,
    TunCarrier,
    Verdict,
    by_requirement,
    junit,
    play,
    why_not_allowed,
)
from lastack.check.play import is_closed, needs_closed_port
from lastack.cli.common import LINK, Parsed, json_option, print_json
from lastack.cli.device import NoDevice, tun_name
from lastack.cli.spoken import Spoken, help_lang_option
from lastack.errors import DeviceUnavailable

_CLOSED_PORTS: Final = (1, 9, 19)
"""Old services that hardly anybody runs; the first that answers with a reset will do."""
_MARKS: Final = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}


def parse_target(text: str) -> tuple[str, int]:
    """Return address and port of `10.0.0.2:80` or `[fd00::2]:80`; ValueError with a sentence."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        address = str(ip_address("127.0.0.1" if host == "localhost" else host))
    except ValueError:
        raise ValueError(
            f"{text!r} is no target; write it as 10.0.0.2:80 or [fd00::2]:80"
        ) from None
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} has no port; write it as 10.0.0.2:80 or [fd00::2]:80")
    return address, int(port)


@click.command(cls=Spoken)
@click.argument("target", type=Parsed("target", parse_target), metavar="HOST:PORT")
@click.option(
    "--link", type=LINK, default=None, help="Make this device (tun:NAME) and give the kernel HOST."
)
@click.option("--i-own-this-host", "owned", is_flag=True, help="HOST is mine, wherever it is.")
@click.option(
    "--closed-port",
    type=click.IntRange(1, 65535),
    default=None,
    help="A port of HOST without service.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="Segments a second at most.",
)
@click.option("--only", multiple=True, metavar="WORD", help="Only probes with this in their name.")
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write JUnit XML.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show the segments of every probe.")
@json_option
@help_lang_option
def check(
    target: tuple[str, int],
    link: tuple[str, str] | None,
    owned: bool,
    closed_port: int | None,
    rate: int,
    only: tuple[str, ...],
    junit_file: Path | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Ask the TCP at HOST:PORT, by segments that we write, whether it does what RFC 9293 says.

    Any service will do; it is sent some octets of garbage and many resets. HOST must be this
    machine, given to it with --link, or your own (--i-own-this-host). Needs root. Exits with 1
    when a probe has failed.
    """
    host, port = target
    if link is not None and ip_address(host).is_loopback:
        raise click.UsageError("with --link, HOST is a new address of this machine on that device")
    if link is None and not owned and (reason := why_not_allowed(host)):
        raise click.UsageError(f"{reason}. If it is yours, say --i-own-this-host")
    probes = [p for p in PROBES if not only or any(word in p.name for word in only)]
    if not probes:
        raise click.BadParameter("no probe has that in its name", param_hint="--only")
    verdicts: list[Verdict] = []
    with _carrier(host, link, rate) as carrier:
        for verdict in _played(carrier, probes, port, closed_port):
            verdicts.append(verdict)
            if as_json:
                _print_json(verdict)
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if junit_file is not None:
        junit_file.write_text(junit(verdicts, name), encoding="utf-8")
    if not as_json:
        _print_report(verdicts, verbose)
    count = Counter(verdict.verdict for verdict in verdicts)
    words = ", ".join(f"{count[word]} {word}" for word in _MARKS)
    click.echo(f"{name}: {words}", err=True)
    return 1 if count["failed"] else 0


@contextmanager
def _carrier(host: str, link: tuple[str, str] | None, rate: int) -> Iterator[Carrier]:
    try:
        carrier = TunCarrier(tun_name(link), host, rate) if link else RawCarrier(host, rate)
    except DeviceUnavailable as error:
        raise NoDevice(error.strerror or str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{host} cannot be reached: {error.strerror}") from None
    try:
        yield carrier
    finally:
        carrier.close()


def _played(
    carrier: Carrier, probes: Sequence[Probe], port: int, closed_port: int | None
) -> Iterator[Verdict]:
    closed = closed_port
    if closed is None and any(needs_closed_port(probe) for probe in probes):
        found = [at for at in _CLOSED_PORTS if at != port and is_closed(carrier, at)]
        closed = found[0] if found else None
    for probe in probes:
        if not needs_closed_port(probe):
            yield play(carrier, probe, port)
        elif closed is None:
            yield Verdict(
                probe, "skipped", "no closed port was found: name one (--closed-port)", []
            )
        else:
            yield play(carrier, probe, closed)


def _print_json(verdict: Verdict) -> None:
    probe = verdict.probe
    print_json(
        "check",
        probe=probe.name,
        state=probe.state,
        requirement=probe.requirement,
        sentence=probe.sentence,
        verdict=verdict.verdict,
        reason=verdict.reason,
        segments=verdict.trace,
    )


def _print_report(verdicts: Sequence[Verdict], verbose: bool) -> None:
    for requirement, group in by_requirement(verdicts).items():
        click.echo(requirement)
        for verdict in group:
            probe = verdict.probe
            click.echo(f"  {_MARKS[verdict.verdict]} {probe.name:24} {probe.sentence}")
            if verdict.reason:
                click.echo(f"       {verdict.reason}")
            if verbose or verdict.verdict == "failed":
                for line in verdict.trace:
                    click.echo(f"         {line}")
