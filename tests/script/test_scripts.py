"""Every script under tests/scripts, played on our stack in virtual time."""

from pathlib import Path

import pytest

from lastack.script import Settings, Verdict, load, run

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
FILES = sorted(SCRIPTS.rglob("*.pkt"))
NAMES = [str(path.relative_to(SCRIPTS).with_suffix("")) for path in FILES]

WRAPPING = 0xFFFFFFF0
"""A remote initial sequence number a few octets before zero."""


def test_there_are_scripts_of_every_chapter() -> None:
    """A folder that is not found must not look like success."""
    chapters = {path.parent.name for path in FILES}
    assert len(FILES) >= 160
    assert chapters >= {"open", "close", "reset", "data", "window", "retransmit", "time_wait"}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_script_passes_and_says_all_that_is_sent(path: Path) -> None:
    """The rule is in the script's first lines."""
    outcome = run(load(path), Settings(all_packets=True))
    assert outcome.verdict is Verdict.PASSED, outcome.report()


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_where_sequence_numbers_begin_makes_no_difference(path: Path, seed: int) -> None:
    """RFC 9293 3.4: all arithmetic is modulo 2**32, on both sides."""
    outcome = run(load(path), Settings(seed=seed, remote_isn=WRAPPING, semantic=True))
    assert outcome.verdict is Verdict.PASSED, outcome.report()
