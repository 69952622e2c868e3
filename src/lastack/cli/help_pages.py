"""Pages of help in another language than English, their columns as wide as they look."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import click
from rich.cells import cell_len

from lastack.view.wrap import wrapped

_RECORD: Final = re.compile(r"(-[^\s,]+(?:, -[^\s,]+)*)(?: (.*))?")
_GAP: Final = re.compile(r" {2,}")
_AND: Final = re.compile(r"; |\]  \[")


class Formatter(click.HelpFormatter):
    """Writes what click writes, each piece as `spoken` has it in the language."""

    spoken: Callable[[str], str]

    def __init__(
        self, spoken: Callable[[str], str], width: int | None, max_width: int | None
    ) -> None:
        super().__init__(width=width, max_width=max_width)
        self.spoken = spoken

    def _write(self, text: str, before: int) -> None:
        """Write lines that begin so far to the right; the first stands there already."""
        lines = wrapped(text, max(self.width - before, 10)).split("\n")
        self.write(f"\n{'':{before}}".join(lines) + "\n")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of usage, with what stands for values in the language."""
        pieces = " ".join(self.spoken(piece) for piece in args.split(" "))
        head = f"{prefix or self.spoken('Usage:')}{prog} "
        self.write(head)
        self._write(pieces, cell_len(head))

    def write_heading(self, heading: str) -> None:
        """Write the heading of a section."""
        self.write(f"{'':{self.current_indent}}{self.spoken(heading)}：\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs; of those that are not to be broken, each line by itself."""
        for place, paragraph in enumerate(text.strip("\n").split("\n\n")):
            if place:
                self.write("\n")
            first, *lines = paragraph.strip("\n").split("\n")
            if first.strip() == "\b":
                self._write_examples([_GAP.split(line.strip()) for line in lines])
            else:
                self.write(" " * self.current_indent)
                self._write(self.spoken(paragraph), self.current_indent)

    def _write_examples(self, rows: Sequence[Sequence[str]]) -> None:
        """Write commands, and what each is for below each other."""
        rooms: dict[int, int] = {}
        for row in rows:
            for place, cell in enumerate(row[:-1]):
                rooms[place] = max(rooms.get(place, 0), cell_len(cell))
        for row in rows:
            line = " " * self.current_indent
            for place, cell in enumerate(row[:-1]):
                line += cell + " " * (rooms[place] - cell_len(cell) + 2)
            self.write(f"{line}{self.spoken(row[-1])}\n")

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write options or commands, and beside each what it does."""
        spoken = [(self._term(first), self._meaning(second)) for first, second in rows]
        room = min(max(cell_len(first) for first, _ in spoken), col_max) + col_spacing
        before = self.current_indent + room
        for first, second in spoken:
            self.write(f"{'':{self.current_indent}}{first}")
            used = cell_len(first)
            if second and used > room - col_spacing:
                self.write("\n" + " " * before)
            elif second:
                self.write(" " * (room - used))
            self._write(second, before)

    def _term(self, words: str) -> str:
        """Return an option, or a command, with what stands for its value in the language."""
        found = _RECORD.fullmatch(words)
        if found is None or found[2] is None:
            return words
        return f"{found[1]} {self.spoken(found[2])}"

    def _meaning(self, words: str) -> str:
        """Return what an option does, and its default and range behind it."""
        text, gap, extra = words.partition("  [")
        if not gap and text.startswith("["):
            text, extra = "", text[1:]
        if not extra:
            return self.spoken(text)
        parts = []
        for part in _AND.split(extra.removesuffix("]")):
            name, colon, value = part.partition(": ")
            parts.append(
                f"{self.spoken(name)}：{self.spoken(value)}" if colon else self.spoken(name)
            )
        return f"{self.spoken(text)}  [{'；'.join(parts)}]".strip()
