"""What the forms of `lastack read` share: how it looks, what a damage is called, what gives way."""

from abc import ABC, abstractmethod
from pathlib import Path

import click

from lastack.cli.main import FAILED
from lastack.cli.spoken import said
from lastack.observe.sources import Notice
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
    words = said(problem, lang)
    if "(at octet" in problem:
        words = WORDS[lang]["problem"].format(problem=words)
    click.echo(f"lastack: {plain(capture)}: {words}", err=True)
    return FAILED


def plain(name: str) -> str:
    """Return a file's name as a terminal may show it: in one line, and without commands."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in name
    )


class Shown(ABC):
    """Something on the screen that tells of the octets read, and gives way to what is printed."""

    @abstractmethod
    def __call__(self, octets: int) -> None:
        """Tell of so many more; it is on the screen from the first on."""

    @abstractmethod
    def hide(self) -> None:
        """Take it off the screen until there are more."""


def give_way(notice: Notice | None) -> None:
    """Take off the screen what would stand in the same line as what is printed now."""
    if isinstance(notice, Shown):
        notice.hide()
