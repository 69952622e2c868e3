"""A socket of the kernel's as the record that every view takes: KernelSocket -> ConnectionInfo."""

import struct
from typing import Any, Final

from lastack.observe.core.diag import TIMERS, KernelSocket
from lastack.stack.tcp_info import FIELDS
from lastack.tcp.congestion.base import UNLIMITED
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import State
from lastack.units import MS, US
from lastack.wire.address import Endpoint

_U32: Final = 0xFFFFFFFF
_NO_PACING: Final = 0xFFFFFFFFFFFFFFFF
_INFINITE: Final = 0x7FFFFFFF
_RECOVERY: Final = ("open", "open", "open", "recovery", "loss")
_REDUCING: Final = 2
_WITHOUT_PEER: Final = (State.LISTEN, State.CLOSED)
_MAPPED: Final = bytes(10) + b"\xff\xff"


def values_in(info: bytes) -> dict[str, int]:
    """Return the fields that a struct tcp_info has; an older kernel's is shorter and has fewer."""
    found: dict[str, int] = {}
    at = 0
    for name, form in FIELDS:
        size = struct.calcsize("=" + form)
        if at + size > len(info):
            break
        found[name] = struct.unpack_from("=" + form, info, at)[0]
        at += size
    return found


def text_of(address: bytes, port: int) -> str:
    """Return an endpoint as text, `*` for any address or port."""
    host = str(Endpoint(address, 0)).rpartition(":")[0] if any(address) else "*"
    return f"{host}:{port or '*'}"


def plain_address(address: bytes) -> bytes:
    """Return an IPv4 address that came inside an IPv6 one as itself."""
    return address[12:] if address.startswith(_MAPPED) else address


def connection_info(found: KernelSocket, time: int = 0) -> ConnectionInfo:
    """Return what the kernel tells of a socket, None for what it does not.

    `time` is when it was asked. The kernel counts cwnd and ssthresh in segments; here they are
    octets. Sequence numbers it keeps to itself.
    """
    remote = "" if found.state in _WITHOUT_PEER else text_of(found.remote, found.remote_port)
    local = text_of(found.local, found.local_port)
    known: dict[str, Any] = {}
    values = values_in(found.info)
    if values and found.state not in _WITHOUT_PEER:
        known = {**_of_the_connection(values), **_of_the_sender(values), **_of_time(values)}
        known["in_flight"] = max(found.unsent - (known["unsent"] or 0), 0)
    else:
        known["unsent"] = found.unsent
    if 0 < found.timer < len(TIMERS):
        known["timers"] = {TIMERS[found.timer]: found.expires * MS}
    known.setdefault("retries", found.retransmits)
    return ConnectionInfo(
        local,
        remote,
        found.state,
        number=found.cookie,
        time=time,
        unread=found.unread,
        controller=found.congestion or None,
        **known,
    )


def _of_the_connection(values: dict[str, int]) -> dict[str, Any]:
    options = values.get("options", 0)
    scaled = bool(options & 4)
    return {
        "mss": values.get("snd_mss"),
        "path_mtu": values.get("pmtu"),
        "offered_mss": values.get("advmss"),
        "peer_segment": values.get("rcv_mss"),
        "snd_scale": values.get("wscale", 0) & 0xF if scaled else -1,
        "rcv_scale": values.get("wscale", 0) >> 4 if scaled else -1,
        "timestamps": bool(options & 1),
        "sack": bool(options & 2),
        "ecn": "classic" if options & 8 else "none",
        "ecn_seen": bool(options & 16),
        "syn_data": bool(options & 32),
        "snd_wnd": values.get("snd_wnd"),
        "rcv_wnd": values.get("rcv_wnd"),
        "segments_sent": values.get("segs_out"),
        "segments_received": values.get("segs_in"),
        "data_segments_sent": values.get("data_segs_out"),
        "data_segments_received": values.get("data_segs_in"),
        "bytes_sent": values.get("bytes_sent"),
        "bytes_resent": values.get("bytes_retrans"),
        "bytes_received": values.get("bytes_received"),
        "bytes_acked": values.get("bytes_acked"),
        "receive_buffer": values.get("rcv_ssthresh"),
        "receive_space": values.get("rcv_space"),
        "out_of_order_segments": values.get("rcv_ooopack"),
        "marks_delivered": values.get("delivered_ce"),
        "marks_received": values.get("received_ce"),
    }


def _of_the_sender(values: dict[str, int]) -> dict[str, Any]:
    unit = values.get("snd_mss", 0) or 1
    ssthresh = values.get("snd_ssthresh", _INFINITE)
    congestion = values.get("ca_state", 0)
    pacing = values.get("pacing_rate", _NO_PACING)
    return {
        "unsent": values.get("notsent_bytes", 0),
        "cwnd": values.get("snd_cwnd", 0) * unit,
        "ssthresh": UNLIMITED if ssthresh >= _INFINITE else ssthresh * unit,
        "recovery": _RECOVERY[congestion] if congestion < len(_RECOVERY) else None,
        "reducing": congestion == _REDUCING,
        "backoff": values.get("backoff"),
        "retries": values.get("retransmits"),
        "probes": values.get("probes"),
        "segments_in_flight": values.get("unacked"),
        "segments_sacked": values.get("sacked"),
        "segments_lost": values.get("lost"),
        "segments_resent": values.get("retrans"),
        "segments_delivered": values.get("delivered"),
        "retransmissions": values.get("total_retrans"),
        "duplicates_reported": values.get("dsack_dups"),
        "reordering": values.get("reordering"),
        "reordering_seen": values.get("reord_seen"),
        "timeouts": values.get("total_rto"),
        "timeout_recoveries": values.get("total_rto_recoveries"),
        "pacing_rate": None if pacing == _NO_PACING else pacing,
        "delivery_rate": values.get("delivery_rate"),
        "rate_app_limited": bool(values.get("flags", 0) & 1),
    }


def _of_time(values: dict[str, int]) -> dict[str, Any]:
    least = values.get("min_rtt", _U32)
    return {
        "rto": values.get("rto", 0) * US,
        "srtt": values.get("rtt", 0) * US or None,
        "rttvar": values.get("rttvar", 0) * US,
        "min_rtt": None if least == _U32 else least * US,
        "receive_rtt": values.get("rcv_rtt", 0) * US or None,
        "delayed_ack_timeout": values.get("ato", 0) * US,
        "since_data_sent": values.get("last_data_sent", 0) * MS,
        "since_data_received": values.get("last_data_recv", 0) * MS,
        "since_ack_received": values.get("last_ack_recv", 0) * MS,
        "timeout_time": values.get("total_rto_time", 0) * MS,
        "busy_time": values.get("busy_time", 0) * US,
        "limited_by_peer": values.get("rwnd_limited", 0) * US,
        "limited_by_buffer": values.get("sndbuf_limited", 0) * US,
    }
