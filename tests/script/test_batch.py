"""Many scripts: order, processes, expected failures, JUnit; and that only meaning counts."""

import random
import re
from pathlib import Path
from xml.etree.ElementTree import fromstring

from click.testing import CliRunner

from lastack.cli.script import script
from lastack.script import Outcome, Settings, Verdict
from lastack.script.batch import expected_to_fail, run_all
from lastack.script.junit import junit

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
GOOD = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
BAD = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = -1 EMFILE (x)\n"
STRANGE = "0 `reboot`\n"
WRONG = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (x)
+0 > S 0:0(0) <...>
+.1 < S. 0:0(0) ack 1 win 65535 <mss 1460>
+0 > . 1:1(0) ack 2
"""

_COMMENT = re.compile(r"(`[^`]*`|\"(?:\\.|[^\"\\])*\")|//[^\n]*|/\*.*?\*/", re.DOTALL)


def stripped(text: str) -> str:
    """A script without its comments, on other lines, with other white space."""
    bare = _COMMENT.sub(lambda m: m[1] or "", text)
    lines = [line.strip() for line in bare.splitlines() if line.strip()]
    return "\n\n".join(lines) + "\n"


def meaning(outcome: Outcome) -> tuple[Verdict, str, str, str, list[str]]:
    return outcome.verdict, outcome.reason, outcome.expected, outcome.actual, list(outcome.trace)


def broken(text: str) -> str:
    """A script whose last outbound packet acknowledges something else."""
    at = text.rfind(" ack ", 0, text.rfind("\n", text.rfind(" > ") + 1) + 80)
    return text if at < 0 else f"{text[:at]} ack 7{text[at + 5 :]}"


def test_names_comments_and_order_do_not_count(tmp_path: Path) -> None:
    """Stripped of comments, renamed and shuffled, scripts have the same verdicts and traces.

    Scripts that pass, and the same ones made wrong, so that failures are compared too.
    """
    texts = [path.read_text() for path in sorted(SCRIPTS.rglob("*.pkt"))]
    texts += [broken(text) for text in texts] + [GOOD, BAD, STRANGE, "what"]
    order = list(range(len(texts)))
    random.Random(7).shuffle(order)
    plain, other = tmp_path / "plain", tmp_path / "other"
    for folder in (plain, other):
        folder.mkdir()
    here = [plain / f"{number:04}-its-name.pkt" for number in range(len(texts))]
    there = [other / f"x{order[number]}.txt" for number in range(len(texts))]
    for number, text in enumerate(texts):
        here[number].write_text(text)
        there[number].write_text(stripped(text))
    settings = Settings()
    once = list(run_all([str(path) for path in here], settings, 1))
    again = {
        outcome.path: outcome
        for outcome in run_all([str(there[number]) for number in order], settings, 1)
    }
    assert len({outcome.verdict for outcome in once}) == 3
    for number, outcome in enumerate(once):
        assert meaning(outcome) == meaning(again[str(there[number])]), texts[number]


def test_more_processes_give_the_same_in_the_same_order(tmp_path: Path) -> None:
    """The verdicts come in the order of the paths, whoever is first."""
    paths = []
    for number in range(240):
        path = tmp_path / f"{number}.pkt"
        path.write_text((GOOD, BAD, WRONG)[number % 3])
        paths.append(str(path))
    alone = list(run_all(paths, Settings(), 1))
    together = list(run_all(paths, Settings(), 2))
    assert [outcome.path for outcome in together] == paths
    assert list(map(meaning, alone)) == list(map(meaning, together))


def test_a_script_may_be_expected_to_fail(tmp_path: Path) -> None:
    """NAME.exfail or NAME.pkt.exfail beside it; it is counted apart and ends nothing badly."""
    for name, text in {"a": GOOD, "b": BAD, "c": BAD}.items():
        (tmp_path / f"{name}.pkt").write_text(text)
    (tmp_path / "b.exfail").write_text("nobody has so many sockets\n")
    (tmp_path / "c.pkt.exfail").write_text("")
    assert expected_to_fail(str(tmp_path / "b.pkt")) == "nobody has so many sockets"
    assert expected_to_fail(str(tmp_path / "c.pkt")) == "c.pkt.exfail says so"
    assert expected_to_fail(str(tmp_path / "a.pkt")) == ""
    result = CliRunner().invoke(script, [str(tmp_path)], standalone_mode=False)
    assert result.return_value == 0
    assert "1 passed, 0 failed, 0 skipped, 2 failed as expected" in result.stderr
    (tmp_path / "a.exfail").write_text("")
    result = CliRunner().invoke(script, [str(tmp_path)], standalone_mode=False)
    assert "(1 of those passed were expected to fail)" in result.stderr


def test_a_failure_shows_the_ladder_up_to_it_both_sides_and_the_rule(tmp_path: Path) -> None:
    """Expected, actual, and the section of the RFC that had the stack do it."""
    path = tmp_path / "wrong.pkt"
    path.write_text(WRONG)
    result = CliRunner().invoke(script, [str(path)], standalone_mode=False)
    assert "  expected  +0 > . 1:1(0) ack 2\n  actual    0.100000 > . 1:1(0) ack 1" in result.output
    assert "  rule      SYN-SENT -> ESTABLISHED: RFC 9293 3.10.7.3 fourth" in result.output
    last = [line for line in result.output.splitlines() if "◀" in line][-1]
    assert ".  1:1(0) ack 1" in last
    assert any(line.endswith("SYN-SENT") for line in result.output.splitlines())


def test_junit_has_a_case_a_script(tmp_path: Path) -> None:
    """Failures and skips with their reasons, expected failures among the skipped."""
    for name, text in {"a": GOOD, "b": BAD, "c": STRANGE, "d": "\x00what"}.items():
        (tmp_path / f"{name}.pkt").write_text(text)
    (tmp_path / "b.exfail").write_text("")
    file = tmp_path / "out.xml"
    words = [str(tmp_path), "--junit", str(file)]
    assert CliRunner().invoke(script, words, standalone_mode=False).return_value == 1
    suite = fromstring(file.read_bytes())
    assert suite.attrib["tests"] == "4"
    assert (suite.attrib["failures"], suite.attrib["skipped"]) == ("1", "2")
    kinds = {case.attrib["name"]: [child.tag for child in case] for case in suite}
    assert kinds == {"a.pkt": [], "b.pkt": ["skipped"], "c.pkt": ["skipped"], "d.pkt": ["failure"]}
    assert fromstring(junit([], frozenset(), 0.0)).attrib["tests"] == "0"
