"""Lines of prose that break where English and Chinese may be broken."""

from typing import Final

from rich.cells import cell_len

_NOT_AT_THE_START: Final = frozenset("，。；：、！？）】》”’…,.;:!?)]")
_NOT_AT_THE_END: Final = frozenset("（【《“‘([")


def wrapped(text: str, width: int) -> str:
    """Return the text broken into lines of at most `width` cells.

    A line may end at a blank, behind a `|`, and between two characters of which one is wide, but
    not before closing or behind opening punctuation. A word that is wider than the line is left
    whole.
    """
    lines: list[str] = []
    line = ""
    for piece in _pieces(text):
        if line and cell_len(line) + cell_len(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    lines.append(line.rstrip())
    return "\n".join(lines)


def _pieces(text: str) -> list[str]:
    """Return the text in the pieces between which a line may end."""
    pieces: list[str] = []
    start = 0
    for i in range(1, len(text)):
        before, after = text[i - 1], text[i]
        blank = before in " |" and after != " "
        wide = cell_len(before) == 2 or cell_len(after) == 2
        bound = after in _NOT_AT_THE_START or before in _NOT_AT_THE_END or after == " "
        if blank or (wide and not bound):
            pieces.append(text[start:i])
            start = i
    return [*pieces, text[start:]]
