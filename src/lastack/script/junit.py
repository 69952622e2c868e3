"""Verdicts as JUnit's XML, which every CI reads."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from lastack.script.verdict import Outcome, Verdict


def junit(outcomes: Sequence[Outcome], expected_failures: frozenset[str], seconds: float) -> bytes:
    """Return a document with one suite, and a case a script.

    Scripts in `expected_failures` (by path) that have failed count as skipped.
    """
    suite = Element("testsuite", name="lastack script", tests=str(len(outcomes)))
    counts = {"failures": 0, "skipped": 0}
    for outcome in outcomes:
        folder, _, name = outcome.path.rpartition("/")
        case = SubElement(suite, "testcase", classname=_clean(folder), name=_clean(name))
        if outcome.line:
            case.set("line", str(outcome.line))
        if outcome.verdict is Verdict.FAILED and outcome.path not in expected_failures:
            counts["failures"] += 1
            SubElement(case, "failure", message=_clean(outcome.reason)).text = _clean(
                outcome.report()
            )
        elif outcome.verdict is not Verdict.PASSED:
            counts["skipped"] += 1
            SubElement(case, "skipped", message=_clean(outcome.reason))
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.set("errors", "0")
    suite.set("time", f"{seconds:.3f}")
    indent(suite)
    octets: bytes = tostring(suite, encoding="utf-8", xml_declaration=True)
    return octets


def _clean(text: str) -> str:
    """Return a text without what XML cannot say."""
    return "".join(c if c in "\t\n" or " " <= c < "\ud800" or c > "\udfff" else "?" for c in text)
