"""Columns that grow: whole numbers as they are, words as numbers of words."""

from enum import IntEnum
from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i32, i64

from lastack.observe.core.ends import names

NOTHING: Final = -(1 << 62)
"""Stands for what is not known; no time and no count is that small."""


class Numbers:
    """A column of whole numbers; NOTHING where there is none."""

    values: vec[i64]

    def __init__(self) -> None:
        self.values = vec[i64]()

    def add(self, value: i64) -> None:
        """Put one more at the end."""
        self.values = append(self.values, value)


class Words:
    """A column of words: `codes` are their places in `words`, where each stands once."""

    codes: vec[i32]
    words: list[str]
    places: dict[str, int]

    def __init__(self) -> None:
        self.codes = vec[i32]()
        self.words = []
        self.places = {}

    def add(self, word: str) -> None:
        """Put one more at the end."""
        place = self.places.get(word, -1)
        if place < 0:
            place = self.places[word] = len(self.words)
            self.words.append(word)
        self.codes = append(self.codes, i32(place))


class StateSets:
    """The words for sets of states, each made once; `code_of` gives its place in `words`."""

    words: list[str]
    codes: dict[int, int]

    def __init__(self) -> None:
        self.words = []
        self.codes = {}

    def code_of(self, mask: i64) -> i64:
        """Return the place of a set's word."""
        code = self.codes.get(int(mask), -1)
        if code < 0:
            code = self.codes[int(mask)] = len(self.words)
            self.words.append(names(int(mask)))
        return code


def by_number(kind: type[IntEnum]) -> list[str]:
    """Return the words of an enumeration, each at the place of its number."""
    words = [""] * (max(kind) + 1)
    for one in kind:
        words[one] = str(one)
    return words
