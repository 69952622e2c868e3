"""Where the picture of the machine puts its boxes, arrows and labels, on a grid of characters.

Only places stand here. Which arrows exist, from where to where and why comes from `tcp.states`; a
row of the table that has no place here, or a place that no row asks for, is an error of this module
and is raised as such. The text form uses the grid as it is, the SVG form scales it.
"""

from typing import Final, NamedTuple

from lastack.tcp.states import Cause, State

_S = State
_C = Cause

WIDTH: Final = 100
HEIGHT: Final = 62
BOX_WIDTH: Final = 18
BOX_HEIGHT: Final = 5

Point = tuple[int, int]


class Box(NamedTuple):
    """A state's box: its upper left corner. CLOSED has three: life begins and ends there."""

    state: State
    x: int
    y: int


class Route(NamedTuple):
    """The way of one arrow (its points, the last at the head) and where its label stands.

    `align` is "left" (the label begins at the anchor) or "right" (it ends there); `lines` says
    whether the label's parts stand below each other or behind each other; `sends` is the segment
    that goes out with the move.
    """

    points: tuple[Point, ...]
    label: Point
    align: str
    lines: bool
    sends: str = ""


_LEFT, _MIDDLE, _RIGHT = 6, 41, 78

BOXES: Final[tuple[Box, ...]] = (
    Box(_S.CLOSED, _MIDDLE, 0),
    Box(_S.LISTEN, _MIDDLE, 9),
    Box(_S.SYN_RECEIVED, _LEFT, 18),
    Box(_S.SYN_SENT, _RIGHT, 18),
    Box(_S.ESTABLISHED, _MIDDLE, 26),
    Box(_S.FIN_WAIT_1, _LEFT, 34),
    Box(_S.CLOSE_WAIT, _RIGHT, 34),
    Box(_S.FIN_WAIT_2, _LEFT, 43),
    Box(_S.CLOSING, _MIDDLE, 43),
    Box(_S.LAST_ACK, _RIGHT, 43),
    Box(_S.CLOSED, _LEFT, 52),
    Box(_S.TIME_WAIT, _MIDDLE, 52),
    Box(_S.CLOSED, _RIGHT, 52),
)

ROUTES: Final[dict[tuple[State, Cause], Route]] = {
    (_S.CLOSED, _C.PASSIVE_OPEN): Route(((45, 5), (45, 8)), (43, 5), "right", True),
    (_S.CLOSED, _C.ACTIVE_OPEN): Route(((59, 1), (92, 1), (92, 17)), (61, 0), "left", False, "SYN"),
    (_S.LISTEN, _C.ACTIVE_OPEN): Route(
        ((59, 11), (66, 11), (66, 19), (77, 19)), (68, 12), "left", True, "SYN"
    ),
    (_S.LISTEN, _C.SYN): Route(((40, 12), (19, 12), (19, 17)), (21, 13), "left", True, "SYN, ACK"),
    (_S.LISTEN, _C.CLOSE): Route(((54, 8), (54, 5)), (56, 6), "left", True),
    (_S.SYN_SENT, _C.SYN_ACK): Route(((87, 23), (87, 28), (59, 28)), (62, 25), "left", True, "ACK"),
    (_S.SYN_SENT, _C.SYN): Route(((77, 21), (24, 21)), (26, 20), "left", False, "SYN, ACK"),
    (_S.SYN_SENT, _C.CLOSE): Route(((82, 17), (82, 3), (59, 3)), (84, 9), "left", True),
    (_S.SYN_RECEIVED, _C.ACK_OF_SYN): Route(((19, 23), (19, 28), (40, 28)), (21, 26), "left", True),
    (_S.SYN_RECEIVED, _C.RESET_OF_PASSIVE): Route(
        ((10, 17), (10, 10), (40, 10)), (12, 8), "left", True
    ),
    (_S.SYN_RECEIVED, _C.SYN): Route(((24, 19), (50, 19), (50, 14)), (26, 18), "left", False),
    (_S.SYN_RECEIVED, _C.CLOSE): Route(((10, 23), (10, 33)), (12, 29), "left", True, "FIN"),
    (_S.SYN_RECEIVED, _C.RESET_OF_REOPENED): Route(
        ((5, 21), (3, 21), (3, 59), (45, 59), (45, 57)), (5, 58), "left", False
    ),
    (_S.ESTABLISHED, _C.CLOSE): Route(
        ((45, 31), (45, 35), (24, 35)), (43, 32), "right", True, "FIN"
    ),
    (_S.ESTABLISHED, _C.FIN): Route(((54, 31), (54, 36), (77, 36)), (56, 33), "left", True, "ACK"),
    (_S.FIN_WAIT_1, _C.FIN): Route(((24, 37), (50, 37), (50, 42)), (52, 38), "left", True, "ACK"),
    (_S.FIN_WAIT_1, _C.ACK_OF_FIN): Route(((15, 39), (15, 42)), (17, 39), "left", True),
    (_S.FIN_WAIT_2, _C.FIN): Route(
        ((24, 45), (29, 45), (29, 54), (40, 54)), (31, 49), "left", True, "ACK"
    ),
    (_S.FIN_WAIT_2, _C.FIN_WAIT_2_OVER): Route(((10, 48), (10, 51)), (12, 48), "left", True),
    (_S.CLOSING, _C.ACK_OF_FIN): Route(((50, 48), (50, 51)), (52, 48), "left", True),
    (_S.CLOSE_WAIT, _C.CLOSE): Route(((87, 39), (87, 42)), (89, 39), "left", True, "FIN"),
    (_S.LAST_ACK, _C.ACK_OF_FIN): Route(((87, 48), (87, 51)), (85, 48), "right", True),
    (_S.TIME_WAIT, _C.TIME_WAIT_OVER): Route(((59, 54), (77, 54)), (61, 52), "left", True),
    (_S.TIME_WAIT, _C.SYN): Route(
        ((54, 57), (54, 61), (1, 61), (1, 19), (5, 19)), (5, 60), "left", False, "SYN, ACK"
    ),
}

CLIENT: Final = (
    _C.ACTIVE_OPEN, _C.SYN_ACK, _C.CLOSE, _C.ACK_OF_FIN, _C.FIN, _C.TIME_WAIT_OVER,
)  # fmt: skip
SERVER: Final = (
    _C.PASSIVE_OPEN, _C.SYN, _C.ACK_OF_SYN, _C.FIN, _C.CLOSE, _C.ACK_OF_FIN,
)  # fmt: skip
"""The usual life of each side, as what moves it from CLOSED to CLOSED."""
