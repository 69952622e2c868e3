"""Connections as a table, like ss and netstat, from the records of any source."""

from collections.abc import Iterable
from typing import Final

from rich.box import ASCII, SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import State, linux_name
from lastack.view.ladder import duration

_ORDER: Final = {state: place for place, state in enumerate(State)}
_STYLES: Final = {
    State.ESTABLISHED: "green",
    State.CLOSE_WAIT: "yellow",
    State.SYN_SENT: "yellow",
    State.TIME_WAIT: "dim",
}


def connections_table(
    infos: Iterable[ConnectionInfo],
    names: str = "rfc",
    most: int = 0,
    ascii_only: bool = False,
) -> Table:
    """Return the table: state, queues, endpoints, timing, timer; listeners first.

    `most` bounds the rows (0: all of them); a last row then says how many were left out. Queues are
    octets: unread, and unsent plus in flight, as in ss.
    """
    ordered = sorted(infos, key=_place)
    shown = ordered[:most] if most else ordered
    table = Table(
        box=ASCII if ascii_only else SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("State", no_wrap=True)
    for heading in ("Recv-Q", "Send-Q"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("Local", "Remote"):
        table.add_column(heading, no_wrap=True)
    for heading in ("RTT", "cwnd", "Resent"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Timer")  # the one that gives way where the terminal is narrow
    for info in shown:
        table.add_row(*_row(info, names))
    if len(shown) < len(ordered):
        table.add_row(Text(f"and {len(ordered) - len(shown):,} more", style="dim"))
    return table


def _place(info: ConnectionInfo) -> tuple[int, str, str, int]:
    place = len(_ORDER) if info.state is None else _ORDER[info.state]
    return place, info.local, info.remote, info.number


def _row(info: ConnectionInfo, names: str) -> list[Text | str]:
    state = info.state
    name = "?" if state is None else linux_name(state) if names == "linux" else str(state)
    listening = state is State.LISTEN
    queued = None
    if info.unsent is not None or info.in_flight is not None:
        queued = (info.unsent or 0) + (info.in_flight or 0)
    return [
        Text(name, style="" if state is None else _STYLES.get(state, "")),
        _number(info.unread),
        _number(queued),
        # As Text: in a string, [fd00::1] would be taken for a mark-up.
        Text(info.local),
        Text(info.remote or "*"),
        "" if not info.srtt else duration(info.srtt),
        "" if listening else _number(info.cwnd),
        "" if listening or not info.retransmissions else _number(info.retransmissions),
        Text(
            ", ".join(f"{timer} {duration(left)}" for timer, left in info.timers.items()),
            no_wrap=True,
            overflow="ellipsis",
        ),
    ]


def _number(value: int | None) -> str:
    """Return a number in at most six places: `99,999`, `1.2M`."""
    if value is None:
        return ""
    if value < 100_000:
        return f"{value:,}"
    return f"{value / 1000:.0f}k" if value < 1_000_000 else f"{value / 1_000_000:.1f}M"
