"""The path's MTU: told by ICMP (RFC 1191, RFC 8201), or found without it (RFC 4821, RFC 8899)."""

import pytest
from ends import assert_delivered, assert_nothing_left, octets
from narrow import NarrowPath

from lastack.link.base import NO_OFFLOAD, Offload
from lastack.sim.talk import Conversation
from lastack.tcp.config import Config, preset
from lastack.tcp.connection import Connection
from lastack.units import MINUTE, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.packet import Packet

TSO = Offload(True, True, True)
HEADERS = {4: 40, 6: 60}


def transfer(world: NarrowPath, outward: bool, count: int = 400_000) -> Connection:
    """Carry that many octets one way; return the sending end, as it was when it was done."""
    data = octets(7, count)
    talk = Conversation(world.pair, data if outward else b"", b"" if outward else data)
    talk.run()
    assert_delivered(talk)
    assert_nothing_left(world.pair)
    sender = talk.left if outward else talk.right
    assert sender is not None
    return sender.connection


@pytest.mark.parametrize("name", ["rfc", "linux", "freebsd"])
@pytest.mark.parametrize("outward", [True, False])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("offload", [NO_OFFLOAD, TSO])
def test_what_a_router_says_is_obeyed_at_once(
    name: str, outward: bool, version: int, offload: Offload
) -> None:
    """RFC 1191 6.4, 6.5, RFC 8201 5.2: sent again without a timeout, the window as it was."""
    world = NarrowPath(version, 1300, True, preset(name), offload=offload)
    sender = transfer(world, outward)
    assert sender.tcb.mtu == 1300 and world.longest == 1300
    assert sender.tcb.mss == 1300 - HEADERS[version] - 12
    assert world.pair.now < 3 * MINUTE * 2
    controller = sender.tcb.controller
    assert controller is not None and controller.ssthresh > 1 << 30  # no congestion was seen


@pytest.mark.parametrize("probing", [1, 2])
@pytest.mark.parametrize("outward", [True, False])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("sack", [True, False])
def test_a_path_that_swallows_what_is_long_is_found_out(
    probing: int, outward: bool, version: int, sack: bool
) -> None:
    """RFC 4821 7: without a word from any router the transfer ends, with the path's own MSS."""
    config = Config(mtu_probing=probing, initial_window=10, sack=sack)
    world = NarrowPath(version, 1340, False, config)
    sender = transfer(world, outward)
    found = sender.tcb.mss + HEADERS[version] + 12
    assert 1340 - 8 <= found <= 1340
    assert world.swallowed


@pytest.mark.parametrize("version", [4, 6])
def test_probing_from_below_loses_nothing_but_probes(version: int) -> None:
    """RFC 4821 7.6.2: the loss of a probe is no congestion, and no timeout is waited for."""
    world = NarrowPath(version, 1340, False, Config(mtu_probing=2, initial_window=10))
    sender = transfer(world, True)
    controller = sender.tcb.controller
    assert controller is not None and controller.ssthresh > 1 << 30
    assert world.swallowed <= 6
    assert world.pair.now < 5 * MINUTE


def test_a_path_far_narrower_than_the_base_is_found_by_halving() -> None:
    """Linux's tcp_mtu_probing: 1024, 512, 256 ... octets, a step for each further timeout."""
    world = NarrowPath(4, 400, False, Config(mtu_probing=1))
    sender = transfer(world, True, 30_000)
    assert 256 <= sender.tcb.mss <= 400 - 52


@pytest.mark.parametrize("version", [4, 6])
def test_freebsd_steps_down_and_back_up(version: int) -> None:
    """pmtud_blackhole_detection: two tries for each size."""
    config = preset("freebsd").replace(blackhole_detection=True)
    world = NarrowPath(version, 1300, False, config)
    sender = transfer(world, True)
    assert sender.tcb.mss == (1200 if version == 4 else 1220) - 12 + 12
    assert world.longest <= 1300


def stands(world: NarrowPath) -> Connection:
    """Return an established connection of the left host whose peer reads all."""
    pair = world.pair
    talk = Conversation(pair, left_closes_first=False)
    pair.run(pair.now + SECOND)
    return talk.left.connection


def carry(world: NarrowPath, connection: Connection, count: int) -> None:
    """Send that many octets and wait until they are acknowledged."""
    pair = world.pair
    left = count
    until = pair.now + 5 * MINUTE
    while left or connection.unacknowledged:
        if left:
            left -= connection.send(bytes(min(left, 65536)), pair.now)
            pair.left.wake(connection, pair.now)
        assert pair.step(until), pair.story(60)


@pytest.mark.parametrize("version", [4, 6])
def test_a_path_that_has_become_wider_is_tried_again_after_ten_minutes(version: int) -> None:
    """RFC 1191 6.3, RFC 8201 4: what a router has said grows old."""
    world = NarrowPath(version, 1300, True, Config())
    connection = stands(world)
    carry(world, connection, 100_000)
    assert connection.tcb.mtu == 1300
    world.mtu = 1500
    world.pair.run(world.pair.now + 5 * MINUTE)
    carry(world, connection, 50_000)
    assert connection.tcb.mtu == 1300
    world.pair.run(world.pair.now + 6 * MINUTE)
    carry(world, connection, 50_000)
    assert connection.tcb.mtu == 1500 == world.longest


def test_a_silent_path_that_has_become_wider_is_probed_again_after_ten_minutes() -> None:
    """RFC 4821 7.7, Linux's tcp_probe_interval."""
    world = NarrowPath(4, 1300, False, Config(mtu_probing=2, initial_window=10))
    connection = stands(world)
    carry(world, connection, 400_000)
    assert 1292 - 52 <= connection.tcb.mss <= 1300 - 52
    world.mtu = 1500
    world.pair.run(world.pair.now + 11 * MINUTE)
    carry(world, connection, 600_000)
    assert 1492 - 52 <= connection.tcb.mss <= 1500 - 52


def test_what_one_connection_has_been_told_the_others_know() -> None:
    """RFC 1191 6.1: it is the path's MTU, not the connection's."""
    world = NarrowPath(4, 1300, True, Config())
    first, second = stands(world), None
    second = world.pair.left.connect(Endpoint(world.pair.right_address, 80), world.pair.now)
    world.pair.run(world.pair.now + SECOND)
    carry(world, first, 50_000)
    swallowed = world.swallowed
    carry(world, second, 50_000)
    third = world.pair.left.connect(Endpoint(world.pair.right_address, 80), world.pair.now)
    assert second.tcb.mtu == third.tcb.mtu == 1300
    assert world.swallowed == swallowed


def test_ipv6_never_sends_less_than_1280_octets_a_packet_for_any_router() -> None:
    """RFC 8201 4: a report of less is taken for 1280."""
    world = NarrowPath(6, 1290, True, Config())
    world.says = 600
    sender = transfer(world, True)
    assert sender.tcb.mtu == 1280


def test_a_path_narrower_than_believed_may_be_fragmented_on() -> None:
    """RFC 5927 7.2 has a floor; what is longer than the path then goes without Don't Fragment."""
    world = NarrowPath(4, 300, True, Config())
    sender = transfer(world, True, 40_000)
    assert sender.tcb.mtu == 552 == world.longest


def seen_again(packet: Packet) -> Packet:
    """Return a packet as it would have been a million octets ago."""
    data = bytearray(packet.to_bytes())
    seq = int.from_bytes(data[24:28], "big") - 1_000_000
    data[24:28] = (seq & 0xFFFFFFFF).to_bytes(4, "big")
    return Packet(bytes(data))


def test_a_report_about_what_is_not_in_flight_changes_nothing() -> None:
    """RFC 5927 4.1: an attacker who does not see the packets has to guess a sequence number."""
    world = NarrowPath(4, 1500, True, Config())
    connection = stands(world)
    carry(world, connection, 5000)
    world.mtu = 700
    assert connection.send(bytes(1000), world.pair.now) == 1000
    world.pair.left.wake(connection, world.pair.now)
    packet = world.pair.left.next_packet(world.pair.now)
    assert packet is not None
    world.pair.left.packet_arrives(world.complaint(seen_again(packet)), world.pair.now)
    assert connection.tcb.mtu == 1500
