"""Worlds drawn from a seed: any link, any knobs at each end, any conversation."""

from dataclasses import fields
from random import Random
from typing import Any, Final

from ends import octets

from lastack.link.base import NO_OFFLOAD, Offload
from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.stack.fast_open import Known
from lastack.tcp.config import Config, preset
from lastack.tcp.uto_option import UserTimeoutOption
from lastack.units import MINUTE, MS, SECOND
from lastack.wire.address import pack_address
from lastack.wire.ao import AoKey
from lastack.wire.signing import Md5Key

PRESETS: Final = ("rfc", "linux", "freebsd")
FIXED: Final = {
    "strict",
    "fast_open_needs_cookie",  # without one a SYN that comes twice opens twice (RFC 7413 6.1)
    "fast_open_sends_cookie",
    "fast_open_connect",  # connect waits for a SEND, which is another conversation
    "drop_syn_fin",  # a SYN with all there is to say has FIN
    "exact_reset",
}
SWITCHES: Final = tuple(
    sorted(f.name for f in fields(Config) if isinstance(f.default, bool) and f.name not in FIXED)
)
PATIENT: dict[str, Any] = {
    "strict": True,
    "r2": 10**15,
    "syn_r2": 10**15,
    "retries": 0,
    "syn_retries": 0,
    "syn_ack_retries": 0,
    "opening_timeout": 0,
    "keepalive_probes": 1000,
}
SIZES = (0, 1, 1000, 30_000, 100_000)
ENDS: Final = (("10.0.0.1/24", "10.0.0.2/24"), ("fd00::1/64", "fd00::2/64"))
ECN: Final = ("off", "accept", "on", "accurate", "accurate-on", "accurate-accept")
UDP_PORTS: Final = (9899, 9900)


def any_world(seed: int, keep: bool = True) -> Conversation:
    """Return a conversation that has not begun; the same seed gives the same one."""
    chance = Random(seed)
    ends = chance.choice(ENDS)
    fast = chance.random() < 0.3
    cookies = chance.random() < 0.2
    simultaneous = not cookies and not fast and chance.random() < 0.3
    configs = [any_config(chance) for _ in ends]
    configs = any_signatures(chance, configs, ends)
    if chance.random() < 0.15:
        configs = [
            config.replace(udp_port=here, udp_remote_port=there)
            for config, here, there in zip(configs, UDP_PORTS, UDP_PORTS[::-1], strict=True)
        ]
    if fast:
        configs = [config.replace(fast_open_backlog=8) for config in configs]
    if fast or cookies:  # what comes twice must meet a TIME-WAIT that lasts (RFC 1337)
        configs[1] = configs[1].replace(reset_ends_time_wait=False)
    link = any_link(chance)
    if simultaneous:
        # Each sends a SYN-ACK then, so that none has the last word on what SYNs have offered.
        configs = [config.replace(syn_options_tries=0) for config in configs]
    if cookies:
        configs[1] = configs[1].replace(syn_cookies=2)
    pair = TwoHosts(
        seed,
        left_config=configs[0],
        right_config=configs[1],
        left_address=ends[0],
        right_address=ends[1],
        left_offload=any_offload(chance),
        right_offload=any_offload(chance),
        keep=keep,
        **link,
    )
    if fast and chance.random() < 0.8:
        acquainted(pair, chance.choice([100, 536, 1460, 9000]))
    to_right = chance.choice(SIZES)
    first = chance.choice([(True, False), (False, True), (True, True)])
    if fast or cookies:
        # Whoever may come twice must meet the server's TIME-WAIT; and an ACK alone that is lost
        # leaves a server with cookies without a word of the connection (RFC 4987 3.6).
        first, to_right = (False, True), max(to_right, 1)
    return Conversation(
        pair,
        octets(seed, to_right),
        octets(seed + 1, chance.choice(SIZES)),
        left_closes_first=first[0],
        right_closes_first=first[1],
        simultaneous=simultaneous,
        fast_open=fast,
    )


def any_config(chance: Random) -> Config:
    """Return a preset with some of its switches turned and some of its measures changed."""
    config = preset(chance.choice(PRESETS))
    often = chance.choice([0.02, 0.1, 0.3])
    knobs = dict(PATIENT)
    knobs.update({name: not getattr(config, name) for name in SWITCHES if chance.random() < often})
    drawn: dict[str, tuple[Any, ...]] = {
        "congestion": ("newreno", "cubic", "bbr", "dctcp"),
        "ecn": ECN,
        "mtu_probing": (1, 2),
        "base_mss": (200, 512, 1024, 4000),
        "path_mtu_discovery": (0, 1, 2, 3, 4, 5),
        "mss_limit": (100, 536, 1460),
        "send_overhead": (0, 832),
        "receive_most": (0, 20_000, 1 << 20),
        "send_most": (0, 20_000, 1 << 20),
        "memory_limit": (0, 50_000, 1 << 20),
        "notsent_lowat": (1, 1000, 16_384),
        "window_clamp": (500, 3000, 30_000),
        "initial_window": (0, 1, 10),
        "slow_start_segments": (0, 1, 2),
        "duplicate_acks": (1, 3, 5),
        "tail_loss_probe_delay": (0, 200 * MS),
        "delayed_ack_timeout": (MS, 40 * MS, 400 * MS),
        "ack_every": (1, 2, 8),
        "quick_acks": (0, 16),
        "min_rto": (1, 30 * MS, SECOND),
        "min_rto_variance": (0, 200 * MS),
        "rto_slop": (0, 200 * MS),
        "max_rto": (2 * SECOND, 60 * SECOND),
        "keepalive_idle": (SECOND, 7200 * SECOND),
        "reassembly_blocks": (1, 4, 1024),
        "defer_accept": (0, 2),
        "option_order": ("linux", "freebsd"),
        "syn_options_tries": (0, 1, 2),
        "user_timeout_option": (None, UserTimeoutOption(200 * MINUTE)),
        "scaled_buffer": (0, 2 << 20, 1 << 30),
        "ecn_syn_retries": (0, 1, 5),
        "challenge_acks": (1, 10),
    }
    knobs.update({n: chance.choice(v) for n, v in drawn.items() if chance.random() < 0.2})
    if chance.random() < 0.2:
        knobs["send_buffer"] = chance.choice([500, 3000, 30_000])
    if chance.random() < 0.2:
        knobs["receive_buffer"] = chance.choice([500, 2000, 20_000])
    return config.replace(**knobs)


def any_signatures(chance: Random, configs: list[Config], ends: tuple[str, str]) -> list[Config]:
    """Return them with the same keys of TCP-MD5 or TCP-AO, or of neither."""
    kind = chance.random()
    peers = [pack_address(end.partition("/")[0]) for end in reversed(ends)]
    if kind < 0.15:
        return [
            config.replace(md5_keys=(Md5Key(peer, b"secret"),))
            for config, peer in zip(configs, peers, strict=True)
        ]
    if kind < 0.3:
        covers = chance.random() < 0.5
        return [
            config.replace(ao_keys=(AoKey(peer, b"secret", 5, 5, covers_options=covers),))
            for config, peer in zip(configs, peers, strict=True)
        ]
    return configs


def any_offload(chance: Random) -> Offload:
    """Return what a device may do for us."""
    if chance.random() < 0.6:
        return NO_OFFLOAD
    return Offload(True, chance.random() < 0.8, chance.random() < 0.8)


def any_link(chance: Random) -> dict[str, Any]:
    """Return the arguments of a wire."""
    bad = chance.choice([0.0, 0.3, 1.0])
    link: dict[str, Any] = {
        "loss": chance.random() * 0.2 * bad,
        "reorder": chance.random() * 0.3 * bad,
        "duplicate": chance.random() * 0.3 * bad,
        "corrupt": chance.random() * 0.1 * bad,
        "jitter": chance.choice([0, 5 * MS, 50 * MS]),
        "delay": chance.choice([0, MS, 10 * MS, 300 * MS]),
        "mtu": chance.choice([576, 1280, 1500, 9000]),
        "mark": chance.choice([0, 1, 4]),
    }
    if chance.random() < 0.4:
        link["rate"] = chance.choice([100_000, 1_000_000, 10_000_000])
        link["queue"] = chance.choice([0, 3, 10])
    return link


def acquainted(pair: TwoHosts, mss: int) -> None:
    """Give the left host a cookie of the right one's."""
    known = Known()
    server = pair.right.fast_open
    known.cookie = server.cookie(server.keys[:16], pair.left_address, pair.right_address)
    known.mss = mss
    pair.left.fast_open.servers[pair.left_address + pair.right_address] = known
