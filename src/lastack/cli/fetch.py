"""`lastack fetch`: a file over our own TCP, from whatever server the kernel leads to."""

import asyncio
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from lastack.aio import Host
from lastack.cli.common import LINK, Parsed, preset_option, record_option
from lastack.cli.device import NoDevice, opened_device, tun_name
from lastack.cli.spoken import Spoken, help_lang_option
from lastack.errors import DeviceUnavailable
from lastack.link.base import Link
from lastack.services.addresses import kernel_addresses, parse_interface
from lastack.services.client import Answer, Url, get, parse_url
from lastack.services.messages import PIECE, HttpError, Incomplete
from lastack.tcp.config import preset as preset_named

_OURS: Final = {4: "10.9.0.2/24", 6: "fd00:9::2/64"}
_URL: Final = Parsed("url", parse_url)


@click.command(cls=Spoken)
@click.argument("url", type=_URL)
@click.option("--link", type=LINK, required=True, help="The device to make: tun:NAME.")
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Ours, with its prefix length (default: 10.9.0.2/24 or fd00:9::2/64).",
)
@click.option(
    "--kernel-address",
    multiple=True,
    metavar="ADDRESS",
    help="The kernel's own address on the device (default: the first one beside ours).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Where to (default: stdout).",
)
@click.option(
    "--mtu",
    type=click.IntRange(1280, 65535),
    default=1500,
    show_default=True,
    help="Of the device.",
)
@click.option("--no-progress", is_flag=True, help="No progress bar.")
@preset_option("linux")
@record_option
@help_lang_option
def fetch(
    url: Url,
    link: tuple[str, str],
    address: str | None,
    kernel_address: tuple[str, ...],
    output: Path | None,
    mtu: int,
    no_progress: bool,
    preset: str,
    record: str | None,
) -> int:
    """Fetch URL (http://, the host as an address) over our own TCP.

    \b
    sudo lastack fetch http://10.9.0.1:8000/file --link tun:tcp0 -o file

    The device is made and, at the end, removed. Its other end is the kernel, which answers for
    itself, and for others where it forwards. FILE appears when it is complete.
    """
    name = tun_name(link)
    if output is not None and not output.parent.is_dir():
        raise click.UsageError(f"there is no directory {output.parent}")
    version = 6 if ":" in url.host else 4
    try:
        ours = parse_interface(address or _OURS[version])
        if ours.version != version:
            raise ValueError(f"{ours.ip} cannot talk to {url.host}: both must be IPv{version}")
        if str(ours.ip) == url.host:
            raise ValueError(f"{url.host} is our own address; give us another with --address")
        kernel = kernel_addresses([ours], list(kernel_address))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with opened_device(name, kernel, mtu, record) as (opened, _):
        try:
            asyncio.run(_fetch(url, opened, str(ours), output, preset, not no_progress))
        except DeviceUnavailable as error:
            raise NoDevice(error.strerror or str(error)) from None
    return 0


async def _fetch(
    url: Url, link: Link, ours: str, output: Path | None, preset: str, progress: bool
) -> None:
    """Fetch; raises ClickException with a sentence."""
    try:
        async with Host(link, [ours], preset_named(preset), linger=3.0) as host:
            reader, writer = await host.open_connection(url.host, url.port, limit=PIECE)
            try:
                answer = await get(url, reader, writer)
                if answer.status != 200:
                    raise click.ClickException(_refusal(answer))
                await _store(answer, output, progress)
            except BaseException:
                writer.transport.abort()
                raise
            writer.close()
    except (Incomplete, HttpError) as error:
        sentence = error.sentence if isinstance(error, HttpError) else str(error)
        raise click.ClickException(f"{url.authority}: {sentence}") from None
    except DeviceUnavailable:
        raise
    except TimeoutError:
        raise click.ClickException(f"{url.authority}: no answer in time") from None
    except ConnectionError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise click.ClickException(f"{url.authority}: {why}") from None


def _refusal(answer: Answer) -> str:
    location = answer.headers.get("Location")
    moved = f", see {location}" if location and 300 <= answer.status < 400 else ""
    return f"the server answers {answer}{moved}"


async def _store(answer: Answer, output: Path | None, progress: bool) -> None:
    with _opened(output) as file, _progress(answer.length, progress) as shown:
        count = 0
        async for piece in answer.body():
            file.write(piece)
            count += len(piece)
            if shown is not None:
                shown.update(shown.task_ids[0], completed=count)
        file.flush()


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """Yield what to write to; a regular file only gets its name once it is complete."""
    if output is None or str(output) == "-":
        yield sys.stdout.buffer
        return
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(output.stat().st_mode):
            with open(output, "wb") as file:
                yield file
            return
    unfinished = output.with_name(f"{output.name}.part-{os.getpid()}")
    try:
        with open(unfinished, "xb") as file:
            yield file
        os.replace(unfinished, output)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


@contextmanager
def _progress(length: int | None, wanted: bool) -> Iterator[Progress | None]:
    """Yield a progress bar on stderr, None where stderr is no terminal or nobody wants one."""
    console = Console(stderr=True)
    if not (wanted and console.is_terminal):
        yield None
        return
    columns = (
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        progress.add_task("", total=None if length is None or length < 0 else length)
        yield progress
