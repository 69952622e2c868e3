"""The rules of the house, kept by a machine: floors, sizes, words, and what the README says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "lastack"

FLOORS = (
    ("lazy", "units", "errors", "chance", "wire"),
    ("tcp",),
    ("stack",),
    ("link", "sim", "observe"),
    ("driver", "aio", "sync", "script", "services", "check"),
    ("view", "lab"),
    ("cli",),
    ("__main__",),
)
"""From the ground up; within a floor from left to right."""
PURE = ("wire", "tcp", "stack")
"""Where time and chance are arguments."""
WORLDLY = {
    "asyncio",
    "logging",
    "os",
    "random",
    "select",
    "socket",
    "subprocess",
    "threading",
    "time",
}
LONGEST_FILE = 450
LONGEST_FUNCTION = 70
LONGEST_README = 150

SEQUENCE_NUMBERS = {"ack", "irs", "iss", "nxt", "recover", "seq", "una", "up", "wl1", "wl2"}
"""Names that hold a sequence number wherever they stand."""

COMMAND = re.compile(r"^(?:\$ )?(python3 -m venv .*|\.venv/bin/.*|make .*|sudo .*)$", re.MULTILINE)
SOMEBODYS_MACHINE = re.compile(r"(?<![\w.~-])/(?:home|root|Users|mnt)/\w")


def modules() -> list[Path]:
    return sorted(SOURCES.rglob("*.py"))


def files_of_tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCES.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def at(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def imports(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Every module that a file imports, wherever the import stands; relative ones in full."""
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            home = ".".join((*base, node.module)) if node.module else ".".join(base)
            for alias in node.names:
                yield node, f"{home}.{alias.name}"


def place_of(module: str) -> tuple[int, int] | None:
    """The floor, and the place on it, of a module of ours."""
    parts = module.split(".")
    if parts[0] != "lastack" or len(parts) < 2:
        return None
    for floor, names in enumerate(FLOORS):
        if parts[1] in names:
            return floor, names.index(parts[1])
    return None


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def without(found: list[str]) -> None:
    assert not found, "\n" + "\n".join(found)


def test_every_module_has_a_floor() -> None:
    """DESIGN: a module that stands nowhere could be imported from anywhere."""
    without([str(p) for p in modules() if p.parent != SOURCES and place_of(name_of(p)) is None])


def test_imports_point_down_and_within_a_floor_to_the_left() -> None:
    """Rule 4."""
    found = []
    for path in modules():
        here = place_of(name_of(path))
        for node, name in imports(path):
            there = place_of(name)
            if here is not None and there is not None and there > here:
                found.append(f"{at(path, node)} imports {name}")
    without(found)


def test_no_module_imports_itself_by_a_detour() -> None:
    """Rule 4: within a package too, imports form no circle."""
    known = {name_of(path): path for path in modules()}
    edges = {
        name: {
            target
            for _, wanted in imports(path)
            for target in (wanted, wanted.rpartition(".")[0])
            if target in known and target != name and target != "lastack"
        }
        for name, path in known.items()
    }
    while ends := [name for name, targets in edges.items() if not targets]:
        for name in ends:
            del edges[name]
        for targets in edges.values():
            targets.difference_update(ends)
    without([f"{name} -> {', '.join(sorted(targets))}" for name, targets in sorted(edges.items())])


def test_time_chance_and_the_world_are_arguments_on_the_lower_floors() -> None:
    """Rule 3: no clock, socket, thread, random source or log in wire, tcp and stack."""
    without(
        [
            f"{at(path, node)} imports {name}"
            for package in PURE
            for path in sorted((SOURCES / package).rglob("*.py"))
            for node, name in imports(path)
            if name.split(".")[0] in WORLDLY
        ]
    )


def test_nothing_is_imported_for_the_type_checker_alone() -> None:
    """Rule 4: a wish for TYPE_CHECKING means that the floors are wrong."""
    without([str(p) for p in modules() if "TYPE_" + "CHECKING" in p.read_text(encoding="utf-8")])


def test_a_file_is_a_sitting() -> None:
    """Rule 5."""
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    without([f"{path}: {size} lines" for path, size in sizes.items() if size > LONGEST_FILE])


def test_a_function_is_a_screen() -> None:
    """Rule 5."""
    found = []
    for path in (*modules(), *files_of_tests()):
        for node in functions(tree_of(path)):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > LONGEST_FUNCTION:
                found.append(f"{at(path, node)} {node.name}: {size} lines")
    without(found)


def test_only_enter_changes_a_state() -> None:
    """Rule 2: outside of construction and copying, one function follows the table."""
    found = []
    for path in (*(SOURCES / "tcp").rglob("*.py"), *(SOURCES / "stack").rglob("*.py")):
        for function in functions(tree_of(path)):
            if function.name == "__init__" or (path.name, function.name) == ("tcb.py", "enter"):
                continue
            for node in ast.walk(function):
                targets = node.targets if isinstance(node, ast.Assign) else []
                if isinstance(node, ast.AnnAssign | ast.AugAssign):
                    targets = [node.target]
                if any(isinstance(t, ast.Attribute) and t.attr == "state" for t in targets):
                    found.append(f"{at(path, node)} in {function.name}")
    without(found)


def test_sequence_numbers_meet_only_in_wire_seq() -> None:
    """Rule 9: a plain < or - between two of them is wrong when they wrap."""
    found = []
    for path in (*(SOURCES / "tcp").rglob("*.py"), *(SOURCES / "stack").rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            pair: list[ast.expr] = []
            if isinstance(node, ast.Compare):
                if isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                    pair = [node.left, node.comparators[0]]
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
                pair = [node.left, node.right]
            if pair and all(last_name(side) in SEQUENCE_NUMBERS for side in pair):
                found.append(f"{at(path, node)} {ast.unparse(node)}")
    without(found)


def documented_elsewhere(tree: ast.Module) -> set[str]:
    """Methods of classes that have bases: the base may have said what is promised."""
    return {
        f"{node.name}.{method.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.bases
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def undocumented(path: Path) -> Iterator[str]:
    tree = tree_of(path)
    if not ast.get_docstring(tree):
        yield f"{at(path, tree)} the module"
    excused = documented_elsewhere(tree)
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{at(path, node)} {node.name}"
        for method in node.body if isinstance(node, ast.ClassDef) else ():
            if (
                isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
                and not method.name.startswith("_")
                and f"{node.name}.{method.name}" not in excused
                and not any(last_name(d) == "setter" for d in method.decorator_list)
                and not ast.get_docstring(method)
            ):
                yield f"{at(path, method)} {node.name}.{method.name}"


def test_everything_public_says_what_it_promises() -> None:
    """Rule 8."""
    without([line for path in modules() for line in undocumented(path)])


def test_a_test_is_a_sentence_with_its_rule() -> None:
    """Rule 11: the name says what happens, one docstring line says by which rule."""
    found = []
    for path in files_of_tests():
        for node in functions(tree_of(path)):
            if node.name.startswith("test_") and not ast.get_docstring(node):
                found.append(f"{at(path, node)} {node.name}")
    without(found)


def test_tests_neither_sleep_nor_pretend() -> None:
    """Rule 11: no sleep, mock or patch."""
    found = []
    for path in files_of_tests():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names]
                home = getattr(node, "module", None) or ""
                if "mock" in home or any("mock" in name for name in names):
                    found.append(f"{at(path, node)} mock")
                if home == "time" and "sleep" in names:
                    found.append(f"{at(path, node)} sleep")
            elif isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep":
                found.append(f"{at(path, node)} sleep")
            elif isinstance(node, ast.arg) and node.arg in ("monkeypatch", "mocker"):
                found.append(f"{at(path, node)} {node.arg}")
    without(found)


def texts() -> Iterator[Path]:
    """Everything in the project that a person reads."""
    for place in ("src", "tests", "bench", "docs", "examples", "changes", ".ci"):
        for path in sorted((ROOT / place).rglob("*")):
            if path.is_file() and path.suffix in ("", ".py", ".md", ".toml", ".pkt", ".c", ".svg"):
                yield path
    yield from (path for path in sorted(ROOT.iterdir()) if path.suffix in (".md", ".toml", ".py"))


def test_no_text_names_a_place_on_somebodys_machine() -> None:
    """A path that exists on one machine alone helps nobody else."""
    found = []
    for path in texts():
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if SOMEBODYS_MACHINE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    without(found)


def readme_commands(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [match.strip() for block in blocks for match in COMMAND.findall(block)]


def test_the_readme_is_short_and_its_first_two_commands_are_what_ci_runs() -> None:
    """A fresh machine with only Python: one command for the main job, one for the tests."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST_README
    first, second = readme_commands("README.md")[:2]
    assert first.startswith("python3 -m venv") and "lastack demo" in first
    assert second.startswith("python3 -m venv") and "pytest" in second
    assert second in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_both_readmes_give_the_same_commands() -> None:
    """README.zh-CN.md says the same as README.md."""
    assert readme_commands("README.zh-CN.md") == readme_commands("README.md")


def test_every_make_verb_that_is_named_exists() -> None:
    """A document that names a verb that is gone is wrong."""
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        named = set(re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8")))
        assert named <= verbs, f"{path.name}: {named - verbs}"


def test_every_change_fragment_has_a_kind() -> None:
    """Rule 12: changes/NNN.kind.md, as changes/README.md has it."""
    kinds = "added|changed|fixed|removed|measured"
    for path in (ROOT / "changes").glob("*.md"):
        if path.name != "README.md":
            assert re.fullmatch(rf"\d{{3,}}\.({kinds})\.md", path.name), path.name
            assert path.read_text(encoding="utf-8").strip(), path.name


@pytest.mark.parametrize("place", ["src", "tests", "bench", "examples"])
def test_every_python_file_parses_and_begins_with_what_it_is_for(place: str) -> None:
    """Rule 8: a module's docstring comes first; an empty file needs none."""
    found = []
    for path in sorted((ROOT / place).rglob("*.py")):
        tree = tree_of(path)
        if tree.body and not ast.get_docstring(tree):
            found.append(str(path.relative_to(ROOT)))
    without(found)


def test_an_example_fits_a_page() -> None:
    """DESIGN: examples have at most 40 lines."""
    sizes = {p: len(p.read_text().splitlines()) for p in (ROOT / "examples").rglob("*.py")}
    without([f"{path}: {size} lines" for path, size in sizes.items() if size > 40])
