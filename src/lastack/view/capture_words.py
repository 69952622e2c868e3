"""The words of what a capture amounts to, in English and Chinese."""

from typing import Final

from lastack.observe.streams import What

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "counts": "{packets} packets, {segments} segments of TCP, {connections} connections, "
        "{octets},\n{span} from {begin} UTC",
        "matched": "{matched} of them are asked for",
        "handshake": "handshake",
        "teardown": "teardown",
        "resent": "most resent",
        "stuck": "longest stuck",
        "resent_line": "#{number} {a} {b}: {count} of {packets} segments sent again",
        "stuck_line": "#{number} {a} {b}: {verdict}, for {span} until the capture ends",
        "look": "look at",
        "look_line": "{count} × {verdict}, most at {place} ({most}): {advice}",
        "skipped": "passed over",
        "skipped_line": "{count} packets: {why}",
        "evicted": "{count} connections were given up while they were open, for want of room "
        "(--most-open)",
        "problem": "damaged: {problem}; what stands before that was read",
        "more": "and {count} more (--most, --sort, --host, --port, --state, --verdict)",
        "none": "no connection",
        "no_capture": "{file} is no capture",
        "number": "#",
        "ends": "A, B",
        "states": "at the end",
        "opened": "opened, ended",
        "octets": "octets A, B",
        "duration": "time",
        "rtt": "RTT",
        "again": "resent",
        "silence": "-",
    },
    "zh": {
        "counts": "{packets} 个数据包，{segments} 个 TCP 报文段，{connections} 个连接，"
        "{octets}，\n自 {begin} UTC 起 {span}",
        "matched": "其中 {matched} 个符合条件",
        "handshake": "建立",
        "teardown": "终止",
        "resent": "重传最多",
        "stuck": "卡住最久",
        "resent_line": "#{number} {a} {b}：{packets} 个报文段中 {count} 个重传",
        "stuck_line": "#{number} {a} {b}：{verdict}，到抓包结束已 {span}",
        "look": "请看",
        "look_line": "{count} × {verdict}，最多在 {place}（{most}）：{advice}",
        "skipped": "未读",
        "skipped_line": "{count} 个数据包：{why}",
        "evicted": "{count} 个连接因空间不足而提前放弃（--most-open）",
        "problem": "文件损坏：{problem}；此前的内容已读",
        "more": "另有 {count} 个（--most、--sort、--host、--port、--state、--verdict）",
        "none": "没有连接",
        "no_capture": "{file} 不是抓包文件",
        "number": "#",
        "ends": "A，B",
        "states": "结束时",
        "opened": "打开，结束",
        "octets": "字节 A，B",
        "duration": "时长",
        "rtt": "RTT",
        "again": "重传",
        "silence": "-",
    },
}

VERDICTS_ZH: Final[dict[str, str]] = {
    "complete": "完整",
    "refused": "被拒绝",
    "no answer": "无应答",
    "half open": "半开",
    "simultaneous open": "同时打开",
    "split handshake": "拆分握手",
    "fast open": "快速打开",
    "mid-stream": "中途开始",
    "backscatter": "反向散射",
    "abandoned": "放弃",
    "normal": "正常",
    "three segment": "三段终止",
    "half close": "半关闭",
    "simultaneous close": "同时关闭",
    "abort": "中止",
    "stuck in close wait": "卡在 CLOSE-WAIT",
    "stuck in fin wait 1": "卡在 FIN-WAIT-1",
    "stuck in fin wait 2": "卡在 FIN-WAIT-2",
    "last ack lost": "最后的 ACK 丢失",
    "time wait assassination": "TIME-WAIT 被复位结束",
    "half open discovered": "发现半开连接",
    "peer silent": "对端沉默",
    "open": "仍打开",
    "never open": "从未打开",
}
"""A verdict's English word and the Chinese one; a word that is not here stays as it is."""

ADVICE: Final[dict[str, dict[str, str]]] = {
    "en": {
        "stuck in close wait": "the application there does not close",
        "stuck in fin wait 1": "its FIN is not acknowledged: peer gone, or its window closed",
        "stuck in fin wait 2": "the application at the other end does not close",
        "last ack lost": "the peer went away before the last FIN was acknowledged",
        "peer silent": "it answers no more: host down, path broken, or a firewall",
        "abort": "it resets connections: errors, SO_LINGER 0, or unread octets at close",
        "refused": "nobody listens there, or a firewall resets",
        "no answer": "SYNs go unanswered: host down, filtered, or backlog full",
        "half open": "SYN-ACKs stay unacknowledged: flood, spoofed source or one-way path",
    },
    "zh": {
        "stuck in close wait": "该处的应用没有关闭连接",
        "stuck in fin wait 1": "FIN 未被确认：对端已离开，或其窗口关闭",
        "stuck in fin wait 2": "另一端的应用没有关闭连接",
        "last ack lost": "对端在确认最后的 FIN 之前离开",
        "peer silent": "不再应答：主机停机、路径中断或防火墙",
        "abort": "它复位连接：出错、SO_LINGER 0，或关闭时有未读数据",
        "refused": "那里无人监听，或防火墙复位",
        "no answer": "SYN 无应答：主机停机、被过滤或队列已满",
        "half open": "SYN-ACK 未被确认：洪泛、伪造源地址或单向路径",
    },
}


def verdict_word(word: str, language: str) -> str:
    """Return a verdict in the language."""
    return VERDICTS_ZH.get(word, word) if language == "zh" else word


STREAM: Final[dict[str, dict[What, str]]] = {
    "en": {
        What.MIDDLE: "{end}: the beginning was not captured",
        What.GAP: "{end}: {count} octets from octet {offset} on were not captured",
        What.AFTER_RESET: "{end}: {count} octets came after the reset and were left out",
        What.BEHIND_FIN: "{end}: {count} octets stood behind its FIN and were left out",
        What.OUTSIDE: "{end}: {count} octets were in no window and were left out",
        What.DIFFERENT: "{end}: {count} octets were sent again with other values, the first at "
        "octet {offset}; those that came first were kept",
    },
    "zh": {
        What.MIDDLE: "{end}：开头未被抓取",
        What.GAP: "{end}：自第 {offset} 字节起有 {count} 字节未被抓取",
        What.AFTER_RESET: "{end}：{count} 字节在复位之后到来，已略去",
        What.BEHIND_FIN: "{end}：{count} 字节位于其 FIN 之后，已略去",
        What.OUTSIDE: "{end}：{count} 字节不在任何窗口内，已略去",
        What.DIFFERENT: "{end}：{count} 字节重传时内容不同，首处在第 {offset} 字节；保留最先到来的",
    },
}

EVIDENCE: Final[dict[str, dict[str, str]]] = {
    "en": {
        "sent": "its own segment says so",
        "acked": "shown by packet {proof}",
        "presumed": "seen passing; nothing shows that it arrived",
        "timer": "no segment: time passed",
        "refuted": "refuted: packet {proof} shows that it had not arrived",
        "end": "at the end: {states}",
        "no_number": "there is no connection {number}; there are {count}",
        "gap": "{count} segments not shown (--all shows them)",
        "once": "a second look needs a file; standard input passes by once",
    },
    "zh": {
        "sent": "由它自己的报文段表明",
        "acked": "由数据包 {proof} 证实",
        "presumed": "见其经过；没有证据表明已到达",
        "timer": "没有报文段：时间到了",
        "refuted": "被推翻：数据包 {proof} 表明它当时并未到达",
        "end": "结束时：{states}",
        "no_number": "没有连接 {number}；共有 {count} 个",
        "gap": "{count} 个报文段未显示（--all 显示全部）",
        "once": "再看一遍需要文件；标准输入只经过一次",
    },
}
