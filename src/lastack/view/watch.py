"""`lastack watch`: the kernel's sockets as counts by state, top talkers and a table."""

from collections.abc import Iterable
from typing import Final

from rich.box import ASCII, SIMPLE_HEAD
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from lastack.observe.ages import Age
from lastack.observe.core.diag import KernelSocket
from lastack.observe.kernel_info import connection_info, text_of
from lastack.observe.sockets import is_peer_told
from lastack.observe.talkers import KINDS, Talker
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import State
from lastack.view.ladder import duration, fitted
from lastack.view.machine import state_label
from lastack.view.tcb import said, tcb_rows
from lastack.view.why import span

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "process": "By process",
        "cgroup": "By control group",
        "peer": "By peer",
        "listener": "By listener",
        "sockets": "sockets",
        "in": "in",
        "out": "out",
        "none": "none",
        "destroy": "Destroy {count} sockets?",
        "reset": "Peers that will see a reset: {count}.",
        "silent": "Peers that are not told: {count}.",
        "unprotected": "Without TIME-WAIT old segments may disturb the next connection (RFC 1337).",
        "no_filter": "--kill needs a selection: --state, --port, --host or --pid",
        "no_most": "--most limits the table alone: --kill goes by --state, --port, --host, --pid",
        "no_terminal": "--kill asks at a terminal, and there is none: give --yes",
        "no_privilege": "not destroyed: it needs CAP_NET_ADMIN (root)",
        "no_destroy": "not destroyed: this kernel was built without CONFIG_INET_DIAG_DESTROY",
        "nothing": "no socket is meant",
        "done": "{count} destroyed",
        "total": "{count} sockets",
        "total_one": "1 socket",
        "overview": "Overview",
        "list": "Sockets",
        "back": "Back",
        "find": "Filter",
        "pause": "Pause",
        "spelling": "Names",
        "quit": "Quit",
        "open": "Details",
        "prompt": "CLOSE-WAIT  :443  10.0.0.1  pid:4127",
        "listed": "{count} of them listed: choose with a filter",
        "left_out": "and {count} more",
        "ended": "{count} ended since the start",
        "diagram": "Diagram",
        "talkers": "Talkers",
        "paused": "paused",
        "state": "State",
        "by": "Process",
        "local": "Local",
        "remote": "Remote",
        "recv_q": "Recv-Q",
        "send_q": "Send-Q",
        "for": "For",
        "timer": "Timer",
    },
    "zh": {
        "process": "按进程",
        "cgroup": "按控制组",
        "peer": "按对端",
        "listener": "按监听者",
        "sockets": "套接字",
        "in": "收",
        "out": "发",
        "none": "无",
        "destroy": "销毁 {count} 个套接字吗？",
        "reset": "会看到复位的对端：{count} 个。",
        "silent": "不会得到告知的对端：{count} 个。",
        "unprotected": "没有 TIME-WAIT，旧报文段可能干扰下一个连接（RFC 1337）。",
        "no_filter": "--kill 需要选择条件：--state、--port、--host 或 --pid",
        "no_most": "--most 只限制表格：--kill 的对象用 --state、--port、--host 和 --pid 选择",
        "no_terminal": "--kill 要在终端上确认，而这里没有终端：请加 --yes",
        "no_privilege": "未销毁：需要 CAP_NET_ADMIN（root）",
        "no_destroy": "未销毁：此内核编译时没有 CONFIG_INET_DIAG_DESTROY",
        "nothing": "没有符合条件的套接字",
        "done": "已销毁 {count} 个",
        "total": "{count} 个套接字",
        "total_one": "1 个套接字",
        "overview": "概览",
        "list": "套接字",
        "back": "返回",
        "find": "筛选",
        "pause": "暂停",
        "spelling": "名称",
        "quit": "退出",
        "open": "详情",
        "prompt": "CLOSE-WAIT  :443  10.0.0.1  pid:4127",
        "listed": "列出其中 {count} 个：请用筛选",
        "left_out": "另有 {count} 个",
        "ended": "启动以来已结束 {count} 个",
        "diagram": "状态图",
        "talkers": "最活跃者",
        "paused": "已暂停",
        "state": "状态",
        "by": "进程",
        "local": "本地",
        "remote": "对端",
        "recv_q": "待读",
        "send_q": "待发",
        "for": "历时",
        "timer": "定时器",
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
        name = state_label(state, names)
        table.add_row(Text(name, style=style), Text(f"{count:,}", style=style), Text(drawn, "cyan"))
    return table


COLUMNS: Final = ("state", "for", "by", "local", "remote", "recv_q", "send_q", "timer")
"""Of a table of sockets: the keys of their headings."""


def socket_cells(
    found: KernelSocket,
    held_by: str,
    age: Age | None,
    names: str = "rfc",
    language: str = "en",
    ascii_only: bool = False,
) -> list[Text]:
    """Return what a table of sockets has of one, in the order of COLUMNS."""
    info = connection_info(found)
    timer = ", ".join(
        f"{said(name, language)} {span(left, language)}" for name, left in info.timers.items()
    )
    return [
        Text(state_label(found.state, names)),
        Text(_bounded(age, language, ascii_only)),
        Text(fitted(held_by, 22)),
        Text(info.local),
        Text(info.remote or "*"),
        Text(f"{found.unread:,}", justify="right"),
        Text(f"{found.unsent:,}", justify="right"),
        Text(timer),
    ]


def kill_question(chosen: list[KernelSocket], language: str = "en") -> str:
    """Return what is asked before sockets are destroyed: how many, and who will hear of it."""
    words, told = WORDS[language], sum(map(is_peer_told, chosen))
    parts = [words["destroy"].format(count=f"{len(chosen):,}")]
    if told:
        parts.append(words["reset"].format(count=f"{told:,}"))
    if silent := sum(each.state is not State.LISTEN for each in chosen) - told:
        parts.append(words["silent"].format(count=f"{silent:,}"))
    if any(each.state is State.TIME_WAIT for each in chosen):
        parts.append(words["unprotected"])
    return ("" if language == "zh" else " ").join(parts)


def place_of(found: KernelSocket) -> tuple[int, str, int, str, int]:
    """Return where a socket stands in a table: by state, then by its ends."""
    ends = text_of(found.local, 0), found.local_port, text_of(found.remote, 0), found.remote_port
    return (int(found.state), *ends)


def sockets_table(
    rows: list[list[Text]], left_out: int, language: str = "en", ascii_only: bool = False
) -> Table:
    """Return the table of these sockets; a last row says how many were left out."""
    words = WORDS[language]
    box = ASCII if ascii_only else SIMPLE_HEAD
    table = Table(box=box, padding=0, pad_edge=False)
    for key in COLUMNS:
        justify: JustifyMethod = "right" if key in ("recv_q", "send_q") else "left"
        table.add_column(words[key], no_wrap=True, justify=justify)
    for row in rows:
        table.add_row(*row)
    if left_out:
        table.add_row(Text(words["left_out"].format(count=f"{left_out:,}"), style="dim"))
    return table


def _bounded(age: Age | None, language: str, ascii_only: bool) -> str:
    if age is None:
        return ""
    return ("" if age.exact else ">=" if ascii_only else "≥") + span(age.time, language)


def socket_rows(
    info: ConnectionInfo,
    held_by: str,
    cgroup: str,
    age: Age | None,
    names: str = "rfc",
    language: str = "en",
    ascii_only: bool = False,
) -> list[tuple[str, str]]:
    """Return (name, value) of what the kernel tells of one socket, TCP_INFO and timers with it."""
    rows = tcb_rows(info, names, language)
    own = [
        ("held by", held_by),
        ("control group", cgroup),
        ("for", _bounded(age, language, ascii_only)),
    ]
    listening = info.state is State.LISTEN
    queues = ("to accept", "backlog") if listening else ("unread", "unsent")
    more = [(queues[0], _count(info.unread)), (queues[1], _count(info.unsent))]
    if not listening:
        more += [
            ("in flight", _count(info.in_flight)),
            (
                "controller",
                f"{info.controller or ''} {said(info.recovery or '', language)}".strip(),
            ),
            ("retries, probes", f"{info.retries or 0}, {info.probes or 0}"),
            ("octets resent", _count(info.bytes_resent)),
            ("min RTT", _since(info.min_rtt)),
            ("delivery rate", "" if not info.delivery_rate else f"{octets(info.delivery_rate)}/s"),
            ("pacing rate", "" if not info.pacing_rate else f"{octets(info.pacing_rate)}/s"),
            ("last data out", _since(info.since_data_sent)),
            ("last data in", _since(info.since_data_received)),
            ("last ACK in", _since(info.since_ack_received)),
            ("limited by peer", _since(info.limited_by_peer)),
            ("limited by buffer", _since(info.limited_by_buffer)),
            ("ECN", said(info.ecn or "", language)),
        ]
    rows[1:1] = [(said(name, language), value) for name, value in own]
    rows += [(said(name, language), value) for name, value in more]
    return [(name, value) for name, value in rows if value]


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _since(value: int | None) -> str:
    return "" if value is None else duration(value)


def talkers_table(
    found: dict[str, list[Talker]],
    most: int,
    language: str = "en",
    ascii_only: bool = False,
    kinds: tuple[str, ...] = KINDS,
) -> Table:
    """Return who moves most, and has most sockets: at most so many rows of each kind."""
    words = WORDS[language]
    box = ASCII if ascii_only else SIMPLE_HEAD
    table = Table(box=box, padding=(0, 1, 0, 0), pad_edge=False, collapse_padding=True)
    table.add_column(words["talkers"], no_wrap=True, overflow="ellipsis", ratio=1)
    for key in ("sockets", "in", "out"):
        table.add_column(words[key], justify="right", no_wrap=True, min_width=7)
    for kind in kinds:
        if kind == "cgroup" and all(each.name == "/" for each in found[kind]):
            continue  # no groups have been made
        table.add_row(Text(words[kind], style="dim italic"))
        for each in found[kind][:most]:
            moved = octets(each.octets_in), octets(each.octets_out)
            table.add_row(Text(f"  {each.name}"), f"{each.sockets:,}", *moved)
        if not found[kind]:
            table.add_row(Text(f"  {words['none']}", style="dim"))
    return table
