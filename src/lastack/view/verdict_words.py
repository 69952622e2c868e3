"""What a verdict, a broken rule or a group is called, and what to do about it, in both languages.

The keys are the English words that JSON has.
"""

from typing import Final

from lastack.observe.core.analysis import Remark

VERDICTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "en": {
        "complete": ("complete", "three segments, and each end knows of the other"),
        "refused": ("refused", "nobody listens there, or a firewall resets"),
        "no answer": ("no answer", "SYNs go unanswered: host down, filtered, or backlog full"),
        "half open": (
            "half open",
            "SYN-ACKs stay unacknowledged: flood, spoofed source or one-way path",
        ),
        "simultaneous open": ("simultaneous open", "both ends asked; their SYNs crossed"),
        "split handshake": (
            "split handshake",
            "a SYN answered the SYN: an odd stack, or somebody who wants to slip past a filter",
        ),
        "fast open": ("fast open", "the text in the SYN was accepted"),
        "mid-stream": ("mid-stream", "it began before the capture"),
        "backscatter": (
            "backscatter",
            "answers to what was never sent from there: somebody else uses the address",
        ),
        "abandoned": (
            "abandoned",
            "the end that asked took its SYN back: a scan, or it no longer waited",
        ),
        "being opened": ("being opened", "the capture ended before an answer was due"),
        "normal": ("normal", "both ends have closed"),
        "three segment": ("three segment", "both ends have closed; one FIN came with the ACK"),
        "half close": ("half close", "one end went on sending after the other had closed"),
        "simultaneous close": ("simultaneous close", "both ends closed; their FINs crossed"),
        "abort": ("abort", "it resets connections: errors, SO_LINGER 0, or unread octets at close"),
        "stuck in close wait": ("stuck in CLOSE-WAIT", "the application there does not close"),
        "stuck in fin wait 1": (
            "stuck in FIN-WAIT-1",
            "its FIN is not acknowledged: peer gone, or its window closed",
        ),
        "stuck in fin wait 2": (
            "stuck in FIN-WAIT-2",
            "the application at the other end does not close, or that host is gone",
        ),
        "stuck in closing": (
            "stuck in CLOSING",
            "the FINs crossed, and the ACK of its own is missing: lost, or not captured",
        ),
        "last ack lost": (
            "last ACK lost",
            "the peer went away before the last FIN was acknowledged",
        ),
        "time wait assassination": (
            "TIME-WAIT assassination",
            "a reset ended TIME-WAIT: old duplicates may disturb the next connection (RFC 1337)",
        ),
        "half open discovered": (
            "half-open discovered",
            "one end knew nothing of it any more: a restart, or a box between with a short timeout",
        ),
        "peer silent": ("peer silent", "it answers no more: host down, path broken, or a firewall"),
        "half seen": (
            "half seen",
            "nothing was captured of one end: a one-sided tap or an asymmetric path",
        ),
        "open": ("open", "it was open when the capture ended"),
        "being closed": ("being closed", "one end had finished when the capture ended"),
        "never open": ("never open", "it did not get past the handshake"),
        "time wait reuse": (
            "TIME-WAIT reuse",
            "its addresses and ports were used again within TIME-WAIT: by chance, or ports are few",
        ),
        "blind reset rejected": (
            "blind reset rejected",
            "resets with a wrong number were sent to it: somebody guesses, or a middlebox",
        ),
        "blind syn rejected": (
            "blind SYN rejected",
            "SYNs came into an open connection: the peer restarted, or somebody guesses",
        ),
    },
    "zh": {
        "complete": ("完整", "三个报文段，双方互知"),
        "refused": ("被拒绝", "那里无人监听，或防火墙复位"),
        "no answer": ("无应答", "SYN 无应答：主机停机、被过滤或队列已满"),
        "half open": ("半开", "SYN-ACK 未被确认：洪泛、伪造源地址或单向路径"),
        "simultaneous open": ("同时打开", "双方都发起，SYN 交错"),
        "split handshake": ("拆分握手", "以 SYN 回应 SYN：异常的协议栈，或有人想绕过过滤"),
        "fast open": ("快速打开", "SYN 中的数据已被接受"),
        "mid-stream": ("中途开始", "它在抓包之前就已开始"),
        "backscatter": ("反向散射", "回应从未由那里发出的东西：有人冒用该地址"),
        "abandoned": ("放弃", "发起方撤回了 SYN：扫描，或不再等待"),
        "being opened": ("正在打开", "抓包在应答到期之前结束"),
        "normal": ("正常", "双方都已关闭"),
        "three segment": ("三段终止", "双方都已关闭；一个 FIN 与 ACK 同行"),
        "half close": ("半关闭", "一端关闭后另一端继续发送"),
        "simultaneous close": ("同时关闭", "双方都已关闭，FIN 交错"),
        "abort": ("中止", "它复位连接：出错、SO_LINGER 0，或关闭时有未读数据"),
        "stuck in close wait": ("卡在 CLOSE-WAIT", "该处的应用没有关闭连接"),
        "stuck in fin wait 1": ("卡在 FIN-WAIT-1", "FIN 未被确认：对端已离开，或其窗口关闭"),
        "stuck in fin wait 2": ("卡在 FIN-WAIT-2", "另一端的应用没有关闭连接，或该主机已不在"),
        "stuck in closing": ("卡在 CLOSING", "FIN 交错，而对它的 ACK 缺失：丢失或未被抓取"),
        "last ack lost": ("最后的 ACK 丢失", "对端在确认最后的 FIN 之前离开"),
        "time wait assassination": (
            "TIME-WAIT 被复位结束",
            "复位结束了 TIME-WAIT：旧的重复报文可能干扰下一个连接（RFC 1337）",
        ),
        "half open discovered": (
            "发现半开连接",
            "一端已不知此连接：它重启过，或路径上的超时短于空闲时间",
        ),
        "peer silent": ("对端沉默", "不再应答：主机停机、路径中断或防火墙"),
        "half seen": ("只见一端", "另一端未被抓取：单侧抓包或路径不对称"),
        "open": ("仍打开", "抓包结束时它仍打开"),
        "being closed": ("正在关闭", "抓包结束时一端已关闭"),
        "never open": ("从未打开", "没有走完握手"),
        "time wait reuse": (
            "TIME-WAIT 中被重用",
            "其地址和端口在 TIME-WAIT 期间又被使用：碰巧，或端口紧张",
        ),
        "blind reset rejected": ("盲复位被拒", "有人向它发送序号不对的复位：猜测者或中间设备"),
        "blind syn rejected": ("盲 SYN 被拒", "已打开的连接中来了 SYN：对端重启，或有人猜测"),
    },
}
"""A verdict, or what happened besides: what it is called, and what that means or who must act."""

RULES: Final[dict[str, dict[str, str]]] = {
    "en": {
        "no ack flag": "a segment without ACK in an open connection",
        "wrong ack of syn": "a SYN-ACK that acknowledges something else than the SYN",
        "text after fin": "text after its own FIN",
        "scale too large": "a window scale above 14",
        "scale unasked": "a window scale that was not asked for",
        "timestamp back": "a timestamp that goes back",
        "fin with syn": "a FIN beside a SYN",
    },
    "zh": {
        "no ack flag": "已打开的连接中没有 ACK 的报文段",
        "wrong ack of syn": "SYN-ACK 确认的不是该 SYN",
        "text after fin": "自己的 FIN 之后还有数据",
        "scale too large": "窗口扩大因子大于 14",
        "scale unasked": "未经请求的窗口扩大因子",
        "timestamp back": "时间戳倒退",
        "fin with syn": "SYN 与 FIN 同在",
    },
}

REMARKS: Final[dict[str, dict[Remark, str]]] = {
    "en": {
        **{one: str(one) for one in Remark},
        Remark.LOST_SEGMENT: "previous not captured",
        Remark.ACK_LOST_SEGMENT: "ACKs what was not captured",
    },
    "zh": {
        Remark.RETRANSMISSION: "重传",
        Remark.FAST_RETRANSMISSION: "快速重传",
        Remark.SPURIOUS_RETRANSMISSION: "虚假重传",
        Remark.OUT_OF_ORDER: "乱序",
        Remark.LOST_SEGMENT: "前一段未被抓取",
        Remark.ACK_LOST_SEGMENT: "确认了未被抓取的段",
        Remark.DUPLICATE_ACK: "重复 ACK",
        Remark.KEEP_ALIVE: "保活",
        Remark.KEEP_ALIVE_ACK: "保活 ACK",
        Remark.ZERO_WINDOW: "零窗口",
        Remark.ZERO_WINDOW_PROBE: "零窗口探测",
        Remark.ZERO_WINDOW_PROBE_ACK: "零窗口探测 ACK",
        Remark.WINDOW_FULL: "窗口已满",
        Remark.WINDOW_UPDATE: "窗口更新",
    },
}
"""What a segment is beside those before it; JSON has the names of Remark."""

GROUPS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "SYN flood": "SYN flood at {place}: {count} handshakes without an end in {span}, from "
        "{peers} addresses or more: are SYN cookies on there, and can the sources be filtered?",
        "port scan": "port scan, {place}: {peers} ports or more tried in vain, {count} SYNs in "
        "{span}",
        "CLOSE-WAIT leak": "CLOSE-WAIT leak at {place}: {count} connections whose peer has closed, "
        "the first {age} before the capture ends: the application there does not close them",
        "TIME-WAIT pile-up": "TIME-WAIT pile-up, {place}: {count} connections: let them live "
        "longer, or the other end close first; a client runs out of ports",
        "backlog": "backlog at {place}: {course} up to {count} half-open at once: is it that long?",
    },
    "zh": {
        "SYN flood": "SYN 洪泛，{place}：{span} 内 {count} 次握手没有结束，来自至少 {peers} "
        "个地址：那里是否启用了 SYN cookie，来源能否过滤？",
        "port scan": "端口扫描，{place}：至少 {peers} 个端口尝试无果，{span} 内 {count} 个 SYN",
        "CLOSE-WAIT leak": "CLOSE-WAIT 泄漏，{place}：{count} 个连接的对端已关闭，"
        "最早的在抓包结束前 {age}：该处的应用没有关闭它们",
        "TIME-WAIT pile-up": "TIME-WAIT 堆积，{place}：{count} 个连接：让连接存活更久，"
        "或由另一端先关闭；客户端的端口会用尽",
        "backlog": "半连接队列，{place}：{course} 同时最多 {count} 个半开：队列有这么长吗？",
    },
}

SKIPPED: Final[dict[str, dict[str, str]]] = {
    "en": {
        "not ip": "not IP",
        "not tcp": "not TCP",
        "cut": "cut short by the snapshot length before the header's end",
        "malformed": "malformed",
        "fragment": "pieces of datagrams, which are put together with the last one",
        "link type": "of a link layer that is not known",
    },
    "zh": {
        "not ip": "不是 IP",
        "not tcp": "不是 TCP",
        "cut": "抓取长度不足，头部不完整",
        "malformed": "格式错误",
        "fragment": "分片，其数据报在最后一片到达时重组",
        "link type": "链路层类型未知",
    },
}


def verdict_word(word: str, language: str) -> str:
    """Return what a verdict is called in the language."""
    return VERDICTS[language][word][0]


def advice_on(word: str, language: str) -> str:
    """Return what a verdict means or who must act."""
    return VERDICTS[language][word][1]


def rule_words(cited: str, language: str) -> str:
    """Return a broken rule in the language, with its section: `text after fin (RFC ...)`."""
    rule, _, section = cited.rstrip(")").partition(" (")
    form = "{}（{}）" if language == "zh" else "{} ({})"
    return form.format(RULES[language][rule], section)
