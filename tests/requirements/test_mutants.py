"""The mutants as a table: each applies, each id that is met has one, each MUST's tests meet one.

That the tests do notice is shown by `make mutants`; here it is only seen to that it can run.
"""

import marks
import pytest
from mutants import Mutant, mutants

from lastack.requirements import requirements

NEEDS_MORE = ("kernel/", "wire/test_tshark.py")
"""Tests that want root or other people's programs: a mutant must not survive for want of these."""


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: f"{mutant.id}-{mutant.file}")
def test_a_mutant_still_applies(mutant: Mutant) -> None:
    """Its text stands in the code exactly once, and what it makes of it is still Python."""
    assert not mutant.fault
    text = (marks.ROOT / "src" / "lastack" / mutant.file).read_text(encoding="utf-8")
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")
    assert mutant.tests


def test_every_must_has_a_mutant_and_all_else_that_a_test_shows() -> None:
    """All 69 MUSTs of RFC 9293, and of the rest whatever the code meets and a test shows."""
    broken = {mutant.id for mutant in mutants()}
    shown = {id for id, tests in marks.marked_tests().items() if tests}
    assert broken == {id for id in requirements() if id.startswith("MUST-") or id in shown}


def test_every_test_marked_for_a_must_is_put_to_a_mutant_of_it() -> None:
    """A test that is marked for an id must fail when the behaviour is broken."""
    found = []
    named = {(m.id, test) for m in mutants() for test in m.tests}
    for id, tests in marks.marked_tests().items():
        for test in tests:
            short = test.removeprefix("tests/")
            if id.startswith("MUST-") and not short.startswith(NEEDS_MORE):
                if (id, short) not in named:
                    found.append(f"{id}: no mutant is to be caught by {short}")
    assert not found, "\n".join(found)


def test_every_test_that_a_mutant_names_carries_its_mark() -> None:
    """Else docs/requirements.md would not know of it, or it is gone."""
    marked = marks.marked_tests()
    found = [
        f"{mutant.id}: {test}"
        for mutant in mutants()
        for test in mutant.tests
        if f"tests/{test}" not in marked.get(mutant.id, ())
    ]
    assert not found, "\n".join(found)
