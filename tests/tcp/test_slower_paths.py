"""A path that becomes far slower than RTO: it is learned, and not timed out again and again."""

import pytest
from peer import PLAIN, Peer, opening

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.tcp.config import Config, preset
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint

OPTIONS = [
    {},
    {"timestamps": False},
    {"sack": False},
    {"timestamps": False, "sack": False},
    {"eifel": False, "frto": False, "dsack_undo": False},
]


def slow(pair: TwoHosts) -> None:
    """The round trip is three seconds instead of 20 ms."""
    pair.wire.delay = 1500 * MS


@pytest.mark.parametrize("name", ["rfc", "linux", "freebsd"])
@pytest.mark.parametrize("without", OPTIONS)
def test_a_transfer_learns_of_it_by_a_few_timeouts(name: str, without: dict[str, bool]) -> None:
    """RFC 6298 5: RTO stays backed off until there is a sample, and follows it then."""
    config = preset(name).replace(strict=True, **without)
    pair = TwoHosts(delay=10 * MS, rate=20_000_000, queue=200, config=config, keep=False)
    talk = Conversation(pair, bytes(3_000_000))
    pair.at(300 * MS, lambda: slow(pair))
    pair.run(200 * SECOND, lambda: talk.right is None or len(talk.right.received) < 3_000_000)
    tcb = talk.left.connection.tcb
    assert talk.right is not None and len(talk.right.received) == 3_000_000
    assert tcb.tally.timeouts <= 15
    assert tcb.rtt.rto >= 3 * SECOND


@pytest.mark.parametrize("name", ["rfc", "linux", "freebsd"])
@pytest.mark.parametrize("without", OPTIONS)
def test_a_dialogue_learns_of_it_too(name: str, without: dict[str, bool]) -> None:
    """One segment at a time, and never a second under way that could be measured instead."""
    config = preset(name).replace(strict=True, **without)
    pair = TwoHosts(delay=10 * MS, config=config, keep=False)
    listener = pair.right.listen(Endpoint(b"", 80), 1)
    client = pair.left.connect(Endpoint(pair.right_address, 80), pair.now)
    pair.run(SECOND)
    server = listener.accept()
    assert server is not None
    slow(pair)
    for _ in range(20):
        client.send(b"a word", pair.now)
        pair.left.wake(client, pair.now)
        pair.run(pair.now + 20 * SECOND)
    assert server.receive(1000, pair.now) == b"a word" * 20
    assert client.tcb.tally.timeouts <= 15


# -- whose acknowledgment is it? ------------------------------------------------------------------


def sent_twice(config: Config) -> Peer:
    """On a path of 100 ms a segment has been sent at 1.1 s, and again one second later."""
    peer = opening(config.replace(timestamps=True))
    peer.waits(100 * MS)
    offer = "sackOK," if config.sack else "nop,nop,"
    peer.sends(f"S. 0:0(0) ack 1 win 65535 <mss 1012,{offer}TS val 1 ecr 1000>")
    peer.writes(b"once")
    peer.waits_for_timer()
    peer.waits(50 * MS)
    assert peer.connection.info().backoff == 1
    return peer


def test_an_original_that_is_late_is_a_sample() -> None:
    """RFC 7323 4: it took as long as its echo is old, and nothing has come twice."""
    peer = sent_twice(PLAIN.replace(sack=True))
    waited = peer.now - 1100 * MS
    peer.sends(". 1:1(0) ack 5 win 65535 <nop,nop,TS val 2 ecr 1100>")
    info = peer.connection.info()
    assert info.srtt == (7 * 100 * MS + waited) // 8
    assert info.backoff == 0


def test_a_duplicate_whose_first_acknowledgment_was_lost_is_none() -> None:
    """RFC 2883 4: a D-SACK says that both have come; the back-off ends without a sample."""
    peer = sent_twice(PLAIN.replace(sack=True))
    peer.sends(". 1:1(0) ack 5 win 65535 <nop,nop,TS val 2 ecr 1100,nop,nop,sack 1:5>")
    info = peer.connection.info()
    assert info.srtt == 100 * MS
    assert info.backoff == 0


def test_without_sack_an_ack_was_lost_once_and_not_twice() -> None:
    """Nobody knows which it was: the back-off ends, and the next time, as Karn has it, goes on."""
    peer = sent_twice(PLAIN)
    peer.sends(". 1:1(0) ack 5 win 65535 <nop,nop,TS val 2 ecr 1100>")
    assert (peer.connection.info().srtt, peer.connection.info().backoff) == (100 * MS, 0)
    peer.waits(SECOND - peer.now % SECOND)
    stamp = peer.now // MS
    peer.writes(b"more")
    peer.waits_for_timer()
    peer.waits(50 * MS)
    peer.sends(f". 1:1(0) ack 9 win 65535 <nop,nop,TS val 3 ecr {stamp}>")
    assert (peer.connection.info().srtt, peer.connection.info().backoff) == (100 * MS, 1)
