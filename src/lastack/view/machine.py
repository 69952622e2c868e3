"""The picture of the state machine, drawn from the transition table, as text and as SVG.

`arrows()` joins `tcp.states.LIFE` with the places of `machine_layout`; both forms draw what it
returns. The usual life of a client and of a server stand out; the sudden ends (a reset, ABORT, a
time-out: all lead to CLOSED) are summed up below, from the rest of the table.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from lastack.tcp.states import LIFE, ROWS, Cause, Row, State, linux_name, transition
from lastack.view.canvas import DOUBLE, HEAVY, LIGHT, Canvas
from lastack.view.machine_layout import (
    BOX_HEIGHT,
    BOX_WIDTH,
    BOXES,
    CLIENT,
    HEIGHT,
    ROUTES,
    SERVER,
    WIDTH,
    Box,
    Route,
)

WORDS: Final[dict[Cause, str]] = {
    Cause.PASSIVE_OPEN: "passive OPEN",
    Cause.ACTIVE_OPEN: "active OPEN",
    Cause.CLOSE: "CLOSE",
    Cause.ABORT: "ABORT",
    Cause.SYN: "SYN",
    Cause.SYN_ACK: "SYN, ACK",
    Cause.ACK_OF_SYN: "ACK of SYN",
    Cause.FIN: "FIN",
    Cause.ACK_OF_FIN: "ACK of FIN",
    Cause.RESET: "RST",
    Cause.RESET_OF_PASSIVE: "RST, opened passively",
    Cause.RESET_OF_REOPENED: "RST, reopened",
    Cause.DATA_AFTER_CLOSE: "data for a user who has gone",
    Cause.TIME_WAIT_OVER: "2MSL over",
    Cause.RETRANSMISSIONS_EXHAUSTED: "R2 reached",
    Cause.USER_TIMEOUT: "user timeout",
    Cause.KEEPALIVE_FAILED: "keep-alive unanswered",
    Cause.FIN_WAIT_2_OVER: "limit, user gone",
    Cause.ICMP_HARD_ERROR: "ICMP hard error",
    Cause.INTERNAL: "our own mistake",
}
"""What an arrow says for each cause."""


class Arrow(NamedTuple):
    """One row of the table with its place; `side` is "client", "server" or ""."""

    row: Row
    route: Route
    side: str

    @property
    def label(self) -> tuple[str, ...]:
        """The parts of the label: cause, what is sent, section."""
        parts = [WORDS[self.row.cause]]
        if self.route.sends:
            parts.append(f"send {self.route.sends}")
        parts.append(f"§{self.row.section}")
        return tuple(parts)


class End(NamedTuple):
    """A sudden end: its cause, and the states that it ends, as words."""

    cause: Cause
    states: str
    section: str


def _life_of(causes: tuple[Cause, ...]) -> set[tuple[State, Cause]]:
    """Follow causes from CLOSED through the table; raises LookupError where it has no such row."""
    state = State.CLOSED
    passed = set()
    for cause in causes:
        row = transition(state, cause)
        if row is None:
            raise LookupError(f"the table has no row for {state} and {cause}")
        passed.add((state, cause))
        state = row.to
    return passed


def arrows(rows: tuple[Row, ...] = LIFE) -> list[Arrow]:
    """Return the arrows of the picture.

    Raises LookupError when a row has no place, a place has no row, or an arrow does not begin and
    end at the boxes of its row.
    """
    client, server = _life_of(CLIENT), _life_of(SERVER)
    found = []
    for row in rows:
        key = (row.state, row.cause)
        route = ROUTES.get(key)
        if route is None:
            raise LookupError(f"no place in the picture for {row.state}, {row.cause}")
        for point, state in ((route.points[0], row.state), (route.points[-1], row.to)):
            if not any(_touches(box, point) for box in BOXES if box.state is state):
                raise LookupError(f"the arrow of {row.state}, {row.cause} misses {state}")
        side = "client" if key in client else "server" if key in server else ""
        found.append(Arrow(row, route, side))
    unused = set(ROUTES) - {(row.state, row.cause) for row in rows}
    if unused:
        raise LookupError(f"places without a row: {sorted(unused)}")
    return found


def _touches(box: Box, point: tuple[int, int]) -> bool:
    x, y = point
    beside = x in (box.x - 1, box.x + BOX_WIDTH) and box.y < y < box.y + BOX_HEIGHT - 1
    above = y in (box.y - 1, box.y + BOX_HEIGHT) and box.x < x < box.x + BOX_WIDTH - 1
    return beside or above


def ends() -> list[End]:
    """Return what leads to CLOSED suddenly: the rows of the table outside LIFE, by cause."""
    by_cause: dict[Cause, list[Row]] = {}
    for row in ROWS[len(LIFE) :]:
        by_cause.setdefault(row.cause, []).append(row)
    found = []
    for cause, rows in by_cause.items():
        states = {row.state for row in rows}
        missing = [state for state in State if state not in states and state != State.CLOSED]
        if not missing:
            words = "every state"
        elif len(missing) <= 5:
            words = "every state but " + ", ".join(map(str, missing))
        else:
            words = ", ".join(str(state) for state in State if state in states)
        sections = list(dict.fromkeys(row.section.split()[0] for row in rows))
        found.append(End(cause, words, ", ".join(sections)))
    return found


def state_label(state: State, names: str = "rfc") -> str:
    """Return the state's name in the spelling `rfc` or `linux`."""
    return linux_name(state) if names == "linux" else str(state)


_WEIGHTS: Final = {"client": HEAVY, "server": DOUBLE, "": LIGHT}


def machine_text(
    state_counts: Mapping[State, int] | None = None, ascii_only: bool = False, names: str = "rfc"
) -> str:
    """Return the picture as text of at most 100 columns, ending in a newline.

    `state_counts` writes how many connections are in each state into the boxes.
    """
    canvas = Canvas(WIDTH, HEIGHT)
    for box in BOXES:
        canvas.box(box.x, box.y, BOX_WIDTH, BOX_HEIGHT)
        canvas.write(box.x + 1, box.y + 2, state_label(box.state, names).center(BOX_WIDTH - 2))
        count = (state_counts or {}).get(box.state, 0)
        if count and (box.state != State.CLOSED or box.y == 0):
            canvas.write(box.x + 1, box.y + 3, f"{count:,}".center(BOX_WIDTH - 2))
    for arrow in arrows():
        canvas.line(arrow.route.points, _WEIGHTS[arrow.side])
    for arrow in arrows():
        x, y = arrow.route.label
        parts = arrow.label if arrow.route.lines else (" · ".join(arrow.label),)
        for i, part in enumerate(parts):
            canvas.write(x if arrow.route.align == "left" else x - len(part) + 1, y + i, part)
    for i, (weight, words) in enumerate(
        ((HEAVY, "a client's usual life"), (DOUBLE, "a server's"), (LIGHT, "the rest"))
    ):
        canvas.line(((1, i + 1), (5, i + 1)), weight)
        canvas.write(8, i + 1, words)
    canvas.write(1, 5, "3.x: section of RFC 9293" if ascii_only else "§ section of RFC 9293")
    text = canvas.text(ascii_only) + "\n\n" + "\n".join(_end_lines()) + "\n"
    return text.replace("(§", "(").replace("§", " ").replace("·", "/") if ascii_only else text


def _end_lines() -> list[str]:
    found = ends()
    width = max(len(WORDS[end.cause]) for end in found)
    lines = [" Sudden ends, all to CLOSED:"]
    for end in found:
        head = f"   {WORDS[end.cause]:{width}}  "
        words = f"{end.states}  (§{end.section})"
        while len(head) + len(words) > WIDTH:
            cut = words.rindex(" ", 0, WIDTH - len(head) + 1)
            lines.append(head + words[:cut])
            head, words = " " * len(head), words[cut + 1 :]
        lines.append(head + words)
    return lines
