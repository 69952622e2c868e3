"""Shell lines: sysctls of both systems become knobs, state counts are answered from our table.

A command that cannot be obeyed raises Unknown: the script is then skipped, never passed.
"""

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final

from lastack.script.calls import Calls
from lastack.script.commands import Commands, number_of
from lastack.script.symbols import Unknown
from lastack.script.verdict import Mismatch
from lastack.tcp.config import Config
from lastack.tcp.congestion import CONTROLLERS
from lastack.tcp.states import CLOSED, TIME_WAIT, State, state_named
from lastack.units import MS, SECOND
from lastack.wire.address import pack_address
from lastack.wire.signing import Md5Key
from lastack.wire.stop import Stop

Change = Callable[[Config, str], Config]

_STATES: Final = re.compile(
    r"sockstat (?P<flags>.*?)\|\s*(?P<mine>grep packetdril\w*\s*\|)?\s*"
    r"grep -c (?P<state>\w+)\s*\|\s*grep (?P<count>\d+)$"
)
_LISTENS: Final = re.compile(r'grep " 0A " /proc/net/tcp /proc/net/tcp6 \| grep ":(\w{4})"$')
_METRICS: Final = ("mtu", "initcwnd")
_MAKE: Final = re.compile(
    r"(?:/bin/)?dd bs=(?P<size>\d{1,6}) count=(?P<count>\d{1,3}) if=/dev/zero of=(?P<path>\S+)"
    r"( status=none)?$"
)
_REMOVE: Final = re.compile(r"(?:/bin/)?rm -f (?P<path>\S+)$")
_DROP: Final = re.compile(r"tcpdrop -s (\w+)$")


def _switch(*fields: str) -> Change:
    return lambda config, value: config.replace(**{f: number_of(value) != 0 for f in fields})


def _switched_off(field: str) -> Change:
    return lambda config, value: config.replace(**{field: number_of(value) == 0})


def _amount(field: str, unit: int = 1, plus: int = 0) -> Change:
    return lambda config, value: config.replace(**{field: number_of(value) * unit + plus})


def _word(field: str, words: tuple[str, ...]) -> Change:
    """Return the change to the word that a number stands for."""

    def change(config: Config, value: str) -> Config:
        number = number_of(value)
        if not 0 <= number < len(words):
            raise Unknown(f"{value} where there are 0 to {len(words) - 1}")
        return config.replace(**{field: words[number]})

    return change


def _last_of_three(field: str, index: int) -> Change:
    def change(config: Config, value: str) -> Config:
        parts = value.strip("\"'").split()
        return config.replace(**{field: number_of(parts[min(index, len(parts) - 1)])})

    return change


def _receive_memory(config: Config, value: str) -> Config:
    """The second number is the buffer, the third what the window scale must be able to say."""
    config = _last_of_three("receive_buffer", 1)(config, value)
    config = _last_of_three("scaled_buffer", 2)(config, value)
    return config.replace(receive_most=config.scaled_buffer // 2)


def _send_memory(config: Config, value: str) -> Config:
    """The second number is what SO_SNDBUF reads: in Linux twice what was asked for."""
    changed = _last_of_three("send_buffer", 1)(config, value)
    changed = _last_of_three("send_most", 2)(changed, value)
    return (
        changed.replace(send_buffer=changed.send_buffer // 2) if config.double_buffers else changed
    )


def _cookies_only(config: Config, value: str) -> Config:
    """FreeBSD's switch beside the one for cookies in general."""
    if number_of(value):
        return config.replace(syn_cookies=2)
    return config.replace(syn_cookies=min(config.syn_cookies, 1))


def _fast_open(config: Config, value: str) -> Config:
    """Linux's bits: client, server, and who may leave cookies and socket options out."""
    bits = number_of(value)
    return config.replace(
        fast_open_client=bits & 1 != 0,
        fast_open_server=bits & 2 != 0,
        fast_open_sends_cookie=bits & 4 == 0,
        fast_open_needs_cookie=bits & 0x200 == 0,
        fast_open_every_listener=bits & 0x400 != 0,
    )


def _controller(config: Config, value: str) -> Config:
    """A controller that we have not stays without effect: who needs it will fail on the wire."""
    return config.replace(congestion=value) if value in CONTROLLERS else config


_FREEBSD: Final[dict[str, Change]] = {
    "net.inet.tcp.rfc1323": _switch("window_scale", "timestamps"),
    "net.inet.tcp.sack.enable": _switch("sack"),
    "net.inet.tcp.recvspace": _amount("receive_buffer"),
    "kern.ipc.maxsockbuf": _amount("scaled_buffer"),
    "net.inet.tcp.sendspace": _amount("send_buffer"),
    "net.inet.tcp.rexmit_slop": _amount("rto_slop", MS),
    "net.inet.tcp.rexmit_initial": _amount("initial_rto", MS),
    "net.inet.tcp.delacktime": _amount("delayed_ack_timeout", MS),
    "net.inet.tcp.keepidle": _amount("keepalive_idle", MS),
    "net.inet.tcp.keepintvl": _amount("keepalive_interval", MS),
    "net.inet.tcp.keepcnt": _amount("keepalive_probes"),
    "net.inet.tcp.keepinit": _amount("opening_timeout", MS),
    "net.inet.tcp.drop_synfin": _switch("drop_syn_fin"),
    "net.inet.tcp.icmp_may_rst": _switch("icmp_aborts_opening"),
    "net.inet.tcp.rexmit_drop_options": lambda config, value: config.replace(
        syn_options_tries=3 if number_of(value) else 0
    ),
    "net.inet.tcp.msl": _amount("msl", MS),
    "net.inet.tcp.path_mtu_discovery": _switch("path_mtu_discovery"),
    "net.inet.tcp.pmtud_blackhole_detection": _switch("blackhole_detection"),
    "net.inet.tcp.pmtud_blackhole_mss": _amount("blackhole_mss_v4"),
    "net.inet.tcp.v6pmtud_blackhole_mss": _amount("blackhole_mss_v6"),
    "net.inet.tcp.mssdflt": _amount("mss_default_v4"),
    "net.inet.tcp.v6mssdflt": _amount("mss_default_v6"),
    "net.inet.tcp.insecure_rst": _switched_off("exact_reset"),
    "net.inet.tcp.insecure_syn": _switched_off("challenge_syn"),
    "net.inet.tcp.udp_tunneling_port": _amount("udp_port"),
    "net.inet.tcp.delayed_ack": _switch("delayed_ack"),
    "net.inet.tcp.ecn.enable": _word("ecn", ("off", "on", "accept", "accurate", "accurate-accept")),
    "net.inet.tcp.ecn.maxretries": _amount("ecn_syn_retries"),
    "net.inet.tcp.syncookies": _amount("syn_cookies"),
    "net.inet.tcp.syncookies_only": _cookies_only,
    "net.inet.tcp.fastopen.client_enable": _switch("fast_open_client"),
    "net.inet.tcp.fastopen.server_enable": _switch("fast_open_server"),
    "net.inet.tcp.fastopen.acceptany": _switched_off("fast_open_needs_cookie"),
    "net.inet.tcp.fastopen.path_disable_time": _amount("fast_open_refused_for", SECOND),
}
_LINUX: Final[dict[str, Change]] = {
    "net.ipv4.tcp_timestamps": _switch("timestamps"),
    "net.ipv4.tcp_sack": _switch("sack"),
    "net.ipv4.tcp_congestion_control": _controller,
    "net.ipv4.tcp_frto": _switch("frto"),
    "net.ipv4.tcp_recovery": lambda config, value: config.replace(rack=number_of(value) & 1 == 1),
    "net.ipv4.tcp_early_retrans": lambda config, value: config.replace(
        tail_loss_probe=number_of(value) >= 3
    ),
    "net.ipv4.tcp_dsack": _switch("dsack"),
    "net.ipv4.tcp_window_scaling": _switch("window_scale"),
    "net.ipv4.tcp_reordering": _amount("duplicate_acks"),
    "net.ipv4.tcp_slow_start_after_idle": lambda config, value: config.replace(
        window_validation="linux" if number_of(value) else "off"
    ),
    "net.ipv4.tcp_keepalive_time": _amount("keepalive_idle", SECOND),
    "net.ipv4.tcp_keepalive_intvl": _amount("keepalive_interval", SECOND),
    "net.ipv4.tcp_keepalive_probes": _amount("keepalive_probes"),
    "net.ipv4.tcp_fin_timeout": _amount("fin_wait_2_timeout", SECOND),
    "net.ipv4.tcp_syn_retries": _amount("syn_retries"),
    "net.ipv4.tcp_synack_retries": _amount("syn_ack_retries"),
    "net.ipv4.tcp_retries2": _amount("retries"),
    "net.ipv4.tcp_mtu_probing": _amount("mtu_probing"),
    "net.ipv4.tcp_base_mss": _amount("base_mss"),
    "net.ipv4.tcp_mtu_probe_floor": _amount("mtu_probe_floor"),
    "net.ipv4.tcp_probe_interval": _amount("mtu_probe_interval", SECOND),
    "net.ipv4.ip_no_pmtu_disc": _switched_off("path_mtu_discovery"),
    "net.ipv4.tcp_notsent_lowat": _amount("notsent_lowat"),
    "net.ipv4.tcp_rmem": _receive_memory,
    "net.ipv4.tcp_wmem": _send_memory,
    "net.ipv4.tcp_ecn": _word(
        "ecn", ("off", "on", "accept", "accurate", "accurate-on", "accurate-accept")
    ),
    "net.ipv4.tcp_ecn_fallback": lambda config, value: config.replace(
        ecn_syn_retries=0 if number_of(value) else 255
    ),
    "net.ipv4.tcp_syncookies": _amount("syn_cookies"),
    "net.ipv4.tcp_fastopen": _fast_open,
    "net.ipv4.tcp_fastopen_blackhole_timeout_sec": _amount("fast_open_blackhole_timeout", SECOND),
}
_FIXED: Final[dict[str, tuple[str, ...]]] = {
    "net.inet.tcp.hostcache.purgenow": ("1",),
    "net.inet.tcp.blackhole": ("0",),
    "net.inet.tcp.tolerate_missing_ts": ("0",),
    "net.inet.tcp.udp_tunneling_overhead": ("8",),
}
"""Settings that we have in this way only."""
_HARMLESS: Final = frozenset(
    (
        "net.ipv4.tcp_fack",
        "net.ipv4.tcp_tso_win_divisor", "net.ipv4.tcp_ecn_option",
        "net.ipv4.tcp_pacing_ss_ratio", "net.ipv4.tcp_pacing_ca_ratio",
        "net.ipv4.tcp_fastopen_cookies",
        "net.ipv4.tcp_min_tso_segs",
    )
)  # fmt: skip
"""What a system's profile sets for its own machinery. A script that is about one of them will say
so by failing, as it asks for something on the wire."""


_FORGETTING: Final = ("net.inet.tcp.fastopen.client_enable", "net.ipv4.tcp_fastopen_cookies")
"""Settings that make these systems forget every cookie when they are set to 0."""


def _keys(value: str) -> bytes:
    """Return the octets of Linux's tcp_fastopen_key: four words, hyphens between, maybe twice."""
    try:
        words = [int(word, 16) for key in value.split(",") for word in key.split("-")]
        return b"".join([word.to_bytes(4, "little") for word in words])
    except (ValueError, OverflowError):
        raise Unknown(f"the key {value}") from None


_STATISTICS: Final = {"TcpExtOutOfWindowIcmps": Stop.ICMP_IGNORED}
"""Names of Linux's counters, and ours."""


class System(Commands):
    """The machine around the stack, as far as scripts can turn its screws."""

    def __init__(self, calls: Calls, path: str) -> None:
        super().__init__(path)
        self.calls = calls

    def _other(self, line: str) -> None:
        if line == "echo 3 > /sys/module/tcp_cubic/parameters/hystart_detect":
            return  # both signs of `classic_hystart`: how it is anyway
        made, gone = _MAKE.match(line), _REMOVE.match(line)
        if made is not None:
            self.calls.disk[made["path"]] = bytes(int(made["size"]) * int(made["count"]))
            return
        if gone is not None:
            self.calls.disk.pop(gone["path"], None)
            return
        states = _STATES.match(line)
        drop = _DROP.match(line)
        listens = _LISTENS.match(line)
        if states is not None:
            self._count(states["state"], states["mine"] is not None, int(states["count"]), line)
        elif line.startswith(("ip route change ", "ip -6 route change ")):
            self._change_route(line)
        elif drop is not None and state_named(drop[1]) is TIME_WAIT:
            self._drop_time_waits()
        elif line.startswith("nstat"):
            self._statistics(line)
        elif listens is not None:
            port = int(listens[1], 16)
            if not self.calls.stage.stack.listeners.by_port.get(port):
                raise Mismatch("nobody listens", f"port {port}", "none")
        else:
            super()._other(line)

    def _statistics(self, line: str) -> None:
        """`nstat`, or `nstat | grep NAME`: has it been counted?"""
        _, _, name = line.partition("grep ")
        stop = _STATISTICS.get(name.strip())
        if name and stop is None:
            raise Unknown(f"the command {line!r}")
        if stop is not None and not self.calls.stage.stack.counters.stops[stop]:
            raise Mismatch("the count differs", line, "0")

    def _change_route(self, line: str) -> None:
        """The one route there is has another MTU, and with it all that is on it.

        A connection sees it as Linux does: what it has cut to size stays so until it looks anew.
        """
        words = line.replace(" lock ", " ").split()
        values = {name: number_of(value) for name, value in pairwise(words) if name in _METRICS}
        stack = self.calls.stage.stack
        if "initcwnd" in values:
            stack.config = stack.config.replace(initial_window=values["initcwnd"])
        if "mtu" in values:
            stack.routes.interfaces[0].mtu = values["mtu"]
            for connection in stack.connections():
                connection.tcb.first_mtu = connection.tcb.mtu = values["mtu"]

    def set(self, name: str, value: str) -> None:
        stack = self.calls.stage.stack
        change = _FREEBSD.get(name) or _LINUX.get(name)
        if name in _FORGETTING and value == "0":
            self._forget_peers()
        if name == "net.ipv4.tcp_fastopen_key":
            stack.fast_open.keys = _keys(value)
        elif change is not None:
            stack.config = change(stack.config, value)
        elif name in _FIXED:
            if value not in _FIXED[name]:
                raise Unknown(f"{name}={value}")
        elif name not in _HARMLESS:
            raise Unknown(f"the sysctl {name}")

    def _forget_peers(self) -> None:
        self.calls.stage.stack.fast_open.forget()

    def _security(self, associations: list[tuple[str, str, str]]) -> None:
        keys = {
            Md5Key(pack_address(destination), secret.encode())
            for source, destination, secret in associations
            if pack_address(source) == self.calls.stage.local
        }
        stack = self.calls.stage.stack
        stack.config = stack.config.replace(md5_keys=tuple(keys))

    # the table of connections

    def _states(self, mine: bool) -> Iterable[State]:
        stack = self.calls.stage.stack
        if not mine:
            yield from (info.state for info in stack.infos() if info.state is not None)
            return
        for handle in self.calls.handles.values():
            socket = handle.socket
            if socket.listener is not None:
                yield State.LISTEN
            else:
                yield socket.connection.state if socket.connection is not None else CLOSED

    def _count(self, name: str, mine: bool, expected: int, line: str) -> None:
        state = state_named(name)
        states = list(self._states(mine))
        actual = states.count(state)
        if actual != expected:
            listed = ", ".join(map(str, states)) or "none"
            raise Mismatch("the states of the connections differ", f"{expected} in {state}", listed)

    def _drop_time_waits(self) -> None:
        stage = self.calls.stage
        for connection in stage.stack.connections():
            if connection.state is TIME_WAIT:
                connection.abort(stage.clock)
                stage.stack.wake(connection, stage.clock)
        while stage.stack.time_wait_table.remove_oldest() is not None:
            pass
