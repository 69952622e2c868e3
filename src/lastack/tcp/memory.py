"""The memory that all connections of a host share for what they have queued."""

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class Memory:
    """`used` of `limit` octets (0: no limit) are queued: unacknowledged, unread, or out of order.

    Above three quarters of the limit the host is `pressed`, until half of it is left: no buffer
    grows then, no window is taken back, and what came out of order is thrown away first.
    `times_pressed` and `pruned` (octets) count.
    """

    limit: int
    most: int
    """Above this the host is pressed ..."""
    relieved: int
    """... and below this no longer."""
    used: int
    pressed: bool
    times_pressed: int
    pruned: int

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.most = limit * 3 // 4
        self.relieved = (limit + 1) // 2
        self.used = 0
        self.pressed = False
        self.times_pressed = 0
        self.pruned = 0

    def changes(self, octets: int) -> None:
        """So many octets more (or fewer) are queued now."""
        self.used += octets
        if self.pressed:
            if self.used < self.relieved:
                self.pressed = False
        elif self.used > self.most:
            self.pressed = True
            self.times_pressed += 1
