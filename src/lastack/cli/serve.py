"""`lastack serve`: files, echo, discard and chargen over our own TCP, for the kernel to talk to."""

import asyncio
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

import click

from lastack.aio import Host
from lastack.cli.common import (
    LINK,
    ascii_option,
    json_option,
    names_option,
    preset_option,
    record_option,
)
from lastack.cli.device import NoDevice, opened_device, tun_name, url_host
from lastack.cli.serve_view import JsonView, LogView, ScreenView, View
from lastack.cli.spoken import Spoken, help_lang_option
from lastack.errors import DeviceUnavailable
from lastack.link.base import Link
from lastack.services.addresses import AnyInterface, kernel_addresses, parse_interface
from lastack.services.files import Files
from lastack.services.http import HttpService
from lastack.services.serving import Serving
from lastack.services.small import chargen, discard, echo
from lastack.stack.stack import Stack
from lastack.tcp.config import preset as preset_named

_LINGER: Final = 5.0
_PORT: Final = click.IntRange(0, 65535)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Order:
    """What the command line asks for."""

    addresses: list[str]
    kernel: list[str]
    directory: Path
    writable: bool
    ports: dict[str, int]
    preset: str
    record: str | None
    as_json: bool
    names: str
    ascii_only: bool


@click.command(cls=Spoken)
@click.argument("words", metavar="ADDRESS... [DIR]", nargs=-1, required=True)
@click.option("--link", type=LINK, required=True, help="The device to make: tun:NAME.")
@click.option("--writable", is_flag=True, help="Allow uploads (PUT) into DIR.")
@click.option("--http-port", type=_PORT, default=80, show_default=True, help="0: no HTTP.")
@click.option("--echo-port", type=_PORT, default=7, show_default=True, help="0: no echo.")
@click.option("--discard-port", type=_PORT, default=9, show_default=True, help="0: no discard.")
@click.option("--chargen-port", type=_PORT, default=19, show_default=True, help="0: no chargen.")
@click.option(
    "--kernel-address",
    multiple=True,
    metavar="ADDRESS",
    help="The kernel's own address on the device (default: the first one beside ours).",
)
@click.option(
    "--mtu",
    type=click.IntRange(1280, 65535),
    default=1500,
    show_default=True,
    help="Of the device.",
)
@preset_option("linux")
@record_option
@names_option
@ascii_option
@json_option
@help_lang_option
def serve(
    words: tuple[str, ...],
    link: tuple[str, str],
    writable: bool,
    http_port: int,
    echo_port: int,
    discard_port: int,
    chargen_port: int,
    kernel_address: tuple[str, ...],
    mtu: int,
    preset: str,
    record: str | None,
    names: str,
    ascii_only: bool,
    as_json: bool,
) -> int:
    """Serve the files of DIR (default: here) over our own TCP, and echo, discard and chargen.

    \b
    sudo lastack serve --link tun:tcp0 10.9.0.2/24 public/
    curl http://10.9.0.2/                       from another terminal
    sudo lastack serve --link tun:tcp0 --writable 10.9.0.2/24 fd00:9::2/64 public/

    ADDRESS is ours; the kernel gets the first other address of the same network. The device is made
    and, at the end, removed. Ctrl-C closes every connection in order; a second one resets them.
    """
    name = tun_name(link)
    addresses, directory = _places(words)
    ports = {"http": http_port, "echo": echo_port, "discard": discard_port, "chargen": chargen_port}
    used = [port for port in ports.values() if port]
    if not used:
        raise click.UsageError("every service is switched off")
    if len(set(used)) < len(used):
        raise click.UsageError("two services cannot have the same port")
    try:
        kernel = kernel_addresses(addresses, list(kernel_address))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    order = Order([str(each) for each in addresses], kernel, directory, writable, ports, preset,
                  record, as_json, names, ascii_only)  # fmt: skip
    with opened_device(name, kernel, mtu, record) as (opened, device):
        try:
            asyncio.run(_serve(order, opened, device))
        except DeviceUnavailable as error:
            raise NoDevice(error.strerror or str(error)) from None
    return 0


def _places(words: tuple[str, ...]) -> tuple[list[AnyInterface], Path]:
    """Return the addresses and the directory that stands behind them."""
    addresses: list[AnyInterface] = []
    for place, word in enumerate(words):
        try:
            addresses.append(parse_interface(word))
        except ValueError as error:
            if not addresses:
                raise click.UsageError(str(error)) from None
            if place < len(words) - 1:
                raise click.UsageError(f"{word!r} is no address, and DIR comes last") from None
            if not Path(word).is_dir():
                raise click.UsageError(f"{word!r} is neither a directory nor an address") from None
            return addresses, Path(word)
    return addresses, Path()


async def _serve(order: Order, link: Link, device: str) -> None:
    """Serve until a signal comes, or the device goes."""
    files = Files(order.directory, order.writable)
    host = Host(link, order.addresses, preset_named(order.preset), linger=0.5)
    view = _view(order, host.stack, device)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_quiet_about_the_device)
    first, second = asyncio.Event(), asyncio.Event()
    for each in _SIGNALS:
        loop.add_signal_handler(each, lambda: second.set() if first.is_set() else first.set())
    serving = Serving(host, view.opened)
    try:
        async with host:
            await _open(order, serving, files, view)
            view.begin()
            await _until(first, view, host)
            view.ending()
            await serving.end()
            await _until(second, view, host, _LINGER)
            serving.abort()
    finally:
        for each in _SIGNALS:
            # One more signal must not leave the device half removed.
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_IGN)
        view.end(time.monotonic_ns())
        files.close()


async def _open(order: Order, serving: Serving, files: Files, view: View) -> None:
    handlers: dict[str, Any] = {
        "http": HttpService(files.answer, view.answered),
        "echo": echo,
        "discard": discard,
        "chargen": chargen,
    }
    for name, port in order.ports.items():
        if port:
            await serving.serve(name, handlers[name], port)


async def _until(event: asyncio.Event, view: View, host: Host, seconds: float = inf) -> None:
    """Let the view show what changes until the event, for a bounded time until all have gone.

    Raises when the device has.
    """
    limit = time.monotonic() + seconds
    while not event.is_set() and time.monotonic() < limit:
        view.tick(host.now())
        period = view.period
        if seconds < inf:
            if not host.stack.connections():
                return
            period = min(period, 0.02)
        with suppress(TimeoutError):
            async with asyncio.timeout(period):
                await event.wait()


def _quiet_about_the_device(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A device that has gone ends the command with one sentence; it needs no trace besides."""
    if not isinstance(context.get("exception"), DeviceUnavailable):
        loop.default_exception_handler(context)


def _view(order: Order, stack: Stack, device: str) -> View:
    port = order.ports["http"]
    suffix = "" if port == 80 else f":{port}"
    urls = [f"http://{url_host(each)}{suffix}/" for each in order.addresses] if port else []
    others = [f"{name} {port}" for name, port in order.ports.items() if port and name != "http"]
    rights = "writable" if order.writable else "read only"
    kernel = ", ".join(each.partition("/")[0] for each in order.kernel)
    dot = " | " if order.ascii_only else " · "
    heading = [
        dot.join(["lastack serve", *urls, f"{order.directory.resolve()} ({rights})"]),
        dot.join([f"device {device}, kernel {kernel}", *others, f"preset {order.preset}"]),
    ]
    if order.record:
        heading[1] += f"{dot}recording {order.record}"
    details: dict[str, object] = {
        "device": device,
        "addresses": order.addresses,
        "kernel": order.kernel,
        "directory": str(order.directory.resolve()),
        "writable": order.writable,
        "ports": order.ports,
        "preset": order.preset,
        "record": order.record,
    }
    if order.as_json:
        return JsonView(stack, heading, details)
    if sys.stdout.isatty():
        return ScreenView(stack, heading, details, order.names, order.ascii_only)
    return LogView(stack, heading, details)
