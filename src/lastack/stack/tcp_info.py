"""TCP_INFO as octets: the layout of Linux's `struct tcp_info` (6.18: 280 octets), filled in."""

import struct
from typing import Final

from lastack.tcp.congestion.base import UNLIMITED
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import State
from lastack.units import MS, US

FIELDS: Final[tuple[tuple[str, str], ...]] = (
    ("state", "B"), ("ca_state", "B"), ("retransmits", "B"), ("probes", "B"), ("backoff", "B"),
    ("options", "B"), ("wscale", "B"), ("flags", "B"),
    ("rto", "I"), ("ato", "I"), ("snd_mss", "I"), ("rcv_mss", "I"),
    ("unacked", "I"), ("sacked", "I"), ("lost", "I"), ("retrans", "I"), ("fackets", "I"),
    ("last_data_sent", "I"), ("last_ack_sent", "I"), ("last_data_recv", "I"),
    ("last_ack_recv", "I"),
    ("pmtu", "I"), ("rcv_ssthresh", "I"), ("rtt", "I"), ("rttvar", "I"), ("snd_ssthresh", "I"),
    ("snd_cwnd", "I"), ("advmss", "I"), ("reordering", "I"), ("rcv_rtt", "I"), ("rcv_space", "I"),
    ("total_retrans", "I"),
    ("pacing_rate", "Q"), ("max_pacing_rate", "Q"), ("bytes_acked", "Q"), ("bytes_received", "Q"),
    ("segs_out", "I"), ("segs_in", "I"), ("notsent_bytes", "I"), ("min_rtt", "I"),
    ("data_segs_in", "I"), ("data_segs_out", "I"), ("delivery_rate", "Q"),
    ("busy_time", "Q"), ("rwnd_limited", "Q"), ("sndbuf_limited", "Q"),
    ("delivered", "I"), ("delivered_ce", "I"), ("bytes_sent", "Q"), ("bytes_retrans", "Q"),
    ("dsack_dups", "I"), ("reord_seen", "I"), ("rcv_ooopack", "I"), ("snd_wnd", "I"),
    ("rcv_wnd", "I"), ("rehash", "I"),
    ("total_rto", "H"), ("total_rto_recoveries", "H"), ("total_rto_time", "I"),
    ("received_ce", "I"), ("delivered_e1_bytes", "I"), ("delivered_e0_bytes", "I"),
    ("delivered_ce_bytes", "I"), ("received_e1_bytes", "I"), ("received_e0_bytes", "I"),
    ("received_ce_bytes", "I"), ("accecn_fail_mode", "H"), ("accecn_opt_seen", "H"),
)  # fmt: skip
"""Name (`tcpi_` taken off) and format. `wscale` is both shifts, the sender's in the low half;
`flags` has `delivery_rate_app_limited` as its lowest bit."""
LAYOUT: Final = struct.Struct("=" + "".join([form for _, form in FIELDS]))
TCP_INFO_SIZE: Final = LAYOUT.size

_STATES: Final[dict[State, int]] = {
    State.ESTABLISHED: 1,
    State.SYN_SENT: 2,
    State.SYN_RECEIVED: 3,
    State.FIN_WAIT_1: 4,
    State.FIN_WAIT_2: 5,
    State.TIME_WAIT: 6,
    State.CLOSED: 7,
    State.CLOSE_WAIT: 8,
    State.LAST_ACK: 9,
    State.LISTEN: 10,
    State.CLOSING: 11,
}
_MOST: Final = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFFFFFF, "Q": 0xFFFFFFFFFFFFFFFF}
_OPEN: Final = 0
_DISORDER: Final = 1
_REDUCING: Final = 2
_RECOVERY: Final = 3
_LOSS: Final = 4
_TIMESTAMPS: Final = 1
_SACK: Final = 2
_WINDOW_SCALE: Final = 4
_ECN: Final = 8
_ECN_SEEN: Final = 16
_SYN_DATA: Final = 32
_INFINITE: Final = 0x7FFFFFFF


def pack_info(info: ConnectionInfo) -> bytes:
    """Return a record in Linux's layout and units; the unknown is 0."""
    return _pack(values_of(info))


def pack_idle_info(listening: bool, waiting: int, backlog: int) -> bytes:
    """Return the record of a socket without a connection; a listener's tells of its queue."""
    state = State.LISTEN if listening else State.CLOSED
    return _pack({"state": _STATES[state], "unacked": waiting, "sacked": backlog})


def _pack(values: dict[str, int]) -> bytes:
    return LAYOUT.pack(
        *[min(max(values.get(name, 0), 0), _MOST[form]) for name, form in FIELDS],
    )


def values_of(info: ConnectionInfo) -> dict[str, int]:
    """Return what Linux would tell of a connection, in its units: segments, us, ms, octets."""
    values = _of_the_sender(info)
    values.update(_of_time(info))
    values.update(_of_marks(info))
    state = info.state if info.state is not None else State.CLOSED
    values.update(
        state=_STATES[state],
        options=_options(info),
        wscale=(max(info.snd_scale or 0, 0) & 0xF) | (max(info.rcv_scale or 0, 0) & 0xF) << 4,
        flags=1 if info.rate_app_limited else 0,
        snd_mss=info.mss or 0,
        rcv_mss=info.peer_segment or info.mss or 0,
        advmss=info.offered_mss or info.mss or 0,
        pmtu=info.path_mtu or 0,
        rcv_ssthresh=info.receive_buffer or info.rcv_wnd or 0,
        rcv_space=info.receive_space or info.rcv_wnd or 0,
        rcv_wnd=info.rcv_wnd or 0,
        snd_wnd=info.snd_wnd or 0,
        bytes_acked=info.bytes_acked or 0,
        bytes_received=info.bytes_received or 0,
        bytes_sent=(info.bytes_sent or 0) + (info.bytes_resent or 0),
        bytes_retrans=info.bytes_resent or 0,
        segs_out=info.segments_sent or 0,
        segs_in=info.segments_received or 0,
        data_segs_out=info.data_segments_sent or 0,
        data_segs_in=info.data_segments_received or 0,
        notsent_bytes=info.unsent or 0,
        rcv_ooopack=info.out_of_order_segments or 0,
    )
    return values


def _options(info: ConnectionInfo) -> int:
    options = _TIMESTAMPS if info.timestamps else 0
    options |= _SACK if info.sack else 0
    options |= _WINDOW_SCALE if info.snd_scale is not None and info.snd_scale >= 0 else 0
    if info.ecn is not None and info.ecn != "none":
        options |= _ECN
        options |= _ECN_SEEN if info.ecn_seen else 0
    options |= _SYN_DATA if info.syn_data else 0
    return options


def _of_the_sender(info: ConnectionInfo) -> dict[str, int]:
    unit = info.mss or 1
    ssthresh = _INFINITE
    if info.ssthresh is not None and info.ssthresh < UNLIMITED:
        ssthresh = min(info.ssthresh // unit, _INFINITE)
    return {
        "ca_state": _congestion_state(info),
        "retransmits": info.retries or 0,
        "probes": info.probes or 0,
        "backoff": max(info.backoff or 0, info.probes or 0),
        "unacked": info.segments_in_flight or 0,
        "sacked": info.segments_sacked or 0,
        "lost": info.segments_lost or 0,
        "retrans": info.segments_resent or 0,
        "snd_ssthresh": ssthresh,
        "snd_cwnd": (info.cwnd or 0) // unit,
        "reordering": info.reordering or 0,
        "total_retrans": info.retransmissions or 0,
        "pacing_rate": info.pacing_rate or _MOST["Q"],
        "max_pacing_rate": _MOST["Q"],
        "delivery_rate": info.delivery_rate or 0,
        "delivered": info.segments_delivered or 0,
        "reord_seen": info.reordering_seen or 0,
        "dsack_dups": info.duplicates_reported or 0,
        "total_rto": info.timeouts or 0,
        "total_rto_recoveries": info.timeout_recoveries or 0,
        "total_rto_time": (info.timeout_time or 0) // MS,
    }


def _congestion_state(info: ConnectionInfo) -> int:
    if info.recovery == "loss":
        return _LOSS
    if info.recovery == "recovery":
        return _RECOVERY
    if info.reducing:
        return _REDUCING
    return _DISORDER if info.segments_sacked else _OPEN


def _of_time(info: ConnectionInfo) -> dict[str, int]:
    return {
        "rto": (info.rto or 0) // US,
        "ato": (info.delayed_ack_timeout or 0) // US,
        "rtt": (info.srtt or 0) // US,
        "rcv_rtt": (info.receive_rtt or 0) // US,
        "rttvar": (info.rttvar or 0) // US,
        "min_rtt": _MOST["I"] if info.min_rtt is None else info.min_rtt // US,
        "last_data_sent": (info.since_data_sent or 0) // MS,
        "last_data_recv": (info.since_data_received or 0) // MS,
        "last_ack_recv": (info.since_ack_received or 0) // MS,
        "busy_time": (info.busy_time or 0) // US,
        "rwnd_limited": (info.limited_by_peer or 0) // US,
        "sndbuf_limited": (info.limited_by_buffer or 0) // US,
    }


def _of_marks(info: ConnectionInfo) -> dict[str, int]:
    values = {
        "delivered_ce": info.marks_delivered or 0,
        "received_ce": info.marks_received or 0,
    }
    for where, octets in (
        ("delivered", info.delivered_by_codepoint),
        ("received", info.received_by_codepoint),
    ):
        values[f"{where}_e1_bytes"] = octets.get("ect1", 0)
        values[f"{where}_e0_bytes"] = octets.get("ect0", 0)
        values[f"{where}_ce_bytes"] = octets.get("ce", 0)
    return values
