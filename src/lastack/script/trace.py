"""What happened in a script's run: every segment, call and state, in the script's numbers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from lastack.script.flow import Flow
from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.wire.segment import Segment
from lastack.wire.stop import Stop

StateOf = Callable[[int, int], State | None]


@dataclass
class Move:
    """One thing that happened at `time`: a packet to the subject (`inbound`), one of its own, or
    (None) something without a packet. `state` is the connection's after it, None where unknown;
    `stop` is why the packet went no further.
    """

    time: int
    inbound: bool | None
    text: str
    state: State | None = None
    stop: Stop | None = None

    def __str__(self) -> str:
        mark = "" if self.inbound is None else "< " if self.inbound else "> "
        end = f"   [{self.stop.name}]" if self.stop is not None else ""
        return f"{seconds(self.time)} {mark}{self.text}{end}"


class Trace(Sequence[str]):
    """The moves of a run, a line each. `rule` is what the RFC had the stack do last."""

    def __init__(self, moves: Sequence[Move] = (), rule: str = "") -> None:
        self.moves = list(moves)
        self.rule = rule

    def __len__(self) -> int:
        return len(self.moves)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [str(move) for move in self.moves[index]]
        return str(self.moves[index])

    def __iter__(self) -> Iterator[str]:
        return map(str, self.moves)


class Journal:
    """Keeps the moves while they happen.

    Segments are put into the script's numbers at the end only: the ISNs are learnt on the way.
    """

    def __init__(self, state_of: StateOf) -> None:
        self._state_of = state_of
        self._moves: list[tuple[Move, Flow | None, Segment | None]] = []

    def note(
        self, time: int, inbound: bool | None, text: str, flow: Flow | None, segment: Segment | None
    ) -> Move:
        """Note that something has happened; an inbound segment's `state` is still to be had."""
        move = Move(time, inbound, text)
        self._moves.append((move, flow, segment))
        self.settled(move, flow)
        return move

    def settled(self, move: Move, flow: Flow | None, stop: Stop | None = None) -> None:
        """What a move has led to: the state of the connection, and why it went no further."""
        if flow is not None:
            move.state = self._state_of(flow.local_port, flow.remote_port)
        move.stop = stop

    def trace(self, rule: str) -> Trace:
        """Return what has happened up to now."""
        for move, flow, segment in self._moves:
            if segment is not None:
                shown = repr(segment) if flow is None else flow.show(segment, bool(move.inbound))
                move.text = shown
        return Trace([move for move, _, _ in self._moves], rule)


def seconds(time: int) -> str:
    """Return nanoseconds as a script has them."""
    return f"{time / SECOND:.6f}"
