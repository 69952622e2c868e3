"""What Fast Open is to one connection, as plain data; `tcp.fast_open` knows what to do with it."""

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class FastOpen:
    """What our first SYN (or SYN-ACK) carries, and what the peer has answered to it.

    `offers` says that it carries the option: with `cookie`, or empty as a request; `experimental`
    is the form with kind 254. `limit` is how many octets of data it may carry, `carried` how many
    it did; `waits` that the SYN is held back until there are some.

    The rest is about the answer: `granted` is the peer's cookie, b"" for none; `peer_mss` its MSS,
    0 where it has sent none; `all_taken` that it has acknowledged all data of the SYN, `resent`
    that our SYN had to be sent again. `answered` stays True until the stack has read all this;
    `blackhole` says that so many timeouts came in a row that it has been told.
    """

    offers: bool
    cookie: bytes
    experimental: bool
    limit: int
    waits: bool
    carried: int
    granted: bytes
    granted_experimental: bool
    peer_mss: int
    all_taken: bool
    resent: bool
    answered: bool
    blackhole: bool

    def __init__(
        self, offers: bool, cookie: bytes = b"", experimental: bool = False, limit: int = 0
    ) -> None:
        self.offers = offers
        self.cookie = cookie
        self.experimental = experimental
        self.limit = limit
        self.waits = False
        self.carried = 0
        self.granted = b""
        self.granted_experimental = False
        self.peer_mss = 0
        self.all_taken = False
        self.resent = False
        self.answered = False
        self.blackhole = False
