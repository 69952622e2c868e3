"""Verdicts by requirement, and as JUnit's XML."""

from collections.abc import Sequence
from xml.etree import ElementTree

from lastack.check.play import Verdict


def by_requirement(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """Return requirement -> verdicts: MUSTs first, then SHOULDs, MAYs and sections, by number."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.probe.requirement, []).append(verdict)
    return dict(sorted(found.items(), key=lambda item: _rank(item[0])))


def _rank(requirement: str) -> tuple[int, int, str]:
    level, _, number = requirement.partition("-")
    levels = ("MUST", "SHLD", "MAY")
    if level in levels:
        return levels.index(level), int(number), ""
    return len(levels), int(requirement.startswith("RFC")), requirement


def junit(verdicts: Sequence[Verdict], target: str) -> str:
    """Return a JUnit report: a test case a probe, its class the requirement."""
    count = {word: sum(v.verdict == word for v in verdicts) for word in ("failed", "skipped")}
    suite = ElementTree.Element(
        "testsuite",
        name=f"lastack check {target}",
        tests=str(len(verdicts)),
        failures=str(count["failed"]),
        skipped=str(count["skipped"]),
    )
    for verdict in verdicts:
        probe = verdict.probe
        case = ElementTree.SubElement(
            suite, "testcase", name=probe.name, classname=probe.requirement.replace(".", "_")
        )
        if verdict.verdict == "failed":
            failure = ElementTree.SubElement(case, "failure", message=verdict.reason)
            failure.text = "\n".join(verdict.trace)
        elif verdict.verdict == "skipped":
            ElementTree.SubElement(case, "skipped", message=verdict.reason)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode") + "\n"
