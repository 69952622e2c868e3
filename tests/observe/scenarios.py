"""Captures of one connection each, played by two stacks so that its verdict is known beforehand.

A scene is what the users and the network do; what becomes of it is written down beside it, and
what both ends went through is told by the stacks themselves.
"""

from collections.abc import Callable

from tests.observe.worlds import Tapped
from tests.stack.two_stacks import carried

from lastack.link.memory import Passage
from lastack.observe.core.verdicts import Also, Handshake, Teardown
from lastack.stack.listener import Listener
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.states import State
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.notation import Base, parse_segment
from lastack.wire.packet import Packet

PORT = 80
HERE = 49152


class Scene(Tapped):
    """A client on the left, a listener on the right, and a network that obeys `lost`."""

    listener: Listener
    client: Connection
    server: Connection

    def __init__(self, config: Config | None = None) -> None:
        self.lost: Callable[[bool], bool] = lambda from_a: False
        super().__init__(7, config=config or Config(strict=True), drop=self._is_lost)

    def _is_lost(self, from_a: bool, number: int, packet: Packet) -> bool:
        return self.lost(from_a)

    def listens(self) -> None:
        self.listener = self.right.listen(Endpoint(b"", PORT), 8)

    def dials(self, wait: int = 100 * MS) -> None:
        there = Endpoint(self.right_address, PORT)
        self.client = self.left.connect(there, self.now, Endpoint(self.left_address, HERE))
        self.passes(wait)

    def opens(self, wait: int = 100 * MS) -> None:
        """The usual beginning."""
        self.listens()
        self.dials(wait)
        accepted = self.listener.accept()
        assert accepted is not None
        self.server = accepted

    def passes(self, time: int = 100 * MS) -> None:
        self.run(self.now + time)

    def acts(self, left: bool, what: str, *args: object, wait: int = 100 * MS) -> None:
        """One user calls its connection; then some time passes."""
        connection = self.client if left else self.server
        getattr(connection, what)(*args, self.now)
        (self.left if left else self.right).wake(connection, self.now)
        self.passes(wait)

    def says(self, left: bool, data: bytes, wait: int = 100 * MS) -> None:
        self.acts(left, "send", data, wait=wait)

    def reads(self, left: bool, wait: int = 100 * MS) -> None:
        self.acts(left, "receive", 1 << 20, wait=wait)

    def closes(self, left: bool, wait: int = 100 * MS) -> None:
        """Read what there is, for closing over unread octets would be a reset; then close."""
        self.reads(left, wait=0)
        self.acts(left, "close", wait=wait)

    def forges(
        self, from_left: bool, text: str, wait: int = 100 * MS, base: Base | None = None
    ) -> None:
        """Something passes that neither of them has sent; numbers are relative to both ISNs."""
        ports = (HERE, PORT) if from_left else (PORT, HERE)
        if base is None:
            base = Base(self.isn(from_left), self.isn(not from_left))
        segment = parse_segment(text, base, *ports)
        addresses = ("10.0.0.1", "10.0.0.2") if from_left else ("10.0.0.2", "10.0.0.1")
        (self.wire.a if from_left else self.wire.b).send(carried(segment, *addresses))
        self.passes(wait)

    def isn(self, left: bool) -> int:
        """The initial sequence number that an end has shown last, 0 before it has."""
        syns = [
            crossing.segment.seq
            for crossing in self.crossings
            if crossing.segment is not None
            and crossing.to_right == left
            and crossing.segment.flags & 2
        ]
        return syns[-1] if syns else 0

    def cut_the_line(self, from_a: bool = True, from_b: bool = True) -> None:
        self.lost = lambda from_left: from_a if from_left else from_b

    def mend_the_line(self) -> None:
        self.lost = lambda from_left: False


class Expected:
    """What the observer must say of a scene; `left` tells whether the left end did it.

    `state` is that of the verdict, None where it has none. `exact` says that the capture allows
    to know the steps of both ends exactly, as the stacks tell them. `seen` chooses what of the
    scene is captured.
    """

    def __init__(
        self,
        play: Callable[[], Scene],
        handshake: Handshake,
        teardown: Teardown,
        left: bool | None = None,
        state: State | None = None,
        also: tuple[Also, ...] = (),
        exact: bool = True,
        where: tuple[str, ...] = ("left", "right"),
        seen: Callable[[int, Passage], bool] = lambda number, passage: True,
    ) -> None:
        self.play = play
        self.handshake = handshake
        self.teardown = teardown
        self.left = left
        self.state = state
        self.also = also
        self.exact = exact
        self.where = where
        self.seen = seen


def normal() -> Scene:
    scene = Scene()
    scene.opens()
    scene.says(True, b"question")
    scene.says(False, b"answer")
    scene.closes(True)
    scene.reads(False)
    scene.closes(False)
    return scene


def three_segment() -> Scene:
    scene = Scene()
    scene.opens()
    scene.says(True, b"question", wait=0)
    scene.client.shutdown_write(scene.now)
    scene.left.wake(scene.client, scene.now)

    def answers(noticed: object) -> None:
        if isinstance(noticed, Connection):
            noticed.notices = 0
            noticed.receive(100, scene.now)
            if noticed.at_end:
                noticed.close(scene.now)
            scene.right.wake(noticed, scene.now)

    scene.on_notice_right = answers
    scene.passes()
    return scene


def half_close() -> Scene:
    scene = Scene()
    scene.opens()
    scene.says(True, b"question")
    scene.acts(True, "shutdown_write")
    scene.says(False, bytes(5000))
    scene.reads(True)
    scene.closes(False)
    return scene


def simultaneous_close() -> Scene:
    scene = Scene()
    scene.opens()
    scene.closes(True, wait=0)
    scene.closes(False)
    return scene


def simultaneous_open() -> Scene:
    scene = Scene()
    here, there = Endpoint(scene.left_address, HERE), Endpoint(scene.right_address, PORT)
    scene.client = scene.left.connect(there, scene.now, here)
    scene.server = scene.right.connect(here, scene.now, there)
    scene.passes()
    scene.says(True, b"hello")
    return scene


def split_handshake() -> Scene:
    """The answer to the SYN is a SYN: the client goes the way of a simultaneous open."""
    scene = Scene()
    scene.right.packet_arrives = lambda packet, now: None  # type: ignore[method-assign]
    scene.dials(15 * MS)
    scene.forges(False, "S 0:0(0) win 8000", base=Base(5000, scene.isn(True)))
    scene.forges(False, ". 1:1(0) ack 1 win 8000", base=Base(5000, scene.isn(True)))
    scene.says(True, b"hello", wait=15 * MS)
    scene.forges(False, ". 1:1(0) ack 6 win 8000", base=Base(5000, scene.isn(True)))
    return scene


def refused() -> Scene:
    scene = Scene()
    scene.dials()
    return scene


def no_answer() -> Scene:
    scene = Scene()
    scene.cut_the_line(False, True)
    scene.listens()
    scene.dials(5 * SECOND)
    return scene


def unheard() -> Scene:
    scene = Scene()
    scene.cut_the_line(True, False)
    scene.dials(5 * SECOND)
    return scene


def half_open() -> Scene:
    """A SYN of which its sender does not want to know anything more."""
    scene = Scene()
    scene.listens()
    scene.left.packet_arrives = lambda packet, now: None  # type: ignore[method-assign]
    scene.forges(True, "S 0:0(0) win 1000 <mss 1000>", wait=5 * SECOND, base=Base(77, 0))
    return scene


def abandoned() -> Scene:
    """The answer comes to one who has given up."""
    scene = Scene()
    scene.listens()
    scene.dials(5 * MS)
    scene.acts(True, "abort")
    return scene


def backscatter() -> Scene:
    """Somebody has used the left one's address."""
    return half_open()


def abort_established() -> Scene:
    scene = Scene()
    scene.opens()
    scene.says(True, b"hello")
    scene.acts(True, "abort")
    return scene


def abort_close_wait() -> Scene:
    scene = Scene()
    scene.opens()
    scene.closes(True)
    scene.acts(False, "abort")
    return scene


def abort_fin_wait_2() -> Scene:
    scene = Scene()
    scene.opens()
    scene.acts(True, "shutdown_write")
    scene.acts(True, "abort")
    return scene


def stuck_in_close_wait() -> Scene:
    scene = Scene()
    scene.opens()
    scene.says(False, b"greeting")
    scene.reads(True)
    scene.acts(True, "shutdown_write", wait=100 * SECOND)
    return scene


def stuck_in_fin_wait_1() -> Scene:
    scene = Scene()
    scene.opens()
    scene.cut_the_line(True, True)
    scene.closes(True, wait=6 * SECOND)
    return scene


def stuck_in_fin_wait_2() -> Scene:
    """Its probes are not answered: the other end, which has not finished, is gone."""
    patient = Config(strict=True, keepalive=True, keepalive_idle=2 * SECOND)
    scene = Scene(patient.replace(keepalive_interval=SECOND, keepalive_probes=20))
    scene.opens()
    scene.acts(True, "shutdown_write")
    scene.cut_the_line(True, True)
    scene.passes(8 * SECOND)
    return scene


def last_ack_lost() -> Scene:
    scene = Scene()
    scene.opens()
    scene.closes(True)
    scene.cut_the_line(True, False)
    scene.closes(False, wait=6 * SECOND)
    return scene


def being_closed() -> Scene:
    """The capture ends soon after the first FIN: nothing more was due."""
    scene = Scene()
    scene.opens()
    scene.closes(True, wait=SECOND)
    return scene


def half_closed() -> Scene:
    """One end has finished long ago; the other still has something to say."""
    scene = Scene()
    scene.opens()
    scene.acts(True, "shutdown_write")
    for _ in range(20):
        scene.says(False, b"more", wait=SECOND)
        scene.reads(True)
    return scene


def time_wait_assassination() -> Scene:
    """RFC 1337: a reset in TIME-WAIT, from one that knows nothing any more."""
    scene = normal()
    scene.forges(False, "R 8:8(0) win 0")
    return scene


def time_wait_reuse() -> Scene:
    scene = normal()
    scene.passes(2 * SECOND)
    scene.forges(True, "S 900000:900000(0) win 1000 <mss 1000>")
    return scene


def amnesia() -> Scene:
    """The right host starts anew; what the left one says is answered with a reset."""
    scene = Scene()
    scene.opens()
    scene.says(True, b"hello")
    scene.cut_the_line(True, True)
    scene.says(True, b"anybody there?", wait=2500 * MS)
    for connection in scene.right.connections():
        connection.abort(scene.now)
        scene.right.wake(connection, scene.now)
    while scene.right.next_packet(scene.now) is not None:
        pass
    scene.listener.close(scene.now)
    scene.mend_the_line()
    scene.passes(10 * SECOND)
    return scene


def old_half_open() -> Scene:
    """RFC 9293 3.5.1: the left host has restarted, and meets the right one's old connection."""
    scene = Scene()
    scene.opens()
    scene.says(True, b"hello", wait=SECOND)
    for connection in scene.left.connections():
        connection.abort(scene.now)
        scene.left.wake(connection, scene.now)
    while scene.left.next_packet(scene.now) is not None:
        pass
    scene.dials(50 * MS)
    return scene


def blind_reset() -> Scene:
    scene = Scene()
    scene.opens()
    scene.says(True, b"hello")
    scene.says(False, b"hello")
    scene.forges(False, "R 900:900(0) win 0")
    scene.passes(SECOND)
    scene.says(True, b"still here")
    return scene


def blind_syn() -> Scene:
    scene = Scene()
    scene.opens()
    scene.says(True, b"hello")
    scene.forges(True, "S 900:900(0) win 1000", base=Base(scene.isn(True), 0))
    scene.says(True, b"still here")
    return scene


def peer_silent() -> Scene:
    scene = Scene()
    scene.opens()
    scene.says(True, b"hello")
    scene.cut_the_line(True, True)
    scene.says(True, b"anybody there?", wait=20 * SECOND)
    return scene


def keepalive_failed() -> Scene:
    """RFC 9293 3.8.4: nobody answers the probes, and the one who asks gives up with a reset."""
    asks = Config(strict=True, keepalive=True, keepalive_idle=2 * SECOND, keepalive_probes=4)
    scene = Scene(asks.replace(keepalive_interval=SECOND))
    scene.opens()
    scene.says(True, b"hello")
    scene.says(False, b"hello")
    scene.cut_the_line(True, True)
    scene.passes(20 * SECOND)
    return scene


def still_open() -> Scene:
    scene = Scene()
    scene.opens()
    scene.says(True, b"hello")
    scene.says(False, b"hello")
    return scene


def quiet() -> Scene:
    scene = Scene()
    scene.opens()
    return scene


_H, _T, _S = Handshake, Teardown, State

SCENES: dict[str, Expected] = {
    "normal": Expected(normal, _H.COMPLETE, _T.NORMAL, True),
    "three-segment": Expected(three_segment, _H.COMPLETE, _T.THREE_SEGMENT, True),
    "half-close": Expected(half_close, _H.COMPLETE, _T.HALF_CLOSE, True),
    "simultaneous close": Expected(simultaneous_close, _H.COMPLETE, _T.SIMULTANEOUS_CLOSE),
    "simultaneous open": Expected(simultaneous_open, _H.SIMULTANEOUS_OPEN, _T.OPEN),
    "split handshake": Expected(split_handshake, _H.SPLIT_HANDSHAKE, _T.OPEN, exact=False),
    "refused": Expected(refused, _H.REFUSED, _T.NEVER_OPEN),
    "no answer": Expected(no_answer, _H.NO_ANSWER, _T.NEVER_OPEN, where=("left",)),
    "no answer, unheard": Expected(
        unheard, _H.NO_ANSWER, _T.NEVER_OPEN, where=("left",), exact=False
    ),
    "half-open": Expected(half_open, _H.HALF_OPEN, _T.NEVER_OPEN, exact=False),
    "abandoned": Expected(abandoned, _H.ABANDONED, _T.NEVER_OPEN, exact=False),
    "mid-stream": Expected(
        still_open, _H.MID_STREAM, _T.OPEN, exact=False, seen=lambda number, _: number >= 3
    ),
    "mid-stream, normal": Expected(
        normal, _H.MID_STREAM, _T.NORMAL, True, exact=False, seen=lambda number, _: number >= 3
    ),
    "mid-stream, abort": Expected(
        abort_established, _H.MID_STREAM, _T.ABORT, True, exact=False, seen=lambda n, _: n >= 3
    ),
    "only the client's side": Expected(
        normal, _H.COMPLETE, _T.HALF_SEEN, True, exact=False, seen=lambda _, p: p.from_a
    ),
    "only the server's side": Expected(
        still_open, _H.MID_STREAM, _T.OPEN, exact=False, seen=lambda _, p: not p.from_a
    ),
    "backscatter": Expected(
        backscatter, _H.BACKSCATTER, _T.NEVER_OPEN, exact=False, seen=lambda _, p: not p.from_a
    ),
    "abort in ESTABLISHED": Expected(
        abort_established, _H.COMPLETE, _T.ABORT, True, _S.ESTABLISHED
    ),
    "abort in CLOSE-WAIT": Expected(abort_close_wait, _H.COMPLETE, _T.ABORT, False, _S.CLOSE_WAIT),
    "abort in FIN-WAIT-2": Expected(abort_fin_wait_2, _H.COMPLETE, _T.ABORT, True, _S.FIN_WAIT_2),
    "stuck in CLOSE-WAIT": Expected(
        stuck_in_close_wait, _H.COMPLETE, _T.STUCK_IN_CLOSE_WAIT, False, _S.CLOSE_WAIT
    ),
    "stuck in FIN-WAIT-1": Expected(
        stuck_in_fin_wait_1,
        _H.COMPLETE,
        _T.STUCK_IN_FIN_WAIT_1,
        True,
        _S.FIN_WAIT_1,
        exact=False,
        where=("left",),
    ),
    "stuck in FIN-WAIT-2": Expected(
        stuck_in_fin_wait_2,
        _H.COMPLETE,
        _T.STUCK_IN_FIN_WAIT_2,
        True,
        _S.FIN_WAIT_2,
        where=("left",),
    ),
    "LAST-ACK lost": Expected(
        last_ack_lost, _H.COMPLETE, _T.LAST_ACK_LOST, False, _S.LAST_ACK, where=("right",)
    ),
    "being closed": Expected(being_closed, _H.COMPLETE, _T.BEING_CLOSED, False, _S.CLOSE_WAIT),
    "half closed and talking": Expected(
        half_closed, _H.COMPLETE, _T.BEING_CLOSED, False, _S.CLOSE_WAIT
    ),
    "TIME-WAIT assassination": Expected(
        time_wait_assassination,
        _H.COMPLETE,
        _T.TIME_WAIT_ASSASSINATION,
        False,
        _S.TIME_WAIT,
        exact=False,
    ),
    "TIME-WAIT reuse": Expected(
        time_wait_reuse, _H.COMPLETE, _T.NORMAL, True, also=(Also.TIME_WAIT_REUSE,), exact=False
    ),
    "half-open discovered by text": Expected(
        amnesia, _H.COMPLETE, _T.HALF_OPEN_DISCOVERED, False, exact=False, where=("left",)
    ),
    "half-open discovered by a SYN": Expected(
        old_half_open, _H.COMPLETE, _T.HALF_OPEN_DISCOVERED, True, exact=False
    ),
    "half-open discovered, its past unseen": Expected(
        old_half_open,
        _H.NO_ANSWER,
        _T.HALF_OPEN_DISCOVERED,
        True,
        _S.SYN_SENT,
        exact=False,
        seen=lambda number, _: number >= 5,
    ),
    "blind RST rejected": Expected(
        blind_reset, _H.COMPLETE, _T.OPEN, also=(Also.BLIND_RESET_REJECTED,)
    ),
    "blind SYN rejected": Expected(
        blind_syn, _H.COMPLETE, _T.OPEN, also=(Also.BLIND_SYN_REJECTED,), exact=False
    ),
    "peer silent": Expected(
        peer_silent, _H.COMPLETE, _T.PEER_SILENT, False, _S.ESTABLISHED, where=("left",)
    ),
    "keep-alive failed": Expected(
        keepalive_failed,
        _H.COMPLETE,
        _T.PEER_SILENT,
        False,
        _S.ESTABLISHED,
        exact=False,
        where=("left",),
    ),
    "open at end": Expected(still_open, _H.COMPLETE, _T.OPEN),
    "open, not a word": Expected(quiet, _H.COMPLETE, _T.OPEN),
}
