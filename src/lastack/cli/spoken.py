"""Help and errors in the reader's language: known before the command line is understood.

What commands say stands in English where it is said; `help_words` and `error_words` have the
Chinese beside each sentence. What is not there is a name, and stays.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, TypeVar

import click

LANGUAGES: Final = ("en", "zh")
_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTION: Final = "--lang"
_VALUE: Final = re.compile(r"\\\{(\w+)\\\}")
_SPOKEN: Final = ("message", "why", "place", "kind", "example", "end", "error")
"""Values that are said in the language; others are names, even if they look like words."""


def language_of(environment: Mapping[str, str]) -> str:
    """Return `zh` where LC_ALL, LC_MESSAGES or LANG (the first that is set) asks for Chinese."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def language_in(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the language that a command line asks for, else that of the locale."""
    found = language_of(environment)
    for place, word in enumerate(words):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name == _OPTION:
            value = value if equals else "".join(words[place + 1 : place + 2])
            found = value if value in LANGUAGES else found
    return found


def said(sentence: str, language: str) -> str:
    """Return a sentence of help or of an error in the language."""
    if language == "en":
        return sentence
    from lastack.cli.error_words import ERRORS  # not loaded where nothing goes wrong
    from lastack.cli.help_words import HELP

    plain = " ".join(sentence.split())
    exact = HELP.get(plain) or ERRORS.get(plain)
    if exact is not None:
        return exact
    for pattern, form in _patterns():
        found = pattern.fullmatch(sentence)
        if found is not None:
            values = found.groupdict()
            spoken = {name: said(values[name], language) for name in _SPOKEN if name in values}
            return form.format(**(values | spoken))
    return sentence


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return what sentences with values in them look like, and the Chinese of each."""
    from lastack.cli.error_words import ERRORS

    return [
        (re.compile(_VALUE.sub(r"(?P<\1>.+?)", re.escape(english)), re.DOTALL), chinese)
        for english, chinese in ERRORS.items()
        if "{" in english
    ]


class Context(click.Context):
    """A context whose `obj` is the language."""

    def make_formatter(self) -> click.HelpFormatter:
        """Return what writes the pages of help."""
        if self.obj in (None, "en"):
            return super().make_formatter()
        from lastack.cli.help_pages import Formatter  # where English is spoken click's own will do

        spoken = partial(said, language=str(self.obj))
        return Formatter(spoken, self.terminal_width, self.max_content_width)


class Spoken(click.Command):
    """A command that knows the language before it reads its options, `--help` among them."""

    context_class = Context

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **more: Any,
    ) -> click.Context:
        """Return the context; that of a command within a group has the group's language."""
        if parent is None:
            more.setdefault("obj", language_in(args, os.environ))
        return super().make_context(info_name, args, parent, **more)


def help_lang_option(command: _Command) -> _Command:
    """Add `--lang en|zh` where help and errors alone are translated."""
    return language_option(command, False, "Language of help and errors.")


def language_option(command: _Command, told: bool, what: str) -> _Command:
    """Add `--lang en|zh`; its parameter `lang` where it is told."""
    return click.option(
        "--lang",
        type=click.Choice(LANGUAGES),
        default=lambda: click.get_current_context().obj or language_of(os.environ),
        show_default="from the locale",
        expose_value=told,
        help=what,
    )(command)
