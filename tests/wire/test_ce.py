"""A router's mark: the ECN field says CE and the header's checksum still holds (RFC 3168 5)."""

from hypothesis import given
from hypothesis import strategies as st

from lastack.wire.ce import congestion_experienced
from lastack.wire.checksum import checksum


@given(head=st.binary(min_size=20, max_size=20), ecn=st.integers(0, 3), rest=st.binary(max_size=9))
def test_the_checksum_of_a_marked_ipv4_header_holds(head: bytes, ecn: int, rest: bytes) -> None:
    """RFC 1624: it changes by what the word changes; one that was wrong stays wrong."""
    plain = bytearray(head)
    plain[0] = 0x45
    plain[1] = plain[1] & 0xFC | ecn
    plain[10:12] = b"\0\0"
    plain[10:12] = checksum(bytes(plain)).to_bytes(2, "big")
    marked = congestion_experienced(bytes(plain) + rest)
    assert checksum(marked[:20]) == 0
    assert marked[1] == (plain[1] | 3 if ecn else plain[1])
    assert marked[20:] == rest and marked[2:10] == plain[2:10]


def test_ipv6_has_no_checksum_to_mind() -> None:
    """The field stands astride the first two octets' boundary: traffic class."""
    assert congestion_experienced(b"\x60\x20\0\0rest") == b"\x60\x30\0\0rest"
    assert congestion_experienced(b"\x60\x00\0\0rest") == b"\x60\x00\0\0rest"
