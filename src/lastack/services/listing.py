"""The page that shows a directory."""

import html
import os
import stat
import time
from typing import Final
from urllib.parse import quote

from lastack.services.tree import UPLOAD, Tree

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem;
  padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #8883 }}
td.size, th.size {{ text-align: right; font-variant-numeric: tabular-nums }}
td.name {{ overflow-wrap: anywhere }}
footer {{ margin-top: 1rem; opacity: .6 }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #111; color: #ddd }}
  a {{ color: #8bf }}
}}
</style>
</head>
<body>
<h1>{title}</h1>
<table>
<tr><th>Name</th><th class="size">Bytes</th><th>Changed (UTC)</th></tr>
{rows}
</table>
<footer>{count} over lastack, a TCP in Python</footer>
</body>
</html>
"""
_ROW: Final = (
    '<tr><td class="name"><a href="{place}">{name}</a></td><td class="size">{size}</td>'
    "<td>{changed}</td></tr>"
)


def listing(tree: Tree, path: bytes, descriptor: int) -> bytes:
    """Return the page for an open directory at a decoded path: directories first, by name.

    What leads outside, cannot be looked at, or is neither file nor directory is left out.
    """
    rows = []
    for name in sorted(os.listdir(descriptor)):
        raw = os.fsencode(name)
        if raw.startswith(UPLOAD) or not tree.leads_inside(path + b"/" + raw):
            continue
        try:
            found = os.stat(raw, dir_fd=descriptor)
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode):
            rows.append((0, _row(raw + b"/", "", found.st_mtime)))
        elif stat.S_ISREG(found.st_mode):
            rows.append((1, _row(raw, f"{found.st_size:,}", found.st_mtime)))
    rows.sort(key=lambda row: row[0])
    lines = [row for _, row in rows]
    if path.strip(b"/"):
        lines.insert(0, _ROW.format(place="../", name="..", size="", changed=""))
    title = html.escape(path.decode("utf-8", "replace"))
    count = "1 entry" if len(rows) == 1 else f"{len(rows):,} entries"
    return _PAGE.format(title=title, rows="\n".join(lines), count=count).encode()


def _row(name: bytes, size: str, changed: float) -> str:
    return _ROW.format(
        # "./" in front: a name with a colon would read as a scheme.
        place="./" + quote(name),
        name=html.escape(name.decode("utf-8", "replace")),
        size=size,
        changed=time.strftime("%Y-%m-%d %H:%M", time.gmtime(changed)),
    )
