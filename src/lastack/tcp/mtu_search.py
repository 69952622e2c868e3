"""The search for the path's MTU by what arrives, as plain data (RFC 4821, RFC 8899)."""

from typing import Final

from mypy_extensions import mypyc_attr

MAY_DIFFER: Final = 8
"""Octets that are not worth another probe (Linux's tcp_probe_threshold)."""


@mypyc_attr(acyclic=True)
class MtuSearch:
    """Octets of IP packet: `low` is known to arrive, more than `high` is known not to.

    While `active`, no segment but a probe makes a packet longer than `low`. `size` is that of the
    probe under way, 0 for none, which carries [`start`, `end`). `since` is when the search began,
    or was last begun anew. `rung` counts the steps down that timeouts have led to, `before` is
    the MSS that they began with.
    """

    low: int
    high: int
    active: bool
    since: int
    size: int
    start: int
    end: int
    rung: int
    before: int

    def __init__(self, low: int, high: int, active: bool) -> None:
        self.low = low
        self.high = high
        self.active = active
        self.since = -1
        self.size = 0
        self.start = 0
        self.end = 0
        self.rung = 0
        self.before = 0

    def next_size(self, mtu: int) -> int:
        """Return what to try next on a link of `mtu` octets; 0 when nothing is left to find out."""
        high = self.high if self.high < mtu else mtu
        if high - self.low < MAY_DIFFER:
            return 0
        return (self.low + high) // 2
