"""What became of a connection, for each thing that can: the stacks know, the observer must find."""

import io

import pytest
from tests.observe.scenarios import SCENES, Scene
from tests.observe.test_states import steps_of
from tests.observe.worlds import EPOCH

from lastack.observe import Observer
from lastack.observe.core.ends import (
    CLOSED,
    ESTABLISHED,
    SYN_SENT,
    SYNCHRONIZED,
    TIME_WAIT,
    Evidence,
    bit,
)
from lastack.observe.core.flow import Flow
from lastack.observe.core.moves import TWO_MSL
from lastack.observe.core.verdicts import Handshake, Teardown, verdict_on
from lastack.tcp.events import StateChanged
from lastack.tcp.states import Cause
from lastack.units import SECOND
from lastack.wire.batches import BatchReader
from lastack.wire.capture import CaptureWriter

CASES = [(name, where) for name, scene in SCENES.items() for where in scene.where]


def first_flow(name: str, where: str, scene: Scene) -> tuple[Flow, bool]:
    """The first connection of what is captured of a scene, and whether its `a` is the left end."""
    file = io.BytesIO()
    writer = CaptureWriter(file)
    first: bool | None = None
    for number, (time, passage) in enumerate(scene.captured(where)):
        if SCENES[name].seen(number, passage):
            first = passage.from_a if first is None else first
            writer.write(passage.intact.to_bytes(), EPOCH + time)
    writer.flush()
    observer = Observer()
    for batch in BatchReader(io.BytesIO(file.getvalue())).batches():
        observer.batch_seen(batch)
    observer.time_passed(EPOCH + scene.now)
    assert first is not None
    return observer.close()[0], first


@pytest.mark.parametrize(("name", "where"), CASES)
def test_what_became_of_it_is_told(name: str, where: str) -> None:
    """The verdict, who did it and in which state; and the steps of both ends, where it can."""
    expected = SCENES[name]
    scene = expected.play()
    flow, a_is_left = first_flow(name, where, scene)
    verdict = verdict_on(flow)
    told = scene.story()
    assert verdict.handshake is expected.handshake, told
    assert verdict.teardown is expected.teardown, told
    assert tuple(verdict.also) == expected.also, told
    if expected.left is not None:
        assert verdict.by_a == (expected.left == a_is_left), told
    if expected.state is not None:
        assert verdict.state == bit(expected.state), told
    if expected.exact:
        left, right = (flow.a, flow.b) if a_is_left else (flow.b, flow.a)
        assert steps_of(left) == scene.truth(True), told
        assert steps_of(right) == scene.truth(False), told


def test_there_are_enough_scenes() -> None:
    """One for each verdict at least."""
    assert len(SCENES) >= 25


def test_an_end_that_gives_up_its_probes_has_been_told_to_by_a_timer() -> None:
    """The cause is the stack's own, the evidence the clock."""
    scene = SCENES["keep-alive failed"].play()
    flow, _ = first_flow("keep-alive failed", "left", scene)
    last = flow.a.changes[-1]
    assert scene.truth(True)[-1] == steps_of(flow.a)[-1]
    assert (last.cause, last.evidence) == (Cause.KEEPALIVE_FAILED, Evidence.TIMER)


def test_time_wait_ends_when_the_capture_goes_on_for_2_msl() -> None:
    """RFC 9293 3.4.1; the stack says when, and what ends sooner stays in TIME-WAIT."""
    scene = SCENES["normal"].play()
    scene.passes(500 * SECOND)
    (over,) = [event.time for _, event in scene.events if _is_over(event)]
    for silence, states in ((239 * SECOND, TIME_WAIT), (240 * SECOND, CLOSED)):
        observer = Observer(linger=TWO_MSL)
        for time, data in scene.octets("left"):
            observer.packet_seen(EPOCH + time, data)
            last = EPOCH + time
        observer.time_passed(last + silence)
        observer.batch_ended(last + silence)
        (flow,) = observer.take_finished() or observer.close()
        assert flow.a.states == states
    change = flow.a.changes[-1]
    assert (change.cause, change.evidence) == (Cause.TIME_WAIT_OVER, Evidence.TIMER)
    assert change.time - EPOCH == over


def test_who_refuses_a_syn_has_nobody_listening() -> None:
    """RFC 9293 3.10.7.1: the reset comes from CLOSED."""
    flow, _ = first_flow("refused", "left", SCENES["refused"].play())
    assert (flow.b.start, flow.b.states) == (CLOSED, CLOSED)


def test_who_resets_a_wrong_answer_to_its_syn_goes_on_asking() -> None:
    """RFC 9293 3.10.7.3 first, 3.5.1: the end that answered so was connected; then a new one is."""
    name = "half-open discovered, its past unseen"
    scene = SCENES[name].play()
    asked, _ = first_flow(name, "left", scene)
    assert (asked.a.states, asked.b.start, asked.b.states) == (SYN_SENT, SYNCHRONIZED, CLOSED)
    scene.passes(3 * SECOND)
    flow, _ = first_flow(name, "left", scene)
    verdict = verdict_on(flow)
    assert (verdict.handshake, verdict.teardown) == (Handshake.COMPLETE, Teardown.OPEN)
    assert (flow.a.states, flow.b.states) == (ESTABLISHED, ESTABLISHED)
    assert steps_of(flow.a) == scene.truth(True)[-2:]
    causes = [change.cause for change in flow.b.changes]
    assert causes == [Cause.RESET, Cause.PASSIVE_OPEN, Cause.SYN, Cause.ACK_OF_SYN]


def _is_over(event: object) -> bool:
    return isinstance(event, StateChanged) and event.cause is Cause.TIME_WAIT_OVER
