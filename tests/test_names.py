"""The public names: few, loaded when used, and known to type checkers."""

import ast
from pathlib import Path

import lastack

STUB = Path(__file__).parents[1] / "src" / "lastack" / "__init__.pyi"


def test_every_public_name_can_be_had() -> None:
    """At most thirty, each found where it is said to be."""
    assert len(lastack.__all__) <= 30
    for name in lastack.__all__:
        assert getattr(lastack, name) is not None
        assert name in dir(lastack)


def test_type_checkers_know_the_same_names() -> None:
    """`__init__.pyi` declares what `__getattr__` loads, from where it loads it."""
    declared: dict[str, str] = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module != "typing":
            declared[node.names[0].name] = str(node.module)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            declared[node.target.id] = ""
    assert sorted(declared) == sorted(lastack.__all__)
    for name, home in lastack._HOMES.items():
        assert declared[name] == home
