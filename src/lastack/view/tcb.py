"""The control block of a connection as a table, with the names of RFC 9293 3.3.1."""

from collections.abc import Sequence
from typing import Final

from rich.box import ASCII, SIMPLE_HEAD
from rich.table import Table

from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import State, linux_name
from lastack.view.ladder import duration
from lastack.wire.seq import diff

_SEND: Final = (("SND.UNA", "snd_una"), ("SND.NXT", "snd_nxt"), ("SND.UP", "snd_up"))
_RECEIVE: Final = (("RCV.NXT", "rcv_nxt"), ("RCV.UP", "rcv_up"))

UNKNOWN: Final = "?"


_CHINESE: Final = {
    "state": "状态",
    "local": "本地",
    "remote": "对端",
    "options": "选项",
    "segments out, in": "报文段 发、收",
    "octets out, in": "字节 发、收",
    "retransmissions": "重传",
    "timers": "定时器",
    "none": "无",
    "held by": "持有者",
    "control group": "控制组",
    "for": "历时",
    "to accept": "待 accept",
    "backlog": "队列上限",
    "unread": "未读",
    "unsent": "未发送",
    "in flight": "在途",
    "controller": "拥塞控制",
    "retries, probes": "重试、探测",
    "octets resent": "重发字节",
    "min RTT": "最小 RTT",
    "delivery rate": "交付速率",
    "pacing rate": "调速速率",
    "last data out": "上次发出数据",
    "last data in": "上次收到数据",
    "last ACK in": "上次收到 ACK",
    "limited by peer": "受限于对端",
    "limited by buffer": "受限于缓冲区",
    "scale": "移位",
    "timestamps": "时间戳",
    "{timer} in {left}": "{timer} {left} 后",
    "retransmit": "重传",
    "keepalive": "保活",
    "time wait": "TIME-WAIT",
    "persist": "坚持",
    "rack": "RACK",
    "open": "正常",
    "recovery": "恢复中",
    "loss": "超时恢复",
    "classic": "传统",
    "accurate": "精确",
}
"""What is said in Chinese; what is missing here is a name and stays."""


def said(words: str, language: str = "en") -> str:
    """Return what a row, a timer or a value is called in `en` or `zh`."""
    return _CHINESE.get(words, words) if language == "zh" else words


def tcb_rows(
    info: ConnectionInfo, names: str = "rfc", language: str = "en"
) -> list[tuple[str, str]]:
    """Return (name, value) for everything known about a connection, in the order of the RFC.

    Sequence numbers are relative to the initial one of their side, in brackets absolute.
    """
    none, scale = said("none", language), said("scale", language)
    form = said("{timer} in {left}", language)
    rows = [("state", _state(info.state, names)), ("local", info.local), ("remote", info.remote)]
    rows += [(name, _relative(getattr(info, field), info.iss)) for name, field in _SEND]
    rows.append(("SND.WND", _octets(info.snd_wnd, info.snd_scale, scale)))
    rows.append(("SND.WL1", _relative(info.snd_wl1, info.irs)))
    rows.append(("SND.WL2", _relative(info.snd_wl2, info.iss)))
    rows.append(("ISS", _number(info.iss)))
    rows += [(name, _relative(getattr(info, field), info.irs)) for name, field in _RECEIVE]
    rows.append(("RCV.WND", _octets(info.rcv_wnd, info.rcv_scale, scale)))
    rows.append(("IRS", _number(info.irs)))
    rows.append(("MSS", _number(info.mss)))
    rows.append(("options", _options(info, language)))
    rows.append(("SRTT, RTTVAR", _pair(_time(info.srtt), _time(info.rttvar))))
    rows.append(("RTO", _time(info.rto)))
    rows.append(("cwnd, ssthresh", _pair(_number(info.cwnd), _threshold(info.ssthresh, none))))
    rows.append(
        ("segments out, in", _pair(_number(info.segments_sent), _number(info.segments_received)))
    )
    rows.append(("octets out, in", _pair(_number(info.bytes_sent), _number(info.bytes_received))))
    rows.append(("retransmissions", _number(info.retransmissions)))
    timers = ", ".join(
        form.format(timer=said(name, language), left=duration(left))
        for name, left in info.timers.items()
    )
    rows.append(("timers", timers or none))
    return [(said(name, language), value) for name, value in rows if value]


def tcb_table(
    infos: Sequence[tuple[str, ConnectionInfo]],
    names: str = "rfc",
    ascii_only: bool = False,
    language: str = "en",
) -> Table:
    """Return one table with a column for each named connection; what all lack is left out."""
    columns = [dict(tcb_rows(info, names, language)) for _, info in infos]
    table = Table(box=ASCII if ascii_only else SIMPLE_HEAD, pad_edge=False)
    table.add_column("TCB", no_wrap=True)
    for title, _ in infos:
        table.add_column(title, overflow="fold")
    order = list(dict.fromkeys(name for column in columns for name in column))
    for name in order:
        table.add_row(name, *(column.get(name, UNKNOWN) for column in columns))
    return table


def _state(state: State | None, names: str) -> str:
    if state is None:
        return UNKNOWN
    return linux_name(state) if names == "linux" else str(state)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _relative(value: int | None, base: int | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if base is None else f"{diff(value, base):,}  ({value})"


def _octets(value: int | None, scale: int | None, word: str) -> str:
    if value is None:
        return ""
    return f"{value:,}  ({word} {scale})" if scale and scale > 0 else f"{value:,}"


def _threshold(value: int | None, none: str) -> str:
    return none if value is not None and value >= 1 << 30 else _number(value)


def _time(value: int | None) -> str:
    return "" if value is None else duration(value)


def _pair(a: str, b: str) -> str:
    return ", ".join((a or UNKNOWN, b or UNKNOWN)) if a or b else ""


def _options(info: ConnectionInfo, language: str) -> str:
    known = (("timestamps", info.timestamps), ("SACK", info.sack))
    if all(value is None for _, value in known):
        return ""
    return ", ".join(said(name, language) for name, value in known if value) or said(
        "none", language
    )
