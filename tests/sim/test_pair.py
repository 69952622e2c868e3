"""Two hosts in virtual time: the world itself, and all eleven states entered by real segments."""

import copy
import time

import pytest
from ends import STRICT, assert_delivered, assert_nothing_left, both, octets, states_entered

import lastack
from lastack.link.base import Offload
from lastack.link.memory import Dropping
from lastack.sim.pair import EndlessWorld, TwoHosts
from lastack.sim.talk import Conversation
from lastack.tcp.states import State
from lastack.units import MINUTE, MS, NEVER, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.stop import Stop

S = State


def test_a_connection_opens_talks_and_closes() -> None:
    """RFC 9293 3.5 and 3.6: the whole life of a connection, and 2MSL of it in no time."""
    pair = TwoHosts(config=STRICT)
    conversation = Conversation(pair, octets(1, 5000), octets(2, 7000))
    before = time.perf_counter()
    conversation.run()
    assert time.perf_counter() - before < 1
    assert_delivered(conversation)
    assert_nothing_left(pair)
    assert pair.now > 4 * MINUTE
    assert states_entered(pair, True) == [
        S.SYN_SENT, S.ESTABLISHED, S.FIN_WAIT_1, S.FIN_WAIT_2, S.TIME_WAIT, S.CLOSED,
    ]  # fmt: skip
    assert states_entered(pair, False) == [
        S.LISTEN, S.SYN_RECEIVED, S.ESTABLISHED, S.CLOSE_WAIT, S.LAST_ACK, S.CLOSED,
    ]  # fmt: skip


def test_both_close_at_once() -> None:
    """RFC 9293 3.6 case 3: both go through CLOSING (or lose the race by an ACK)."""
    pair = TwoHosts(config=STRICT)
    conversation = Conversation(pair, b"", b"", right_closes_first=True, left_closes_first=False)
    pair.run(while_=lambda: conversation.right is None)
    left, right = both(conversation)
    pair.run(while_=lambda: left.connection.state is not S.ESTABLISHED)
    other = TwoHosts(config=STRICT)
    talk = Conversation(other, b"", b"", left_closes_first=False)
    other.run(SECOND)
    left, right = both(talk)
    left.closes_first = right.closes_first = True
    left.act()
    right.act()
    other.run()
    assert_nothing_left(other)
    for side in (True, False):
        assert states_entered(other, side)[-4:] == [S.FIN_WAIT_1, S.CLOSING, S.TIME_WAIT, S.CLOSED]


def test_both_open_at_once() -> None:
    """RFC 9293 3.5 figure 7: two SYNs cross, and one connection comes of it."""
    pair = TwoHosts(config=STRICT)
    conversation = Conversation(pair, octets(1, 3000), octets(2, 3000), simultaneous=True)
    conversation.run()
    assert_delivered(conversation)
    assert_nothing_left(pair)
    for side in (True, False):
        assert states_entered(pair, side)[:3] == [S.SYN_SENT, S.SYN_RECEIVED, S.ESTABLISHED]


def test_all_eleven_states_are_entered_by_real_segments() -> None:
    """The task of a TCP: every state is reached between two real ends."""
    entered = {S.CLOSED}
    for simultaneous in (False, True):
        pair = TwoHosts(config=STRICT)
        Conversation(pair, b"x", b"y", right_closes_first=True, simultaneous=simultaneous).run()
        entered.update(states_entered(pair, True) + states_entered(pair, False))
    pair = TwoHosts(config=STRICT)
    Conversation(pair, b"x", b"y").run()
    entered.update(states_entered(pair, True) + states_entered(pair, False))
    assert entered == set(State)


def test_a_half_closed_connection_still_carries_data_the_other_way() -> None:
    """RFC 9293 3.6: whoever has closed must go on receiving until the other closes too."""
    pair = TwoHosts(config=STRICT)
    conversation = Conversation(pair, b"request", octets(3, 200_000))
    conversation.run()
    assert_delivered(conversation)
    assert_nothing_left(pair)
    in_fin_wait_2 = [c for c in pair.crossings if not c.to_right and c.left is S.FIN_WAIT_2]
    assert sum(c.segment.length for c in in_fin_wait_2 if c.segment) > 100_000


@pytest.mark.parametrize(
    "addresses", [("10.0.0.1/24", "10.0.0.2/24"), ("fd00::1/64", "fd00::2/64")]
)
@pytest.mark.parametrize("mtu", [1280, 1500, 9000])
def test_both_families_and_any_mtu(addresses: tuple[str, str], mtu: int) -> None:
    """No packet is longer than the link allows."""
    pair = TwoHosts(mtu=mtu, left_address=addresses[0], right_address=addresses[1], config=STRICT)
    lengths: list[int] = []
    note = pair.wire.trace
    assert note is not None

    def measured(passage) -> None:  # type: ignore[no-untyped-def]
        lengths.append(passage.packet.length)
        note(passage)

    pair.wire.trace = measured
    conversation = Conversation(pair, octets(1, 60_000), octets(2, 60_000))
    conversation.run()
    assert_delivered(conversation)
    assert_nothing_left(pair)
    assert max(lengths) == mtu


def test_super_segments_cross_where_both_devices_take_them() -> None:
    """With offload a packet may be longer than the MTU, its checksum left to the device."""
    offload = Offload(checksum=True, tso4=True, tso6=True)
    pair = TwoHosts(left_offload=offload, right_offload=offload, config=STRICT)
    conversation = Conversation(pair, octets(1, 600_000), octets(2, 400_000))
    conversation.run()
    assert_delivered(conversation)
    assert_nothing_left(pair)
    assert max(c.segment.length for c in pair.crossings if c.segment) > 20_000


def test_the_same_seed_tells_the_same_story() -> None:
    """Same seed, same world, octet for octet."""

    def story(seed: int) -> str:
        pair = TwoHosts(seed, loss=0.1, reorder=0.1, duplicate=0.1, corrupt=0.1, jitter=3 * MS)
        Conversation(pair, octets(1, 30_000), octets(2, 30_000)).run()
        return pair.story()

    assert story(5) == story(5)
    assert story(5) != story(6)


@pytest.mark.skipif(lastack.COMPILED, reason="compiled objects cannot be copied")
def test_a_world_can_be_copied_and_both_go_on_alike() -> None:
    """Nothing in a stack is a closure or a view: it branches at any moment."""
    pair = TwoHosts(3, loss=0.1, reorder=0.1, config=STRICT)
    conversation = Conversation(pair, octets(1, 40_000), octets(2, 40_000))
    pair.run(SECOND)
    branch = copy.deepcopy(conversation)
    conversation.run()
    branch.run()
    assert_delivered(branch)
    assert branch.pair.story() == pair.story()


def test_a_syn_to_nobody_is_refused() -> None:
    """RFC 9293 3.10.7.1: a reset that acknowledges the SYN."""
    pair = TwoHosts(config=STRICT)
    connection = pair.left.connect(Endpoint(pair.right_address, 80), pair.now)
    pair.run()
    assert connection.state is S.CLOSED
    assert_nothing_left(pair)
    assert [(c.text.split(" ")[0], c.stop) for c in pair.crossings] == [
        ("S", Stop.NO_CONNECTION),
        ("R.", Stop.RESET),
    ]


def test_actions_happen_at_their_time_and_in_their_order() -> None:
    """`at` schedules what users do."""
    pair = TwoHosts()
    done: list[tuple[int, str]] = []
    pair.at(2 * SECOND, lambda: done.append((pair.now, "c")))
    pair.at(SECOND, lambda: done.append((pair.now, "a")))
    pair.at(SECOND, lambda: done.append((pair.now, "b")))
    assert pair.run(1500 * MS)
    assert (done, pair.now) == ([(SECOND, "a"), (SECOND, "b")], 1500 * MS)
    assert not pair.run(while_=lambda: len(done) < 4)
    assert (done[-1], pair.now, pair.quiet) == ((2 * SECOND, "c"), 2 * SECOND, True)
    assert (pair.step(), pair.next_time()) == (False, NEVER)


def test_a_lost_segment_and_its_fate_are_in_the_story() -> None:
    """What a failing test prints: time, states of both ends, the segment, what befell it."""
    pair = TwoHosts(config=STRICT, drop=Dropping(from_a=(1,)))
    Conversation(pair).run()
    first, again = pair.crossings[:2]
    assert (first.lost, first.fate, first.left, first.right) == (
        True, "dropped by rule", S.SYN_SENT, S.LISTEN,
    )  # fmt: skip
    assert (again.sent_at, again.lost, again.right) == (SECOND, False, S.SYN_RECEIVED)
    assert first.text.startswith("S 0:0(0) win 65535 <mss 1460")
    assert "dropped by rule" in pair.story()
    assert "left 1: TIME-WAIT -> CLOSED, time wait over (3.10.8)" in pair.story()


def test_a_world_without_rest_is_ended_with_its_story() -> None:
    """A limit of steps: a bug must not hang the tests."""
    pair = TwoHosts(seed=9)

    def again() -> None:
        pair.at(pair.now + 1, again)

    again()
    with pytest.raises(EndlessWorld, match="no rest after 50 steps; seed 9"):
        pair.run(limit=50)


def test_a_syn_that_is_acknowledged_before_it_is_answered_is_not_answered() -> None:
    """Simultaneous open: SYN and SYN-ACK arrive at one moment, and only an ACK is left to send."""
    pair = TwoHosts(delay=20 * MS, config=STRICT)
    here, there = Endpoint(pair.left_address, 5000), Endpoint(pair.right_address, 80)
    left = pair.left.connect(there, pair.now, here)
    pair.step()
    pair.wire.delay = 10 * MS
    right = pair.right.connect(here, pair.now, there)
    pair.run(SECOND)
    assert left.state is right.state is S.ESTABLISHED
    assert [c.text.split(" ")[0] for c in pair.crossings] == ["S", "S", "S.", "."]
    assert pair.quiet, pair.story()


@pytest.mark.parametrize(
    "lost, agreed",
    [(Dropping(from_b=(1,)), True), (Dropping(from_a=(1,)), False), (Dropping((2,), (1,)), True)],
    ids=["its SYN-ACK", "the SYN", "its SYN-ACK and the next SYN"],
)
def test_both_ends_agree_on_options_that_a_later_syn_has_left_out(
    lost: Dropping, agreed: bool
) -> None:
    """`syn_options_tries`: the SYN-ACK says what the peer has seen, whichever SYN it answers."""
    pair = TwoHosts(config=STRICT.replace(syn_options_tries=1), drop=lost)
    talk = Conversation(pair, octets(1, 200_000), octets(2, 200_000), left_closes_first=False)
    pair.run(while_=lambda: talk.right is None)
    left, right = both(talk)
    for tcb in (left.connection.tcb, right.connection.tcb):
        assert tcb.ts_on is tcb.sack_on is tcb.scale_on is agreed
    left.closes_first = True
    pair.run()
    assert_delivered(talk)
