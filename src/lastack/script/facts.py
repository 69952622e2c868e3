"""TCP_INFO: the octets of Linux's `struct tcp_info` as the `tcpi_*` values of snippets."""

import struct
from typing import Final

_LAYOUT: Final = struct.Struct("=8B24I4Q6I4Q2I2Q4I")
_FIELDS: Final = (
    "state", "ca_state", "retransmits", "probes", "backoff", "options", "wscale", "flags",
    "rto", "ato", "snd_mss", "rcv_mss", "unacked", "sacked", "lost", "retrans", "fackets",
    "last_data_sent", "last_ack_sent", "last_data_recv", "last_ack_recv", "pmtu", "rcv_ssthresh",
    "rtt", "rttvar", "snd_ssthresh", "snd_cwnd", "advmss", "reordering", "rcv_rtt", "rcv_space",
    "total_retrans", "pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received",
    "segs_out", "segs_in", "notsent_bytes", "min_rtt", "data_segs_in", "data_segs_out",
    "delivery_rate", "busy_time", "rwnd_limited", "sndbuf_limited", "delivered", "delivered_ce",
    "bytes_sent", "bytes_retrans", "dsack_dups", "reord_seen", "rcv_ooopack", "snd_wnd",
)  # fmt: skip
KEPT: Final = frozenset(
    (
        "state", "ca_state", "retransmits", "probes", "backoff", "options", "rto", "snd_mss",
        "unacked", "sacked", "lost", "retrans", "pmtu", "rtt", "rttvar", "snd_ssthresh",
        "snd_cwnd", "advmss", "rcv_mss", "reordering", "total_retrans", "bytes_acked",
        "bytes_received", "segs_out", "segs_in", "notsent_bytes", "bytes_sent", "snd_wnd",
    )
)  # fmt: skip
"""What a stack of ours fills in; the rest is 0 there, which is no fact."""


def facts_of(octets: bytes, kept: frozenset[str] = frozenset(_FIELDS)) -> dict[str, int]:
    """Return the values by name (`tcpi_state` ...), but for those that are not among `kept`.

    A shorter structure, as older kernels have it, gives fewer.
    """
    whole = octets[: _LAYOUT.size].ljust(_LAYOUT.size, b"\0")
    found: dict[str, int] = {}
    at = 0
    for name, value in zip(_FIELDS, _LAYOUT.unpack(whole), strict=True):
        at += _size(name)
        if at <= len(octets) and name in kept:
            found[f"tcpi_{name}"] = value
    return found


_LONG: Final = frozenset(
    (
        "pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received", "delivery_rate",
        "busy_time", "rwnd_limited", "sndbuf_limited", "bytes_sent", "bytes_retrans",
    )
)  # fmt: skip


def _size(name: str) -> int:
    if name in _FIELDS[:8]:
        return 1
    return 8 if name in _LONG else 4
