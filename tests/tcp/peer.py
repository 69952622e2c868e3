"""One connection under test and, in place of its peer, the lines of a test.

    peer = established()
    peer.sends("P. 1:4(3) ack 1 win 500", b"abc")
    peer.hears(". 1:1(0) ack 4")

Numbers are relative to both initial sequence numbers, times are virtual. What the connection sends
is collected at once and must be heard line by line; `hears_nothing` says that no more was sent.
"""

from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.events import Advised, StateChanged
from lastack.tcp.states import State
from lastack.units import NEVER, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.notation import Base, difference, format_segment, parse_segment
from lastack.wire.segment import Segment
from lastack.wire.stop import Stop

OURS = 1_000_000
THEIRS = 4_294_967_000  # wraps within the first few hundred octets
LOCAL = Endpoint(bytes((10, 0, 0, 1)), 40000)
REMOTE = Endpoint(bytes((10, 0, 0, 2)), 80)
PLAIN = Config(strict=True, timestamps=False, sack=False, window_scale=False)


class Peer:
    """The far end, played by the test; `connection` is the near end; `now` is the time."""

    def __init__(self, config: Config = PLAIN, mtu: int = 1500, max_size: int = 0) -> None:
        self.now = SECOND
        self.connection = Connection(1, LOCAL, REMOTE, config, OURS, 0, mtu, max_size)
        self.base = Base(THEIRS, OURS)
        self.story: list[str] = []
        self.heard: list[Segment] = []

    # -- the wire ---------------------------------------------------------------------------------

    def sends(self, text: str, data: bytes = b"") -> Stop | None:
        """The peer sends this segment; returns what stopped it."""
        segment = parse_segment(text, self.base, REMOTE.port, LOCAL.port, data)
        self.story.append(f"{self.now / SECOND:9.3f} < {text}")
        stop = self.connection.segment_arrives(segment, self.now)
        self.pull()
        return stop

    def pull(self) -> None:
        """Collect what the connection sends now."""
        while (segment := self.connection.next_segment(self.now)) is not None:
            text = format_segment(segment, self.base.reversed())
            self.story.append(f"{self.now / SECOND:9.3f} > {text}")
            self.heard.append(segment)
            assert len(self.heard) < 1000, self.tale("it sends without end")

    def hears(self, text: str, data: bytes | None = None) -> Segment:
        """The next segment that was sent is this one."""
        self.pull()
        assert self.heard, self.tale(f"expected {text}, but nothing was sent")
        segment = self.heard.pop(0)
        wrong = difference(text, segment, self.base.reversed())
        assert not wrong, self.tale(wrong)
        if data is not None:
            assert segment.payload == data, self.tale("other data")
        return segment

    def hears_nothing(self) -> None:
        """No (more) segment was sent."""
        self.pull()
        assert not self.heard, self.tale("expected silence")

    # -- time -------------------------------------------------------------------------------------

    def waits(self, time: int) -> None:
        """Time passes; timers go off on the way, each at its own moment."""
        until = self.now + time
        while (deadline := self.connection.next_deadline()) <= until:
            assert deadline < NEVER
            self.now = max(self.now, deadline)
            self.connection.deadline_passed(self.now)
            self.pull()
        self.now = until

    def waits_for_timer(self) -> int:
        """Go to the next deadline and let it pass; return how long that was."""
        deadline = self.connection.next_deadline()
        assert deadline < NEVER, self.tale("no timer runs")
        waited = deadline - self.now
        self.waits(waited)
        return waited

    # -- the user ---------------------------------------------------------------------------------

    def writes(self, data: bytes, urgent: bool = False, more: bool = False) -> int:
        """The user of the near end sends."""
        taken = self.connection.send(data, self.now, urgent, more)
        self.pull()
        return taken

    def reads(self, limit: int = 1 << 20) -> bytes:
        """The user of the near end receives."""
        data = self.connection.receive(limit, self.now)
        self.pull()
        return data

    # -- looking ----------------------------------------------------------------------------------

    def is_in(self, state: State) -> None:
        """The near end is in this state."""
        assert self.connection.state is state, self.tale(f"{self.connection.state}, not {state}")

    def moves(self) -> list[tuple[State, State, str]]:
        """The state changes so far: from, to, section."""
        events = self.connection.tcb.events or ()
        return [(e.state, e.to, e.section) for e in events if isinstance(e, StateChanged)]

    def advice(self) -> list[str]:
        """The kinds of advice given so far."""
        return [str(e.advice) for e in self.connection.tcb.events or () if isinstance(e, Advised)]

    def tale(self, wrong: str) -> str:
        """What to print when a test fails: the ladder so far."""
        return "\n".join([wrong, *self.story, str(self.connection.info(self.now))])


def opening(config: Config = PLAIN, **kwargs: int) -> Peer:
    """An active open whose SYN is on its way."""
    peer = Peer(config, **kwargs)
    peer.connection.open_active(peer.now)
    peer.hears("S 0:0(0) <...>")
    return peer


def established(config: Config = PLAIN, win: int = 65535, **kwargs: int) -> Peer:
    """An established connection that was opened actively; the peer's MSS is 1000."""
    peer = opening(config, **kwargs)
    offer = "mss 1000"
    if config.sack:
        offer += ",nop,nop,sackOK"
    if config.timestamps:
        offer += ",nop,nop,TS val 1 ecr 1000"
    peer.sends(f"S. 0:0(0) ack 1 win {win} <{offer}>")
    peer.hears(". 1:1(0) ack 1")
    peer.is_in(State.ESTABLISHED)
    return peer
