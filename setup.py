"""The compiled build: `LASTACK_COMPILE=1 pip install .` compiles the lower floors with mypyc.

Everything else stands in pyproject.toml. Without the variable nothing is compiled and the same
sources run interpreted; `lastack.COMPILED` says which.
"""

import os
import sys
from pathlib import Path
from typing import Any

from setuptools import setup

COMPILED_FLOORS = (
    "units.py",
    "wire",
    "tcp",
    "stack",
    "link",
    "observe/core",
    "driver",
    "driver.py",
)
"""What of src/lastack goes into the one group of compiled modules."""


def sources() -> list[str]:
    root = Path("src/lastack")
    found: list[str] = []
    for name in COMPILED_FLOORS:
        place = root / name
        if place.is_file():
            found.append(str(place))
        else:
            found.extend(str(path) for path in sorted(place.rglob("*.py")))
    return [path for path in found if not path.endswith("__init__.py")]


def extensions() -> list[Any]:
    try:
        from mypyc.build import mypycify
    except ImportError:
        if "egg_info" in sys.argv:  # the build only asks what it needs, and is about to get it
            return []
        raise SystemExit("LASTACK_COMPILE=1 needs mypy: pip install mypy") from None
    level = os.environ.get("LASTACK_OPT_LEVEL", "3")
    modules: list[Any] = mypycify(sources(), opt_level=level, debug_level="0", group_name="lastack")
    return modules


if os.environ.get("LASTACK_COMPILE", "0") not in ("", "0"):
    # Asked for by pip before it builds; a build without pip needs mypy to be there.
    wanted = ["mypy>=2.0"] if "egg_info" in sys.argv else []
    setup(setup_requires=wanted, ext_modules=extensions())
else:
    setup()
