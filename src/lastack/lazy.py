"""Public names of a package that are loaded when first used (PEP 562)."""

from importlib import import_module


def first_use(name: str, homes: dict[str, str], names: dict[str, object]) -> object:
    """Return a name from the module that is its home, and keep it among the package's own `names`.

    Raises AttributeError for a name that has no home.
    """
    home = homes.get(name)
    if home is None:
        raise AttributeError(f"module {names['__name__']!r} has no attribute {name!r}")
    found: object = getattr(import_module(home), name)
    names[name] = found
    return found
