"""The words in the picture of the state machine, in English and Chinese."""

from typing import Final

from lastack.tcp.states import Cause

CAUSES: Final[dict[str, dict[Cause, str]]] = {
    "en": {
        Cause.PASSIVE_OPEN: "passive OPEN",
        Cause.ACTIVE_OPEN: "active OPEN",
        Cause.CLOSE: "CLOSE",
        Cause.ABORT: "ABORT",
        Cause.SYN: "SYN",
        Cause.SYN_ACK: "SYN, ACK",
        Cause.ACK_OF_SYN: "ACK of SYN",
        Cause.FIN: "FIN",
        Cause.ACK_OF_FIN: "ACK of FIN",
        Cause.RESET: "RST",
        Cause.RESET_OF_PASSIVE: "RST, opened passively",
        Cause.RESET_OF_REOPENED: "RST, reopened",
        Cause.DATA_AFTER_CLOSE: "data for a user who has gone",
        Cause.TIME_WAIT_OVER: "2MSL over",
        Cause.RETRANSMISSIONS_EXHAUSTED: "R2 reached",
        Cause.USER_TIMEOUT: "user timeout",
        Cause.KEEPALIVE_FAILED: "keep-alive unanswered",
        Cause.FIN_WAIT_2_OVER: "limit, user gone",
        Cause.ICMP_HARD_ERROR: "ICMP hard error",
        Cause.INTERNAL: "our own mistake",
    },
    "zh": {
        Cause.PASSIVE_OPEN: "被动 OPEN",
        Cause.ACTIVE_OPEN: "主动 OPEN",
        Cause.CLOSE: "CLOSE",
        Cause.ABORT: "ABORT",
        Cause.SYN: "SYN",
        Cause.SYN_ACK: "SYN, ACK",
        Cause.ACK_OF_SYN: "SYN 的 ACK",
        Cause.FIN: "FIN",
        Cause.ACK_OF_FIN: "FIN 的 ACK",
        Cause.RESET: "RST",
        Cause.RESET_OF_PASSIVE: "RST，被动打开",
        Cause.RESET_OF_REOPENED: "RST，重新打开",
        Cause.DATA_AFTER_CLOSE: "用户已离开后到来的数据",
        Cause.TIME_WAIT_OVER: "2MSL 到期",
        Cause.RETRANSMISSIONS_EXHAUSTED: "重传到 R2",
        Cause.USER_TIMEOUT: "用户超时",
        Cause.KEEPALIVE_FAILED: "保活无应答",
        Cause.FIN_WAIT_2_OVER: "时限，无用户",
        Cause.ICMP_HARD_ERROR: "ICMP 硬错误",
        Cause.INTERNAL: "自身的错误",
    },
}
"""What an arrow says for each cause."""

_STEPS: Final = {
    "first": "第一步",
    "second": "第二步",
    "third": "第三步",
    "fourth": "第四步",
    "fifth": "第五步",
    "sixth": "第六步",
    "seventh": "第七步",
    "eighth": "第八步",
    "figure": "图",
}


def cause_words(cause: str, language: str) -> str:
    """Return what a cause, as JSON has it, is called in the language."""
    return CAUSES[language][Cause[cause.upper().replace(" ", "_")]]


def section_words(section: str, language: str) -> str:
    """Return a section of RFC 9293 with its step: `3.10.7.4 fifth`, `3.10.7.4 第五步`."""
    if language == "en":
        return section
    return " ".join(_STEPS.get(word, word) for word in section.split(" "))


PICTURE: Final[dict[str, dict[str, str]]] = {
    "en": {
        "send": "send",
        "every": "every state",
        "every_but": "every state but {states}",
        ", ": ", ",
        "client": "a client's usual life",
        "server": "a server's",
        "rest": "the rest",
        "section": "§ section of RFC 9293",
        "section_ascii": "3.x: section of RFC 9293",
        "ends": "Sudden ends, all to CLOSED:",
    },
    "zh": {
        "send": "发",
        "every": "所有状态",
        "every_but": "除 {states} 外的所有状态",
        ", ": "、",
        "client": "客户端的通常一生",
        "server": "服务器的",
        "rest": "其余",
        "section": "§ 为 RFC 9293 的章节",
        "section_ascii": "3.x: RFC 9293 的章节",
        "ends": "突然的结束，都到 CLOSED：",
    },
}
