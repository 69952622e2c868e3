"""What the receiver has measured to size its buffer by, as plain data."""

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class ReceiveTuning:
    """Times are nanoseconds. `rtt` is 0 before the first sample.

    `taken` octets went to the user since `since`; `space` is the most in a round trip so far, 0 for
    none. `echo` is the last timestamp looked at; the window that began at `window_since` ends with
    `window_end`.
    """

    rtt: int
    echo: int
    taken: int
    since: int
    space: int
    window_since: int
    window_end: int

    def __init__(self) -> None:
        self.rtt = 0
        self.echo = 0
        self.taken = 0
        self.since = 0
        self.space = 0
        self.window_since = 0
        self.window_end = 0

    def sample(self, rtt: int, is_bound: bool) -> None:
        """Take one measurement; one that `is_bound` only says that it is no longer than that."""
        if self.rtt == 0:
            self.rtt = rtt
        elif is_bound:
            self.rtt = min(self.rtt, rtt)
        else:
            self.rtt += (rtt - self.rtt) // 8
