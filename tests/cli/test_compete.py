"""`lastack compete`: flows share a bottleneck, are told apart, and can be looked at."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from lastack.cli.compete import compete

ROOT = Path(__file__).parents[2]
OWN = f"{ROOT / 'examples' / 'own_controller.py'}:Polite"
SHORT = "--rate 10mbit --delay 10ms --seconds 2"


def run(arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(
        compete, ["--lang", "en", *arguments.split()], standalone_mode=False, catch_exceptions=False
    )


def records(arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in run(f"{arguments} --json").stdout.splitlines()]


def test_each_flow_has_a_row_and_the_whole_a_sum() -> None:
    """A user's own class among them, loaded from its file."""
    done = run(f"--controllers cubic,bbr,{OWN},cubic {SHORT} --loss 0.1%")
    assert done.return_value == 0
    lines = done.stdout.splitlines()
    assert next(line.split()[:2] for line in lines[3:7]) == ["cubic", "1"]
    assert [line.split()[0] for line in lines[3:7]] == ["cubic", "bbr", "Polite", "cubic"]
    assert "Jain's fairness" in lines[8]
    assert max(map(cell_len, lines)) <= 100


def test_the_same_seed_gives_the_same_outcome() -> None:
    """Octet for octet; another seed another one."""
    arguments = f"--controllers cubic,bbr {SHORT} --loss 1% --json"
    first = run(arguments).stdout
    assert run(arguments).stdout == first
    assert run(f"{arguments} --seed 2").stdout != first


def test_json_is_one_documented_object_a_line() -> None:
    """docs/json.md names every type and every field."""
    documented = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    found = records(f"--controllers newreno,dctcp {SHORT} --ecn 5")
    assert [record["type"] for record in found] == ["flow", "flow", "competition"]
    for record in found:
        assert f"### `{record['type']}`" in documented
        for name in record:
            assert f"`{name}`" in documented or f'"{name}"' in documented


def test_equal_flows_share_about_equally_and_fill_the_bottleneck() -> None:
    """Jain's index of two of a kind."""
    whole = records("--controllers cubic,cubic --rate 20mbit --delay 5ms --seconds 8")[-1]
    assert isinstance(whole["jain"], float) and whole["jain"] > 0.85
    assert isinstance(whole["utilization"], float) and whole["utilization"] > 0.85


def test_marks_take_the_place_of_losses() -> None:
    """`--ecn`: the flows agree on ECN and the queue stays short without a drop."""
    whole = records("--controllers cubic,bbr,dctcp --rate 20mbit --delay 5ms --seconds 4 --ecn 20"
                    " --queue 300")[-1]  # fmt: skip
    assert whole["dropped"] == 0
    assert isinstance(whole["utilization"], float) and whole["utilization"] > 0.8


def test_the_picture_has_a_curve_for_each_flow_and_one_for_the_queue(tmp_path: Path) -> None:
    """Three panels: two with a curve for each flow, one for the queue."""
    file = tmp_path / "curves.svg"
    run(f"--controllers cubic,bbr {SHORT} --svg {file}")
    tree = ET.parse(file)
    lines = [node for node in tree.iter() if node.tag.endswith("polyline")]
    assert len(lines) == 5
    assert all(len(str(line.get("points")).split()) == 300 for line in lines)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--controllers nosuch", "nosuch"),
        ("--controllers nosuch.py:Mine", "no Python file"),
        (f"--controllers {ROOT / 'examples' / 'own_controller.py'}:Nobody", "Nobody"),
        ("--controllers cubic --queue 0bdp", "no queue"),
        ("--controllers cubic --rate 0", "--rate"),
    ],
)
def test_a_wrong_word_is_a_sentence(arguments: str, complaint: str) -> None:
    """Exit 2."""
    done = CliRunner().invoke(compete, arguments.split())
    assert done.exit_code == 2 and complaint in done.output


WRONG = {
    "Fraction": ("self.cwnd = self.cwnd * 0.7", "", "TypeError: "),
    "Endless": ("self.ssthresh = float('inf')", "", "TypeError: "),
    "Fault": ("raise ValueError('no idea')", "", "mine.py:6: ValueError: no idea"),
    "Pace": ("pass", "    def pacing_rate(self):\n        return 1e6\n", "TypeError: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_class_of_ones_own_is_said(case: str, tmp_path: Path) -> None:
    """Not that some connection was aborted, but what and where, interpreted and compiled."""
    line, more, said = WRONG[case]
    file = tmp_path / "mine.py"
    file.write_text(
        "from lastack import CongestionController\n\n\n"
        "class Mine(CongestionController):\n"
        f"    def on_ack(self, sample):\n        {line}\n\n{more}\n"
        "    def on_loss(self, in_flight, now):\n        pass\n\n"
        "    def on_timeout(self, in_flight, now):\n        pass\n"
    )
    with pytest.raises(click.ClickException) as caught:
        run(f"--controllers cubic,{file}:Mine {SHORT}")
    assert said in caught.value.format_message()


def test_a_class_that_lacks_a_method_does_not_begin(tmp_path: Path) -> None:
    """Compiled, Python itself would let it be made."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from lastack import CongestionController\n\n\n"
        "class Mine(CongestionController):\n    def on_ack(self, sample):\n        pass\n"
    )
    with pytest.raises(click.UsageError, match="Mine has no on_loss"):
        run(f"--controllers {file}:Mine {SHORT}")
