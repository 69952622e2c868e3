"""The ladder as SVG: two lifelines, a slanting arrow for each segment, states where they change."""

from html import escape
from typing import Final

from lastack.view.ladder import Ending, Ladder, Rung, clock

_WIDTH: Final = 960.0
_LEFT: Final = 232.0
_RIGHT: Final = 790.0
_TOP: Final = 92.0
_STEP: Final = 36.0
_SLANT: Final = 15.0
_PILL: Final = 116.0

_STYLE: Final = """
  .paper { fill: #fff }
  text { font-family: 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', 'Noto Sans CJK SC',
         sans-serif; font-size: 12px; fill: #1f2933 }
  .end { font-size: 13px; font-weight: 600; text-anchor: middle }
  .time { fill: #7b8794; font-size: 11px; text-anchor: end }
  .segment { font-family: Menlo, Consolas, 'DejaVu Sans Mono', monospace; font-size: 11px;
             text-anchor: middle }
  .remark { font-size: 11px; fill: #52606d; text-anchor: middle }
  .trouble { fill: #a35200 }
  .fate { font-size: 11px; font-weight: 600; fill: #b3261e }
  .state { font-size: 11px; font-weight: 600; fill: #0b4f8a; text-anchor: middle }
  .pill { fill: #e5f0fa; stroke: #9cc3e6 }
  .life { stroke: #9aa5b1; stroke-width: 1.4 }
  .way { stroke: #3e4c59; stroke-width: 1.3; fill: none }
  .head { fill: #3e4c59 }
  .lost { stroke: #b3261e }
"""

_HEAD: Final = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" '
    'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
    '<path class="head" d="M0 1 L10 5 L0 9 z"/></marker></defs>'
)


def ladder_svg(ladder: Ladder) -> str:
    """Return the ladder as one self-contained SVG document; time runs down, but not to scale."""
    height = _TOP + len(ladder.rungs) * _STEP + 40
    size = f'width="{_WIDTH:g}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_WIDTH:g} {height:g}">',
        f"<title>{escape(ladder.left_name)}, {escape(ladder.right_name)}</title>",
        f"<style>{_STYLE}</style>",
        _HEAD,
        f'<rect class="paper" {size}/>',
    ]
    for x, name in ((_LEFT, ladder.left_name), (_RIGHT, ladder.right_name)):
        parts.append(f'<text class="end" x="{x:g}" y="30">{escape(name)}</text>')
        parts.append(f'<line class="life" x1="{x:g}" y1="42" x2="{x:g}" y2="{height - 18:g}"/>')
    parts.extend(_pill(True, _TOP - 34, ladder.left_state))
    parts.extend(_pill(False, _TOP - 34, ladder.right_state))
    left, right = ladder.left_state, ladder.right_state
    for i, rung in enumerate(ladder.rungs):
        y = _TOP + i * _STEP
        time = clock(rung.time, ladder.places)
        parts.append(f'<text class="time" x="{_LEFT - _PILL - 30:g}" y="{y + 4:g}">{time}</text>')
        parts.extend(_rung(rung, y))
        far = y if rung.to_right is None else y + _SLANT
        if rung.left != left:
            parts.extend(_pill(True, far if rung.to_right is False else y, rung.left))
        if rung.right != right:
            parts.extend(_pill(False, far if rung.to_right else y, rung.right))
        left, right = rung.left, rung.right
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _pill(at_left: bool, y: float, state: Ending) -> list[str]:
    """Return a state in its pill beside a lifeline; nothing for an unknown one."""
    if state is None:
        return []
    x = _LEFT - _PILL - 12 if at_left else _RIGHT + 12
    return [
        f'<rect class="pill" x="{x:g}" y="{y - 10:g}" width="{_PILL:g}" height="20" rx="10"/>',
        f'<text class="state" x="{x + _PILL / 2:g}" y="{y + 4:g}">{escape(str(state))}</text>',
    ]


def _rung(rung: Rung, y: float) -> list[str]:
    middle = (_LEFT + _RIGHT) / 2
    kind = "remark trouble" if rung.trouble else "remark"
    if rung.to_right is None:
        words = rung.text + (f" · {rung.remark}" if rung.remark else "")
        return [f'<text class="{kind}" x="{middle:g}" y="{y + 4:g}">{escape(words)}</text>']
    start, end = (_LEFT, _RIGHT) if rung.to_right else (_RIGHT, _LEFT)
    tilt = 1.54 if rung.to_right else -1.54
    place = f'x="{middle:g}" transform="rotate({tilt:g} {middle:g} {y + _SLANT / 2:g})"'
    if rung.fate:
        return _lost(rung, y, start, (start + end) / 2, kind)
    parts = [
        _way("way", f"M{start:g} {y:g} L{end:g} {y + _SLANT:g}", ' marker-end="url(#head)"'),
        _words("segment", place, y + _SLANT / 2 - 5, rung.text),
    ]
    if rung.remark:
        parts.append(_words(kind, place, y + _SLANT / 2 + 13, rung.remark))
    return parts


def _lost(rung: Rung, y: float, start: float, stop: float, kind: str) -> list[str]:
    """Return a segment that ends in the middle: its text above its half, its fate behind."""
    low = y + _SLANT / 2
    sign = 1 if rung.to_right else -1
    near = "start" if rung.to_right else "end"
    cross = "m-5 -5 l10 10 m0 -10 l-10 10"
    anchor = f'style="text-anchor: {near}"'
    remark = f'<tspan class="{kind}">{escape(rung.remark)}</tspan>' if rung.remark else ""
    fate = f'<tspan class="fate">{escape(rung.fate)}</tspan>'
    both = f"{fate} {remark}" if rung.to_right else f"{remark} {fate}"
    return [
        _way("way lost", f"M{start:g} {y:g} L{stop:g} {low:g} {cross}"),
        _words("segment", f'x="{start + sign * 12:g}" {anchor}', y - 4, rung.text),
        f'<text x="{stop + sign * 12:g}" y="{low + 4:g}" {anchor}>{both}</text>',
    ]


def _way(kind: str, way: str, more: str = "") -> str:
    return f'<path class="{kind}" d="{way}"{more}/>'


def _words(kind: str, place: str, y: float, words: str) -> str:
    return f'<text class="{kind}" {place} y="{y:g}">{escape(words)}</text>'
