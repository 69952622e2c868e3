"""A captured connection as one HTML page, for screens wide and narrow, light and dark."""

from collections.abc import Sequence
from html import escape
from typing import Final

from rich.text import Text

from lastack.observe.connection import Connection
from lastack.observe.core.violations import Violation
from lastack.view.flow_ladder import BEHIND, head_lines, why_lines
from lastack.view.ladder import TROUBLE_STYLE, Ladder
from lastack.view.ladder_svg import ladder_svg

_STYLE: Final = """<style>
:root { color-scheme: light dark }
body { margin: 2em auto; max-width: 76em; padding: 0 1em; color: #1f2933; background: #fff;
       font: 13px/1.5 Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', monospace }
h1, h2 { font-size: 1.1em; margin: 1.5em 0 .5em; overflow-wrap: anywhere }
p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere }
.step { padding-left: 21ch; text-indent: -21ch; font-weight: 600 }
.why { padding-left: 21ch }
p.trouble { color: #a35200 }
.ladder { overflow-x: auto }
.ladder svg { max-width: 100%; min-width: 50rem; height: auto }
@media (max-width: 50em) {
  .step { padding-left: 4ch; text-indent: -4ch; white-space: normal }
  .why { padding-left: 4ch }
}
@media (prefers-color-scheme: dark) {
  body { color: #d5dbe1; background: #14181c }
  .ladder .paper { fill: #14181c }
  .ladder text { fill: #d5dbe1 }
  .ladder .time, .ladder .remark { fill: #9aa5b1 }
  .ladder .trouble { fill: #f0a860 }
  p.trouble { color: #f0a860 }
  .ladder .fate { fill: #ff8a80 }
  .ladder .state { fill: #a8d1f5 }
  .ladder .pill { fill: #173048; stroke: #35658f }
  .ladder .life { stroke: #52606d }
  .ladder .way { stroke: #9aa5b1 }
  .ladder .head { fill: #9aa5b1 }
  .ladder .lost { stroke: #ff8a80 }
}
</style>"""
_UNBROKEN: Final = 1 << 20
"""Columns: the browser breaks lines."""


def ladder_page(
    connection: Connection,
    ladder: Ladder,
    violations: Sequence[Violation] = (),
    language: str = "en",
) -> str:
    """Return one self-contained HTML page: the head, the ladder, and why each state changed."""
    title = f"{connection.a.endpoint} – {connection.b.endpoint}"
    parts = [
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>{_STYLE}</head>\n<body>",
        f"<h1>{escape(title)}</h1>",
    ]
    for line in head_lines(connection, language, _UNBROKEN):
        parts.append(_paragraph("", line.plain, _is_trouble(line)))
    parts.append(f'<div class="ladder">{ladder_svg(ladder)}</div>')
    for line in why_lines(connection, violations, language, _UNBROKEN):
        parts += _paragraphs(line)
    return "\n".join([*parts, "</body></html>\n"])


def _paragraphs(line: Text) -> list[str]:
    """Return a line of the reasons: an end's name, a change and what is behind it, or the end."""
    first, *rest = line.plain.split("\n")
    if not first.startswith(" "):
        return [f"<h2>{escape(first)}</h2>"]
    trouble = _is_trouble(line)
    if rest:
        return [_paragraph("step", first.rstrip(), False), _paragraph("why", rest[0], trouble)]
    return [_paragraph("why" if first.startswith(BEHIND) else "", first, trouble)]


def _paragraph(kind: str, text: str, trouble: bool) -> str:
    kinds = f"{kind} trouble".strip() if trouble else kind
    words = escape(text if kind == "step" else text.strip())
    return f'<p class="{kinds}">{words}</p>' if kinds else f"<p>{words}</p>"


def _is_trouble(line: Text) -> bool:
    return TROUBLE_STYLE in (line.style, *(span.style for span in line.spans))
