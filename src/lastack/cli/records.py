"""What JSON says of our own connections and of the kernel's."""

from dataclasses import fields

from lastack.tcp.info import ConnectionInfo


def connection_record(info: ConnectionInfo) -> dict[str, object]:
    """Return a ConnectionInfo for JSON: its fields, with `_ns` behind those that are times."""
    times = {
        "time", "srtt", "rttvar", "rto", "timers", "min_rtt", "receive_rtt", "timeout_time",
        "delayed_ack_timeout",
        "since_data_sent", "since_data_received", "since_ack_received", "busy_time",
        "limited_by_peer", "limited_by_buffer",
    }  # fmt: skip
    names = [field.name for field in fields(info)]
    return {f"{n}_ns" if n in times else n: getattr(info, n) for n in names}
