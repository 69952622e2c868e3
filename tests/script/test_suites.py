"""The public suites, where LASTACK_SUITES names a folder with checkouts of them."""

import os
from collections import Counter
from pathlib import Path

import pytest
from by_the_kernel import DEFINED

from lastack.script import Settings, Verdict
from lastack.script.batch import run_all

SUITES = os.environ.get("LASTACK_SUITES", "")


def checkout(marker: str) -> Path:
    """The folder, at any depth up to four, that has this file or folder in it."""
    if not SUITES:
        pytest.skip("LASTACK_SUITES names no folder of suites")
    for depth in range(5):
        for found in Path(SUITES).glob("/".join(["*"] * depth + [marker])):
            return found.parent
    pytest.skip(f"no {marker} under {SUITES}")


def counts(root: Path, settings: Settings) -> Counter[Verdict]:
    paths = [str(path) for path in sorted(root.rglob("*.pkt"))]
    return Counter(outcome.verdict for outcome in run_all(paths, settings))


@pytest.mark.parametrize(
    "settings",
    [
        Settings("freebsd", {"STANDARD": ""}, knobs={"reuse_time_wait": "0"}),
        Settings("freebsd", {"FreeBSD": ""}),
    ],
    ids=["STANDARD", "FreeBSD"],
)
def test_the_suite_of_freebsd(settings: Settings) -> None:
    """docs/conformance.md: what passes stays so, what fails is known."""
    found = counts(checkout("state-event-engine"), settings)
    assert found[Verdict.PASSED] >= 1095 and found[Verdict.FAILED] <= 5


def test_the_suite_of_google() -> None:
    """The same, with the preset `linux`."""
    found = counts(checkout("ts_recent"), Settings("linux", DEFINED))
    assert found[Verdict.PASSED] >= 128
