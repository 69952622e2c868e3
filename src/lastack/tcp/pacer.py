"""The bucket of pacing: how much may go now, and when more may (`pacing` has the picture)."""

from typing import Final

from mypy_extensions import mypyc_attr

from lastack.units import MS, SECOND

QUANTUM_TIME: Final = 1 * MS
"""A quantum is what flows in this time, within the two bounds below."""
LEAST_QUANTUM: Final = 2
"""Segments: fewer would wake us for every single one."""
MOST_QUANTUM: Final = 65536
"""Octets: one super-segment."""


@mypyc_attr(acyclic=True)
class Pacer:
    """Octets flow at `rate` a second; `quantum` of them may go at once at most."""

    rate: int
    quantum: int
    at: int

    def __init__(self) -> None:
        self.rate = 1
        self.quantum = 0
        self.at = 0

    def set_rate(self, rate: int, mss: int) -> None:
        """Flow at another rate from now on."""
        self.rate = rate
        quantum = rate * QUANTUM_TIME // SECOND
        if quantum > MOST_QUANTUM:
            quantum = MOST_QUANTUM
        self.quantum = max(quantum, LEAST_QUANTUM * mss)

    def room(self, now: int) -> int:
        """Return how many octets may go now."""
        octets = (now - self.at) * self.rate // SECOND
        if octets < self.quantum:
            return octets
        self.at = now - self.quantum * SECOND // self.rate  # no more flows in that time
        return self.quantum

    def sent(self, octets: int) -> None:
        """So much has gone."""
        self.at += self._time(octets)

    def when_half_full(self) -> int:
        """Return when half a quantum may go, which is a segment at least."""
        return self.at + self._time(self.quantum // 2 + 1)

    def _time(self, octets: int) -> int:
        """Return how long so many octets take to flow, rounded up."""
        return -(-octets * SECOND // self.rate)
