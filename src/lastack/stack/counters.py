"""What a stack counts. Every packet that goes no further is counted under the name of its Stop."""

from lastack.wire.stop import Stop


class Counters:
    """Plain numbers that only grow; `stops` is indexed by `Stop`."""

    packets_in: int
    octets_in: int
    segments_in: int
    packets_out: int
    octets_out: int
    segments_out: int
    resets_sent: int
    resets_held_back: int
    icmp_sent: int
    icmp_held_back: int
    replies_dropped: int
    opened_actively: int
    opened_passively: int
    time_waits: int
    time_waits_evicted: int
    children_reset: int
    cookies_sent: int
    cookies_received: int
    cookies_failed: int
    stops: list[int]

    def __init__(self) -> None:
        self.packets_in = 0
        self.octets_in = 0
        self.segments_in = 0
        self.packets_out = 0
        self.octets_out = 0
        self.segments_out = 0
        self.resets_sent = 0
        self.resets_held_back = 0
        self.icmp_sent = 0
        self.icmp_held_back = 0
        self.replies_dropped = 0
        self.opened_actively = 0
        self.opened_passively = 0
        self.time_waits = 0
        self.time_waits_evicted = 0
        self.children_reset = 0
        self.cookies_sent = 0
        self.cookies_received = 0
        self.cookies_failed = 0
        self.stops = [0] * (max(Stop) + 1)

    def stopped(self) -> dict[Stop, int]:
        """Return only the stops that have happened."""
        return {stop: self.stops[stop] for stop in Stop if self.stops[stop]}

    def as_dict(self) -> dict[str, int]:
        """Return every counter by name; stops appear as `stop_out_of_window` and so on."""
        plain = {
            "packets_in": self.packets_in,
            "octets_in": self.octets_in,
            "segments_in": self.segments_in,
            "packets_out": self.packets_out,
            "octets_out": self.octets_out,
            "segments_out": self.segments_out,
            "resets_sent": self.resets_sent,
            "resets_held_back": self.resets_held_back,
            "icmp_sent": self.icmp_sent,
            "icmp_held_back": self.icmp_held_back,
            "replies_dropped": self.replies_dropped,
            "opened_actively": self.opened_actively,
            "opened_passively": self.opened_passively,
            "time_waits": self.time_waits,
            "time_waits_evicted": self.time_waits_evicted,
            "children_reset": self.children_reset,
            "cookies_sent": self.cookies_sent,
            "cookies_received": self.cookies_received,
            "cookies_failed": self.cookies_failed,
        }
        for stop, count in self.stopped().items():
            plain[f"stop_{stop.name.lower()}"] = count
        return plain
