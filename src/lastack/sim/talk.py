"""Users for two hosts: a conversation that sends data both ways, checks it, and closes."""

from lastack.sim.pair import TwoHosts
from lastack.stack.listener import Listener
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.units import NEVER
from lastack.wire.address import Endpoint

_CHUNK = 65536


class Talker:
    """The user of one connection: sends `data`, reads all that comes, closes.

    With `closes_first` it ends its stream as soon as everything has been taken; otherwise only
    when the peer has ended its own. It reads until the peer's end and then closes. `received` is
    all that came and `error` the errno that ended the connection, 0 if none did.
    """

    def __init__(
        self,
        pair: TwoHosts,
        stack: Stack,
        connection: Connection,
        data: bytes = b"",
        closes_first: bool = True,
    ) -> None:
        self.pair = pair
        self.stack = stack
        self.connection = connection
        self.data = data
        self.closes_first = closes_first
        self.sent = 0
        self.received = bytearray()
        self.heard_end = False
        self.has_ended = False
        self.has_closed = False
        self.error = 0
        connection.user = self

    def act(self) -> None:
        """Do all that can be done now."""
        connection = self.connection
        connection.notices = 0
        if self.has_closed:
            return
        now = self.pair.now
        try:
            self._read(now)
            self._write(now)
        except OSError as error:
            self.error = error.errno or 0
            self.has_closed = True
            connection.close(now)
        self.stack.wake(connection, now)

    def _read(self, now: int) -> None:
        while data := self.connection.receive(_CHUNK, now):
            self.received += data
        self.heard_end = self.connection.at_end

    def _write(self, now: int) -> None:
        connection = self.connection
        while self.sent < len(self.data):
            taken = connection.send(self.data[self.sent : self.sent + _CHUNK], now)
            if taken == 0:
                return
            self.sent += taken
        if not self.has_ended and (self.closes_first or self.heard_end):
            self.has_ended = True
            connection.shutdown_write(now)
        if self.has_ended and self.heard_end:
            self.has_closed = True
            connection.close(now)


class Conversation:
    """One connection between two hosts, a Talker at each end.

    The left host connects to `port` of the right one and says `to_right`, the right one answers
    with `to_left`; `simultaneous` has both connect to each other at once instead. By default the
    left one closes first; if both do, the close is simultaneous. With `fast_open` the left one's
    SYN carries what it may (RFC 7413).
    """

    left: Talker
    right: Talker | None

    def __init__(
        self,
        pair: TwoHosts,
        to_right: bytes = b"",
        to_left: bytes = b"",
        port: int = 80,
        left_closes_first: bool = True,
        right_closes_first: bool = False,
        simultaneous: bool = False,
        config: Config | None = None,
        fast_open: bool = False,
    ) -> None:
        self.pair = pair
        self.to_left = to_left
        self.to_right = to_right
        self.right_closes_first = right_closes_first
        self.right = None
        self.listener: Listener | None = None
        pair.on_notice_left = self.noticed
        pair.on_notice_right = self.noticed
        here = Endpoint(pair.left_address, 49152) if simultaneous else None
        there = Endpoint(pair.right_address, port)
        if not simultaneous:
            self.listener = pair.right.listen(Endpoint(b"", port), 8, config)
        mine = pair.left.connect(there, pair.now, here, config, fast_open=fast_open)
        self.left = Talker(pair, pair.left, mine, to_right, left_closes_first)
        part = mine.tcb.fast_open
        if part is not None and part.limit:
            self.left.sent = mine.send(to_right[: part.limit], pair.now)
        if here is not None:
            theirs = pair.right.connect(here, pair.now, there, config)
            self.right = Talker(pair, pair.right, theirs, to_left, right_closes_first)

    def run(self, until: int = NEVER) -> None:
        """Run the world until the listener is all that is left of it, or until then."""
        self.pair.run(until)

    def noticed(self, noticed: Connection | Listener) -> None:
        """See to the news of a connection or of the listener."""
        if isinstance(noticed, Listener):
            noticed.notices = 0
            while (connection := noticed.accept()) is not None:
                self.right = Talker(
                    self.pair, self.pair.right, connection, self.to_left, self.right_closes_first
                )
                self.right.act()
        elif isinstance(noticed.user, Talker):
            noticed.user.act()
