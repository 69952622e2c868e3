"""Whatever stands in a signature, nobody raises, nothing grows, and no connection moves."""

from hypothesis import example, given
from hypothesis import strategies as st
from tests.stack.two_stacks import LEFT, RIGHT, STRICT, TwoStacks, carried

from lastack.tcp.config import Config
from lastack.wire.address import pack_address
from lastack.wire.ao import MOST_TRAFFIC_KEYS, AoKey, AoSigner
from lastack.wire.segment import Segment
from lastack.wire.signing import Md5Key, options_around, place_of_signature

option = st.one_of(
    st.just(b"\x01"),
    st.builds(
        lambda kind, body, lie: bytes((kind, (2 + len(body) + lie) & 0xFF)) + body,
        st.sampled_from([2, 3, 4, 5, 8, 19, 28, 29, 34, 253, 254]),
        st.binary(max_size=20),
        st.sampled_from([0, 0, 0, 0, -1, 1, 200]),
    ),
)
lists = st.lists(option, max_size=4).map(lambda parts: b"".join(parts)[:40])


def padded(options: bytes) -> bytes:
    return options + bytes(-len(options) % 4)


def keyed(peer: str, ao: bool) -> Config:
    address = pack_address(peer)
    if ao:
        return STRICT.replace(ao_keys=(AoKey(address, b"k", 1, 1), AoKey(address, b"l", 2, 2)))
    return STRICT.replace(md5_keys=(Md5Key(address, b"k"),))


@given(
    st.booleans(),
    st.lists(
        st.tuples(lists, st.integers(0, 0x3F), st.integers(0, 2**32 - 1), st.booleans()),
        max_size=12,
    ),
)
def test_forged_signatures_do_nothing(
    ao: bool, segments: list[tuple[bytes, int, int, bool]]
) -> None:
    """To a connection, to its listener, to a closed port."""
    world = TwoStacks(keyed(RIGHT, ao), keyed(LEFT, ao))
    left, right, _ = world.connect()
    before = (right.state, right.tcb.rcv.nxt, right.tcb.snd.una, right.tcb.snd.max)
    for options, flags, seq, to_it in segments:
        port = left.local.port if to_it else 4000
        seq = right.tcb.rcv.nxt if to_it and seq & 1 else seq
        forged = Segment(port, 80, seq, right.tcb.snd.nxt, flags, 1000, 0, padded(options))
        assert world.right.packet_arrives(carried(forged), world.now) is not None
        assert world.right.next_packet(world.now) is None
    assert (right.state, right.tcb.rcv.nxt, right.tcb.snd.una, right.tcb.snd.max) == before
    assert len(world.right.connections()) == 1
    signer = world.right.signer_of(right)
    if isinstance(signer, AoSigner):
        assert len(signer.traffic) <= MOST_TRAFFIC_KEYS


@example(b"\x02\x02\x05\x02", b"\x13\x12" + bytes(16), True)
@given(lists, st.sampled_from([b"\x13\x12" + bytes(16), b"\x1d\x10" + bytes(14)]), st.booleans())
def test_an_option_always_finds_its_place(listed: bytes, signature: bytes, last: bool) -> None:
    """In at most forty octets, whole words, wherever the list before it stops making sense."""
    whole, at = options_around(padded(listed), signature, last)
    assert len(whole) <= 40 and len(whole) % 4 == 0
    assert whole[at : at + len(signature)] == signature
    if b"\x13" not in listed and b"\x1d" not in listed:
        assert place_of_signature(whole) in (at, -1)
