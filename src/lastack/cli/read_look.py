"""What the forms of `lastack read` share: how things are to look, and what a damage is called."""

from pathlib import Path

import click

from lastack.cli.main import FAILED
from lastack.view.capture_words import WORDS


class OneOptions:
    """How one connection is to be shown."""

    def __init__(
        self, svg: Path | None, html: Path | None, show_all: bool, ascii_only: bool,
        names: str, lang: str,
    ) -> None:  # fmt: skip
        self.svg = svg
        self.html = html
        self.show_all = show_all
        self.ascii_only = ascii_only
        self.names = names
        self.lang = lang


def complained(problem: str, capture: str, lang: str) -> int:
    """Say on stderr what is wrong with a capture; return the exit code for it."""
    if not problem:
        return 0
    words = WORDS[lang]["problem"].format(problem=problem)
    click.echo(f"lastack: {capture}: {words}", err=True)
    return FAILED
