"""A grid of characters for boxes, lines of three weights that join where they meet, and words."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from rich.cells import cell_len

LIGHT: Final = 0
HEAVY: Final = 1
DOUBLE: Final = 2

_UP, _RIGHT, _DOWN, _LEFT = 1, 2, 4, 8
_ACROSS: Final = _LEFT | _RIGHT
_ALONG: Final = _UP | _DOWN

# Indexed by the directions that meet: up 1, right 2, down 4, left 8.
_JOINTS: Final = (
    " ╵╶└╷│┌├╴┘─┴┐┤┬┼",
    " ╹╺┗╻┃┏┣╸┛━┻┓┫┳╋",
    " ║═╚║║╔╠═╝═╩╗╣╦╬",
)
_ASCII_JOINTS: Final = (
    " |-+||++-+-++++#",
    " #" + "#" * 14,
    " :.:::.:.:.:::::",
)
_HEADS: Final = {_UP: "▲", _RIGHT: "▶", _DOWN: "▼", _LEFT: "◀"}
_ASCII_HEADS: Final = {_UP: "^", _RIGHT: ">", _DOWN: "v", _LEFT: "<"}


def _direction(a: tuple[int, int], b: tuple[int, int]) -> int:
    if a[0] == b[0]:
        return _DOWN if b[1] > a[1] else _UP
    return _RIGHT if b[0] > a[0] else _LEFT


class Canvas:
    """Draw with `box`, `line` and `write`; `text` gives the result.

    Writing over a line or over other writing raises ValueError: a picture that overlaps is wrong.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._bits: dict[tuple[int, int], tuple[int, int]] = {}
        self._heads: dict[tuple[int, int], int] = {}
        self._letters: dict[tuple[int, int], str] = {}

    def box(self, x: int, y: int, width: int, height: int) -> None:
        """Draw a light rectangle with its upper left corner at x, y."""
        right, bottom = x + width - 1, y + height - 1
        corners = ((x, y), (right, y), (right, bottom), (x, bottom), (x, y))
        for a, b in pairwise(corners):
            self._stroke(a, b, LIGHT)

    def line(self, points: Sequence[tuple[int, int]], weight: int = LIGHT) -> None:
        """Draw a line through the points, each level or upright from the last, with a head."""
        for a, b in pairwise(points):
            self._stroke(a, b, weight)
        first = self._bits[points[0]][0]
        self._bits[points[0]] = (_ACROSS if first & _ACROSS else _ALONG, weight)
        self._heads[points[-1]] = _direction(points[-2], points[-1])

    def write(self, x: int, y: int, words: str) -> None:
        """Write words from x, y on; blanks at their ends take no place, wide letters take two."""
        x += len(words) - len(words.lstrip())
        for letter in words.strip():
            for place, part in zip(((x, y), (x + 1, y)), (letter, "")[: cell_len(letter)]):
                if place in self._bits or place in self._letters or not 0 <= x < self.width:
                    raise ValueError(f"{words.strip()!r} has no room at {place}")
                self._letters[place] = part
                x += 1

    def text(self, ascii_only: bool = False) -> str:
        """Return the drawing, lines ending where their ink ends."""
        joints = _ASCII_JOINTS if ascii_only else _JOINTS
        heads = _ASCII_HEADS if ascii_only else _HEADS
        lines = []
        for y in range(self.height):
            row = []
            for x in range(self.width):
                place = (x, y)
                if place in self._letters:
                    row.append(self._letters[place])
                elif place in self._heads:
                    row.append(heads[self._heads[place]])
                else:
                    bits, weight = self._bits.get(place, (0, LIGHT))
                    row.append(joints[weight][bits])
            lines.append("".join(row).rstrip())
        return "\n".join(lines)

    def _stroke(self, a: tuple[int, int], b: tuple[int, int], weight: int) -> None:
        ahead = _direction(a, b)
        back = {_UP: _DOWN, _DOWN: _UP, _LEFT: _RIGHT, _RIGHT: _LEFT}[ahead]
        step = {_UP: (0, -1), _DOWN: (0, 1), _LEFT: (-1, 0), _RIGHT: (1, 0)}[ahead]
        place = a
        while True:
            bits, old = self._bits.get(place, (0, weight))
            if place != a:
                bits |= back
            if place != b:
                bits |= ahead
            self._bits[place] = (bits, max(old, weight) if bits in (_ACROSS, _ALONG) else old)
            if place == b:
                return
            place = (place[0] + step[0], place[1] + step[1])
