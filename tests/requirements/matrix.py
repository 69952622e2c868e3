"""docs/requirements.md: each requirement, the code that meets it, the tests that show it.

    python tests/requirements/matrix.py [--junit FILE] [--check]

joins the table of RFC 9293's requirements with the marks in code and tests, with the remarks beside
this file, and with the results in a JUnit file that pytest has written. Without such a file the
results of the last time stay. `--check` writes nothing and complains: about a page that is out of
date (results aside), about ids that have neither a test nor a reason, and, with a JUnit file, about
ids none of whose tests has run and marked tests that have failed.
"""

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import marks

from lastack.requirements import Requirement, requirements

PAGE = marks.ROOT / "docs" / "requirements.md"
REMARKS = Path(__file__).with_name("remarks.tsv")
LEVELS = {"MUST": "MUST", "SHLD": "SHOULD", "MAY": "MAY", "REC": "RECOMMENDED"}
VERDICTS = ("not applicable", "otherwise", "not offered", "not built", "remark")
"""What a remark may say; `remark` alone is no reason to have no test."""
TODO = "-"


class Remark(NamedTuple):
    """What is to be said of a requirement besides its code and its tests."""

    id: str
    verdict: str
    text: str


class Row(NamedTuple):
    """One requirement and all that is known of it."""

    requirement: Requirement
    code: list[str]
    tests: list[str]
    remark: Remark | None

    @property
    def open(self) -> bool:
        """Whether there is neither a test nor a reason for having none."""
        return not self.tests and (self.remark is None or self.remark.verdict == "remark")


Outcomes = dict[str, set[str]]
"""By test (`tests/tcp/test_close.py::test_...`): how its runs ended."""


def remarks() -> dict[str, Remark]:
    """Return the remarks by id."""
    lines = REMARKS.read_text(encoding="utf-8").splitlines()[1:]
    found = [Remark(*line.split("\t")) for line in lines if line]
    return {remark.id: remark for remark in found}


def rows() -> list[Row]:
    """Join everything, in the order of the table."""
    code, tests, said = marks.code_places(), marks.marked_tests(), remarks()
    return [
        Row(requirement, code.get(id, []), tests.get(id, []), said.get(id))
        for id, requirement in requirements().items()
    ]


def outcomes(junit: Path) -> Outcomes:
    """Read how each test ended from what `pytest --junitxml` has written."""
    found: Outcomes = defaultdict(set)
    for case in ElementTree.parse(junit).iter("testcase"):
        path = case.get("classname", "").replace(".", "/") + ".py"
        name = case.get("name", "").partition("[")[0]
        ending = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[f"{path}::{name}"].add(ending.pop() if ending else "passed")
    return dict(found)


def result_of(row: Row, ran: Outcomes) -> str:
    """Return the last column: how the tests of a row ended, or why it has none."""
    counts: dict[str, int] = defaultdict(int)
    for test in row.tests:
        endings = ran.get(test, {"not run"})
        for ending in ("failure", "error", "passed", "skipped", "not run"):
            if ending in endings:
                counts["failed" if ending in ("failure", "error") else ending] += 1
                break
    if not row.tests:
        return TODO
    return ", ".join(f"{count} {ending}" for ending, count in counts.items())


def _cell(lines: list[str]) -> str:
    return "<br>".join(lines) or TODO


def _place(text: str) -> str:
    path, _, name = text.partition(" ")
    return f"`{path}` {name}".strip().replace("_", r"\_") if name else f"`{path}`"


def _test(text: str) -> str:
    path, _, name = text.partition("::")
    return f"`{path.removeprefix('tests/')}` {name.removeprefix('test_').replace('_', ' ')}"


def _line(row: Row, result: str) -> str:
    requirement = row.requirement
    said = ""
    if row.remark is not None:
        verdict = "" if row.remark.verdict == "remark" else f"**{row.remark.verdict}**: "
        said = f"<br>*{verdict}{row.remark.text}*"
    level = "" if requirement.level == LEVELS[requirement.id.partition("-")[0]] else "NOT: "
    return (
        f"| {requirement.id} | {requirement.section} | {level}{requirement.subject}{said} "
        f"| {_cell([_place(place) for place in row.code])} "
        f"| {_cell([_test(test) for test in row.tests])} | {result} |"
    )


def _summary(found: list[Row]) -> list[str]:
    lines = ["| level | ids | with code and test | with a test alone | a reason instead |"]
    lines.append("|---|---|---|---|---|")
    for kind, level in LEVELS.items():
        mine = [row for row in found if row.requirement.id.startswith(f"{kind}-")]
        both = sum(1 for row in mine if row.code and row.tests)
        alone = sum(1 for row in mine if row.tests and not row.code)
        reason = sum(1 for row in mine if not row.tests and row.remark)
        lines.append(f"| {level} | {len(mine)} | {both} | {alone} | {reason} |")
    return lines


def render(found: list[Row], results: dict[str, str]) -> str:
    """Return the page; `results` has the last column by id."""
    lines = [
        "# The requirements of RFC 9293",
        "",
        "Made by `make requirements` from the marks (`# MUST-13`) in code and tests: do not edit.",
        "Places in the code are under `src/lastack`, tests under `tests`. The last column is how",
        "the tests ended when the page was made. `make mutants` breaks the code behind every MUST",
        "and sees that its tests notice. Where systems part ways: [deviations.md](deviations.md).",
        "",
        *_summary(found),
        "",
    ]
    for kind, level in LEVELS.items():
        lines += [f"## {level}", "", "| id | section | subject | code | tests | result |"]
        lines.append("|---|---|---|---|---|---|")
        lines += [
            _line(row, results.get(row.requirement.id, TODO))
            for row in found
            if row.requirement.id.startswith(f"{kind}-")
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def results_on(page: str) -> dict[str, str]:
    """Return the last column of a page that was made before."""
    rows = re.findall(r"^\| ([A-Z]+-\d+) \|.*\| ([^|]*) \|$", page, re.MULTILINE)
    return dict(rows)


def without_results(page: str) -> str:
    """Return a page with its last column blank, to compare all the rest."""
    return re.sub(r"^(\| [A-Z]+-\d+ \|.*\|) [^|]* \|$", r"\1", page, flags=re.MULTILINE)


def is_stale() -> bool:
    """Return whether the page says something else than code, tests and remarks do."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return without_results(render(rows(), {})) != without_results(page)


def complaints(found: list[Row], ran: Outcomes | None) -> list[str]:
    """Return all that is wrong, in sentences."""
    wrong = [f"{row.requirement.id} has neither a test nor a reason" for row in found if row.open]
    if is_stale():
        wrong.append("docs/requirements.md is out of date: make requirements")
    if ran is None:
        return wrong
    for row in found:
        endings = [ran.get(test, {"not run"}) for test in row.tests]
        if row.tests and not any("passed" in ending for ending in endings):
            wrong.append(f"{row.requirement.id}: none of its tests has run and passed")
        for test, ending in zip(row.tests, endings, strict=True):
            if ending & {"failure", "error"}:
                wrong.append(f"{row.requirement.id}: {test} failed")
            elif ending == {"not run"}:
                wrong.append(f"{row.requirement.id}: {test} was not run")
    return wrong


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--junit", type=Path, help="what pytest --junitxml has written")
    parser.add_argument("--check", action="store_true", help="write nothing, complain")
    parser.add_argument("--list", action="store_true", help="print the marked tests")
    options = parser.parse_args(arguments)
    found = rows()
    if options.list:
        print("\n".join(sorted({test for row in found for test in row.tests})))
        return 0
    ran = outcomes(options.junit) if options.junit else None
    if not options.check:
        before = results_on(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        if ran is not None:
            before = {row.requirement.id: result_of(row, ran) for row in found}
        PAGE.write_text(render(found, before), encoding="utf-8")
    wrong = complaints(found, ran)
    print("\n".join(wrong) or "every requirement has a test or a reason")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
