"""`lastack watch`: the kernel's sockets as counts by state, top talkers and a table."""

from collections.abc import Iterable
from typing import Final

from rich.box import ASCII, SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lastack.observe.talkers import KINDS, Talker
from lastack.tcp.states import State, linux_name

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "process": "By process",
        "peer": "By peer",
        "listener": "By listener",
        "sockets": "sockets",
        "in": "in",
        "out": "out",
        "none": "none",
        "total": "{count} sockets",
        "destroyed": "Destroy {count} sockets? Both ends of each will see the connection reset.",
        "no_filter": "--kill needs a selection: --state, --port, --host or --pid",
        "nothing": "no socket is meant",
        "done": "{count} destroyed",
        "not_seen": "Not seen",
        "connections": "Sockets",
        "diagram": "Diagram",
        "over_time": "Over time",
        "talkers": "Talkers",
        "detail": "One socket",
        "filter": "state, port, address or pid",
        "paused": "paused",
    },
    "zh": {
        "process": "按进程",
        "peer": "按对端",
        "listener": "按监听者",
        "sockets": "套接字",
        "in": "收",
        "out": "发",
        "none": "无",
        "total": "{count} 个套接字",
        "destroyed": "销毁 {count} 个套接字吗？每个连接的两端都会看到连接被重置。",
        "no_filter": "--kill 需要选择条件：--state、--port、--host 或 --pid",
        "nothing": "没有符合条件的套接字",
        "done": "已销毁 {count} 个",
        "not_seen": "看不到的",
        "connections": "套接字",
        "diagram": "状态图",
        "over_time": "随时间",
        "talkers": "最活跃者",
        "detail": "单个套接字",
        "filter": "状态、端口、地址或 pid",
        "paused": "已暂停",
    },
}
_BARS: Final = " ▁▂▃▄▅▆▇█"
_ASCII_BARS: Final = " .:-=+*#@"
_ALARMS: Final = (State.CLOSE_WAIT, State.SYN_RECEIVED, State.SYN_SENT)


def octets(value: int) -> str:
    """Return octets in at most seven places: `12.3 MB`."""
    if value < 1000:
        return f"{value} B"
    for unit in ("kB", "MB", "GB", "TB"):
        value_in = value / 1000
        if value_in < 999.5:
            return f"{value_in:.3g} {unit}"
        value = round(value_in)
    return f"{value} TB"


def bars(history: Iterable[int], room: int, ascii_only: bool = False) -> str:
    """Return the last counts as a row of bars, the highest full."""
    steps = _ASCII_BARS if ascii_only else _BARS
    shown = list(history)[-room:]
    most = max([1, *shown])
    # What is there at all is never drawn as nothing.
    return "".join(
        steps[min(len(steps) - 1, -(-each * (len(steps) - 1) // most))] for each in shown
    )


def counts_table(
    counts: dict[State, int],
    names: str = "rfc",
    history: dict[State, list[int]] | None = None,
    room: int = 0,
    ascii_only: bool = False,
) -> Table:
    """Return the eleven states with their counts, and as bars how these have changed."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, width=12)
    table.add_column(justify="right", width=7)
    table.add_column(no_wrap=True)
    for state in State:
        count = counts.get(state, 0)
        style = "dim" if not count else "yellow" if state in _ALARMS else "bold"
        drawn = bars((history or {}).get(state, []), room, ascii_only) if room else ""
        name = linux_name(state) if names == "linux" else str(state)
        table.add_row(Text(name, style=style), Text(f"{count:,}", style=style), Text(drawn, "cyan"))
    return table


def talkers_table(
    found: dict[str, list[Talker]],
    most: int,
    language: str = "en",
    ascii_only: bool = False,
    kinds: tuple[str, ...] = KINDS,
) -> Table:
    """Return who moves most, and has most sockets: at most so many rows of each kind."""
    words = WORDS[language]
    table = Table(box=ASCII if ascii_only else SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(words["talkers"], no_wrap=True, overflow="ellipsis", ratio=1)
    for key in ("sockets", "in", "out"):
        table.add_column(words[key], justify="right", no_wrap=True, min_width=7)
    for kind in kinds:
        table.add_row(Text(words[kind], style="dim italic"))
        for each in found[kind][:most]:
            moved = octets(each.octets_in), octets(each.octets_out)
            table.add_row(Text(f"  {each.name}"), f"{each.sockets:,}", *moved)
        if not found[kind]:
            table.add_row(Text(f"  {words['none']}", style="dim"))
    return table
