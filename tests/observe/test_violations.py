"""What a peer does that an RFC forbids is named with its section; what is allowed never is."""

import struct

import pytest
from tests.observe.worlds import chance_world

from lastack.observe.core.scan import Scanner
from lastack.observe.core.violations import MOST_KEPT, Rule, Violations, rules_in
from lastack.sim.talk import Conversation

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))


def looked_at(*segments: tuple[bool, int, int, int, int, bytes]) -> Violations:
    """Segments as (from a, flags, seq, ack, octets of text, options)."""
    scanner = Scanner()
    scan(scanner, *segments)
    return scanner.violations


def scan(scanner: Scanner, *segments: tuple[bool, int, int, int, int, bytes]) -> None:
    for i, (from_a, flags, seq, ack, length, options) in enumerate(segments):
        ports = (1000, 80) if from_a else (80, 1000)
        addresses = A + B if from_a else B + A
        offset = (20 + len(options)) << 2
        tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, offset, flags, 100, 0, 0) + options
        size = 20 + len(tcp) + length
        head = struct.pack("!BBHHHBBH", 0x45, 0, size, 1, 0, 64, 6, 0) + addresses
        packet = head + tcp + bytes(length)
        scanner.packet(packet, 0, len(packet), 101, i * 1000)


def stamp(value: int) -> bytes:
    return b"\1\1\x08\x0a" + struct.pack("!II", value, 0)


OPEN = ((True, 2, 0, 0, 0, b""), (False, 0x12, 0, 1, 0, b""), (True, 0x10, 1, 1, 0, b""))
BROKEN = {
    Rule.NO_ACK_FLAG: (*OPEN, (True, 0, 1, 0, 5, b"")),
    Rule.WRONG_ACK_OF_SYN: (OPEN[0], (False, 0x12, 0, 7, 0, b"")),
    Rule.TEXT_AFTER_FIN: (*OPEN, (True, 0x11, 1, 1, 0, b""), (True, 0x10, 2, 1, 4, b"")),
    Rule.SCALE_TOO_LARGE: ((True, 2, 0, 0, 0, b"\1\3\3\x0f"),),
    Rule.SCALE_UNASKED: (OPEN[0], (False, 0x12, 0, 1, 0, b"\1\3\3\7")),
    Rule.TIMESTAMP_BACK: (
        *OPEN,
        (True, 0x10, 1, 1, 4, stamp(500)),
        (True, 0x10, 5, 1, 4, stamp(400)),
    ),
    Rule.FIN_WITH_SYN: ((True, 3, 0, 0, 0, b""),),
}


@pytest.mark.parametrize("rule", Rule)
def test_a_broken_rule_is_named_with_its_section(rule: Rule) -> None:
    """One segment that breaks one rule."""
    found = looked_at(*BROKEN[rule]).found
    assert [one.rule for one in found] == [rule]
    assert found[0].packet == len(BROKEN[rule]) and rule.section.startswith("RFC ")


@pytest.mark.parametrize("rule", Rule)
def test_an_end_remembers_which_rules_it_broke(rule: Rule) -> None:
    """For the summary and the tables, however many connections there are."""
    scanner = Scanner()
    scan(scanner, *BROKEN[rule])
    (flow,) = set(scanner.flows.values())
    by_a = BROKEN[rule][-1][0]
    mine, other = (flow.a, flow.b) if by_a else (flow.b, flow.a)
    assert rules_in(int(mine.broken)) == [rule] and not other.broken


def test_what_is_kept_is_bounded() -> None:
    """All are counted, the first are kept."""
    looked = looked_at(*OPEN, *[(True, 0, 1, 0, 5, b"")] * 2000)
    assert looked.counts[Rule.NO_ACK_FLAG] == 2000
    assert len(looked.found) == MOST_KEPT


def test_our_own_stacks_break_none() -> None:
    """Loss, reordering, duplicates: nothing is said of those who keep the rules."""
    import io

    from lastack.wire.batches import BatchReader

    for seed in range(40):
        world = chance_world(seed)
        Conversation(world, bytes(9000), bytes(9000)).run()
        for where in ("left", "right"):
            scanner = Scanner()
            for batch in BatchReader(io.BytesIO(world.capture(where))).batches():
                scanner.batch(batch)
            assert not scanner.violations.found, seed
