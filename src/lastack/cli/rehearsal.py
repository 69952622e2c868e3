"""The play that `lastack demo` gives: two hosts, two users, one connection from OPEN to CLOSED."""

import errno
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Final

from lastack.errors import LastackError
from lastack.link.memory import Passage
from lastack.sim.pair import TwoHosts
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.events import StateChanged
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import CLOSED, ESTABLISHED, LISTEN, State
from lastack.units import MINUTE
from lastack.wire.address import Endpoint
from lastack.wire.capture import INBOUND, OUTBOUND, CaptureWriter
from lastack.wire.checksum import finish

PORT: Final = 80
CLIENT_PORT: Final = 49152
_OF_A_RESET: Final = (errno.ECONNRESET, errno.ECONNABORTED)
_CHUNK: Final = 1 << 16
_MOST_TIME: Final = 24 * 60 * MINUTE


@dataclass
class Play:
    """What is to be played; times in nanoseconds, probabilities 0.0 to 1.0."""

    seed: int
    size: int
    delay: int
    loss: float
    reorder: float
    duplicate: float
    simultaneous_open: bool
    simultaneous_close: bool
    half_close: bool
    reset: bool
    config: Config


class Actor:
    """The user of one end: what it says, what it has heard, whether it has closed."""

    def __init__(self, stack: Stack, connection: Connection, says: bytes) -> None:
        self.stack = stack
        self.connection = connection
        self.says = says
        self.said = 0
        self.heard = 0
        self.hash = sha256()
        self.at_end = False
        self.has_closed = False
        self.error = 0

    def read_and_write(self, now: int, may_speak: bool) -> None:
        """Take what has come, give what there is room for."""
        connection = self.connection
        connection.notices = 0
        if self.error:
            return
        try:
            while data := connection.receive(_CHUNK, now):
                self.heard += len(data)
                self.hash.update(data)
            self.at_end = connection.at_end
            while may_speak and self.said < len(self.says) and connection.state >= ESTABLISHED:
                taken = connection.send(self.says[self.said : self.said + _CHUNK], now)
                if taken == 0:
                    break
                self.said += taken
        except LastackError as error:
            self.error = error.errno or errno.EIO
        self.stack.wake(connection, now)

    def close(self, now: int) -> bool:
        """CLOSE in the sense of the RFC: no more from this side; return whether it was news."""
        if self.has_closed or self.error:
            return False
        self.has_closed = True
        self.connection.shutdown_write(now)
        self.stack.wake(self.connection, now)
        return True

    def abort(self, now: int) -> bool:
        """ABORT: a reset, and nothing more; return whether it was news."""
        if self.has_closed:
            return False
        self.has_closed = True
        self.connection.abort(now)
        self.stack.wake(self.connection, now)
        return True

    @property
    def all_said(self) -> bool:
        """Whether the peer has acknowledged everything."""
        return self.said == len(self.says) and self.connection.unacknowledged == 0


class Rehearsal:
    """Plays a Play to its end: `run`, then look at `pair`, `client`, `server` and `complaints`."""

    client: Actor
    server: Actor | None

    def __init__(self, play: Play) -> None:
        self.play = play
        self.pair = TwoHosts(
            seed=play.seed,
            delay=play.delay,
            loss=play.loss,
            reorder=play.reorder,
            duplicate=play.duplicate,
            config=play.config,
        )
        self.passages: list[Passage] = []
        self._follow_wire()
        chance = Random(f"what is said {play.seed}")
        self.to_server = chance.randbytes(play.size)
        self.to_client = chance.randbytes(play.size) if play.half_close else b""
        pair = self.pair
        here, there = Endpoint(pair.left_address, CLIENT_PORT), Endpoint(pair.right_address, PORT)
        self.server = None
        self.listener = None if play.simultaneous_open else pair.right.listen(there, 8)
        mine = pair.left.connect(there, pair.now, here)
        self.client = Actor(pair.left, mine, self.to_server)
        if play.simultaneous_open:
            theirs = pair.right.connect(here, pair.now, there)
            self.server = Actor(pair.right, theirs, self.to_client)

    def _follow_wire(self) -> None:
        """See every passage too, beside the trail of the world."""
        trail, passages = self.pair.wire.trace, self.passages

        def trace(passage: Passage) -> None:
            passages.append(passage)
            if trail is not None:
                trail(passage)

        self.pair.wire.trace = trace

    def run(self) -> None:
        """Play until nothing will ever happen again (or for a day, when something is wrong)."""
        pair = self.pair
        while pair.now < _MOST_TIME:
            moved = pair.step()
            self._accept()
            for actor in (self.client, self.server):
                if actor is not None:
                    # With a half-close the server answers only when the client has finished.
                    may_speak = actor is self.client or actor.at_end
                    actor.read_and_write(pair.now, may_speak)
            acted = self._follow_script()
            if not moved and not acted and pair.quiet and not self._discover():
                return

    def _accept(self) -> None:
        if self.listener is not None and self.server is None:
            connection = self.listener.accept()
            if connection is not None:
                self.server = Actor(self.pair.right, connection, self.to_client)

    def _follow_script(self) -> bool:
        """Close, or abort, whoever's turn it is; return whether anybody did."""
        client, server, play, now = self.client, self.server, self.play, self.pair.now
        done = client.connection.state is ESTABLISHED and client.all_said
        if not (play.reset or play.simultaneous_close):
            acted = done and client.close(now)
            if server is not None and server.connection.state >= ESTABLISHED:
                acted |= server.at_end and server.all_said and server.close(now)
            return acted
        if not done or server is None or server.connection.state is not ESTABLISHED:
            return False
        if play.reset:
            return client.abort(now)
        if server.heard < len(self.to_server):
            return False
        return client.close(now) | server.close(now)

    def _discover(self) -> bool:
        """Let a server whose client is gone say something; return whether it had to.

        The client's reset was lost: the connection is half-open, and only sending tells
        (RFC 9293 3.5.1).
        """
        server = self.server
        if server is None or not self.play.reset or server.error:
            return False
        if self.client.connection.state is not CLOSED or server.connection.state is CLOSED:
            return False
        server.says += b"?"
        server.read_and_write(self.pair.now, True)
        return True

    def complaints(self) -> list[str]:
        """Return what went wrong, one sentence each; nothing for a play that went well."""
        server, found = self.server, []
        if server is None:
            told = errno.errorcode.get(self.client.error, "nothing")
            return [f"the server never had a connection; the client was told {told}"]
        for name, actor, sent in (
            ("server", server, self.to_server),
            ("client", self.client, self.to_client),
        ):
            if actor.hash.digest() != sha256(sent).digest() and not self.play.reset:
                found.append(f"the {name} heard {actor.heard:,} of {len(sent):,} bytes, or others")
        for is_left, name, actor in ((True, "client", self.client), (False, "server", server)):
            state = self.final_state(is_left)
            if state is not CLOSED:
                found.append(f"the {name} ended in {state}")
            if actor.error and not (self.play.reset and actor.error in _OF_A_RESET):
                found.append(f"the {name} was told {errno.errorcode.get(actor.error, actor.error)}")
        for name, stack in (("client", self.pair.left), ("server", self.pair.right)):
            if stack.connections() or stack.time_waits():
                found.append(f"the {name}'s host still keeps a connection")
        return found

    def final_state(self, is_left: bool) -> State:
        """Return the state in which an end was left; what a late copy of a SYN began is apart."""
        actor = self.client if is_left else self.server
        state = CLOSED if is_left or self.play.simultaneous_open else LISTEN
        for side, event in self.pair.events:
            if side is is_left and isinstance(event, StateChanged):
                if actor is None or event.connection == actor.connection.number:
                    state = event.to
        return state

    def infos(self) -> list[tuple[str, ConnectionInfo]]:
        """Return the control blocks of both ends as they were last, with the states of the end."""
        found = []
        for is_left, name, actor in ((True, "client", self.client), (False, "server", self.server)):
            if actor is not None:
                info = actor.connection.info(self.pair.now)
                info.state = self.final_state(is_left)
                info.timers = {}
                found.append((name, info))
        return found

    def record(self, path: str) -> int:
        """Write what passed, as seen at the client's link, to a pcapng file; return the packets."""
        seen = []
        for order, passage in enumerate(self.passages):
            if passage.from_a:
                if not passage.copy:
                    seen.append((passage.sent_at, order, passage.intact, OUTBOUND))
            elif not passage.lost:
                seen.append((passage.arrives_at, order, passage.packet, INBOUND))
        seen.sort(key=lambda record: record[:2])
        with open(path, "wb") as file, CaptureWriter(file, name="client") as writer:
            for time, _, packet, direction in seen:
                writer.write(finish(packet), time, direction)
        return len(seen)
