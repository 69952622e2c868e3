"""The user timeout option (RFC 5482): what is told, what is adopted, and how long it is waited."""

import pytest
from peer import PLAIN, Peer, established
from tests.stack.two_stacks import LEFT, RIGHT, STRICT, TwoStacks, carried, segment_in

from lastack.tcp.config import Config
from lastack.tcp.states import CLOSED, ESTABLISHED
from lastack.tcp.uto_option import UserTimeoutOption, decoded, encoded
from lastack.units import HOUR, MINUTE, SECOND
from lastack.wire.segment import ABSENT, ACK, Segment


def telling(timeout: int, **rest: int | bool) -> Config:
    return STRICT.replace(user_timeout_option=UserTimeoutOption(timeout, **rest))


def waited(world: TwoStacks) -> int:
    """Cut the wire, send from the left, and return how long the left end holds on."""
    left, _, _ = world.connect()
    world.run_until(world.now + SECOND)
    world.lose_left = world.lose_right = True
    begun = world.now
    left.send(b"anybody?", world.now)
    world.left.wake(left, world.now)
    world.run()
    while left.state is not CLOSED:
        deadline = world.left.next_deadline()
        assert deadline < world.now + 24 * HOUR
        world.run_until(deadline)
    return world.now - begun


@pytest.mark.parametrize(
    ("time", "value"),
    [
        (1, 1),
        (30 * SECOND, 30),
        (0x7FFF * SECOND, 0x7FFF),
        (0x8000 * SECOND, 0x8000 | 547),
        (10**6 * HOUR, 0xFFFF),
    ],
)
def test_a_time_in_sixteen_bits(time: int, value: int) -> None:
    """RFC 5482 3.1: seconds or minutes, rounded up, and never the reserved zero."""
    assert encoded(time) == value
    assert decoded(value) >= min(time, 0x7FFF * MINUTE)
    assert decoded(0) == decoded(0x8000) == 0


def test_it_is_told_on_syns_and_on_the_first_ack() -> None:
    """RFC 5482 3.2; and only by those that have it enabled."""
    world = TwoStacks(telling(5 * MINUTE), telling(7 * MINUTE))
    seen: list[tuple[bool, int]] = []
    world.left.trace = lambda now, way, c, segment, state, stop: seen.append(
        (way == "out", segment.user_timeout)
    )
    left, _, _ = world.connect()
    world.send(world.left, left, b"data")
    assert seen[:3] == [(True, 300), (False, 420), (True, 300)]
    assert all(value == ABSENT for out, value in seen[3:] if out)
    plain = TwoStacks()
    seen.clear()
    plain.left.trace = world.left.trace
    plain.connect()
    assert all(value == ABSENT for _, value in seen)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (telling(5 * MINUTE), telling(7 * MINUTE), 7 * MINUTE),  # the longer of the two
        (telling(9 * MINUTE), telling(7 * MINUTE), 9 * MINUTE),
        (telling(SECOND), telling(SECOND), 100 * SECOND),  # L_LIMIT
        (telling(SECOND, least=150 * SECOND), telling(SECOND), 150 * SECOND),
        (telling(5 * MINUTE), telling(9 * HOUR), HOUR),  # U_LIMIT
        (telling(5 * MINUTE, changeable=False), telling(7 * MINUTE), 10 * MINUTE),  # R2
        (STRICT, telling(30 * MINUTE), 10 * MINUTE),
        (telling(5 * MINUTE).replace(user_timeout=2 * MINUTE), telling(7 * MINUTE), 2 * MINUTE),
    ],
)
def test_how_long_is_waited(left: Config, right: Config, expected: int) -> None:
    """USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)), where it may change."""
    assert waited(TwoStacks(left, right)) == pytest.approx(expected, abs=70 * SECOND)


def test_a_longer_one_outlasts_r2() -> None:
    """That is what it is for: a mobile host that sleeps for half an hour (RFC 5482 1)."""
    time = waited(TwoStacks(telling(30 * MINUTE), telling(30 * MINUTE)))
    assert 29 * MINUTE < time < 32 * MINUTE


def test_another_wish_is_told_at_once() -> None:
    """RFC 5482 3.2: in the next segment, when ADV_UTO changes."""
    world = TwoStacks(telling(5 * MINUTE), telling(7 * MINUTE))
    left, right, _ = world.connect()
    world.run_until(world.now + SECOND)
    world.left.reconfigure(left, telling(11 * MINUTE), world.now)
    world.run()
    assert right.tcb.adopted_timeout == 11 * MINUTE


@pytest.mark.parametrize("value", [0, 0x8000])
def test_the_reserved_value_is_ignored(value: int) -> None:
    """RFC 5482 3.1."""
    world = TwoStacks(telling(5 * MINUTE), STRICT)
    left, right, _ = world.connect()
    option = bytes((28, 4)) + value.to_bytes(2, "big")
    ack = Segment(80, left.local.port, right.tcb.snd.nxt, left.tcb.snd.nxt, ACK, 1000, 0, option)
    assert world.left.packet_arrives(carried(ack, RIGHT, LEFT), world.now) is not None
    assert left.state is ESTABLISHED and left.tcb.adopted_timeout == 0


def test_a_segment_outside_the_window_tells_nothing() -> None:
    """Only what is acceptable is heard."""
    world = TwoStacks(telling(5 * MINUTE), STRICT.replace(timestamps=False))
    left, right, _ = world.connect()
    seq = (right.tcb.snd.nxt + (1 << 30)) & 0xFFFFFFFF
    option = bytes((28, 4, 0x0F, 0xFF))
    ack = Segment(80, left.local.port, seq, left.tcb.snd.nxt, ACK, 1000, 0, option)
    world.left.packet_arrives(carried(ack, RIGHT, LEFT), world.now)
    assert left.tcb.adopted_timeout == 0


def test_experiments_of_others_are_kept_and_never_misread() -> None:
    """RFC 6994: kinds 253 and 254 stand in the segment as they came, and mean nothing to us."""
    world = TwoStacks(telling(5 * MINUTE), STRICT.replace(timestamps=False))
    left, right, _ = world.connect()
    option = bytes((253, 8, 0xF9, 0x89, 28, 4, 0x0F, 0xFF, 254, 6, 0x54, 0x43, 8, 10, 1, 1))
    ack = Segment(80, left.local.port, right.tcb.snd.nxt, left.tcb.snd.nxt, ACK, 1000, 0, option)
    packet = carried(ack, RIGHT, LEFT)
    kept = segment_in(packet)
    assert kept.options == option
    assert (kept.user_timeout, kept.ts_val, kept.sack) == (ABSENT, ABSENT, ())
    world.left.packet_arrives(packet, world.now)
    assert left.state is ESTABLISHED and left.tcb.adopted_timeout == 0


# -- the user's own -------------------------------------------------------------------------------


def closed_on(config: Config) -> Peer:
    """A connection with data to send, whose peer has closed its window and says so when asked."""
    peer = established(config)
    peer.sends(". 1:1(0) ack 1 win 0")
    peer.writes(b"data")
    return peer


def answers_for(peer: Peer, time: int) -> None:
    """Time passes, and the peer answers each probe."""
    until = peer.now + time
    while peer.connection.state is not CLOSED and peer.connection.next_deadline() <= until:
        peer.waits_for_timer()
        if peer.heard:
            peer.heard.clear()
            peer.sends(". 1:1(0) ack 1 win 0")


def test_a_timeout_that_was_taken_back_ends_nothing() -> None:
    """Whatever waits just then: TCP_USER_TIMEOUT 0 is none."""
    peer = closed_on(PLAIN.replace(user_timeout_bounds_probing=True, probe_with_data=False))
    connection = peer.connection
    connection.config = connection.config.replace(user_timeout=20 * SECOND)
    answers_for(peer, 10 * SECOND)
    connection.config = connection.config.replace(user_timeout=0)
    answers_for(peer, HOUR)
    peer.is_in(ESTABLISHED)


def test_another_timeout_counts_from_when_the_old_one_began() -> None:
    """RFC 9293 3.9.1.8 has the user change it at any time."""
    peer = established(PLAIN.replace(user_timeout=60 * SECOND))
    peer.writes(b"data")
    peer.waits(10 * SECOND)
    peer.connection.config = peer.connection.config.replace(user_timeout=20 * SECOND)
    peer.waits(9 * SECOND)
    peer.is_in(ESTABLISHED)
    peer.waits(SECOND)
    peer.is_in(CLOSED)


ALIVE = PLAIN.replace(
    keepalive=True, keepalive_idle=10 * SECOND, keepalive_interval=SECOND, keepalive_probes=5
)


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        (ALIVE, 15),
        (ALIVE.replace(user_timeout=12 * SECOND), 15),
        (ALIVE.replace(user_timeout=12 * SECOND, user_timeout_bounds_probing=True), 12),
        (ALIVE.replace(user_timeout=30 * SECOND, user_timeout_bounds_probing=True), 30),
        (ALIVE.replace(user_timeout=5 * SECOND, user_timeout_bounds_probing=True), 11),
    ],
)
def test_keep_alives_end_with_their_number_or_with_the_users_timeout(
    config: Config, seconds: int
) -> None:
    """RFC 9293 3.8.4; on Linux TCP_USER_TIMEOUT decides instead, once a probe was sent."""
    peer = established(config)
    begun = peer.now
    while peer.connection.state is not CLOSED:
        peer.waits_for_timer()
    assert peer.now - begun == seconds * SECOND


def test_keep_alives_outlast_the_timeout_that_was_agreed_on() -> None:
    """RFC 5482 4.2: the keep-alive timer must be larger than the adopted user timeout."""
    config = ALIVE.replace(user_timeout_option=UserTimeoutOption(100 * SECOND))
    peer = established(config)
    peer.sends(". 1:1(0) ack 1 win 65535 <uto 300,nop,nop>")
    begun = peer.now
    while peer.connection.state is not CLOSED:
        peer.waits_for_timer()
    assert peer.now - begun >= 300 * SECOND
