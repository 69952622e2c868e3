"""The help of all commands, sentence by sentence: English, and beside it Chinese."""
# The lines are prose.
# ruff: noqa: E501

from typing import Final

_PAGES: Final = {
    "Usage:": "用法：",
    "Options": "选项",
    "Commands": "命令",
    "[OPTIONS]": "[选项]",
    "COMMAND": "命令",
    "[ARGS]...": "[参数]...",
    "Show this message and exit.": "显示此帮助并退出。",
    "Show the version and exit.": "显示版本并退出。",
    "default": "默认",
    "required": "必需",
    "(from the locale)": "由区域设置决定",
    "(as the script's dialect has it)": "依脚本的方言而定",
    "(one a core, 12 in real time)": "每个核一个；实时为 12",
    "FILE": "文件",
    "DIR": "目录",
    "PATH...": "路径...",
    "INTEGER": "整数",
    "INTEGER RANGE": "整数",
    "FLOAT RANGE": "数",
    "TIME": "时间",
    "RATE": "速率",
    "SIZE": "大小",
    "PROBABILITY": "概率",
    "ADDRESS": "地址",
    "ADDRESS...": "地址...",
    "ADDRESS[/BITS]": "地址[/位数]",
    "[DIR]": "[目录]",
    "NAME": "名称",
    "NAME,...": "名称,...",
    "NAME=VALUE": "名称=值",
    "NAME[=VALUE]": "名称[=值]",
    "STATE": "状态",
    "[STATE]": "[状态]",
    "QUEUE": "队列",
    "THRESHOLD": "阈值",
    "LINK": "链路",
    "WORD": "词",
    "WORDS": "词",
    "N": "N",
    "URL": "URL",
    "CAPTURE...": "抓包文件...",
    "HOST:PORT": "主机:端口",
    "{bash|zsh|fish}": "{bash|zsh|fish}",
}
"""What click says on every page, and what stands for values."""

_SHARED: Final = {
    "How states are spelled.": "状态名的写法。",
    "Draw with ASCII alone.": "只用 ASCII 字符绘制。",
    "Language of the text.": "文字的语言。",
    "Language of help and errors.": "帮助和错误信息的语言。",
    "One JSON object a line (docs/json.md).": "每行一个 JSON 对象（docs/json.md）。",
    "Same seed, same output.": "种子相同，输出相同。",
    "Write every packet to FILE (pcapng).": "把每个数据包写入文件（pcapng）。",
    "Whose knobs.": "采用谁的参数。",
    "The device to make: tun:NAME.": "要创建的设备：tun:名称。",
    "The kernel's own address on the device (default: the first one beside ours).": "内核在该设备上自己的地址（默认：我方地址旁的第一个）。",
    "Of the device.": "设备的 MTU。",
}

_GROUP: Final = {
    "TCP you can see, run, rehearse and prove.": "看得见、跑得起、可预演、可证明的 TCP。",
    'Exit codes: 0 well, 1 failed, 2 wrong usage, 3 a privilege or device is missing. Completion: eval "$(lastack completion bash)".': '退出码：0 正常，1 失败，2 用法错误，3 缺少权限或设备。补全：eval "$(lastack completion bash)"。',
    "The eleven states: what each means, what ends it, who must act.": "十一个状态：各自的含义、何时结束、谁必须行动。",
    "Two TCPs talk over a lossy link, in virtual time; no root needed.": "两个 TCP 在虚拟时间中经有丢包的链路对话；无需 root。",
    "Serve files over our own TCP through a TUN device.": "用我们自己的 TCP 经 TUN 设备提供文件。",
    "Fetch a URL over our own TCP through a TUN device.": "用我们自己的 TCP 经 TUN 设备取回 URL。",
    "Congestion controllers, yours too, share a bottleneck in virtual time.": "多个拥塞控制算法（也可以是你的）在虚拟时间中共享一个瓶颈。",
    "What captures hold: both ends of every connection, state by state.": "抓包里有什么：每个连接的两端，逐个状态。",
    "Run packetdrill scripts against our own TCP.": "对我们自己的 TCP 运行 packetdrill 脚本。",
    "Ask any TCP of yours whether it does what RFC 9293 says.": "检验你的任何 TCP 是否遵守 RFC 9293。",
    "The kernel's own TCP sockets: counts by state, top talkers, live or once.": "内核自己的 TCP 套接字：各状态计数、最活跃者，实时或一次。",
    "Why sockets of the kernel are in a state: who holds them, who must act.": "内核的套接字为何处于某状态：谁持有，谁必须行动。",
    "Print what makes a shell complete our words.": "输出让 shell 能够补全的脚本。",
}

_STATES: Final = {
    "Show the eleven states of TCP, or explain one STATE in depth.": "显示 TCP 的十一个状态，或深入解释其中一个。",
    "STATE may be spelled in any common way: CLOSE-WAIT, close_wait, FIN_WAIT1, SYN_RCVD ...": "状态可用任何常见写法：CLOSE-WAIT、close_wait、FIN_WAIT1、SYN_RCVD……",
    "the table and the picture": "表格和状态图",
    "one state in depth": "深入一个状态",
    "the picture for a paper": "供论文使用的状态图",
    "The picture of the machine: as text (the default without STATE), as SVG alone, or not.": "状态图：文本（未给出状态时的默认）、只要 SVG，或不要。",
    "Write the picture to a file.": "把状态图写入文件。",
}

_DEMO: Final = {
    "Play a whole connection between two TCPs, and draw its ladder. Needs no root.": "在两个 TCP 之间演示一个完整的连接，并画出它的时序图。无需 root。",
    "Time is virtual: the 2MSL of TIME-WAIT are sat out at once. Same seed, same ladder. Exits with 1 when a byte was lost, doubled or changed, or an end did not reach CLOSED.": "时间是虚拟的：TIME-WAIT 的 2MSL 瞬间度过。种子相同，时序图相同。若有字节丢失、重复或改变，或一端没有到达 CLOSED，则以 1 退出。",
    "Segments lost: 0.05 or 5%.": "丢失的报文段：0.05 或 5%。",
    "One way: 20ms, 1.5s.": "单程时延：20ms、1.5s。",
    "What the client sends: 4k, 1MiB.": "客户端发送多少：4k、1MiB。",
    "Segments overtaken by later ones.": "被后来者超过（乱序）的报文段。",
    "Segments doubled on the way.": "途中被重复的报文段。",
    "Both ends open actively at once.": "两端同时主动打开。",
    "Both ends close at once.": "两端同时关闭。",
    "The server answers after the client has closed.": "客户端关闭之后服务器才应答（半关闭）。",
    "The client aborts instead of closing.": "客户端中止（RST）而不是关闭。",
    "Show every rung of a long ladder.": "显示长时序图的每一行。",
    "Write the ladder to a file.": "把时序图写入文件。",
}

_SERVE: Final = {
    "Serve the files of DIR (default: here) over our own TCP, and echo, discard and chargen.": "用我们自己的 TCP 提供目录（默认：当前目录）中的文件，以及 echo、discard 和 chargen 服务。",
    "from another terminal": "在另一个终端中",
    "ADDRESS is ours; the kernel gets the first other address of the same network. The device is made and, at the end, removed. Ctrl-C closes every connection in order; a second one resets them.": "地址是我方的；内核得到同一网络中的第一个其他地址。设备会被创建，结束时移除。Ctrl-C 依次正常关闭所有连接；再按一次则复位它们。",
    "Allow uploads (PUT) into DIR.": "允许上传（PUT）到目录。",
    "0: no HTTP.": "0：不提供 HTTP。",
    "0: no echo.": "0：不提供 echo。",
    "0: no discard.": "0：不提供 discard。",
    "0: no chargen.": "0：不提供 chargen。",
}

_FETCH: Final = {
    "Fetch URL (http://, the host as an address) over our own TCP.": "用我们自己的 TCP 取回 URL（http://，主机写成地址）。",
    "The device is made and, at the end, removed. Its other end is the kernel, which answers for itself, and for others where it forwards. FILE appears when it is complete.": "设备会被创建，结束时移除。它的另一端是内核：内核为自己应答，在转发时也为他人。文件完整之后才出现。",
    "Ours, with its prefix length (default: 10.9.0.2/24 or fd00:9::2/64).": "我方地址及前缀长度（默认：10.9.0.2/24 或 fd00:9::2/64）。",
    "Where to (default: stdout).": "写到何处（默认：标准输出）。",
    "No progress bar.": "不显示进度条。",
}

_COMPETE: Final = {
    "Let congestion controllers compete for one bottleneck, in virtual time.": "让多个拥塞控制算法在虚拟时间中争用一个瓶颈。",
    "Prints throughput, fairness, queue delay and retransmissions; --svg draws window, rate and queue over time. A controller of your own is a class in a Python file: --controllers cubic,mine.py:Mine (examples/own_controller.py is one).": "输出吞吐量、公平性、排队时延和重传；--svg 画出窗口、速率和队列随时间的变化。你自己的算法是 Python 文件中的一个类：--controllers cubic,mine.py:Mine（examples/own_controller.py 即是一例）。",
    "One flow each: newreno, reno, cubic, bbr, dctcp, or FILE.py:CLASS.": "每个一条流：newreno、reno、cubic、bbr、dctcp 或 FILE.py:CLASS。",
    "Of the bottleneck.": "瓶颈的速率。",
    "One way.": "单程时延。",
    "By chance.": "随机丢包的概率。",
    "1bdp, or packets.": "1bdp，或数据包个数。",
    "Mark from this length on; flows ask for ECN.": "队列达到此长度即标记；各流请求 ECN。",
    "Of virtual time.": "虚拟时间的秒数。",
    "Draw it to a file.": "把图写入文件。",
}

_READ: Final = {
    "Say what captures hold: every connection, the state of both its ends, and what became of it.": "说明抓包里有什么：每个连接、其两端的状态，以及结局。",
    "Reads pcap and pcapng, plain, gzip or zstd, from files, folders, pipes and `-`. Files of one rotated series are read as one capture.": "读取 pcap 和 pcapng（未压缩、gzip 或 zstd），来自文件、目录、管道或 `-`。轮转的一系列文件作为一个抓包读取。",
    "summary and table": "概要和表格",
    "only connections that were aborted": "只要被中止的连接",
    "its ladder; --why 3 tells every change of state": "它的时序图；--why 3 说明每次状态变化",
    "what its end B has sent": "它的 B 端发送了什么",
    "every segment, change and connection as Parquet": "每个报文段、状态变化和连接，存为 Parquet",
    "the same for what an interface hears": "同样，但用网络接口听到的",
    "Listen to an interface (or any), until Ctrl-C.": "监听一个网络接口（或 any），直到 Ctrl-C。",
    "With -i: so many packets.": "与 -i 同用：这么多个数据包。",
    "With -i: for so long.": "与 -i 同用：这么长时间。",
    "With -i: frames for other machines, too.": "与 -i 同用：也要发给其他机器的帧（混杂模式）。",
    "With -i: the kernel's.": "与 -i 同用：内核的缓冲区。",
    "Only connections with an end there.": "只要有一端在该处的连接。",
    "Only connections with that port.": "只要使用该端口的连接。",
    "Only those with an end in this state at the end.": "只要结束时有一端处于此状态的连接。",
    "Only those whose handshake or teardown was such, or to which that happened besides.": "只要建立或终止的结论如此，或另外发生过此事的连接。",
    "Connections in the table.": "表格中的连接数。",
    "Which connections come first in the table.": "表格中哪些连接在前。",
    "Connections kept open at a time.": "同时保持打开的连接数上限。",
    "Processes.": "进程数。",
    "one a core": "每个核一个",
    "Read by the workers of that dask cluster.": "由该 dask 集群的工作进程读取。",
    "Draw its ladder.": "画出该连接的时序图。",
    "Every change of state of it.": "该连接的每次状态变化。",
    "What its ends said, raw.": "该连接两端所发的原始内容。",
    "Whose stream; both are given in the order of the capture.": "哪一端的流；both 按抓包的顺序给出两端。",
    "Where the stream goes.": "流写到何处。",
    "Leave nothing out of the ladder.": "时序图不省略任何行。",
    "Write the ladder to a file, too.": "同时把时序图写入文件。",
    "The same as a page.": "同上，写成网页。",
    "With --json: a line for each segment, too.": "与 --json 同用：每个报文段也有一行。",
    "A line for each connection.": "每个连接一行。",
    "Write packets, transitions and connections there.": "把报文段、状态变化和连接写到那里。",
}

_SCRIPT: Final = {
    "Play packetdrill scripts (files, or directories of *.pkt) against our own TCP.": "对我们自己的 TCP 运行 packetdrill 脚本（文件，或含 *.pkt 的目录）。",
    "Prints a verdict for each: passed, failed or skipped. Exits with 1 when one has failed that was not expected to (by a file of its name and .exfail beside it).": "为每个脚本给出结论：通过、失败或跳过。若有失败且不在预期之内（旁边没有同名的 .exfail 文件），则以 1 退出。",
    "For #ifdef.": "供 #ifdef 使用。",
    "A knob other than the preset's.": "与预设不同的参数。",
    "Compare TCP options as a set, without padding; leave PSH to the sender.": "把 TCP 选项作为集合比较，忽略填充；PSH 由发送方决定。",
    "Fail when packets are left that the script does not name.": "若剩下脚本没有提到的数据包，则判为失败。",
    "Our stack in virtual time; ours on a real TUN device, in real time; this machine's kernel in a network namespace made for each script. The last two need root.": "虚拟时间中我们的协议栈；真实 TUN 设备上实时运行的我们的协议栈；本机内核，每个脚本在各自的网络命名空间中。后两者需要 root。",
    "How far off any time may be at least, as 20ms.": "时间至少允许的偏差，如 20ms。",
    "Scripts side by side.": "同时运行的脚本数。",
    "Run shell lines, as root (--against kernel).": "以 root 执行脚本中的 shell 行（--against kernel）。",
    "Set before each script, in its namespace (--against kernel).": "在每个脚本之前、在它的命名空间中设置（--against kernel）。",
    "Write the verdicts as JUnit's XML.": "把结论写成 JUnit 的 XML。",
    "Show what happened in scripts that pass, too.": "通过的脚本也显示经过。",
}

_CHECK: Final = {
    "Ask the TCP at HOST:PORT, by segments that we write, whether it does what RFC 9293 says.": "用我们自己写的报文段检验“主机:端口”处的 TCP 是否遵守 RFC 9293。",
    "Any service will do; it is sent some octets of garbage and many resets. HOST must be this machine, given to it with --link, or your own (--i-own-this-host). Needs root. Exits with 1 when a probe has failed.": "任何服务都可以；它会收到一些无意义的字节和许多 RST。主机必须是本机、用 --link 给本机的地址，或属于你自己（--i-own-this-host）。需要 root。若有检验失败，则以 1 退出。",
    "Make this device (tun:NAME) and give the kernel HOST.": "创建此设备（tun:名称）并把主机地址交给内核。",
    "HOST is mine, wherever it is.": "主机是我的，无论它在何处。",
    "A port of HOST without service.": "主机上没有服务的一个端口。",
    "Segments a second at most.": "每秒最多发送的报文段数。",
    "Only probes with this in their name.": "只做名称中含此词的检验。",
    "Write JUnit XML.": "写出 JUnit 的 XML。",
    "Show the segments of every probe.": "显示每项检验的报文段。",
}

_WATCH: Final = {
    "Watch the TCP sockets of this machine's kernel (Linux).": "观察本机内核的 TCP 套接字（Linux）。",
    "Counts by the eleven states over time, the picture of the machine with the counts on it, who has most sockets and moves most octets, and each socket with its timers and TCP_INFO. Filters of one kind add up, those of different kinds must all hold.": "十一个状态的计数随时间的变化、带计数的状态图、谁的套接字最多、谁收发的字节最多，以及每个套接字的定时器和 TCP_INFO。同类条件满足其一即可，不同类的条件必须都满足。",
    "live (needs the extra: lastack[tui])": "实时（需要附加组件：lastack[tui]）",
    "Look once and print, instead of the live view.": "只看一次并输出，不进入实时界面。",
    "Between two looks.": "两次查看的间隔。",
    "Only sockets in this state.": "只要处于此状态的套接字。",
    "Of either end.": "任一端的端口。",
    "An address, of either end.": "任一端的地址。",
    "Only sockets that it holds.": "只要该进程持有的套接字。",
    "Rows of the table; 0: all.": "表格的行数；0：全部。",
    "Destroy the sockets that the filters select (root).": "销毁条件所选的套接字（需要 root）。",
    "With --kill: do not ask.": "与 --kill 同用：不再询问。",
}

_WHY: Final = {
    "Say why sockets of this machine's kernel are in STATE.": "说明本机内核的套接字为何处于某状态。",
    "Who holds them, since when, how much is unread, who the peers are, which side must act, what ends it and what to look for. Without root only one's own processes are named; what cannot be seen is said.": "谁持有、从何时起、有多少未读、对端是谁、哪一方必须行动、如何结束、检查什么。没有 root 时只能指出自己的进程；看不到的会说明。",
    "who closes them, seen as it happens": "谁关闭了它们，发生时即看到",
    "Watch so long before answering; 1s for TIME-WAIT, which has no owner, else not at all.": "回答之前观察多久；没有所有者的 TIME-WAIT 为 1s，其他状态不观察。",
}

_COMPLETION: Final = {
    "Print what makes SHELL complete commands, options and values of lastack.": "输出让 shell 能补全 lastack 的命令、选项和值的脚本。",
    "in ~/.bashrc": "写入 ~/.bashrc",
    "in ~/.zshrc": "写入 ~/.zshrc",
    "in config.fish": "写入 config.fish",
    "The same text comes from `_LASTACK_COMPLETE=bash_source lastack`.": "`_LASTACK_COMPLETE=bash_source lastack` 给出同样的文本。",
}

HELP: Final[dict[str, str]] = {
    **_PAGES, **_SHARED, **_GROUP, **_STATES, **_DEMO, **_SERVE, **_FETCH, **_COMPETE, **_READ,
    **_SCRIPT, **_CHECK, **_WATCH, **_WHY, **_COMPLETION,
}  # fmt: skip
"""Each sentence, line or paragraph of help, its white space as blanks, and what it is in Chinese."""
