"""The command `lastack script`."""

import json
from pathlib import Path

from click.testing import CliRunner

from lastack.cli.script import script

GOOD = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
BAD = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = -1 EMFILE (x)\n"
STRANGE = "0 `reboot`\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.pkt").write_text(text)


def test_a_directory_is_walked_and_the_exit_code_tells(tmp_path: Path) -> None:
    """0 if none has failed, 1 otherwise; the counts are on stderr."""
    write(tmp_path, a=GOOD, b=STRANGE)
    result = CliRunner().invoke(script, [str(tmp_path)], standalone_mode=False)
    assert result.return_value == 0
    assert "1 passed, 0 failed, 1 skipped" in result.stderr
    write(tmp_path, c=BAD)
    result = CliRunner().invoke(script, [str(tmp_path)], standalone_mode=False)
    assert result.return_value == 1
    assert "expected  = -1 EMFILE" in result.stdout


def test_json_is_one_object_a_script(tmp_path: Path) -> None:
    """The fields of docs/json.md: schema, type, path, verdict, reason, line."""
    write(tmp_path, a=GOOD, b=STRANGE, c=BAD, d="what")
    result = CliRunner().invoke(script, [str(tmp_path), "--json"], standalone_mode=False)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["verdict"] for one in found] == ["passed", "skipped", "failed", "failed"]
    assert found[1] == {
        "schema": 1,
        "type": "script",
        "path": str(tmp_path / "b.pkt"),
        "verdict": "skipped",
        "reason": "the command 'reboot'",
        "line": 1,
    }


def test_names_are_defined_on_the_command_line(tmp_path: Path) -> None:
    """-D NAME and -D NAME=VALUE."""
    write(tmp_path, a="#ifdef X\n" + GOOD + "#else\n" + BAD + "#endif\n")
    words = [str(tmp_path)]
    assert CliRunner().invoke(script, words, standalone_mode=False).return_value == 1
    words += ["-D", "X"]
    assert CliRunner().invoke(script, words, standalone_mode=False).return_value == 0


def test_json_of_a_failure_has_the_ladder_up_to_it(tmp_path: Path) -> None:
    """Every field of docs/json.md, each rung with what the text form shows."""
    path = tmp_path / "a.pkt"
    path.write_text(
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n"
        "+0 listen(3, 1) = 0\n+0 < S 0:0(0) win 1000 <mss 1000>\n"
        "+0 > S. 0:0(0) ack 1 <mss 1461>\n"
    )
    result = CliRunner().invoke(script, [str(path), "--json"], standalone_mode=False)
    found = json.loads(result.stdout)
    assert (found["verdict"], found["line"]) == ("failed", 5)
    assert "mss 1461" in found["expected"] and "mss 1460" in found["actual"]
    assert [rung["from"] for rung in found["ladder"]] == ["", "", "", "script", "subject"]
    assert found["ladder"][-1]["text"].startswith("S. 0:0(0) ack 1")
    assert found["ladder"][-1]["state"] == "SYN-RECEIVED"
    documented = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    for name in {*found, *found["ladder"][0]} - {"schema", "type"}:
        assert f"`{name}`" in documented, name
