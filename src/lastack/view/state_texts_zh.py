"""The Chinese half of `state_texts`."""
# Full-width characters count double; the lines are prose.
# ruff: noqa: E501

from typing import Final

from lastack.tcp.states import State
from lastack.view.about import About

_S = State

CHINESE: Final[dict[State, About]] = {
    _S.CLOSED: About(
        "没有连接：没有控制块，也不占内存。",
        "一次 OPEN：被动（listen）或主动（connect）",
        "应用程序，如果它需要连接",
        "到达这里的报文段会得到 RST 作为回答，所以客户端看到“连接被拒绝”。",
        "这里不会堆积。若客户端被拒绝，请检查服务是否在这个地址和端口上运行，以及是否有防火墙代为应答。",
        "无",
        "3.3.2, 3.10.7.1",
    ),
    _S.LISTEN: About(
        "服务器等待来自任何地方的连接请求。",
        "收到 SYN（由此产生一个新连接），或关闭监听套接字",
        "无人；客户端随时可能到来",
        "应用程序调用了 listen()。监听者自身并不前进：每个 SYN 都产生一个处于 SYN-RECEIVED 的新连接，"
        "进入 ESTABLISHED 后由 accept() 交给应用程序。",
        "每个服务套接字一个是正常的。请看它的队列：accept 队列一直满，说明应用程序调用 accept() 太慢，"
        "新客户端只能等待或被丢弃。",
        "无",
        "3.10.7.2",
    ),
    _S.SYN_SENT: About(
        "客户端已发出 SYN，正在等待回答。",
        "对方的 SYN-ACK；RST（被拒绝）；或 SYN 重传到 R2（RFC 为至少 3 分钟，Linux 约 2 分钟）",
        "对方，或途中丢弃报文的设备",
        "应用程序调用了 connect()。若对方的 SYN 与我们的交错，则进入 SYN-RECEIVED：同时打开。",
        "对方毫无回应：地址错误、防火墙静默丢弃、去程或回程缺少路由、或主机已关机。"
        "主机在线但没有该服务时会立即拒绝。",
        "重传定时器，间隔逐次加倍",
        "3.10.7.3, 3.8.3",
    ),
    _S.SYN_RECEIVED: About(
        "收到了 SYN 并回答了 SYN-ACK；还差握手的最后一个 ACK。",
        "对我们 SYN 的 ACK；RST；或 SYN-ACK 的重传用尽",
        "对方，它欠一个 ACK",
        "在 LISTEN 中收到客户端的 SYN；在 SYN-SENT 中两个 SYN 交错；或在 TIME-WAIT 中被新的 SYN 重新打开。",
        "来自许多地址：SYN 洪泛，或回程不通（我们的 SYN-ACK 丢失，常见于非对称路由）。"
        "来自少数地址：端口扫描或失败的健康检查。",
        "SYN-ACK 的重传定时器",
        "3.10.7.2, 3.10.7.4",
    ),
    _S.ESTABLISHED: About(
        "连接已打开，数据双向流动。",
        "本方 close()（到 FIN-WAIT-1），或对方的 FIN（到 CLOSE-WAIT）",
        "任一方的应用程序，在完成之后",
        "本方的握手已经完成。",
        "许多空闲连接：连接池不断增长，或对方没有发 FIN 就消失了（断电、NAT、休眠）。不发送数据时 TCP "
        "发现不了沉默的对方：需要 keep-alive 或心跳。发送队列不减少：对方不读取，或路径全部丢包。",
        "有未确认数据时的重传；延迟 ACK；对方窗口关闭时的坚持（persist）；若已开启，则有 keep-alive",
        "3.10.7.4",
    ),
    _S.FIN_WAIT_1: About(
        "本方已关闭，我们的 FIN 尚未被确认。",
        "对我们 FIN 的 ACK（到 FIN-WAIT-2），或先收到对方的 FIN（到 CLOSING）",
        "对方的 TCP，它欠一个 ACK",
        "应用程序在 ESTABLISHED 或 SYN-RECEIVED 中调用了 close() 或 shutdown(SHUT_WR)。"
        "之前排队的数据仍在发送，FIN 排在其后。",
        "本应只持续一个往返时间。若大量停留，说明对方已消失，或其窗口一直关闭，FIN 之前的数据发不出去："
        "请查看发送队列和窗口。",
        "重传；对方窗口关闭时的坚持（persist）",
        "3.6, 3.10.4",
    ),
    _S.FIN_WAIT_2: About(
        "本方已关闭且对方已知晓；对方还没有关闭。",
        "对方的 FIN（到 TIME-WAIT）；若用户已离开，可能由时限结束",
        "对方的应用程序：它必须调用 close()",
        "在 FIN-WAIT-1 中我们的 FIN 得到了确认。此时仍可接收对方的数据：这就是半关闭的连接。",
        "对方停在 CLOSE-WAIT：它的应用程序没有关闭。有意半关闭的协议看起来也一样。"
        "Linux 在 tcp_fin_timeout（60 秒）后结束无主连接；RFC 没有规定时限。",
        "RFC 中没有；许多系统在套接字无人持有时加以限制",
        "3.6.1",
    ),
    _S.CLOSE_WAIT: About(
        "对方已关闭；本方的应用程序还没有调用 close()。",
        "本方应用程序调用 close()；除 RST 或故障外，别无他法",
        "本方的应用程序：持有该套接字的进程",
        "在 ESTABLISHED 中收到对方的 FIN。读取会得到剩余的数据，然后是文件结束；仍允许写入。",
        "本方程序有泄漏：响应从未关闭、连接池没有空闲时限、读取与关闭之间出现异常、线程卡在 close() 之前。"
        "请找出持有这些套接字的进程；任何内核参数都无济于事。",
        "没有能结束它的定时器（仅当有未确认数据时重传；若已开启，则有 keep-alive）",
        "3.6, 3.10.7.4",
    ),
    _S.CLOSING: About(
        "双方同时关闭；两个 FIN 交错，我们的还没有被确认。",
        "对我们 FIN 的 ACK（到 TIME-WAIT）",
        "对方的 TCP，它欠一个 ACK",
        "在 FIN-WAIT-1 中收到对方的 FIN，而它没有确认我们的 FIN：同时关闭。",
        "少见，一个往返时间内结束。长期停留说明对方已消失，重传用尽后结束。",
        "重传",
        "3.6 figure 13",
    ),
    _S.LAST_ACK: About(
        "对方先关闭，本方也已关闭；还差对我们 FIN 的 ACK。",
        "对我们 FIN 的 ACK（到 CLOSED）",
        "对方的 TCP，它欠一个 ACK",
        "应用程序在 CLOSE-WAIT 中调用了 close()。",
        "本应只持续一个往返时间。大量停留说明对方在它的 FIN 与我们的 FIN 之间消失了，"
        "多半因为应用程序关闭得太晚；或 FIN 之前的数据发不出去。重传用尽后结束。",
        "重传；对方窗口关闭时的坚持（persist）",
        "3.10.7.4 fifth",
    ),
    _S.TIME_WAIT: About(
        "双方都已关闭；先关闭的本方等待 2MSL，以防迟到的报文段。",
        "2MSL 到期（RFC 为 4 分钟，Linux 为 60 秒），或同一对方的新 SYN",
        "无人：这是正确的，会自行结束",
        "来自 FIN-WAIT-2 或 CLOSING。若最后的 ACK 丢失，它会再次确认对方的 FIN；"
        "并防止旧报文段混入同一对端点之间的新连接。",
        "在先关闭的一方有成千上万个属于正常，代价很小。只有当客户端到同一目的地的端口用尽时才有害："
        "请复用连接、让对方先关闭、或使用更多地址。不要用 SO_LINGER 0 来回避：那会发送 RST，可能丢失数据。",
        "2MSL",
        "3.6.1, MUST-13",
    ),
}

HEADINGS: Final[dict[str, str]] = {
    "state": "状态",
    "meaning": "含义",
    "ends": "何时结束",
    "actor": "谁必须行动",
    "arrival": "如何到达",
    "many": "大量堆积时",
    "timers": "运行的定时器",
    "section": "RFC 9293",
    "ways_in": "入口",
    "ways_out": "出口",
    "none": "无",
}
