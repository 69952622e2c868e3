"""TCP-AO's algorithms against the vectors of RFC 9235, all thirty-two, and what is theirs alone."""

import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.rfc9235 import (
    CLIENT,
    CLIENT_ID,
    PAYLOADS,
    SCENARIOS,
    SECRET,
    SERVER,
    SERVER_ID,
    Scenario,
)

from lastack.wire.address import Endpoint, pack_address
from lastack.wire.ao import (
    AES_CMAC,
    AoKey,
    AoSigner,
    aes_cmac,
    ao_keys_for,
    code_of,
    extended,
    message_of,
    traffic_key,
)
from lastack.wire.segment import ACK, SYN, Segment, decode_segment
from lastack.wire.stop import Stop

HERE = Endpoint(pack_address("10.0.0.1"), 1000)
THERE = Endpoint(pack_address("10.0.0.2"), 2000)
NAMES = [f"{section}.{index + 1}" for section, _, _, _, _ in SCENARIOS for index in range(4)]
VECTORS = [(scenario, index) for scenario in SCENARIOS for index in range(4)]
pytest.importorskip("cryptography", reason="the extra `ao` is not installed")


def whole(version: int, index: int, header: bytes) -> bytes:
    return header + (PAYLOADS[version, index == 2] if index >= 2 else b"")


def segment_of(data: bytes) -> Segment:
    found = decode_segment(data, 0, len(data))
    assert isinstance(found, Segment)
    return found


@pytest.mark.parametrize(("scenario", "index"), VECTORS, ids=NAMES)
def test_a_vector_of_rfc_9235(scenario: Scenario, index: int) -> None:
    """Traffic key and code, by the client's ISN and the server's (0 for a SYN)."""
    _, version, algorithm, covers_options, segments = scenario
    source, destination = pack_address(CLIENT[version]), pack_address(SERVER[version])
    isns = [segment_of(segments[i][0]).seq for i in (0, 1)]
    if index == 0:
        isns[1] = 0
    if index % 2:
        source, destination = destination, source
        isns.reverse()
    header, key = segments[index]
    data = whole(version, index, header)
    segment = segment_of(data)
    context = source + destination
    context += struct.pack("!HHII", segment.source_port, segment.destination_port, *isns)
    derived = traffic_key(algorithm, SECRET, context)
    assert derived == key
    message = message_of(source, destination, segment, 0, covers_options)
    at = segment.options.index(b"\x1d\x10")
    assert code_of(algorithm, derived, message) == segment.options[at + 4 : at + 16]
    ids = (CLIENT_ID, SERVER_ID) if index % 2 == 0 else (SERVER_ID, CLIENT_ID)
    assert tuple(segment.options[at + 2 : at + 4]) == ids


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario[0] for scenario in SCENARIOS])
def test_the_other_end_believes_every_segment_of_rfc_9235(scenario: Scenario) -> None:
    """In order, each checked by the end that it was sent to; no bit of it may differ."""
    _, version, algorithm, covers_options, segments = scenario
    parts = [segment_of(whole(version, i, segments[i][0])) for i in range(4)]
    client = Endpoint(pack_address(CLIENT[version]), parts[0].source_port)
    server = Endpoint(pack_address(SERVER[version]), 179)

    def signer(local: Endpoint, remote: Endpoint, ids: tuple[int, int], isn: int) -> AoSigner:
        key = AoKey(remote.address, SECRET, *ids, algorithm, covers_options=covers_options)
        return AoSigner(local, remote, (key,), isn, True)

    ends = (
        signer(client, server, (CLIENT_ID, SERVER_ID), parts[0].seq),
        signer(server, client, (SERVER_ID, CLIENT_ID), parts[1].seq),
    )
    for index, segment in enumerate(parts):
        receiver = ends[1 - index % 2]
        segment.window ^= 1
        assert receiver.check(segment) is Stop.AO_WRONG
        segment.window ^= 1
        assert receiver.check(segment) is None, index


def test_aes_cmac_is_that_of_rfc_4493() -> None:
    """Its examples 1 and 2."""
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    assert aes_cmac(key, b"").hex() == "bb1d6929e95937287fa37d129b756746"
    message = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    assert aes_cmac(key, message).hex() == "070a16b46b4d4144f79bdd9dd04a287c"


@given(st.integers(0, 2**40), st.integers(-(2**31) + 1, 2**31 - 1))
def test_the_extension_follows_numbers_around(near: int, offset: int) -> None:
    """Within half the sequence space of what is known, every number finds its place."""
    number = near + offset
    assert extended(number & 0xFFFFFFFF, near) == number


def pair(seed: int = 1, secret: bytes = b"secret") -> tuple[AoSigner, AoSigner]:
    """Two ends that have shaken hands, a few octets before the numbers begin again."""
    left = AoSigner(HERE, THERE, (AoKey(THERE.address, secret, 1, 2),), 0xFFFFF000, False)
    right = AoSigner(THERE, HERE, (AoKey(HERE.address, secret, 2, 1),), 0xFFFFFF00, False)
    syn = Segment(1000, 2000, left.iss, 0, SYN, 1)
    left.sign(syn)
    assert right.check(syn) is None
    answer = Segment(2000, 1000, right.iss, (left.iss + 1) & 0xFFFFFFFF, SYN | ACK, 1)
    right.sign(answer)
    assert left.check(answer) is None
    return left, right


def test_a_code_is_not_good_again_once_the_numbers_have_gone_around() -> None:
    """The same segment, 2**32 octets later, has another code (RFC 5925 6.2)."""
    left, right = pair()
    first = Segment(1000, 2000, 0x10, 1, ACK, 1)
    left.sign(first)
    assert right.check(first) is None
    for seq in (0x70000000, 0xE0000000, 0x10):
        again = Segment(1000, 2000, seq, 1, ACK, 1)
        left.sign(again)
        assert right.check(again) is None
    assert again.options != first.options
    assert right.check(first) is Stop.AO_WRONG


def test_order_does_not_matter_to_the_extension() -> None:
    """Segments around the turn, in any order, are all believed."""
    left, right = pair()
    segments = []
    for step in range(400):
        segment = Segment(1000, 2000, (left.iss + 1 + 40 * step) & 0xFFFFFFFF, 1, ACK, 1)
        left.sign(segment)
        segments.append(segment)
    Random(3).shuffle(segments)
    assert all(right.check(segment) is None for segment in segments)


def test_what_is_wrong_has_a_name() -> None:
    """No option, an unknown KeyID, a bad length, a bad code."""
    left, right = pair()
    bare = Segment(1000, 2000, left.iss + 1, 1, ACK, 1)
    assert right.check(bare) is Stop.AO_MISSING
    for option, stop in (
        (bytes((29, 16, 9, 2)) + bytes(12), Stop.AO_UNKNOWN_KEY),
        (bytes((29, 16, 1, 2)) + bytes(12), Stop.AO_WRONG),
        (bytes((29, 12, 1, 2)) + bytes(8), Stop.AO_WRONG),
        (bytes((29, 4, 1, 2)), Stop.AO_WRONG),
        (bytes((19, 18)) + bytes(18), Stop.AO_MISSING),
    ):
        forged = Segment(1000, 2000, left.iss + 1, 1, ACK, 1, 0, option)
        assert right.check(forged) is stop


def test_keys_are_chosen_by_peer_and_never_shown() -> None:
    """And they are what they must be."""
    keys = (
        AoKey(HERE.address, b"hidden", 1, 1),
        AoKey(bytes(4), b"hidden", 2, 2, AES_CMAC, prefix_length=0),
        AoKey(THERE.address, b"hidden", 3, 3),
    )
    assert [key.send_id for key in ao_keys_for(keys, HERE.address)] == [1, 2]
    assert "hidden" not in repr(keys)
    with pytest.raises(ValueError, match="is not one of"):
        AoKey(HERE.address, b"", 1, 1, "rot13")
    with pytest.raises(ValueError, match="0 to 255"):
        AoKey(HERE.address, b"", 256, 1)
