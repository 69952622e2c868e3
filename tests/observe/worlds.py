"""Captures whose truth is known: two hosts talk in virtual time, and somebody listens."""

import io
from pathlib import Path
from random import Random

from lastack.link.memory import Passage
from lastack.sim.pair import TwoHosts
from lastack.tcp.events import StateChanged
from lastack.tcp.states import Cause, State, transition
from lastack.units import NEVER, SECOND
from lastack.wire.capture import CaptureWriter
from lastack.wire.segment import FIN

EPOCH = 1_700_000_000 * SECOND

Step = tuple[State, Cause, State]


class Tapped(TwoHosts):
    """Two hosts with a listener at one of them, or half way."""

    def __init__(self, seed: int, *args: object, **more: object) -> None:
        self.passages: list[Passage] = []
        super().__init__(seed, *args, **more)  # type: ignore[arg-type]

    def _crosses(self, passage: Passage) -> None:
        self.passages.append(passage)
        super()._crosses(passage)

    def captured(self, where: str) -> list[tuple[int, Passage]]:
        """What is seen at the `left` or `right` host, in the order of the capture."""
        seen = []
        for order, passage in enumerate(self.passages):
            mine = (where == "left") == passage.from_a
            if (not mine and passage.lost) or (mine and passage.copy):
                continue
            time = passage.sent_at if mine else passage.arrives_at
            seen.append((time, order, passage))
        return [(time, passage) for time, _, passage in sorted(seen, key=lambda one: one[:2])]

    def octets(self, where: str) -> list[tuple[int, bytes]]:
        """The same as octets, with the time of each packet."""
        return [
            (time, (one.packet if one.from_a != (where == "left") else one.intact).to_bytes())
            for time, one in self.captured(where)
        ]

    def capture(self, where: str) -> bytes:
        """The same as a pcapng file."""
        file = io.BytesIO()
        writer = CaptureWriter(file)
        for time, data in self.octets(where):
            writer.write(data, EPOCH + time)
        writer.flush()
        return file.getvalue()

    def causes(self, left: bool) -> list[tuple[float, Cause]]:
        """What moved one host's connection, and when, as far as a capture can show it.

        CLOSE is when FIN goes out (half a nanosecond behind, for what came at the same time comes
        before): a user who closes while octets are queued moves the state before anything of it
        can be seen. The end of TIME-WAIT and LISTEN leave no trace.
        """
        fins = [
            crossing.sent_at
            for crossing in self.crossings
            if crossing.segment is not None
            and crossing.to_right == left
            and crossing.segment.flags & FIN
        ]
        causes = [
            (min(fins) + 0.5 if event.cause is Cause.CLOSE and fins else event.time, event.cause)
            for on_left, event in self.events
            if on_left == left
            and isinstance(event, StateChanged)
            and event.cause not in (Cause.TIME_WAIT_OVER, Cause.PASSIVE_OPEN)
            and (event.state, event.to) != (State.LISTEN, State.CLOSED)
        ]
        return sorted(causes, key=lambda one: one[0])

    def truth(self, left: bool, until: float = NEVER) -> list[Step]:
        """The steps of one host's connection as a capture can show them, up to a time."""
        causes = self.causes(left)
        opens = any(cause is Cause.ACTIVE_OPEN for _, cause in causes)
        state, steps = State.CLOSED if opens else State.LISTEN, []
        for time, cause in causes:
            if time > until:
                break
            row = transition(state, cause)
            assert row is not None, f"{state} has no row for {cause}"
            steps.append((state, cause, row.to))
            state = row.to
        return steps


def chance_world(seed: int, **more: object) -> Tapped:
    """A pair of hosts on a path of the seed's own quality."""
    random = Random(seed)
    return Tapped(
        seed,
        loss=random.choice((0.0, 0.0, 0.05, 0.15)),
        reorder=random.choice((0.0, 0.0, 0.05)),
        duplicate=random.choice((0.0, 0.0, 0.05)),
        delay=random.choice((1, 20, 100)) * 1_000_000,
        **more,
    )


def written(folder: Path, name: str, data: bytes) -> Path:
    """Put a capture into a folder."""
    path = folder / name
    path.write_bytes(data)
    return path
