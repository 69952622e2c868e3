"""Two stacks talk: opening, closing, TIME-WAIT, refusals, and what is left behind."""

import copy
import errno

import pytest
from two_stacks import LEFT, RIGHT, STRICT, TwoStacks, at, carried, host, segment_in

import lastack
from lastack.errors import LastackError
from lastack.stack.ip import Path, encode
from lastack.stack.routes import Interface
from lastack.tcp.config import Config, preset
from lastack.tcp.events import Notice, StateChanged
from lastack.tcp.states import State
from lastack.units import MINUTE, NEVER, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.segment import ACK, FIN, RST, SYN, Segment
from lastack.wire.stop import Stop


def states(events: list[object], number: int) -> list[State]:
    return [e.to for e in events if isinstance(e, StateChanged) and e.connection == number]


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_two_stacks_connect_echo_and_close(address: str) -> None:
    """RFC 9293 3.5 and 3.6, over either IP; nothing is left in the end."""
    pair = TwoStacks()
    listener = pair.right.listen(at(address, 7), 4)
    left = pair.left.connect(at(address, 7), pair.now)
    assert left.state is State.SYN_SENT
    pair.run()
    right = listener.accept()
    assert right is not None and right.state is left.state is State.ESTABLISHED
    assert (right.local, right.remote) == (left.remote, left.local)
    pair.send(pair.left, left, b"hello" * 2000)
    heard = right.receive(99999, pair.now)
    pair.send(pair.right, right, heard)
    assert left.receive(99999, pair.now) == b"hello" * 2000
    pair.close(pair.left, left)
    assert (left.state, right.state) == (State.FIN_WAIT_2, State.CLOSE_WAIT)
    pair.close(pair.right, right)
    assert (left.state, right.state) == (State.TIME_WAIT, State.CLOSED)
    assert pair.left.connections() == [] and len(pair.left.time_waits()) == 1
    pair.run_out()
    assert left.state is State.CLOSED
    listener.close(pair.now)
    assert pair.nothing_left() and pair.stops == []
    assert states(pair.left.take_events(), left.number)[-2:] == [State.TIME_WAIT, State.CLOSED]


def test_time_wait_lasts_twice_the_msl_of_the_connection() -> None:
    """RFC 9293 3.6.1, MUST-13: by the connection's own Config, whatever the order."""
    pair = TwoStacks()
    ends = []
    for port, msl in ((80, 2 * MINUTE), (81, 30 * SECOND), (82, MINUTE)):
        listener = pair.right.listen(at(RIGHT, port), 4)
        config = STRICT.replace(msl=msl)
        left = pair.left.connect(at(RIGHT, port), pair.now, config=config)
        pair.run()
        right = listener.accept()
        assert right is not None
        pair.close(pair.left, left)
        pair.close(pair.right, right)
        ends.append(left)
    began = pair.now
    for wait, last in ((MINUTE, 1), (2 * MINUTE, 2), (4 * MINUTE, 0)):
        assert pair.left.next_deadline() == began + wait
        pair.run_until(began + wait - 1)
        assert ends[last].state is State.TIME_WAIT
        pair.run_until(began + wait)
        assert ends[last].state is State.CLOSED


def closed_pair(pair: TwoStacks) -> tuple[Segment, Segment]:
    """Leave `left` in TIME-WAIT; return the FIN of each side as it was on the wire."""
    left, right, _ = pair.connect()
    fins = []

    def trace(now, direction, connection, segment, state, stop) -> None:  # type: ignore[no-untyped-def]
        if direction == "out" and segment.flags & FIN:
            fins.append(segment)

    pair.left.trace = pair.right.trace = trace
    pair.close(pair.left, left)
    pair.close(pair.right, right)
    pair.left.trace = pair.right.trace = None
    assert len(pair.left.time_waits()) == 1
    return fins[0], fins[1]


def test_a_repeated_fin_in_time_wait_is_acknowledged_and_starts_2msl_again() -> None:
    """RFC 9293 3.10.7.4 eighth: the peer has not heard our ACK."""
    pair = TwoStacks()
    _, fin = closed_pair(pair)
    pair.run_until(pair.now + MINUTE)
    pair.left.packet_arrives(carried(fin, RIGHT, LEFT), pair.now)
    packet = pair.left.next_packet(pair.now)
    assert packet is not None
    answer = segment_in(packet)
    assert answer.flags == ACK and answer.ack == (fin.seq + 1) & 0xFFFFFFFF
    assert pair.left.next_deadline() == pair.now + 4 * MINUTE


def test_a_reset_ends_time_wait_or_is_ignored_by_knob() -> None:
    """RFC 9293 3.10.7.4 second, and RFC 1337."""
    for ends, wanted in ((True, Stop.RESET), (False, Stop.RST_IN_TIME_WAIT)):
        pair = TwoStacks(left=STRICT.replace(reset_ends_time_wait=ends))
        _, fin = closed_pair(pair)
        reset = Segment(fin.source_port, fin.destination_port, fin.seq + 1 & 0xFFFFFFFF, 0, RST, 0)
        assert pair.left.packet_arrives(carried(reset, RIGHT, LEFT), pair.now) is wanted
        assert len(pair.left.time_waits()) == (0 if ends else 1)


def reopened(pair: TwoStacks) -> tuple[Segment, Segment]:
    """TIME-WAIT at `left`, which listens now at its old port; a SYN comes from the other end."""
    _, fin = closed_pair(pair)
    pair.left.listen(at(LEFT, fin.destination_port), 4)
    seq = (fin.seq + 1000) & 0xFFFFFFFF
    syn = Segment(fin.source_port, fin.destination_port, seq, 0, SYN, 4096)
    assert pair.left.packet_arrives(carried(syn, RIGHT, LEFT), pair.now) is None
    packet = pair.left.next_packet(pair.now)
    assert packet is not None
    return syn, segment_in(packet)


def test_a_new_syn_reopens_a_time_wait_beyond_its_old_numbers() -> None:
    """RFC 9293 3.6.1 MAY-2: SYN-RECEIVED straight from TIME-WAIT, with a later ISS."""
    pair = TwoStacks(right=STRICT.replace(timestamps=False))
    old = pair.left.time_waits
    syn, answer = reopened(pair)
    entry = old()[0]
    assert answer.flags == SYN | ACK
    assert (answer.seq - entry.snd_nxt) & 0xFFFFFFFF < 1 << 31
    [child] = pair.left.connections()
    assert child.state is State.SYN_RECEIVED
    ack = Segment(syn.source_port, syn.destination_port, syn.seq + 1, answer.seq + 1, ACK, 4096)
    assert pair.left.packet_arrives(carried(ack, RIGHT, LEFT), pair.now) is None
    assert child.state is State.ESTABLISHED and pair.left.time_waits() == []
    events = [e for e in pair.left.take_events() if isinstance(e, StateChanged)]
    assert any((e.state, e.to) == (State.TIME_WAIT, State.SYN_RECEIVED) for e in events)


def test_a_syn_for_time_wait_that_nobody_listens_for_is_challenged() -> None:
    """RFC 9293 3.10.7.4 fourth: without a listener MAY-2 opens nothing, TIME-WAIT goes on."""
    pair = TwoStacks(right=STRICT.replace(timestamps=False))
    _, fin = closed_pair(pair)
    syn = Segment(fin.source_port, fin.destination_port, fin.seq + 1000 & 0xFFFFFFFF, 0, SYN, 4096)
    stop = pair.left.packet_arrives(carried(syn, RIGHT, LEFT), pair.now)
    assert stop is Stop.SYN_IN_TIME_WAIT
    packet = pair.left.next_packet(pair.now)
    assert packet is not None and segment_in(packet).flags == ACK
    assert len(pair.left.time_waits()) == 1


def test_an_old_duplicate_syn_falls_back_to_time_wait() -> None:
    """RFC 9293 3.6.1 MAY-2 (b): the peer's reset of our SYN-ACK restores the entry."""
    pair = TwoStacks(right=STRICT.replace(timestamps=False))
    syn, answer = reopened(pair)
    expires = pair.left.time_waits()[0].expires
    reset = Segment(syn.source_port, syn.destination_port, answer.ack, 0, RST, 0)
    pair.left.packet_arrives(carried(reset, RIGHT, LEFT), pair.now)
    assert pair.left.connections() == []
    [entry] = pair.left.time_waits()
    assert entry.expires == expires
    for listener in pair.left.listeners.all():
        assert not listener.children and not listener.acceptable


def test_the_time_wait_table_is_bounded_and_loses_its_oldest_first() -> None:
    """Nothing grows without bound: Config.max_time_wait."""
    pair = TwoStacks(left=STRICT.replace(max_time_wait=3))
    listener = pair.right.listen(at(RIGHT, 80), 4)
    lefts = []
    for _ in range(5):
        pair.now += SECOND
        left = pair.left.connect(at(RIGHT, 80), pair.now)
        pair.run()
        right = listener.accept()
        assert right is not None
        pair.close(pair.left, left)
        pair.close(pair.right, right)
        lefts.append(left)
    assert [entry.number for entry in pair.left.time_waits()] == [c.number for c in lefts[2:]]
    assert pair.left.counters.time_waits_evicted == 2
    assert [c.state for c in lefts[1:3]] == [State.CLOSED, State.TIME_WAIT]


def test_a_port_nobody_listens_on_refuses() -> None:
    """RFC 9293 3.10.7.1: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>."""
    pair = TwoStacks()
    left = pair.left.connect(at(RIGHT, 9), pair.now)
    pair.run()
    assert left.state is State.CLOSED and left.error == errno.ECONNREFUSED
    assert pair.right.counters.stops[Stop.NO_CONNECTION] == 1
    assert pair.right.counters.resets_sent == 1
    assert left in pair.left.take_noticed() and left.notices & Notice.ERROR
    assert pair.nothing_left()


def test_resets_are_sent_at_a_bounded_rate() -> None:
    """Config.max_resets: a flood of strays does not make us a reflector."""
    stack = host("10.0.0.2/24", config=STRICT.replace(max_resets=5))
    for port in range(1, 20):
        stray = Segment(port, 9, 5, 0, SYN, 100)
        assert stack.packet_arrives(carried(stray), 7) is Stop.NO_CONNECTION
    answers = 0
    while stack.next_packet(7) is not None:
        answers += 1
    assert answers == 5 and stack.counters.resets_held_back == 14
    assert stack.packet_arrives(carried(Segment(99, 9, 5, 0, SYN, 100)), SECOND) is not None
    assert stack.next_packet(SECOND) is not None


def test_a_reset_for_nobody_is_not_answered() -> None:
    """RFC 9293 3.10.7.1: an incoming segment containing a RST is discarded."""
    stack = host("10.0.0.2/24")
    assert stack.packet_arrives(carried(Segment(5, 9, 5, 0, RST, 0)), 0) is Stop.RST_TO_NOBODY
    assert stack.next_packet(0) is None


def test_connect_says_why_it_cannot() -> None:
    """Errors of our caller are OSErrors with the right errno (RFC 9293 3.10.1, MUST-46)."""
    pair = TwoStacks()
    left, _, _ = pair.connect()
    cases = [
        (at(RIGHT, 0), None, errno.EADDRNOTAVAIL),
        (at(RIGHT, 80), at("10.0.0.9", 5), errno.EADDRNOTAVAIL),
        (at(RIGHT, 80), left.local, errno.EADDRINUSE),
        (at("224.0.0.1", 80), None, errno.ENETUNREACH),
        (at("10.0.0.255", 80), None, errno.ENETUNREACH),
        (at("ff02::1", 80), None, errno.ENETUNREACH),
        (at("fd00::2", 80), at(LEFT, 5), errno.EAFNOSUPPORT),
    ]
    for remote, local, code in cases:
        with pytest.raises(LastackError) as raised:
            pair.left.connect(remote, pair.now, local)
        assert raised.value.errno == code, remote


def test_without_a_default_interface_the_rest_of_the_world_is_unreachable() -> None:
    """ENETUNREACH where no prefix holds the destination."""
    stack = host("10.0.0.1/24")
    stack.routes.interfaces[0].default = False
    stack.connect(at("10.0.0.77", 80), 0)
    with pytest.raises(LastackError) as raised:
        stack.connect(at("192.0.2.1", 80), 0)
    assert raised.value.errno == errno.ENETUNREACH


def test_two_sides_may_open_at_once() -> None:
    """RFC 9293 3.5 figure 8, MUST-10: simultaneous open, from fixed ports."""
    pair = TwoStacks()
    left = pair.left.connect(at(RIGHT, 2000), pair.now, at(LEFT, 1000))
    right = pair.right.connect(at(LEFT, 1000), pair.now, at(RIGHT, 2000))
    one, other = pair.left.next_packet(pair.now), pair.right.next_packet(pair.now)
    assert one is not None and other is not None
    pair.left.packet_arrives(other, pair.now)
    pair.right.packet_arrives(one, pair.now)
    assert left.state is right.state is State.SYN_RECEIVED
    pair.run()
    assert left.state is right.state is State.ESTABLISHED


def test_a_host_can_talk_to_itself() -> None:
    """A packet to one of our own addresses does not leave by the link."""
    stack = host("10.0.0.1/24")
    listener = stack.listen(at(LEFT, 80), 4)
    left = stack.connect(at(LEFT, 80), 0)
    assert stack.next_packet(0) is None
    right = listener.accept()
    assert right is not None and left.state is State.ESTABLISHED
    left.send(b"x" * 100_000, 0)
    stack.wake(left, 0)
    assert stack.next_packet(0) is None
    assert len(right.receive(1 << 20, 0)) == 100_000
    assert stack.counters.packets_out == 0
    refused = stack.connect(at(LEFT, 81), 0)
    assert stack.next_packet(0) is None and refused.error == errno.ECONNREFUSED


def test_connections_take_turns() -> None:
    """The ready queue is round-robin: a bulk sender does not starve the others."""
    pair = TwoStacks(left=preset("linux").replace(strict=True, initial_window=1000))
    first, _, listener = pair.connect()
    second = pair.left.connect(at(RIGHT, 80), pair.now)
    pair.run()
    for connection in (first, second):
        assert connection.send(bytes(1 << 20), pair.now) == 1 << 20
        pair.left.wake(connection, pair.now)
    ports = []
    while len(ports) < 45 and (packet := pair.left.next_packet(pair.now)) is not None:
        ports.append(segment_in(packet).source_port)
    assert set(ports[:30]) == {first.local.port, second.local.port}
    assert listener.acceptable


def test_our_own_mistake_ends_one_connection_alone() -> None:
    """Promise 4: counted as INTERNAL, the stack lives on; with strict it raises."""
    pair = TwoStacks(left=Config(), right=Config())
    left, right, _ = pair.connect()
    again = pair.left.connect(at(RIGHT, 80), pair.now)
    left.tcb.timers.fin_wait_2 = pair.now  # in ESTABLISHED, where the table has no row for it
    pair.left.wake(left, pair.now)
    pair.run_until(pair.now)
    assert left.state is State.CLOSED and left.error == errno.ECONNABORTED
    assert pair.left.counters.stops[Stop.INTERNAL] == 1
    assert right.state is State.CLOSED and right.error == errno.ECONNRESET
    assert again.state is State.ESTABLISHED
    strict = TwoStacks()
    left, _, _ = strict.connect()
    left.tcb.timers.fin_wait_2 = strict.now
    strict.left.wake(left, strict.now)
    with pytest.raises(AssertionError):
        strict.left.deadline_passed(strict.now)


@pytest.mark.skipif(lastack.COMPILED, reason="compiled objects cannot be copied")
def test_a_stack_can_be_copied_and_both_go_their_own_way() -> None:
    """A world branches: no closures, no views, nothing shared."""
    pair = TwoStacks()
    left, _, _ = pair.connect()
    left.send(b"before", pair.now)
    pair.left.wake(left, pair.now)
    other = copy.deepcopy(pair)
    [twin] = other.left.connections()
    other.close(other.left, twin)
    assert twin.state is State.FIN_WAIT_2 and left.state is State.ESTABLISHED
    pair.run()
    assert pair.right.connections()[0].receive(99, pair.now) == b"before"


def test_every_packet_out_has_right_checksums_with_and_without_offload() -> None:
    """MUST-2: computed here, or the pseudo-header's sum left for the device."""
    from lastack.link.base import Offload
    from lastack.wire.checksum import checksum_holds, finish, transport_holds

    for offload in (None, Offload(checksum=True, tso4=True, tso6=True)):
        interface = Interface("if0", ["10.0.0.1/24", "fd00::1/64"], offload=offload)
        for remote in (at(RIGHT, 80), at("fd00::2", 80)):
            source = at(LEFT, 5) if len(remote.address) == 4 else at("fd00::1", 5)
            path = Path(interface, source.address, remote.address, 64, 46, True)
            data = (b"odd", b"and even", b"!")
            segment = Segment(5, 80, 1 << 31, 7, ACK, 99, 0, b"\1\1\1\0", data, 12)
            segment.ecn = 2
            whole = finish(encode(path, segment, 65535))
            start = 20 if len(remote.address) == 4 else 40
            if start == 20:
                assert checksum_holds(whole, 0, 20) and whole[1] == 46 << 2 | 2
                assert int.from_bytes(whole[2:4], "big") == len(whole)
            assert transport_holds(source.address, remote.address, 6, whole, start, len(whole))


def test_infos_tell_of_listeners_connections_and_time_wait() -> None:
    """Every view takes ConnectionInfo and nothing else."""
    pair = TwoStacks()
    pair.left.listen(Endpoint(b"", 25), 1)
    left, _, _ = pair.connect()
    _, _ = left, pair.left.connect(at(RIGHT, 9), pair.now)
    shown = {(info.local, info.state) for info in pair.left.infos()}
    assert ("*:25", State.LISTEN) in shown
    assert (str(left.local), State.ESTABLISHED) in shown
    assert any(state is State.SYN_SENT for _, state in shown)


def test_an_idle_host_waits_for_nothing() -> None:
    """No connection ticks: 100 idle ones have no deadline at all."""
    pair = TwoStacks()
    listener = pair.right.listen(at(RIGHT, 80), 200)
    for _ in range(100):
        pair.left.connect(at(RIGHT, 80), pair.now)
    pair.run()
    assert len(listener.waiting) == 100
    assert pair.left.next_deadline() == pair.right.next_deadline() == NEVER


def test_notices_that_nobody_takes_do_not_pile_up() -> None:
    """Nothing grows without bound: connections that are gone keep no place."""
    stack = host("10.0.0.1/24")
    for port in range(1, 5000):
        connection = stack.connect(at(RIGHT, port), 0)
        connection.abort(0)
        stack.wake(connection, 0)
    assert stack.connections() == [] and len(stack.noticed) <= 2048
    assert len(stack.paths) == 0 and stack.next_packet(0) is None and not stack.schedule.heap


def test_connections_between_two_hosts_share_a_path_until_their_options_differ() -> None:
    """Memory per idle connection."""
    pair = TwoStacks()
    first, _, _ = pair.connect()
    second = pair.left.connect(at(RIGHT, 80), pair.now)
    third = pair.left.connect(at(RIGHT, 80), pair.now, config=STRICT.replace(ttl=9))
    pair.run()
    paths = [pair.left.demux.numbers[c.number].path for c in (first, second, third)]
    assert paths[0] is paths[1] is not paths[2]


def test_events_that_nobody_collects_are_bounded_as_told() -> None:
    """The oldest go first; a user who comes rarely may have more kept."""
    for most, kept in ((3, 3), (100, 5)):
        pair = TwoStacks()
        pair.left.keep_events(most)
        closed_pair(pair)
        changes = [e for e in pair.left.take_events() if isinstance(e, StateChanged)]
        assert len(changes) == kept
        assert changes[-1].to is State.TIME_WAIT
