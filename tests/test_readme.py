"""The READMEs show what a user will see: their ladder is the demo's, their program runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lastack

ROOT = Path(__file__).resolve().parent.parent
README = {"en": "README.md", "zh": "README.zh-CN.md"}


def blocks(lang: str, kind: str) -> list[str]:
    text = (ROOT / README[lang]).read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for found, block in fenced if found == kind]


def run(*words: str) -> str:
    package = str(Path(lastack.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": package, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("lang", README)
def test_the_ladder_in_the_readme_is_what_the_demo_prints(lang: str) -> None:
    """Its rungs and its last line, with the command that stands above it."""
    [command] = [
        line for block in blocks(lang, "sh") for line in block.splitlines() if "demo" in line
    ]
    words = command.rpartition("lastack demo ")[2].split()
    printed = run("-m", "lastack", "demo", *words, "--lang", lang).splitlines()
    rungs = printed[: printed.index("")]
    shown = blocks(lang, "")[0].splitlines()
    assert shown == [*rungs, printed[-1]]


@pytest.mark.parametrize("lang", README)
def test_the_program_in_the_readme_runs(lang: str) -> None:
    """Both READMEs give the same one."""
    [program] = blocks(lang, "python")
    assert run("-c", program) == "b'hello\\n' TIME-WAIT\n"
