"""What `lastack serve` shows: a live table on a terminal, a log elsewhere, or JSON."""

import time
from collections import deque
from contextlib import suppress
from typing import Final

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lastack.cli.common import print_json, spelled
from lastack.cli.screen import console
from lastack.services.http import Exchange
from lastack.stack.stack import Stack
from lastack.tcp.connection import Connection
from lastack.tcp.events import StateChanged
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import CLOSED, State
from lastack.units import SECOND
from lastack.view.table import connections_table

_RECENT: Final = 5
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def octets(count: float) -> str:
    """Return a number of octets in the unit that suits it: `812 B`, `1.5 MiB`."""
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


class View:
    """What is told of a server; this one keeps the numbers, its children show them."""

    period: float = 1.0
    """Seconds between ticks."""

    def __init__(self, stack: Stack, heading: list[str], details: dict[str, object]) -> None:
        self.stack = stack
        self.heading = heading
        self.details = details
        self.requests = 0

    def begin(self) -> None:
        """The services listen."""

    def opened(self, connection: Connection, service: str) -> None:
        """A connection was accepted."""

    def answered(self, exchange: Exchange, client: str) -> None:
        """A request was answered, or could not be."""
        self.requests += 1

    def tick(self, now: int) -> None:
        """Some time has passed."""
        self.stack.take_events()

    def ending(self) -> None:
        """The first signal has come."""

    def end(self, now: int) -> None:
        """All is over."""


class LogView(View):
    """A line for each request."""

    def begin(self) -> None:
        for line in self.heading:
            click.echo(line)

    def answered(self, exchange: Exchange, client: str) -> None:
        super().answered(exchange, client)
        click.echo(_request_line(exchange, client))

    def end(self, now: int) -> None:
        click.echo(_summary(self.stack, self.requests))


class JsonView(View):
    """Every state change, connection and request as a line of JSON."""

    period = 0.1

    def __init__(self, stack: Stack, heading: list[str], details: dict[str, object]) -> None:
        super().__init__(stack, heading, details)
        stack.keep_events(1 << 16)
        self._ends: dict[int, tuple[str, str]] = {}

    def begin(self) -> None:
        print_json("serve", time_ns=time.monotonic_ns(), **self.details)

    def opened(self, connection: Connection, service: str) -> None:
        local, remote = self._remember(connection)
        print_json(
            "accepted",
            time_ns=time.monotonic_ns(),
            connection=connection.number,
            service=service,
            local=local,
            remote=remote,
        )

    def answered(self, exchange: Exchange, client: str) -> None:
        super().answered(exchange, client)
        print_json(
            "request",
            time_ns=time.monotonic_ns(),
            client=client,
            method=exchange.method,
            target=exchange.target,
            status=exchange.status or None,
            bytes=exchange.sent,
            complete=exchange.complete,
        )

    def tick(self, now: int) -> None:
        events = self.stack.take_events()
        if not events:
            return
        for connection in self.stack.connections():
            self._remember(connection)
        for event in events:
            local, remote = self._ends.get(event.connection, (None, None))
            where = {"connection": event.connection, "local": local, "remote": remote}
            if not isinstance(event, StateChanged):
                print_json(
                    "advice",
                    time_ns=event.time,
                    **where,
                    advice=event.advice,
                    detail=event.detail,
                )
                continue
            print_json(
                "state_changed",
                time_ns=event.time,
                **where,
                **{"from": event.state, "to": event.to},
                cause=event.cause,
                section=event.section,
                segment=event.segment,
            )
            if event.to is CLOSED:
                self._ends.pop(event.connection, None)

    def end(self, now: int) -> None:
        self.tick(now)
        print_json("summary", time_ns=now, requests=self.requests, **self.stack.counters.as_dict())

    def _remember(self, connection: Connection) -> tuple[str, str]:
        found = self._ends.get(connection.number)
        if found is None:
            found = self._ends[connection.number] = str(connection.local), str(connection.remote)
        return found


class ScreenView(View):
    """The connections as a table that fills the terminal, four times a second."""

    period = 0.25

    def __init__(
        self,
        stack: Stack,
        heading: list[str],
        details: dict[str, object],
        names: str = "rfc",
        ascii_only: bool = False,
    ) -> None:
        super().__init__(stack, heading, details)
        self.names = names
        self.ascii_only = ascii_only
        self._console = console()
        self._live = Live(console=self._console, screen=True, auto_refresh=False)
        self._recent: deque[str] = deque(maxlen=_RECENT)
        self._before = (0, 0, 0)
        self._rates = (0.0, 0.0)
        self._ending = False

    def begin(self) -> None:
        self._live.start()

    def answered(self, exchange: Exchange, client: str) -> None:
        super().answered(exchange, client)
        self._recent.append(_request_line(exchange, client))

    def tick(self, now: int) -> None:
        self.stack.take_events()
        counters = self.stack.counters
        then, octets_in, octets_out = self._before
        if then:
            span = max(now - then, 1) / SECOND
            self._rates = (
                (counters.octets_in - octets_in) / span,
                (counters.octets_out - octets_out) / span,
            )
        self._before = (now, counters.octets_in, counters.octets_out)
        self._live.update(self._picture(now), refresh=True)

    def ending(self) -> None:
        self._ending = True

    def end(self, now: int) -> None:
        with suppress(OSError):
            self._live.stop()
        self._console.print(_summary(self.stack, self.requests))

    def _picture(self, now: int) -> RenderableType:
        height = self._console.height
        rows = max(3, height - len(self.heading) - _RECENT - 9)
        infos, counts = shown_connections(self.stack, now, rows)
        table = connections_table(infos, self.names, 0, self.ascii_only)
        left_out = sum(counts.values()) - len(infos)
        parts: list[RenderableType] = [
            Text(self.heading[0], style="bold", no_wrap=True, overflow="ellipsis"),
            *(
                Text(line, style="dim", no_wrap=True, overflow="ellipsis")
                for line in self.heading[1:]
            ),
            self._numbers(counts),
            table,
        ]
        if left_out > 0:
            parts.append(Text(f"and {left_out:,} more", style="dim"))
        parts += [Text(line, no_wrap=True, overflow="ellipsis") for line in self._recent]
        return Group(*parts)

    def _numbers(self, counts: dict[State, int]) -> Table:
        counters = self.stack.counters
        grid = Table.grid(padding=(0, 3, 0, 0))
        into, out = self._rates
        grid.add_row(
            f"in {octets(into)}/s, {octets(counters.octets_in)}",
            f"out {octets(out)}/s, {octets(counters.octets_out)}",
            f"{self.requests:,} requests",
            "closing; Ctrl-C again resets all" if self._ending else "Ctrl-C ends it",
        )
        said = [
            f"{count:,} {spelled(state, self.names)}"
            for state, count in counts.items()
            if state is not State.LISTEN and count
        ]
        whole = Table.grid()
        whole.add_row(Text((" | " if self.ascii_only else " · ").join(said) or "no connection"))
        whole.add_row(grid)
        return whole


def shown_connections(
    stack: Stack, now: int, most: int
) -> tuple[list[ConnectionInfo], dict[State, int]]:
    """Return records of at most so many connections, listeners last, and how many there are.

    A record is only made where it is shown: there may be tens of thousands in TIME-WAIT.
    """
    connections = stack.connections()
    counts = dict.fromkeys(State, 0)
    for connection in connections:
        counts[connection.state] += 1
    counts[State.TIME_WAIT] += len(stack.time_wait_table.entries)
    listeners = stack.listeners.all()
    counts[State.LISTEN] += len(listeners)
    infos = [each.info(now) for each in connections[:most]]
    for entry in stack.time_wait_table.entries.values():
        if len(infos) >= most:
            break
        infos.append(
            ConnectionInfo(
                local=str(entry.local),
                remote=str(entry.remote),
                state=State.TIME_WAIT,
                number=entry.number,
                timers={"time_wait": max(0, entry.expires - now)},
            )
        )
    infos += [
        ConnectionInfo(
            local=str(listener.local),
            remote="*",
            state=State.LISTEN,
            number=listener.number,
            unread=len(listener.waiting),
        )
        for listener in listeners[: max(0, most - len(infos))]
    ]
    return infos, {state: count for state, count in counts.items() if count}


def _request_line(exchange: Exchange, client: str) -> str:
    status = str(exchange.status or "-")
    rest = "" if exchange.complete else " (broken off)"
    target = exchange.target if exchange.target.isprintable() else ascii(exchange.target)
    return (
        f"{time.strftime('%H:%M:%S')}  {client}  {exchange.method} {target}  {status}"
        f"  {exchange.sent:,} bytes{rest}"
    )


def _summary(stack: Stack, requests: int) -> str:
    counters = stack.counters
    return (
        f"{counters.opened_passively:,} connections, {requests:,} requests; "
        f"{octets(counters.octets_in)} in, {octets(counters.octets_out)} out"
    )
