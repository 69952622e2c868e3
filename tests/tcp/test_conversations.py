"""Two connections, a bad wire, users without manners: every octet, once, in order."""

from random import Random
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from lastack.tcp.config import Config, preset
from lastack.tcp.connection import Connection
from lastack.tcp.states import State
from lastack.units import MS, NEVER, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.segment import Segment

LEFT: Final = Endpoint(bytes((10, 0, 0, 1)), 1000)
RIGHT: Final = Endpoint(bytes((10, 0, 0, 2)), 2000)
MOST: Final = 60_000


def letter(place: int) -> int:
    """The octet that belongs at a place of every stream."""
    return (place * 7 + (place >> 8) * 13) & 0xFF


LETTERS: Final = bytes([letter(place) for place in range(MOST)])


class User:
    """Writes and reads as chance will have it, and looks at every octet."""

    def __init__(self, connection: Connection, random: Random, to_write: int, slow: bool) -> None:
        self.connection = connection
        self.random = random
        self.to_write = to_write
        self.slow = slow
        self.written = 0
        self.read = 0
        self.urgent = 0
        self.half_closed = False
        self.gone = False
        self.error = 0

    @property
    def has_work(self) -> bool:
        """Whether it would do something if it were not so slow."""
        connection = self.connection
        can_write = not self.half_closed and connection.writable
        return not self.gone and (connection.readable or can_write)

    def acts(self, now: int) -> None:
        """Do a little of what is left to do."""
        connection = self.connection
        if self.gone or connection.state in (State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED):
            return
        try:
            self._reads(now)
            self._writes(now)
        except OSError as error:
            self.error = error.errno or -1
            self.gone = True
            connection.close(now)
            return
        if self.half_closed and connection.at_end:
            self.gone = True
            connection.close(now)

    def _writes(self, now: int) -> None:
        connection, random = self.connection, self.random
        while self.written < self.to_write and connection.writable:
            size = random.choice([1, 10, 500, 1460, 9000])
            data = LETTERS[self.written : min(self.written + size, self.to_write)]
            urgent = random.random() < 0.05
            taken = connection.send(data, now, urgent, random.random() < 0.1)
            self.written += taken
            if not taken or random.random() < 0.3:
                break
        if self.written == self.to_write and not self.half_closed:
            self.half_closed = True
            connection.shutdown_write(now)

    def _reads(self, now: int) -> None:
        connection = self.connection
        if self.slow and self.random.random() < 0.7:
            return
        limit = self.random.choice([1, 100, 5000, 1 << 20])
        data = connection.receive(limit, now)
        assert data == LETTERS[self.read : self.read + len(data)], "not the octets that were sent"
        self.read += len(data)


class World:
    """Both ends, the wire, and virtual time."""

    def __init__(
        self, random: Random, configs: tuple[Config, Config], wire: dict[str, Any]
    ) -> None:
        self.random = random
        self.wire = wire
        self.now = SECOND
        self.order = 0
        self.under_way: list[tuple[int, int, Connection, Segment]] = []
        sizes = (wire["max_size"], 0)
        self.ends = tuple(
            [
                Connection(i, here, there, config, random.getrandbits(32), 0, wire["mtu"], size)
                for i, here, there, config, size in (
                    (0, LEFT, RIGHT, configs[0], sizes[0]),
                    (1, RIGHT, LEFT, configs[1], sizes[1]),
                )
            ]
        )

    def pulls(self) -> None:
        """Collect what both want to send, and let the wire do its worst."""
        random, wire = self.random, self.wire
        for end, other in (self.ends, self.ends[::-1]):
            for pulled in range(5000):
                segment = end.next_segment(self.now)
                if segment is None:
                    break
                assert pulled < 4999, "it sends without end"
                if random.random() < wire["loss"]:
                    continue
                for _ in range(2 if random.random() < wire["duplicate"] else 1):
                    late = random.randrange(wire["jitter"]) if random.random() < 0.3 else 0
                    self.order += 1
                    at = self.now + 10 * MS + late
                    self.under_way.append((at, self.order, other, copy_of(segment)))

    def next_time(self) -> int:
        """When something happens next without anybody's doing."""
        times = [end.next_deadline() for end in self.ends]
        times.extend([at for at, _, _, _ in self.under_way])
        return min(times)

    def happens(self) -> None:
        """Everything whose time has come."""
        due = sorted([item for item in self.under_way if item[0] <= self.now], key=lambda i: i[:2])
        self.under_way = [item for item in self.under_way if item[0] > self.now]
        for _, _, end, segment in due:
            end.segment_arrives(segment, self.now)
        for end in self.ends:
            if end.next_deadline() <= self.now:
                end.deadline_passed(self.now)
            tcb = end.tcb
            assert tcb.sent.covers(tcb.snd.una, tcb.snd.nxt)


def copy_of(segment: Segment) -> Segment:
    """What the other end gets: octets, nothing shared."""
    payload = (segment.payload,) if segment.length else ()
    return Segment(
        segment.source_port, segment.destination_port, segment.seq, segment.ack, segment.flags,
        segment.window, segment.urgent, segment.options, payload, segment.length, segment.gso_size,
    )  # fmt: skip


def live(
    seed: int, configs: tuple[Config, Config], wire: dict[str, Any], sizes: tuple[int, int],
    simultaneous: bool, slow: bool, abort_at: int,
) -> None:  # fmt: skip
    """Let two users talk until both have gone and both ends are CLOSED."""
    random = Random(seed)
    world = World(random, configs, wire)
    left, right = world.ends
    users = [User(left, random, sizes[0], slow), User(right, random, sizes[1], slow)]
    left.open_active(world.now)
    if simultaneous:
        right.open_active(world.now)
    else:
        right.open_passive(world.now)
    for turn in range(20_000):
        if turn == abort_at:
            users[turn % 2].gone = True
            users[turn % 2].connection.abort(world.now)
        for user in users:
            user.acts(world.now)
        world.pulls()
        all_gone = all(user.gone for user in users)
        if all_gone and all(end.state is State.CLOSED for end in world.ends):
            break
        at = world.next_time()
        if any(user.has_work for user in users):
            at = min(at, world.now + 100 * MS)
        if at >= NEVER:
            break
        world.now = max(world.now, at)
        world.happens()
    tale = [str(end.info(world.now)) for end in world.ends]
    aborted = 0 <= abort_at <= turn
    for end, user, other in ((left, users[0], users[1]), (right, users[1], users[0])):
        if not aborted:
            assert end.state is State.CLOSED, tale
            assert (user.error, other.error) == (0, 0), tale
            assert user.read == other.to_write, tale
        if end.state is State.CLOSED:
            assert end.next_deadline() == NEVER, tale
            assert not end.wants_output, tale


@given(
    seed=st.integers(0, 2**32),
    names=st.tuples(*[st.sampled_from(["rfc", "linux", "freebsd"])] * 2),
    sack=st.booleans(),
    timestamps=st.booleans(),
    scale=st.booleans(),
    nagle=st.booleans(),
    send_buffer=st.sampled_from([3000, 100_000]),
    receive_buffer=st.sampled_from([100, 2000, 100_000]),
    loss=st.sampled_from([0, 0.02, 0.2]),
    duplicate=st.sampled_from([0, 0.2]),
    jitter=st.sampled_from([1, 100 * MS]),
    mtu=st.sampled_from([576, 1500]),
    max_size=st.sampled_from([0, 20_000]),
    sizes=st.tuples(*[st.sampled_from([0, 1, 3000, 40_000])] * 2),
    simultaneous=st.booleans(),
    slow=st.booleans(),
    abort_at=st.sampled_from([-1, -1, -1, 3, 20, 60]),
)
def test_every_octet_arrives_once_or_the_users_are_told(
    seed: int, names: tuple[str, str], sack: bool, timestamps: bool, scale: bool, nagle: bool,
    send_buffer: int, receive_buffer: int, loss: float, duplicate: float, jitter: int, mtu: int,
    max_size: int, sizes: tuple[int, int], simultaneous: bool, slow: bool, abort_at: int,
) -> None:  # fmt: skip
    """RFC 9293 3.1, with urgent data in line, half closes, small windows, slow readers, aborts."""
    left, right = [
        preset(name).replace(
            strict=True, r2=10**15, retries=0, syn_r2=10**15, syn_retries=0, syn_ack_retries=0,
            urgent_inline=True, sack=sack, timestamps=timestamps, window_scale=scale, nagle=nagle,
            send_buffer=send_buffer, receive_buffer=receive_buffer,
        )
        for name in names
    ]  # fmt: skip
    wire = {
        "loss": loss, "duplicate": duplicate, "jitter": jitter, "mtu": mtu, "max_size": max_size
    }  # fmt: skip
    live(seed, (left, right), wire, sizes, simultaneous, slow, abort_at)
