"""`lastack read -i IFACE`: what listening needs on the command line, and how it begins and ends."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

import click

from lastack.cli.common import SIZE, TIME, print_json
from lastack.observe.captures import Capture
from lastack.units import SECOND
from lastack.view.capture_words import LIVE

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TWICE: Final = SECOND
"""Within that a signal may be one that was sent twice, as timeout(1) and sudo(8) do."""


class Listening:
    """What the command line says of an interface to listen to."""

    def __init__(
        self,
        name: str,
        count: int | None,
        duration: int | None,
        promiscuous: bool,
        buffer: int | None,
    ) -> None:
        self.name = name
        self.count = count
        self.duration = duration
        self.promiscuous = promiscuous
        self.buffer = buffer

    @contextmanager
    def begun(self, lang: str, as_json: bool) -> Iterator[Capture]:
        """Listen; Ctrl-C ends that, not the command. At the end it is told what was dropped."""
        from lastack.observe.interface import BUFFER, Interface
        from lastack.observe.live import Live, Until

        until = Until(self.count, self.duration)
        with (
            _until_a_signal(until.stop),
            Interface(self.name, self.promiscuous, self.buffer or BUFFER) as interface,
        ):
            yield Live(self.name, (), interface, until)
        dropped = interface.dropped
        if as_json:
            print_json(
                "interface", capture=self.name, packets=interface.packets,
                octets=interface.octets, dropped=dropped,
            )  # fmt: skip
        elif dropped:
            words = LIVE[lang]["dropped"].format(name=self.name, count=f"{dropped:,}")
            click.echo(f"lastack: {words}", err=True)


@contextmanager
def _until_a_signal(end: Callable[[], None]) -> Iterator[None]:
    """Stop at the first signal; one that comes later ends the command."""
    stopped = 0

    def stop(*_: object) -> None:
        nonlocal stopped
        if not stopped:
            stopped = time.monotonic_ns()
            end()
        elif time.monotonic_ns() - stopped > _TWICE:
            raise KeyboardInterrupt

    before = {each: signal.signal(each, stop) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def live_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-i` and what goes with it as the one parameter `listening`, None without it."""

    @click.option(
        "-i", "--interface", metavar="NAME", help="Listen to an interface (or any), until Ctrl-C."
    )
    @click.option("--count", type=click.IntRange(1), metavar="N", help="With -i: so many packets.")
    @click.option("--duration", type=TIME, metavar="TIME", help="With -i: for so long.")
    @click.option("--promiscuous", is_flag=True, help="With -i: frames for other machines, too.")
    @click.option(
        "--buffer", type=SIZE, metavar="SIZE", help="With -i: the kernel's.  [default: 16M]"
    )
    @wraps(command)
    def with_listening(
        interface: str | None,
        count: int | None,
        duration: int | None,
        promiscuous: bool,
        buffer: int | None,
        **others: Any,
    ) -> Any:
        listening = None
        if interface is not None:
            listening = Listening(interface, count, duration, promiscuous, buffer)
        elif promiscuous or any(one is not None for one in (count, duration, buffer)):
            raise click.UsageError("--count, --duration, --promiscuous and --buffer go with -i")
        return command(listening=listening, **others)

    return with_listening
