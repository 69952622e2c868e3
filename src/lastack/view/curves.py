"""Curves over time as SVG: panels one below the other that share their time axis."""

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

_WIDTH: Final = 960.0
_LEFT: Final = 76.0
_RIGHT: Final = 24.0
_TOP: Final = 64.0
_PANEL: Final = 150.0
_GAP: Final = 44.0
_COLOURS: Final = (
    "#0b6bcb", "#d1571b", "#1b8a5a", "#8a3ffc", "#b3261e", "#7a6300", "#00819c", "#a3368b",
)  # fmt: skip
_DASHES: Final = ("", "7 3", "2 2", "9 3 2 3")
"""A ninth curve has the first colour again, but not the first stroke."""
_STYLE: Final = """
  text { font-family: 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', 'Noto Sans CJK SC',
         sans-serif; font-size: 11px; fill: #52606d }
  .title { font-size: 13px; font-weight: 600; fill: #1f2933 }
  .name { font-size: 12px; fill: #1f2933 }
  .tick { text-anchor: end }
  .time { text-anchor: middle }
  .grid { stroke: #e4e7eb; stroke-width: 1 }
  .axis { stroke: #9aa5b1; stroke-width: 1 }
  .curve { fill: none; stroke-width: 1.6; stroke-linejoin: round }
"""
_SINGLE: Final = "#3e4c59"


class Panel(NamedTuple):
    """A title with its unit, and curves; one with a name that the legend has takes its colour."""

    title: str
    curves: Sequence[tuple[str, Sequence[float]]]


def curves_svg(title: str, time_title: str, times: Sequence[float], panels: Sequence[Panel]) -> str:
    """Return one self-contained SVG document; `times` are those of every curve's values."""
    names: list[str] = []
    for panel in panels:
        names += [name for name, _ in panel.curves if name and name not in names]
    height = _TOP + len(panels) * (_PANEL + _GAP) + 12
    size = f'width="{_WIDTH:g}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_WIDTH:g} {height:g}">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect {size} fill="#fff"/>',
        f'<text class="title" x="{_LEFT:g}" y="22">{escape(title)}</text>',
        *_legend(names),
    ]
    last = times[-1] if times else 1.0
    for i, panel in enumerate(panels):
        top = _TOP + i * (_PANEL + _GAP) + 14
        parts += _panel(panel, names, times, last, top)
        if i == len(panels) - 1:
            x = _WIDTH - _RIGHT
            y = top + _PANEL + 30
            parts.append(f'<text class="tick" x="{x:g}" y="{y:g}">{escape(time_title)}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _legend(names: Sequence[str]) -> list[str]:
    parts: list[str] = []
    x = _LEFT
    for i, name in enumerate(names):
        parts.append(
            f'<line x1="{x:g}" y1="40" x2="{x + 22:g}" y2="40" class="curve" {_stroke(i)}/>'
            f'<text class="name" x="{x + 28:g}" y="44">{escape(name)}</text>'
        )
        x += 28 + 7.2 * len(name) + 26
    return parts


def _stroke(number: int) -> str:
    dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
    colour = f'stroke="{_COLOURS[number % len(_COLOURS)]}"'
    return f'{colour} stroke-dasharray="{dash}"' if dash else colour


def _panel(
    panel: Panel, names: Sequence[str], times: Sequence[float], last: float, top: float
) -> list[str]:
    most = max((max(values, default=0.0) for _, values in panel.curves), default=0.0)
    ticks = nice_ticks(most)
    ceiling = ticks[-1] or 1.0
    bottom = top + _PANEL
    across = (_WIDTH - _LEFT - _RIGHT) / (last or 1.0)
    parts = [f'<text class="name" x="{_LEFT:g}" y="{top - 7:g}">{escape(panel.title)}</text>']
    for value in ticks:
        y = bottom - value / ceiling * _PANEL
        parts.append(
            f'<line class="grid" x1="{_LEFT:g}" y1="{y:g}" x2="{_WIDTH - _RIGHT:g}" y2="{y:g}"/>'
            f'<text class="tick" x="{_LEFT - 7:g}" y="{y + 4:g}">{value:g}</text>'
        )
    for value in nice_ticks(last, 10):
        if value <= last * 1.0001:
            x = _LEFT + value * across
            parts.append(f'<text class="time" x="{x:.1f}" y="{bottom + 15:g}">{value:g}</text>')
    parts.append(
        f'<line class="axis" x1="{_LEFT:g}" y1="{bottom:g}" x2="{_WIDTH - _RIGHT:g}" '
        f'y2="{bottom:g}"/>'
    )
    for name, values in panel.curves:
        points = " ".join(
            f"{_LEFT + time * across:.1f},{bottom - value / ceiling * _PANEL:.1f}"
            for time, value in zip(times, values, strict=True)
        )
        stroke = _stroke(names.index(name)) if name else f'stroke="{_SINGLE}"'
        parts.append(f'<polyline class="curve" {stroke} points="{points}"/>')
    return parts


def nice_ticks(most: float, about: int = 4) -> list[float]:
    """Return about so many round values from 0 on, the last of them not below `most`."""
    step = 1.0
    if most > 0:
        step = 10.0 ** len(str(int(most))) if most >= 1 else 1.0
        while most / step < about:
            for part in (2, 2.5, 2):  # 10, 5, 2, 1, ...
                if most / step >= about:
                    break
                step /= part
    ticks = [0.0]
    while ticks[-1] < most or len(ticks) < 2:
        ticks.append(round(len(ticks) * step, 9))
    return ticks
