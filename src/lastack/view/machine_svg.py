"""The picture of the state machine as SVG: self-contained, without script or outer fonts."""

from collections.abc import Mapping
from html import escape
from typing import Final

from lastack.tcp.states import State
from lastack.view.machine import Arrow, arrows, ends, state_label
from lastack.view.machine_layout import BOX_HEIGHT, BOX_WIDTH, BOXES, HEIGHT, WIDTH, Box, Point
from lastack.view.machine_words import CAUSES

_CELL_X: Final = 9.0
_CELL_Y: Final = 15.0
_MARGIN: Final = 22.0
_ROUND: Final = 9.0
_HEAD_GAP: Final = 1.5
_LINE: Final = 18.0

_STYLE: Final = """
  text { font-family: 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif;
         font-size: 12px; fill: #1f2933 }
  .name { font-size: 14px; font-weight: 600; text-anchor: middle; letter-spacing: .3px }
  .count { font-size: 13px; text-anchor: middle; fill: #0b5cad; font-weight: 600 }
  .cause { font-weight: 600 }
  .sends { fill: #52606d }
  .section { fill: #7b8794; font-size: 10.5px }
  .heading { font-weight: 600; font-size: 13px }
  .box { fill: #f7f9fb; stroke: #52606d; stroke-width: 1.3 }
  .open { fill: #e3f1e7; stroke: #2f7d4f; stroke-width: 1.6 }
  .closed { fill: #eceff2; stroke: #52606d; stroke-width: 1.3 }

  .client, .server, .rest { fill: none; stroke-linejoin: round }
  .client { stroke: #0b5cad; stroke-width: 2.4 }
  .server { stroke: #b4540a; stroke-width: 2.4; stroke-dasharray: 7 4 }
  .rest { stroke: #7b8794; stroke-width: 1.3 }
"""

_COLOURS: Final = {"client": "#0b5cad", "server": "#b4540a", "rest": "#7b8794"}


def machine_svg(state_counts: Mapping[State, int] | None = None, names: str = "rfc") -> str:
    """Return the picture as one SVG document; `state_counts` as for `machine_text`."""
    found = ends()
    width = WIDTH * _CELL_X + 2 * _MARGIN
    foot = HEIGHT * _CELL_Y + 2 * _MARGIN + 6
    height = foot + (len(found) + 1) * _LINE + _MARGIN
    parts = [
        _opening(width, height),
        "<title>The state machine of TCP (RFC 9293)</title>",
        f"<style>{_STYLE}</style>",
        "<defs>",
        *(_marker(side, colour) for side, colour in _COLOURS.items()),
        "</defs>",
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
    ]
    drawn = arrows()
    parts.extend(_path(arrow) for arrow in drawn)
    for box in BOXES:
        parts.extend(_box(box, state_counts or {}, names))
    parts.extend(_label(arrow) for arrow in drawn)
    parts.extend(_legend())
    parts.append(_text(_MARGIN + 8, foot, "heading", "Sudden ends, all to CLOSED"))
    for i, end in enumerate(found):
        y = foot + (i + 1) * _LINE
        parts.append(_text(_MARGIN + 8, y, "cause", CAUSES["en"][end.cause]))
        parts.append(
            f'<text x="{_MARGIN + 235:g}" y="{y:g}">{escape(end.states)} '
            f'<tspan class="section" dx="4">§{escape(end.section)}</tspan></text>'
        )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _opening(width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img">'
    )


def _x(column: float) -> float:
    return _MARGIN + (column + 0.5) * _CELL_X


def _y(row: float) -> float:
    return _MARGIN + (row + 0.5) * _CELL_Y


def _marker(side: str, colour: str) -> str:
    size = 13 if side != "rest" else 10
    return (
        f'<marker id="{side}-head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="{size}" '
        f'markerHeight="{size}" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 1 L10 5 L0 9 z" fill="{colour}"/></marker>'
    )


def _toward(a: tuple[float, float], b: tuple[float, float], step: float) -> tuple[float, float]:
    """Return the point `step` from a on the way to b; both lie level or upright of each other."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = abs(dx) + abs(dy)
    return a[0] + dx / length * step, a[1] + dy / length * step


def _ends_at_boxes(points: tuple[Point, ...]) -> list[tuple[float, float]]:
    """Return the points scaled, the first and last drawn out to the edges of their boxes."""
    scaled = [(_x(x), _y(y)) for x, y in points]
    for end, neighbour, gap in ((0, 1, 0.0), (-1, -2, _HEAD_GAP)):
        upright = points[end][0] == points[neighbour][0]
        step = (_CELL_Y if upright else _CELL_X) - gap
        scaled[end] = _toward(scaled[end], scaled[neighbour], -step)
    return scaled


def _path(arrow: Arrow) -> str:
    points = _ends_at_boxes(arrow.route.points)
    side = arrow.side or "rest"
    way = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _toward(corner, before, _ROUND), _toward(corner, after, _ROUND)
        way.append(f"L{near[0]:g} {near[1]:g}")
        way.append(f"Q{corner[0]:g} {corner[1]:g} {far[0]:g} {far[1]:g}")
    way.append(f"L{points[-1][0]:g} {points[-1][1]:g}")
    title = escape(f"{arrow.row.state} to {arrow.row.to}: {arrow.row.cause}")
    return (
        f'<path class="{side}" d="{" ".join(way)}" marker-end="url(#{side}-head)">'
        f"<title>{title}</title></path>"
    )


def _box(box: Box, counts: Mapping[State, int], names: str) -> list[str]:
    left, top = _x(box.x), _y(box.y)
    width, height = (BOX_WIDTH - 1) * _CELL_X, (BOX_HEIGHT - 1) * _CELL_Y
    kind = {State.CLOSED: "closed", State.ESTABLISHED: "open"}.get(box.state, "box")
    count = 0 if box.state == State.CLOSED and box.y else counts.get(box.state, 0)
    middle, line = left + width / 2, top + height / 2 + 5 - (9 if count else 0)
    size = f'width="{width:g}" height="{height:g}" rx="9"'
    parts = [
        f'<rect class="{kind}" x="{left:g}" y="{top:g}" {size}/>',
        _text(middle, line, "name", state_label(box.state, names)),
    ]
    if count:
        parts.append(_text(middle, line + 19, "count", f"{count:,}"))
    return parts


def _text(x: float, y: float, kind: str, words: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


def _label(arrow: Arrow) -> str:
    column, row = arrow.route.label
    right = arrow.route.align == "right"
    x = _x(column) + (_CELL_X / 2 if right else -_CELL_X / 2)
    spans = []
    for i, words in enumerate(arrow.label()):
        kind = "cause" if i == 0 else "section" if words.startswith("§") else "sends"
        place = ' dx="7"' if i else ""
        if arrow.route.lines:
            place = f' x="{x:g}" y="{_y(row + i) + 4:g}"'
        spans.append(f'<tspan class="{kind}"{place}>{escape(words)}</tspan>')
    anchor = ' text-anchor="end"' if right else ""
    return f'<text x="{x:g}" y="{_y(row) + 4:g}"{anchor}>{"".join(spans)}</text>'


def _legend() -> list[str]:
    parts = []
    for i, (side, words) in enumerate(
        (
            ("client", "a client’s usual life"),
            ("server", "a server’s usual life"),
            ("rest", "the rest"),
        )
    ):
        y = _y(i * 1.3 + 0.5)
        parts.append(
            f'<path class="{side}" d="M{_MARGIN + 8:g} {y:g} h46" marker-end="url(#{side}-head)"/>'
        )
        parts.append(_text(_MARGIN + 66, y + 4, "sends", words))
    parts.append(_text(_MARGIN + 8, _y(5.0), "section", "§ section of RFC 9293"))
    return parts
