"""Reading TCP options, wherever they stand and whatever they are (RFC 9293 3.1, 3.2)."""

import pytest

from lastack.wire.segment import ABSENT, ACK, FIN, PSH, RST, SYN, URG, Segment, decode_segment


def read(options: str, flags: int = SYN) -> Segment:
    """Return what a segment with these options on the wire is read as."""
    raw = bytes.fromhex(options)
    raw += bytes(-len(raw) % 4)
    wire = Segment(1, 2, 3, 4, flags, 5, 0, raw).header()
    found = decode_segment(wire, 0, len(wire))
    assert isinstance(found, Segment)
    return found


def test_the_three_options_that_everybody_has() -> None:
    """3.1, MUST-4: End of Option List, No-Operation, Maximum Segment Size."""
    assert read("020405b4").mss == 1460
    assert read("01 01 01 020405b4 01").mss == 1460
    assert read("00 020405b4 000000").mss == ABSENT
    assert read("00 02 020405b4 0000").mss == ABSENT


@pytest.mark.parametrize("flags", [0, SYN, ACK, SYN | ACK, FIN | ACK, RST, PSH | ACK | URG])
def test_options_are_read_in_any_segment(flags: int) -> None:
    """3.1, MUST-5: not in SYNs alone."""
    found = read("0101 080a 00000007 00000008 0303 07 00", flags)
    assert (found.ts_val, found.ts_ecr, found.window_scale) == (7, 8, 7)


@pytest.mark.parametrize("before", ["", "01", "0101", "010101", "0303 07", "fd03 aa 01"])
def test_options_may_begin_at_any_octet(before: str) -> None:
    """3.2, MUST-64: nobody promises words."""
    found = read(f"{before} 020405b4 080a 00000007 00000008")
    assert (found.mss, found.ts_val, found.ts_ecr) == (1460, 7, 8)


def test_an_option_that_nobody_knows_has_a_length_to_pass_over_it_by() -> None:
    """3.1, MUST-68, MUST-6: what it holds is not read as an option."""
    for kind in (6, 19, 29, 30, 69, 172, 253, 255):
        found = read(f"{kind:02x}06 0204 0001 020405b4 {kind:02x}06 0204 0001")
        assert found.mss == 1460, kind
