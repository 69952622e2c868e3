"""The states of both ends, inferred from a capture, against the two stacks' own event log."""

import io
from random import Random

import pytest
from tests.observe.worlds import Step, Tapped, chance_world

from lastack.observe.core.ends import End, Evidence, states_in
from lastack.observe.core.flow import Flow
from lastack.observe.core.scan import Scanner
from lastack.sim.talk import Conversation
from lastack.wire.batches import BatchReader
from lastack.wire.segment import FIN, RST, SYN


def observed(capture: bytes) -> Flow:
    scanner = Scanner()
    for batch in BatchReader(io.BytesIO(capture)).batches():
        scanner.batch(batch)
    flows = set(scanner.flows.values())
    assert len(flows) == 1 and not scanner.finished
    return flows.pop()


def steps_of(end: End) -> list[Step]:
    steps = []
    for change in end.changes:
        if change.evidence is not Evidence.REFUTED:
            (before,), (after,) = states_in(change.before), states_in(change.after)
            steps.append((before, change.cause, after))
    return steps


def allows(world: Tapped, where: str) -> bool:
    """Whether the capture shows each end's first SYN and first FIN and no reset."""
    for from_a in (True, False):
        mine = [p for p in world.passages if p.from_a == from_a]
        seen = [p for _, p in world.captured(where) if p.from_a == from_a]
        for flag in (SYN, FIN):
            first = next((p for p in mine if flags_of(p) & flag), None)
            if first is None or (first.lost and first not in seen):
                return False
        if any(flags_of(p) & RST or p.held_back for p in mine):
            return False
    return True


def flags_of(passage: object) -> int:
    packet = passage.intact  # type: ignore[attr-defined]
    data = packet.to_bytes()
    return int(data[(data[0] & 15) * 4 + 13])


def converse(seed: int) -> Tapped:
    random = Random(seed)
    world = chance_world(seed)
    talk = Conversation(
        world,
        bytes(random.randrange(30_000)),
        bytes(random.randrange(30_000)),
        left_closes_first=random.random() < 0.7,
        right_closes_first=random.random() < 0.4,
        simultaneous=random.random() < 0.15,
    )
    talk.run()
    return world


@pytest.mark.parametrize("where", ["left", "right"])
def test_both_ends_went_the_way_that_their_stacks_say(where: str) -> None:
    """States of both ends, exact where the capture allows, under loss, reordering, duplication."""
    looked_at = 0
    for seed in range(150):
        world = converse(seed)
        if not allows(world, where):
            continue
        looked_at += 1
        flow = observed(world.capture(where))
        first_is_left = world.captured(where)[0][1].from_a
        left, right = (flow.a, flow.b) if first_is_left else (flow.b, flow.a)
        assert steps_of(left) == world.truth(True), f"left, seed {seed}\n{world.story()}"
        assert steps_of(right) == world.truth(False), f"right, seed {seed}\n{world.story()}"
    assert looked_at > 60
