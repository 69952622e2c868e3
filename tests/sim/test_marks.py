"""Two ends and a wire that marks congestion instead of dropping (RFC 3168, RFC 9768)."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.stack.listener import Listener
from lastack.tcp.config import Config, preset
from lastack.tcp.connection import Connection
from lastack.tcp.ecn_state import WITHOUT_ECN, Counters, Ecn
from lastack.tcp.states import ESTABLISHED
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.ce import congestion_experienced
from lastack.wire.packet import Packet
from lastack.wire.segment import Segment, decode_segment

STRICT = Config(strict=True, ecn="on", initial_window=10)
AMOUNT = 150_000


class Marker:
    """A rule for the wire that loses nothing: it marks a share of the ECN-capable packets."""

    def __init__(self, share: float, seed: int) -> None:
        self.share = share
        self.chance = Random(seed)
        self.packets = 0
        self.octets = 0

    def __call__(self, from_a: bool, number: int, packet: Packet) -> bool:
        if packet.data[1] & 3 and self.chance.random() < self.share:
            self.packets += 1
            segment = decode_segment(packet.data, 20, len(packet.data))
            self.octets += segment.length if isinstance(segment, Segment) else 0
            packet.data = congestion_experienced(packet.data)
        return False


class Transfer:
    """`left` sends AMOUNT octets to `right`, which reads them."""

    def __init__(
        self,
        config: Config,
        share: float,
        seed: int,
        loss: float = 0.0,
        reorder: float = 0.0,
        duplicate: float = 0.0,
    ) -> None:
        self.marker = Marker(share, seed)
        self.pair = TwoHosts(
            seed=seed,
            config=config,
            keep=False,
            delay=10 * MS,
            drop=self.marker,
            loss=loss,
            reorder=reorder,
            duplicate=duplicate,
        )
        self.heard = bytearray()
        self.server: Connection | None = None
        pair = self.pair
        listener = pair.right.listen(Endpoint(b"", 80), 8)
        self.client = pair.left.connect(Endpoint(pair.right_address, 80), pair.now)
        self.left = AMOUNT

        def reads(one: Connection | Listener) -> None:
            one.notices = 0
            if self.server is None:
                self.server = listener.accept()
            if self.server is not None:
                while piece := self.server.receive(1 << 20, pair.now):
                    self.heard += piece
                pair.right.wake(self.server, pair.now)

        def writes(one: Connection | Listener) -> None:
            one.notices = 0
            if self.client.state is not ESTABLISHED:
                return
            while self.left:
                taken = self.client.send(bytes(min(self.left, 65536)), pair.now)
                self.left -= taken
                if not taken:
                    break
            pair.left.wake(self.client, pair.now)

        pair.on_notice_left = writes
        pair.on_notice_right = reads

    def run(self) -> None:
        pair = self.pair
        assert pair.run(until=pair.now + 600 * SECOND, while_=lambda: len(self.heard) < AMOUNT)
        pair.run(until=pair.now + SECOND)


def counters(connection: Connection | None) -> Counters:
    assert connection is not None
    found = connection.tcb.ecn.counters
    assert found is not None
    return found


@pytest.mark.parametrize("ecn", ["on", "accurate"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_marks_without_losses_slow_down_and_retransmit_nothing(ecn: str, share: float) -> None:
    """RFC 3168 1: the point of it all."""
    transfer = Transfer(STRICT.replace(ecn=ecn), share, 1)
    transfer.run()
    info = transfer.client.info()
    assert transfer.marker.packets > 0
    assert info.retransmissions == 0
    assert info.ssthresh is not None and info.ssthresh < 1 << 20
    assert info.marks_delivered and (ecn == "on" or info.marks_delivered == transfer.marker.packets)


def test_an_unmarked_path_is_not_slowed_down() -> None:
    """And nothing is taken for a mark."""
    for ecn in ("on", "accurate"):
        transfer = Transfer(STRICT.replace(ecn=ecn), 0.0, 1)
        transfer.run()
        assert transfer.client.info().marks_delivered == 0
        assert not transfer.client.tcb.ecn.reducing


@given(
    seed=st.integers(0, 1 << 20),
    share=st.sampled_from([0.02, 0.2, 0.9]),
    loss=st.sampled_from([0.0, 0.01, 0.05]),
    reorder=st.sampled_from([0.0, 0.05]),
    duplicate=st.sampled_from([0.0, 0.05]),
)
def test_counters_of_marks_are_never_ahead_and_meet_in_the_end(
    seed: int, share: float, loss: float, reorder: float, duplicate: float
) -> None:
    """RFC 9768 3.2.3.1: octets are exact, whatever happens to ACKs; they follow, never lead."""
    transfer = Transfer(
        STRICT.replace(ecn="accurate"),
        share,
        seed,
        loss=loss,
        reorder=reorder,
        duplicate=duplicate,
    )
    pair = transfer.pair

    def behind() -> bool:
        if transfer.server is not None and transfer.client.tcb.ecn.counters is not None:
            ours, theirs = counters(transfer.client), counters(transfer.server)
            assert ours.ce <= theirs.received_ce
            assert ours.ect0 <= theirs.received_ect0
        return len(transfer.heard) < AMOUNT

    assert pair.run(until=pair.now + 600 * SECOND, while_=behind), pair.story(40)
    assert bytes(transfer.heard) == bytes(AMOUNT)
    if loss or reorder or duplicate:
        return
    pair.run(until=pair.now + SECOND)
    ours, theirs = counters(transfer.client), counters(transfer.server)
    assert (ours.ce, ours.cep) == (theirs.received_ce, theirs.received_cep)
    assert ours.ce == transfer.marker.octets


def test_connections_without_ecn_share_one_state_that_nobody_changes() -> None:
    """Most connections agree on nothing: an idle one must not pay for what it does not use."""
    for config in (Config(strict=True), preset("linux").replace(strict=True)):
        pair = TwoHosts(seed=3, loss=0.05, config=config.replace(ecn="accept"))
        talk = Conversation(pair, bytes(60_000), bytes(60_000))
        talk.run(SECOND)
        assert talk.left.connection.tcb.ecn is WITHOUT_ECN
        talk.run()
    fresh = Ecn()
    for name in vars(fresh) if hasattr(fresh, "__dict__") else Ecn.__annotations__:
        assert getattr(WITHOUT_ECN, name) == getattr(fresh, name), name
