"""The picture of the state machine, drawn from the transition table, as text and as SVG.

`arrows()` joins `tcp.states.LIFE` with the places of `machine_layout`; both forms draw what it
returns. The usual life of a client and of a server stand out; the sudden ends (a reset, ABORT, a
time-out: all lead to CLOSED) are summed up below, from the rest of the table.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size

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
from lastack.view.machine_words import CAUSES, PICTURE, section_words
from lastack.view.wrap import wrapped


class Arrow(NamedTuple):
    """One row of the table with its place; `side` is "client", "server" or ""."""

    row: Row
    route: Route
    side: str

    def label(self, language: str = "en") -> tuple[str, ...]:
        """Return the parts of the label: cause, what is sent, section."""
        parts = [CAUSES[language][self.row.cause]]
        if self.route.sends:
            parts.append(f"{PICTURE[language]['send']} {self.route.sends}")
        parts.append(f"§{section_words(self.row.section, language)}")
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


def ends(language: str = "en") -> list[End]:
    """Return what leads to CLOSED suddenly: the rows of the table outside LIFE, by cause."""
    said = PICTURE[language]
    by_cause: dict[Cause, list[Row]] = {}
    for row in ROWS[len(LIFE) :]:
        by_cause.setdefault(row.cause, []).append(row)
    found = []
    for cause, rows in by_cause.items():
        states = {row.state for row in rows}
        missing = [state for state in State if state not in states and state != State.CLOSED]
        if not missing:
            words = said["every"]
        elif len(missing) <= 5:
            words = said["every_but"].format(states=said[", "].join(map(str, missing)))
        else:
            words = said[", "].join(str(state) for state in State if state in states)
        sections = list(dict.fromkeys(row.section.split()[0] for row in rows))
        found.append(End(cause, words, ", ".join(sections)))
    return found


def state_label(state: State, names: str = "rfc") -> str:
    """Return the state's name in the spelling `rfc` or `linux`."""
    return linux_name(state) if names == "linux" else str(state)


_WEIGHTS: Final = {"client": HEAVY, "server": DOUBLE, "": LIGHT}


def machine_text(
    state_counts: Mapping[State, int] | None = None,
    ascii_only: bool = False,
    names: str = "rfc",
    language: str = "en",
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
        parts = arrow.label(language)
        for i, part in enumerate(parts if arrow.route.lines else (" · ".join(parts),)):
            left = x if arrow.route.align == "left" else x - cell_len(part) + 1
            canvas.write(left, y + i, part)
    said = PICTURE[language]
    for i, (weight, key) in enumerate(((HEAVY, "client"), (DOUBLE, "server"), (LIGHT, "rest"))):
        canvas.line(((1, i + 1), (5, i + 1)), weight)
        canvas.write(8, i + 1, said[key])
    canvas.write(1, 5, said["section_ascii" if ascii_only else "section"])
    text = canvas.text(ascii_only) + "\n\n" + "\n".join(_end_lines(language)) + "\n"
    return text.replace("(§", "(").replace("§", " ").replace("·", "/") if ascii_only else text


def _end_lines(language: str) -> list[str]:
    causes, found = CAUSES[language], ends(language)
    width = max(cell_len(causes[end.cause]) for end in found)
    lines = [f" {PICTURE[language]['ends']}"]
    for end in found:
        head = f"   {set_cell_size(causes[end.cause], width)}  "
        for line in wrapped(f"{end.states}  (§{end.section})", WIDTH - cell_len(head)).split("\n"):
            lines.append(head + line)
            head = " " * cell_len(head)
    return lines
