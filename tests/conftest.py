"""What every test stands on: which build runs, how far properties go, what runs alone."""

import os
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings

import lastack

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile(
    "ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "soak", max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("ci" if os.environ.get("CI") else "quick")


def pytest_configure(config: pytest.Config) -> None:
    """Stop at once when the build under test is not the one that was asked for."""
    wanted = os.environ.get("LASTACK_EXPECT", "")
    found = _build()
    if wanted and wanted != found:
        raise pytest.UsageError(f"LASTACK_EXPECT is {wanted}, but {lastack.__file__} runs {found}")


def pytest_report_header() -> str:
    """Say which build runs, and from where."""
    return f"lastack {lastack.__version__}, {_build()}, from {os.path.dirname(lastack.__file__)}"


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Kernel tests share two cores and the clock: one worker runs them one after the other."""
    for item in items:
        if item.get_closest_marker("kernel"):
            item.add_marker(pytest.mark.xdist_group("kernel"))


def _build() -> str:
    return "compiled" if lastack.COMPILED else "interpreted"
