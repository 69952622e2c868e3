"""The bound on a listener's Fast Open children that are in SYN-RECEIVED (RFC 7413 5.1)."""

from collections import deque
from typing import Final

from lastack.units import SECOND

RESET_COUNTS_FOR: Final = 60 * SECOND
"""How long a child that was reset goes on to count: whoever forges addresses makes true hosts send
resets, and would otherwise have room for more at once (RFC 7413 5.1)."""


class EarlyChildren:
    """Counts PendingFastOpenRequests: `open` are those in SYN-RECEIVED, accepted or not."""

    open: int
    resets: deque[int]

    def __init__(self) -> None:
        self.open = 0
        self.resets = deque()

    def room(self, limit: int, now: int) -> bool:
        """Return whether one more may be; a reset whose time is over makes room for one."""
        if self.open + len(self.resets) < limit:
            return True
        if limit > 0 and self.resets and self.resets[0] <= now:
            self.resets.popleft()
            return self.open + len(self.resets) < limit
        return False

    def begun(self) -> None:
        """One more."""
        self.open += 1

    def over(self, reset: bool, now: int) -> None:
        """One less, or, when it was reset before its handshake was over, one to be remembered."""
        self.open -= 1
        if reset:
            self.resets.append(now + RESET_COUNTS_FOR)
