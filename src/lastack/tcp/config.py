"""Every knob of the machine in one object, with the source of each, and the three presets.

`rfc` is the default and meets every MUST of RFC 9293; `linux` and `freebsd` do what those systems
do where a peer can see it. A stack has one Config and a connection may have its own:
`config.replace(nagle=False)`. Times are nanoseconds, sizes are octets.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Final

from lastack.tcp.sending_knobs import SendingKnobs
from lastack.tcp.uto_option import UserTimeoutOption
from lastack.units import MINUTE, MS, SECOND
from lastack.wire.ao import AoKey
from lastack.wire.signing import Md5Key

UNLIMITED: Final = (1 << 32) - 1
"""No bound, where a bound is a number of octets of 32 bits."""


@dataclass
class Config(SendingKnobs):
    """The knobs; defaults are the preset `rfc`."""

    # how strict we are with ourselves
    strict: bool = False
    """Raise when we break our own table (tests); otherwise abort that connection and count it."""

    # buffers and windows
    send_buffer: int = 1 << 20
    receive_buffer: int = 1 << 20
    double_buffers: bool = False
    """SO_SNDBUF and SO_RCVBUF read twice what was set, the kernel's own needs included, as in
    Linux."""
    send_overhead: int = 0
    """What each piece of the send buffer counts besides its octets, as in Linux, where twice
    SO_SNDBUF bounds the sum and the last piece may exceed it; 0 bounds the octets alone."""
    receive_most: int = 0
    """What the receive buffer may grow to by the rate at which the user takes (Linux's tcp_rmem); 0
    fixes it, and so does SO_RCVBUF."""
    send_most: int = 0
    """What the send buffer may grow to by the congestion window (Linux's tcp_wmem); 0 fixes it, and
    so does SO_SNDBUF."""
    memory_limit: int = 0
    """Octets that all buffers of a host should hold (Linux's tcp_mem); near it none grows, and what
    came out of order is thrown away. 0 is no limit; the host's knob."""
    most_buffer: int = 1 << 30
    """The largest buffer that SO_SNDBUF and SO_RCVBUF can ask for."""
    notsent_lowat: int = UNLIMITED
    """Octets that may wait unsent, behind what goes out at once, before a SEND takes no more
    (Linux's tcp_notsent_lowat)."""
    read_lowat: int = 1
    """SO_RCVLOWAT: octets from which on the connection counts as readable."""
    window_clamp: int = 0
    """TCP_WINDOW_CLAMP: the largest window to advertise; 0 is none."""
    report_errors: bool = False
    """IP_RECVERR: ICMP errors are told in full while opening, and as an error of the next call once
    the connection stands."""
    window_scale: bool = True
    """RFC 7323 2."""
    scaled_buffer: int = 0
    """The largest buffer that the window scale must be able to speak of; 0 is `receive_buffer`."""
    window_in_steps: bool = True
    """The window's right edge moves by a segment or half the buffer at a time (RFC 9293
    3.8.6.2.2, SHLD-14). False moves it whenever an ACK goes out, counts a window below a
    segment and a quarter of the buffer as closed, and takes in what there is room for, as FreeBSD
    does.
    """
    whole_segments: bool = False
    """Round the receive buffer up to a whole number of segments, as FreeBSD does."""
    timestamps: bool = True
    """RFC 7323 3."""
    require_timestamps: bool = True
    """Once agreed on, segments without them are dropped (RFC 7323 3.2)."""
    sack: bool = True
    """RFC 2018."""
    sack_of_segments: bool = False
    """What the peer reports of a segment in part does not count, as in Linux."""
    dsack: bool = True
    """RFC 2883."""
    reassembly_blocks: int = 1024
    """Separate stretches of out-of-order data kept at most."""

    # segments
    mss_default_v4: int = 536
    """RFC 9293 3.7.1, MUST-15."""
    mss_default_v6: int = 1220
    mss_limit: int = 0
    """An upper bound on the MSS that we offer and use (TCP_MAXSEG); 0 is none."""
    path_mtu_discovery: int = 1
    """RFC 9293 3.7.2, with the meaning of Linux's IP_MTU_DISCOVER: 0 leaves it to routers to
    fragment; 1 and 2 forbid it (IPv4) and believe ICMP; 3 to 5 do not forbid it, of which 3
    believes ICMP. IPv6 knows no fragmenting router: 0 to 3 believe ICMP, 4 and 5 do not."""
    minimum_mtu: bool = False
    """Packets over IPv6 have 1280 octets at most, whatever the path takes (IPV6_USE_MIN_MTU, RFC
    3542 11.1)."""
    min_path_mtu: int = 552
    """Smaller ICMP reports are taken for this (RFC 5927 7.2), and routers may fragment then."""
    mtu_probing: int = 0
    """RFC 4821, as Linux's tcp_mtu_probing: 1 searches for the path's MTU when the path seems to
    swallow what is long, 2 searches always, beginning from `base_mss`."""
    base_mss: int = 1024
    """Octets of data that such a search begins with (Linux's tcp_base_mss)."""
    mtu_probe_floor: int = 48
    """Octets of data below which no search goes (Linux's tcp_mtu_probe_floor)."""
    mtu_probe_interval: int = 10 * MINUTE
    """After this a search that has come to its end begins again (Linux's tcp_probe_interval)."""
    blackhole_detection: bool = False
    """After two timeouts send `blackhole_mss_v4` (or `_v6`) octets at most, after two more the
    default MSS, after two more all again, as FreeBSD's pmtud_blackhole_detection does."""
    blackhole_mss_v4: int = 1200
    blackhole_mss_v6: int = 1220
    option_order: str = "linux"
    """How a SYN lists its options: `linux` or `freebsd`."""
    syn_options: bool = True
    """Offer and take options on a SYN (MUST-4); False is FreeBSD's TCP_NOOPT: not even an MSS."""
    syn_options_tries: int = 0
    """Retransmissions after which a SYN goes with an MSS alone, lest some middlebox minds the other
    options (FreeBSD's rexmit_drop_options); 0 is never. What the SYN-ACK has holds all the same: it
    may be the answer to an earlier SYN."""
    syn_data: bool = True
    """Keep data that rides on a SYN until the connection is established (RFC 9293 3.4)."""
    crossing_syn_data: bool = True
    """The same for a SYN that crosses ours."""
    ttl: int = 64
    """RFC 9293 3.9.2, MUST-49."""
    udp_remote_port: int = 0
    """The port of the peer's to which segments go inside UDP datagrams; 0 sends plain segments
    (FreeBSD's TCP_REMOTE_UDP_ENCAPS_PORT)."""
    ao_keys: tuple[AoKey, ...] = ()
    """Keys of TCP-AO (RFC 5925). A peer is asked to use the first that is for it; all are known, so
    that a new one can stand in front of the old one for as long as both are in use."""
    ao_unmatched_accepted: bool = True
    """RFC 5925 7.3: an authentication option that no key is for is overlooked (SHOULD); Linux drops
    the segment."""
    ao_ignores_icmp: bool = True
    """RFC 5925 7.8: no ICMP error, which anybody could have sent, ends a connection with such keys
    or shortens its segments (unreachable with code 2 to 4; over IPv6, 1 and 4)."""
    md5_keys: tuple[Md5Key, ...] = ()
    """Keys of TCP-MD5 (RFC 2385): with a peer that has one every segment is signed, both ways."""
    dscp: int = 0
    """RFC 9293 3.9.2, MUST-48."""

    # explicit congestion notification
    ecn: str = "accept"
    """RFC 3168 (SHLD-8), RFC 9768: `off`, `accept` (agree when asked), `on` (ask, and agree),
    `accurate` (ask for accurate feedback, and agree to either). Linux's tcp_ecn has these as 0, 2,
    1, 3, and `accurate-on` (4: ask for the classic one) and `accurate-accept` (5: do not ask)."""
    ecn_syn_retries: int = 1
    """Retransmissions of a SYN that still ask (RFC 3168 6.1.1.1 may have 0, RFC 9768 3.1.4.1 should
    have 1)."""
    ecn_waits: bool = True
    """RFC 3168 6.1.2: a mark while the congestion window is one segment makes the sender wait for
    RTO before it sends the next."""
    ecn_after_plain_syn: bool = False
    """Use ECN where a SYN of ours has not asked, but the peer has or agrees all the same, as
    FreeBSD does; RFC 3168 6.1.1 forbids ECT then."""

    # acknowledging
    delayed_ack: bool = True
    """RFC 9293 3.8.6.3, SHLD-18."""
    delayed_ack_timeout: int = 100 * MS
    """Below half a second (MUST-40)."""
    ack_every: int = 2
    """Full segments for which an ACK is sent at once (SHLD-19)."""
    quick_acks: int = 0
    """How many of the first data segments are acknowledged at once (Linux's quickack mode)."""

    # retransmission (RFC 6298)
    initial_rto: int = 1 * SECOND
    min_rto: int = 1 * SECOND
    min_rto_variance: int = 0
    """What RTO is above SRTT at least, whatever the variance: Linux's 200 ms."""
    rto_slop: int = 0
    """What is added to every RTO once it has been computed and doubled: FreeBSD's 200 ms."""
    max_rto: int = 60 * SECOND
    r1: int = 3
    """Retransmissions after which the user is told (RFC 9293 3.8.3, SHLD-10)."""
    r2: int = 10 * MINUTE
    """Time after which the connection is given up (MUST-21, SHLD-11: at least 100 s)."""
    syn_r2: int = 3 * MINUTE
    """The same for a SYN (MUST-23: at least 3 minutes)."""
    retries: int = 0
    """Retransmissions after which the connection is given up instead; 0 counts time alone."""
    syn_retries: int = 0
    syn_ack_retries: int = 0
    opening_timeout: int = 0
    """Time after which an active open is given up, whatever else counts (FreeBSD's TCP_KEEPINIT); 0
    leaves it to the limits above."""
    user_timeout: int = 0
    """RFC 9293 3.9.1.8; 0 leaves it to R2, or to what the peer and we agree on (RFC 5482)."""
    user_timeout_option: UserTimeoutOption | None = None
    """RFC 5482: ENABLED, with what we advertise and between which limits we follow the peer."""
    user_timeout_bounds_probing: bool = False
    """Whether the user timeout also ends probing of a closed window that the peer answers (MUST-37
    lets that go on for ever), and keep-alives instead of their number, as Linux has it."""

    # keep-alive (RFC 9293 3.8.4)
    keepalive: bool = False
    """MUST-25: off by default."""
    keepalive_idle: int = 7200 * SECOND
    """MUST-28: no less than two hours by default."""
    keepalive_interval: int = 75 * SECOND
    keepalive_probes: int = 9
    """Unanswered ones after which the connection is given up (MUST-29: not one alone)."""

    # closing
    msl: int = 2 * MINUTE
    """RFC 9293 3.4.2; TIME-WAIT lasts twice this (MUST-13)."""
    reset_ends_time_wait: bool = True
    """RFC 9293 3.10.7.4 second; RFC 1337 would have it False."""
    reset_always_told: bool = False
    """The user hears of a reset in CLOSING and LAST-ACK too; RFC 9293 3.10.7.4 has it silent."""
    reuse_time_wait: bool = True
    """RFC 9293 3.6.1 MAY-2, RFC 6191."""
    time_wait_needs_ack: bool = False
    """In TIME-WAIT a segment without ACK goes unanswered, and every one with it is answered unless
    it is the plain ACK that was still to come, as in FreeBSD. A SYN is such a segment where
    `reuse_time_wait` has had its say; without that it is treated as RFC 9293 has it."""
    acks_repeat_fin: bool = False
    """While our FIN is unacknowledged every plain ACK carries it again, as in FreeBSD."""
    fin_wait_2_timeout: int = 10 * MINUTE
    """How long FIN-WAIT-2 may last when the user has gone for good (NEVER is the RFC's letter)."""
    max_time_wait: int = 65536
    """Entries of the stack's TIME-WAIT table."""

    # urgent data (RFC 9293 3.8.5, RFC 6093)
    urgent_inline: bool = False
    """SO_OOBINLINE."""

    # attacks (RFC 5961, RFC 5927)
    rfc5961: bool = True
    """Challenge ACKs, and a lower bound on SEG.ACK (MAY-12)."""
    exact_reset: bool = True
    """With `rfc5961`: a reset must be exact (3.2). False believes any in the window."""
    challenge_syn: bool = True
    """With `rfc5961`: a SYN is answered with a challenge ACK (4.2). False resets."""
    challenge_acks: int = 10
    """Challenge ACKs that one connection sends at most in `challenge_period` (RFC 5961 7)."""
    challenge_period: int = 5 * SECOND
    icmp_aborts_synchronized: bool = True
    """SHLD-26: hard ICMP errors end a synchronized connection; RFC 5927 6 would not."""
    icmp_aborts_opening: bool = True
    """Hard ICMP errors end a connection that is not synchronized yet (FreeBSD's icmp_may_rst); the
    host's knob, whatever its connections have."""
    icmp_prohibited_is_hard: bool = False
    """Prohibited and hop limit exceeded count as hard, and whatever is hard but that one means
    ECONNREFUSED, as in FreeBSD (RFC 1122 4.2.3.9 has them soft)."""
    drop_syn_fin: bool = False
    """A segment with SYN and FIN is thrown away, in every state between CLOSED and TIME-WAIT
    (FreeBSD's drop_synfin)."""
    take_old_acks: bool = False
    """A segment that brings nothing but what had come is not welcome, yet its ACK counts, as in
    FreeBSD; RFC 9293 3.10.7.4 drops it whole."""
    soft_errors_end_opening: bool = False
    """Any ICMP unreachable ends a connection that is not synchronized, as in Linux; RFC 1122
    4.2.3.9 has some of them soft."""
    echo_in_syn_ack_checked: bool = False
    """A SYN-ACK that echoes a timestamp we have not sent is answered with a reset, as in Linux."""
    path_bounds_offer: bool = False
    """The MSS that we offer is no larger than what is known to get through the other way, as in
    Linux; RFC 1191 3.1 has it depend on what we can receive alone."""
    reset_syn_ack_in_listen: bool = True
    """RFC 9293 3.10.7.2: an ACK in LISTEN is answered with a reset, on a SYN too; FreeBSD drops
    that one."""

    # the host
    ports: tuple[int, int] = (49152, 65535)
    """Ephemeral ports (RFC 6056 3.2)."""
    udp_port: int = 0
    """The UDP port at which the host takes segments inside datagrams, and from which it sends them;
    0 does neither (FreeBSD's net.inet.tcp.udp_tunneling_port)."""
    max_resets: int = 200
    """Resets and ICMP errors that a stack sends at most in a second."""

    def replace(self, **changes: Any) -> "Config":
        """Return a copy with some knobs changed; an unknown name raises TypeError."""
        return replace(self, **changes)

    def changes(self) -> dict[str, object]:
        """Return the knobs that differ from the preset `rfc`."""
        plain = Config()
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if getattr(self, f.name) != getattr(plain, f.name)
        }


_LINUX: Final = Config(
    ao_unmatched_accepted=False,
    sack_of_segments=True,
    eifel=True,
    dsack_undo=True,
    frto=True,
    prr=True,
    rack=True,
    tail_loss_probe=True,
    slow_start_segments=0,
    congestion="cubic",
    classic_hystart=True,
    window_validation="linux",
    reset_always_told=True,
    send_buffer=8 << 10,
    send_most=64 << 20,
    send_overhead=832,
    receive_buffer=64 << 10,
    receive_most=16 << 20,
    scaled_buffer=32 << 20,
    memory_limit=1 << 30,
    most_buffer=4 << 20,
    initial_window=10,
    delayed_ack_timeout=40 * MS,
    quick_acks=16,
    min_rto=200 * MS,
    min_rto_variance=200 * MS,
    more_until_ack=True,
    double_buffers=True,
    max_rto=120 * SECOND,
    retries=15,
    syn_retries=6,
    syn_ack_retries=5,
    msl=30 * SECOND,
    fin_wait_2_timeout=60 * SECOND,
    icmp_aborts_synchronized=False,
    require_timestamps=False,
    syn_data=False,
    crossing_syn_data=False,
    probe_with_data=False,
    user_timeout_bounds_probing=True,
    nagle_minshall=True,
    push_within=True,
    halve_window=True,
    broken_before_opening=True,
    ecn_syn_retries=0,
    ecn_waits=False,
    syn_cookies=1,
    fast_open_experimental=True,
    fast_open_refused_for=0,
    fast_open_blackhole_timeout=0,
    keep_reset_children=True,
    crossing_syn_is_duplicate=True,
    soft_errors_end_opening=True,
    echo_in_syn_ack_checked=True,
    path_bounds_offer=True,
    ports=(32768, 60999),
)
_FREEBSD: Final = Config(
    prr=True,
    slow_start_segments=2,
    window_validation="freebsd",
    congestion="cubic",
    scaled_buffer=2 << 20,
    whole_segments=True,
    window_in_steps=False,
    reset_always_told=True,
    nagle_whole_writes=True,
    initial_window=10,
    delayed_ack_timeout=40 * MS,
    min_rto=30 * MS,
    rto_slop=200 * MS,
    max_rto=64 * SECOND,
    retries=12,
    syn_retries=12,
    syn_ack_retries=3,
    msl=30 * SECOND,
    reset_ends_time_wait=False,
    time_wait_needs_ack=True,
    acks_repeat_fin=True,
    take_old_acks=True,
    icmp_prohibited_is_hard=True,
    reset_syn_ack_in_listen=False,
    opening_timeout=75 * SECOND,
    fin_wait_2_timeout=60 * SECOND,
    keepalive=True,
    keepalive_probes=8,
    icmp_aborts_synchronized=False,
    option_order="freebsd",
    syn_data=False,
    ecn_waits=False,
    ecn_after_plain_syn=True,
    implied_connect=True,
    syn_cookies=1,
    cookies_say_sack=True,
    fast_open_blackhole_timeout=0,
    ports=(10000, 65535),
)
PRESETS: Final[dict[str, Config]] = {"rfc": Config(), "linux": _LINUX, "freebsd": _FREEBSD}


def preset(name: str) -> Config:
    """Return a fresh copy of the preset `rfc`, `linux` or `freebsd`; ValueError otherwise."""
    found = PRESETS.get(name)
    if found is None:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return replace(found)
