"""Where the ids of RFC 9293's requirements stand: in the code that meets them, in the tests.

A mark is an id (`MUST-13`) in a comment or a docstring. In `src` it belongs to the function, class
or name that it stands in or at; in `tests` to the test function whose docstring or body holds it.
Ids in other strings, which a program prints, are no marks.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MACHINE = ("wire", "tcp", "stack", "link", "driver.py")
ID = re.compile(r"\b(?:MUST|SHLD|MAY|REC)-\d+\b")
ABRIDGED = re.compile(r"\b(?:MUST|SHLD|MAY)-\d+(?: (?:to|and|or) (?:MUST-|SHLD-|MAY-)?\d|, \d)")
"""`MUST-5 to MUST-7` and `MUST-5, 6`: nobody finds the second by searching for it."""
JOINED = re.compile(r"\b(MUST|SHLD|MAY)-\d+ (?:and|or) \1-\d")


class Mark(NamedTuple):
    """An id, the file it stands in (from the project's root), the name it belongs to, the line."""

    id: str
    path: str
    name: str
    line: int


class Said(NamedTuple):
    """A comment or docstring: its first line, and what it says."""

    line: int
    text: str


def _docstrings(tree: ast.Module) -> list[Said]:
    return [
        Said(node.lineno, node.value.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]


def _said(source: str, tree: ast.Module) -> list[Said]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [Said(t.start[0], t.string) for t in tokens if t.type == tokenize.COMMENT]
    return sorted(_docstrings(tree) + comments)


def _target(node: ast.stmt) -> str:
    """Return the name that a statement gives something to, "" for one that does not."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    elif isinstance(node, ast.Assign):
        targets = node.targets
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def _name_at(body: list[ast.stmt], line: int, prefix: str = "") -> str:
    """Return the dotted name of the function, class or variable that a line belongs to."""
    before = ""
    for node in body:
        start, end = _span(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if start <= line <= end:
                here = f"{prefix}{node.name}"
                if isinstance(node, ast.ClassDef):
                    return _name_at(node.body, line, f"{here}.") or here
                return here
        elif isinstance(node, ast.Expr) and start <= line <= end:
            return f"{prefix}{before}" if before else ""  # the docstring of a variable
        elif start <= line <= end and _target(node):
            return f"{prefix}{_target(node)}"
        if start <= line:
            before = _target(node)
    return ""


def _span(node: ast.stmt) -> tuple[int, int]:
    start = node.lineno
    for decorator in getattr(node, "decorator_list", ()):
        start = min(start, decorator.lineno)
    return start, node.end_lineno or node.lineno


def marks_in(path: Path) -> list[Mark]:
    """Return every mark in a file, in order; `name` is "" for one that belongs to the module."""
    source = path.read_text(encoding="utf-8")
    if not ID.search(source):
        return []
    tree = ast.parse(source, str(path))
    where = path.relative_to(ROOT).as_posix()
    found: list[Mark] = []
    for said in _said(source, tree):
        for offset, text in enumerate(said.text.splitlines()):
            line = said.line + offset
            name = _name_at(tree.body, line)
            found.extend(Mark(id, where, name, line) for id in ID.findall(text))
    return found


def abridged_in(path: Path) -> list[str]:
    """Return the lines of a file whose marks leave out ids that they mean."""
    source = path.read_text(encoding="utf-8")
    if not ID.search(source):
        return []
    where = path.relative_to(ROOT).as_posix()
    return [
        f"{where}:{said.line}: {found.group()}"
        for said in _said(source, ast.parse(source, str(path)))
        if (found := ABRIDGED.search(said.text)) and not JOINED.search(said.text)
    ]


def sources() -> list[Path]:
    """Return every file of code that may carry marks."""
    return sorted((ROOT / "src" / "lastack").rglob("*.py"))


def machine() -> list[Path]:
    """Return the files of the code that can meet a requirement: what is above only speaks of it."""
    return [p for p in sources() if p.relative_to(ROOT / "src" / "lastack").parts[0] in MACHINE]


def test_files() -> list[Path]:
    """Return every file of tests that may carry marks: not those about the marks themselves."""
    here = Path(__file__).parent
    return [p for p in sorted((ROOT / "tests").rglob("test_*.py")) if here not in p.parents]


@cache
def code_places() -> dict[str, list[str]]:
    """Return, by id, the places in the code: `tcp/arrive.py _deliver`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in machine():
        for mark in marks_in(path):
            place = f"{mark.path.removeprefix('src/lastack/')} {mark.name}".strip()
            if place not in found[mark.id]:
                found[mark.id].append(place)
    return dict(found)


@cache
def marked_tests() -> dict[str, list[str]]:
    """Return, by id, the tests: `tests/tcp/test_close.py::test_...`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in test_files():
        for mark in marks_in(path):
            test = f"{mark.path}::{mark.name}"
            if mark.name.startswith("test_") and test not in found[mark.id]:
                found[mark.id].append(test)
    return dict(found)


def strays() -> list[str]:
    """Return the marks in files of tests that belong to no test, but for those of a module."""
    return [
        f"{mark.path}:{mark.line}: {mark.id} in {mark.name}"
        for path in test_files()
        for mark in marks_in(path)
        if mark.name and not mark.name.startswith("test_")
    ]
