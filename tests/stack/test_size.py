"""What a connection costs while nothing happens: the sizes of all objects that are its alone."""

import sys
from collections.abc import Iterator
from enum import Enum

import pytest
from two_stacks import RIGHT, TwoStacks, at

import lastack
from lastack.stack.stack import Stack
from lastack.tcp.config import preset
from lastack.tcp.connection import Connection
from lastack.units import SECOND

MOST_OF_A_CONNECTION = 2500
"""Octets, without what tables and allocators add: the bench sees some four hundred more."""
MOST_OF_AN_ENTRY = 400

pytestmark = pytest.mark.skipif(not lastack.COMPILED, reason="other objects have other sizes")


def parts_of(thing: object) -> Iterator[object]:
    """The objects that one holds; numbers, truths and tuples of them are part of it."""
    if isinstance(thing, (list, tuple, dict)):
        yield from thing
    if isinstance(thing, dict):
        yield from thing.values()
    if type(thing).__module__.startswith("lastack."):
        for kind in type(thing).__mro__:
            for name in getattr(kind, "__mypyc_attrs__", ()):
                part = getattr(thing, name, None)
                if type(part) is not tuple and not isinstance(part, (int, float, str, Enum)):
                    yield part


def below(thing: object) -> dict[int, object]:
    """All objects that can be reached from one, by identity."""
    found: dict[int, object] = {}
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if one is None or isinstance(one, (type, Stack)) or callable(one) or id(one) in found:
            continue
        found[id(one)] = one
        waiting.extend(parts_of(one))
    return found


def own(things: list[object]) -> tuple[int, str]:
    """The octets that the first has for itself alone, and of what they are."""
    shared = below(things[1]).keys() & below(things[2]).keys()
    mine = [one for key, one in below(things[0]).items() if key not in shared]
    sizes = sorted((sys.getsizeof(one), type(one).__name__) for one in mine)
    return sum(size for size, _ in sizes), str(sizes)


def used() -> tuple[TwoStacks, list[Connection]]:
    """Our ends of three connections, each of which has carried a request and its answer."""
    config = preset("linux").replace(strict=True)
    both = TwoStacks(config, config)
    listener = both.right.listen(at(RIGHT, 80), 10)
    ends: list[Connection] = []
    for _ in range(3):
        left = both.left.connect(at(RIGHT, 80), both.now)
        both.run()
        right = listener.accept()
        assert right is not None
        both.send(both.left, left, bytes(64))
        assert len(right.receive(100, both.now)) == 64
        both.send(both.right, right, bytes(64))
        assert len(left.receive(100, both.now)) == 64
        ends.append(left)
    both.run_until(both.now + 60 * SECOND)
    for stack in (both.left, both.right):
        stack.take_noticed()
        stack.take_events()
    return both, ends


def test_an_idle_connection_is_small() -> None:
    """Preset linux: what is needed only now and then is not there while nothing happens."""
    both, _ = used()
    for stack in (both.left, both.right):
        octets, what = own(list(stack.demux.slots.values()))
        assert octets <= MOST_OF_A_CONNECTION, what


def test_what_waits_in_time_wait_is_smaller() -> None:
    """An entry of the table instead of the connection (RFC 9293 3.6.1)."""
    both, ends = used()
    slots = list(both.right.demux.slots.values())
    for left, slot in zip(ends, slots, strict=True):
        both.close(both.left, left)
        both.close(both.right, slot.connection)
    entries = both.left.time_waits()
    assert len(entries) == 3
    octets, what = own(list(entries))
    assert octets <= MOST_OF_AN_ENTRY, what
