"""The device of `serve` and `fetch`: opened, with its kernel side, recorded, and taken back."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_interface

import click

from lastack.cli.main import NO_PRIVILEGE
from lastack.errors import DeviceUnavailable
from lastack.link.base import Link
from lastack.link.kernel_side import KernelSide
from lastack.link.tun import TunLink
from lastack.link.wrappers import Recorded

_QUEUE = 5000
"""Packets that the kernel keeps for us while we are busy; beyond that it would lose them."""


class NoDevice(click.ClickException):
    """A privilege or a device is missing: exit code 3."""

    exit_code = NO_PRIVILEGE


def tun_name(link: tuple[str, str]) -> str:
    """Return NAME of `--link tun:NAME`; raises UsageError for another kind of link."""
    kind, name = link
    if kind != "tun":
        raise click.UsageError("this command needs a TUN device: --link tun:NAME")
    return name


@contextmanager
def opened_device(
    name: str, kernel: list[str], mtu: int, record: str | None
) -> Iterator[tuple[Link, str]]:
    """Yield the link and the device's name; at the end the device is as it was before, or gone.

    `kernel` are the kernel's addresses with their prefix lengths. Raises NoDevice.
    """
    try:
        tun = TunLink(name, mtu)
    except DeviceUnavailable as error:
        raise NoDevice(error.strerror or str(error)) from None
    link: Link = tun
    try:
        if record is not None:
            link = Recorded(tun, record, name=tun.name)
        with _kernel_side(tun.name, kernel, mtu):
            yield link, tun.name
    finally:
        link.close()


@contextmanager
def _kernel_side(name: str, kernel: list[str], mtu: int) -> Iterator[None]:
    side = KernelSide(name, kernel, mtu, queue=_QUEUE)
    try:
        side.__enter__()
    except DeviceUnavailable as error:
        raise NoDevice(error.strerror or str(error)) from None
    try:
        yield
    finally:
        side.remove()


def url_host(address: str) -> str:
    """Return an address as a URL has it: IPv6 in brackets, without prefix length."""
    found = ip_interface(address).ip
    return f"[{found}]" if found.version == 6 else str(found)
