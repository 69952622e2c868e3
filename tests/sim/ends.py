"""What must hold when a world has come to rest."""

from random import Random

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation, Talker
from lastack.tcp.config import Config
from lastack.tcp.states import State
from lastack.units import NEVER

STRICT = Config(strict=True)


def octets(seed: int, count: int) -> bytes:
    """Return that many octets that do not repeat."""
    return Random(seed).randbytes(count)


def assert_delivered(conversation: Conversation) -> None:
    """Every octet came once and in order, and both users saw the end of the stream."""
    story = conversation.pair.story
    right = conversation.right
    assert right is not None, story(60)
    left = conversation.left
    assert (left.error, right.error) == (0, 0), story(60)
    assert bytes(right.received) == conversation.to_right, story(60)
    assert bytes(left.received) == conversation.to_left, story(60)
    assert left.heard_end and right.heard_end, story(60)


def assert_nothing_left(pair: TwoHosts) -> None:
    """Both ends are CLOSED, no timer runs, no table holds a connection, no octet counts."""
    assert pair.wire.in_flight == 0, pair.story(60)
    for stack in (pair.left, pair.right):
        assert stack.connections() == [], pair.story(60)
        assert stack.next_deadline() == NEVER, pair.story(60)
        assert stack.next_packet(pair.now) is None, pair.story(60)
        assert all(info.state is State.LISTEN for info in stack.infos()), pair.story(60)
        assert stack.memory.used == 0, pair.story(60)
    assert pair.quiet, pair.story(60)
    for listener in pair.right.listeners.all() + pair.left.listeners.all():
        assert not listener.children and not listener.waiting, pair.story(60)


def both(conversation: Conversation) -> tuple[Talker, Talker]:
    """Return the users of both ends."""
    assert conversation.right is not None, conversation.pair.story(60)
    return conversation.left, conversation.right


def states_entered(pair: TwoHosts, is_left: bool) -> list[State]:
    """Return the states that one host's connections went through, in order."""
    return [event.to for side, event in pair.events if side is is_left and hasattr(event, "to")]
