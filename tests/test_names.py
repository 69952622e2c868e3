"""The public names: few, loaded when used, and known to type checkers."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

import lastack
import lastack.observe

PACKAGES = (lastack, lastack.observe)
SOURCES = Path(__file__).parents[1] / "src"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_can_be_had(package: ModuleType) -> None:
    """At most thirty, each found where it is said to be."""
    assert len(package.__all__) <= 30
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_type_checkers_know_the_same_names(package: ModuleType) -> None:
    """`__init__.pyi` declares what `__getattr__` loads, from where it loads it."""
    stub = SOURCES.joinpath(*package.__name__.split("."), "__init__.pyi")
    declared: dict[str, str] = {}
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module != "typing":
            declared[node.names[0].name] = str(node.module)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            declared[node.target.id] = ""
    assert sorted(declared) == sorted(package.__all__)
    for name, home in package._HOMES.items():
        assert declared[name] == home
