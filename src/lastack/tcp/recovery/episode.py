"""One reaction to a loss, and what is needed to take it back should nothing have been lost."""

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class Episode:
    """The controller was as `saved` before; SND.UNA and SND.NXT were `una` and `end` then.

    `resent` octets have been sent again since, and not been reported as duplicates; the first of
    them at `resent_at`, -1 when there was none. `proven` says that their arrival was seen by
    timestamps. `watched` says that F-RTO looks at each ACK; `end` is its RecoveryPoint.
    """

    saved: tuple[int, int]
    una: int
    end: int
    watched: bool
    resent: int
    resent_at: int
    proven: bool

    def __init__(self, saved: tuple[int, int], una: int, end: int, watched: bool) -> None:
        self.saved = saved
        self.una = una
        self.end = end
        self.watched = watched
        self.resent = 0
        self.resent_at = -1
        self.proven = False
