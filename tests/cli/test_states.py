"""`lastack states` and the frame of the command, as a user meets them: in their own process."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import click
import pytest
from rich.cells import cell_len

from lastack.cli.main import LazyGroup
from lastack.tcp.states import ROWS, State
from lastack.view.state_texts import HEADINGS, TEXTS

DOCS = Path(__file__).parents[2] / "docs"


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m lastack` in a plain environment and return what it did."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "100", **variables}
    return subprocess.run(
        [sys.executable, "-m", "lastack", *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=False, env=environment,
    )  # fmt: skip


def test_the_eleven_are_shown_with_their_picture() -> None:
    """Table and picture, in a hundred columns."""
    done = run("states")
    assert done.returncode == 0
    assert done.stderr == ""
    assert all(str(state) in done.stdout for state in State)
    assert done.stdout.endswith((DOCS / "states.txt").read_text(encoding="utf-8"))
    assert max(map(cell_len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("spelling", ["CLOSE-WAIT", "close_wait", "CloseWait", "closewait"])
def test_one_state_is_explained_however_it_is_spelled(spelling: str) -> None:
    """Meaning, way in, end, actor, advice, timers, section, ways out."""
    done = run("states", spelling, "--lang", "en")
    assert done.returncode == 0
    assert done.stdout.startswith("CLOSE-WAIT")
    for heading in ("meaning", "arrival", "ends", "actor", "many", "timers", "ways_in", "ways_out"):
        assert HEADINGS["en"][heading] in done.stdout
    assert "LAST-ACK" in done.stdout


def test_a_wrong_name_is_one_sentence_on_stderr_and_exit_2() -> None:
    """It names the eleven."""
    done = run("states", "HALF-OPEN")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert all(str(state) in done.stderr for state in State)


def test_the_language_comes_from_the_locale_or_the_option() -> None:
    """English and Chinese."""
    assert "含义" in run("states", "LISTEN", LC_ALL="zh_CN.UTF-8").stdout
    assert "含义" in run("states", "LISTEN", "--lang", "zh").stdout
    assert "RFC 9293 3.10.7.4 第五步" in run("states", "LAST-ACK", "--lang", "zh").stdout
    assert "Meaning" in run("states", "LISTEN", "--lang", "en", LC_ALL="zh_CN.UTF-8").stdout
    wide = run("states", "--lang", "zh", "--diagram", "none").stdout
    assert max(map(cell_len, wide.splitlines())) <= 100


def test_both_languages_say_everything() -> None:
    """No state and no heading is missing in either."""
    assert set(TEXTS["en"]) == set(TEXTS["zh"]) == set(State)
    assert HEADINGS["en"].keys() == HEADINGS["zh"].keys()
    for texts in TEXTS.values():
        assert all(all(said) for said in texts.values())
    for state in State:
        assert TEXTS["en"][state].section == TEXTS["zh"][state].section


def test_json_has_a_line_for_each_state_with_its_rows() -> None:
    """Every row of the table is one state's way out and another's way in."""
    done = run("states", "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["state"] for record in records] == list(map(str, State))
    assert sum(len(record["ways_out"]) for record in records) == len(ROWS)
    assert sum(len(record["ways_in"]) for record in records) == len(ROWS)
    documented = (DOCS / "json.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in documented for name in records[0] if name not in ("schema", "type"))


def test_the_picture_goes_to_stdout_or_to_a_file(tmp_path: Path) -> None:
    """As SVG, the same as in docs/."""
    file = tmp_path / "states.svg"
    done = run("states", "--diagram", "svg", "--svg", str(file))
    assert done.stdout == file.read_text(encoding="utf-8")
    assert done.stdout == (DOCS / "states.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(done.stdout)


def test_ascii_and_kernel_names_are_to_be_had() -> None:
    """For any terminal, and for readers of ss."""
    done = run("states", "--ascii", "--names", "linux", "--lang", "en")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "FIN_WAIT1" in done.stdout


def test_no_colour_leaves_for_a_pipe_or_under_no_color() -> None:
    """Data on stdout are data."""
    assert "\x1b" not in run("states").stdout
    assert "\x1b" not in run("states", NO_COLOR="1", TERM="xterm-256color").stdout


def test_a_file_that_cannot_be_written_is_one_sentence() -> None:
    """Exit 1, or 3 where a privilege is missing; never a traceback."""
    done = run("states", "--svg", "/nowhere/at/all.svg")
    assert done.returncode in (1, 3)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell: str) -> None:
    """`eval "$(lastack completion bash)"`."""
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_LASTACK_COMPLETE" in done.stdout


def test_states_are_completed() -> None:
    """In RFC spelling, whatever was begun."""
    done = run(_LASTACK_COMPLETE="bash_complete", COMP_WORDS="lastack states fin_", COMP_CWORD="2")
    assert done.stdout.split() == ["plain,FIN-WAIT-1", "plain,FIN-WAIT-2"]


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("states", "--nonsense")])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    """And says so on stderr alone."""
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr != ""


@pytest.mark.parametrize("arguments", [("--help",), ("states", "-h"), ("demo", "--help")])
def test_help_is_everywhere(arguments: tuple[str, ...]) -> None:
    """On stdout, exit 0."""
    done = run(*arguments)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: lastack")


def test_states_start_without_loading_the_machine() -> None:
    """The group imports a command only when it is called."""
    code = (
        "import sys, lastack.cli.main as m\n"
        "try: m.main(['states', '--diagram', 'none'])\n"
        "except SystemExit: pass\n"
        "print([n for n in ('lastack.stack.stack', 'lastack.tcp.connection', 'asyncio') "
        "if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"


def test_a_capture_is_read_without_what_draws_and_what_writes_data() -> None:
    """What stands before the first packet is waited for: the rest is loaded when it is needed."""
    code = (
        "import sys, lastack.cli.read\n"
        "print([n for n in ('rich', 'json', 'fractions', 'gzip', 'asyncio', 'lastack.tcp.info', "
        "'lastack.observe.second', 'lastack.observe.streams', 'multiprocessing') "
        "if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_command_in_the_list_can_be_loaded_and_explains_itself() -> None:
    """What `--help` names is there."""
    group = LazyGroup(name="lastack")
    context = click.Context(group)
    names = group.list_commands(context)
    assert {"states", "demo", "completion"} <= set(names)
    for name in names:
        command = group.get_command(context, name)
        assert command is not None
        assert command.help
