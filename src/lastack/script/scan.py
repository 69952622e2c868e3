"""Reading the text of a script: places and lines, comments, words, `#ifdef`."""

import re
from collections.abc import Mapping
from typing import Final, NoReturn

_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_DIRECTIVE: Final = re.compile(r"[ \t]*#[ \t]*(ifdef|ifndef|else|endif|define|undef)\b[ \t]*(.*)")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|[0-9]+)")


class Malformed(ValueError):
    """The script is not in the language: file, line, what was expected and what stands there."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


class Unsupported(Exception):  # no mistake: the script is skipped
    """The script asks for something that cannot be had here."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def preprocess(text: str, path: str, defined: Mapping[str, str]) -> str:
    """Return the text with the branches of `#ifdef` that count, every line still in its place.

    Defined names that have a value are replaced by it, outside of backticks and quotes.
    """
    known = dict(defined)
    lines: list[str] = []
    branches: list[bool] = []
    for number, line in enumerate(text.split("\n"), 1):
        found = _DIRECTIVE.match(line)
        if found is None:
            lines.append(line if all(branches) else "")
            continue
        lines.append("")
        word, rest = found[1], found[2].split("//")[0].strip()
        name, _, value = rest.partition(" ")
        if word in ("ifdef", "ifndef"):
            if not name:
                raise Malformed(path, number, f"expected a name behind #{word}")
            branches.append((name in known) == (word == "ifdef"))
        elif word in ("else", "endif"):
            if not branches:
                raise Malformed(path, number, f"expected an #ifdef before #{word}")
            branches[-1] = not branches[-1]
            if word == "endif":
                branches.pop()
        elif all(branches) and word == "define":
            known[name] = value.strip()
        elif all(branches):
            known.pop(name, None)
    if branches:
        raise Malformed(path, len(lines), "expected #endif, found the end")
    whole = "\n".join(lines)
    values = {name: value for name, value in known.items() if value}
    if not values:
        return whole
    names = "|".join(re.escape(name) for name in values)
    pattern = re.compile(rf"(`[^`]*`|\"(?:\\.|[^\"])*\"|%\{{.*?\}}%)|\b({names})\b", re.DOTALL)
    return pattern.sub(lambda m: m[1] or values[m[2]], whole)


class Scanner:
    """A place in a text. What takes something leaves the place on what comes next."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.at = 0
        self.skip()

    @property
    def line(self) -> int:
        """The line of the present place, from 1."""
        return self.text.count("\n", 0, self.at) + 1

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.text)

    def skip(self) -> None:
        """Go over white space and comments."""
        found = _SPACE.match(self.text, self.at)
        if found is not None:
            self.at = found.end()

    def sees(self, mark: str) -> bool:
        """Return whether this comes next."""
        return self.text.startswith(mark, self.at)

    def takes(self, mark: str) -> bool:
        """Take these characters if they come next."""
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        self.skip()
        return True

    def takes_word(self, word: str) -> bool:
        """Take this word if it, and not a longer one, comes next."""
        found = _WORD.match(self.text, self.at)
        if found is None or found[0] != word:
            return False
        self.at = found.end()
        self.skip()
        return True

    def expect(self, mark: str) -> None:
        """Take these characters, or complain."""
        if not self.takes(mark):
            self.fail(repr(mark))

    def match(self, pattern: "re.Pattern[str]") -> "re.Match[str] | None":
        """Take what a pattern matches, None when it does not."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            self.skip()
        return found

    def word(self, what: str) -> str:
        """Take a word of letters, digits and underscores."""
        found = self.match(_WORD)
        if found is None:
            self.fail(what)
        return found[0]

    def number(self, what: str, most: int = 0xFFFFFFFF) -> int:
        """Take a number from 0 to `most`, decimal or 0x."""
        at = self.at
        found = self.match(_NUMBER)
        if found is None:
            self.fail(what)
        value = int(found[0], 0) if "x" in found[0].lower() else int(found[0])
        if not 0 <= value <= most:
            self.at = at
            self.fail(f"{what} from 0 to {most}")
        return value

    def signed(self, what: str) -> int:
        """Take a number that may be negative."""
        found = self.match(_NUMBER)
        if found is None:
            self.fail(what)
        return int(found[0], 0) if "x" in found[0].lower() else int(found[0])

    def until(self, mark: str, what: str) -> str:
        """Take everything up to a mark, and the mark."""
        end = self.text.find(mark, self.at)
        if end < 0:
            self.fail(f"{mark!r} at the end of {what}")
        found = self.text[self.at : end]
        self.at = end + len(mark)
        self.skip()
        return found

    def fail(self, expected: str) -> NoReturn:
        """Complain: this was expected here."""
        raise self.fault(expected)

    def fault(self, expected: str) -> Malformed:
        """Return the complaint that this was expected here."""
        rest = self.text[self.at : self.at + 30].split("\n")[0]
        found = repr(rest) if rest else "the end"
        return Malformed(self.path, self.line, f"expected {expected}, found {found}")

    def unsupported(self, reason: str) -> NoReturn:
        """Give up: this cannot be had here."""
        raise Unsupported(self.line, reason)
