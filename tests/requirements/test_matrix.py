"""The requirement matrix itself: nothing is left out, nothing is out of date."""

import marks
import matrix
import pytest

from lastack.requirements import requirements


def without(found: list[str]) -> None:
    assert not found, "\n" + "\n".join(found)


def test_the_table_has_the_119_ids() -> None:
    """RFC 9293 Appendix B: 69 MUST, 31 SHOULD, 18 MAY, 1 RECOMMENDED, each once."""
    ids = list(requirements())
    wanted = [f"MUST-{n}" for n in range(1, 70)] + [f"SHLD-{n}" for n in range(1, 32)]
    assert ids == [*wanted, *(f"MAY-{n}" for n in range(1, 19)), "REC-1"]


def test_every_mark_is_an_id_of_the_table() -> None:
    """A mark that nobody has asked for is a slip of the pen."""
    known = requirements()
    without(
        [
            f"{mark.path}:{mark.line}: {mark.id}"
            for path in (*marks.sources(), *marks.test_files())
            for mark in marks.marks_in(path)
            if mark.id not in known
        ]
    )


def test_marks_are_written_out() -> None:
    """Who searches for an id finds every place where it is met."""
    without(
        [line for p in (*marks.sources(), *marks.test_files()) for line in marks.abridged_in(p)]
    )


def test_a_mark_among_tests_belongs_to_a_test() -> None:
    """One in a helper would count for nothing."""
    without(marks.strays())


@pytest.mark.parametrize("row", matrix.rows(), ids=lambda row: row.requirement.id)
def test_a_requirement_has_a_test_or_a_reason(row: matrix.Row) -> None:
    """And a MUST has code that meets it; nothing excuses from a MUST here."""
    assert not row.open, "neither a test nor a reason"
    if row.requirement.id.startswith("MUST-"):
        assert row.code and row.tests
    if row.tests:
        assert row.code, "a test, but no mark at the code"
    if row.remark is not None:
        assert row.remark.verdict in matrix.VERDICTS and row.remark.text.endswith(".")
        assert not (row.tests and row.remark.verdict.startswith("not ")), "a reason and a test"


def test_remarks_are_about_requirements() -> None:
    """Each id at most once."""
    ids = [line.partition("\t")[0] for line in matrix.REMARKS.read_text().splitlines()[1:]]
    assert len(ids) == len(set(ids)) and set(ids) <= set(requirements())


def test_the_page_is_up_to_date() -> None:
    """docs/requirements.md says what code, tests and remarks say: `make requirements`."""
    assert not matrix.is_stale(), "run make requirements"


def test_results_are_read_and_an_id_whose_tests_did_not_run_is_noticed() -> None:
    """CI fails when a marked test does not run."""
    row = next(row for row in matrix.rows() if row.requirement.id == "MUST-13")
    passed: matrix.Outcomes = {test: {"passed"} for test in row.tests}
    assert matrix.complaints([row], passed) == [] or matrix.is_stale()
    assert matrix.result_of(row, passed) == f"{len(row.tests)} passed"
    skipped: matrix.Outcomes = {test: {"skipped"} for test in row.tests}
    assert "MUST-13: none of its tests has run and passed" in matrix.complaints([row], skipped)
    assert any("was not run" in line for line in matrix.complaints([row], {}))
    failed: matrix.Outcomes = {**passed, row.tests[0]: {"passed", "failure"}}
    assert f"MUST-13: {row.tests[0]} failed" in matrix.complaints([row], failed)
