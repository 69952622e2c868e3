"""Prose breaks where its language allows."""

import pytest
from rich.cells import cell_len

from lastack.tcp.states import State
from lastack.view.state_texts import TEXTS
from lastack.view.wrap import wrapped


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [26, 40, 78])
def test_no_line_is_too_wide_and_nothing_is_lost(language: str, width: int) -> None:
    """Every text there is, at the widths that the tables use."""
    for state in State:
        for text in TEXTS[language][state]:
            lines = wrapped(text, width).split("\n")
            assert max(map(cell_len, lines)) <= width
            assert "".join(lines).replace(" ", "") == text.replace(" ", "")
            assert not any(line.startswith(tuple("，。；：）")) for line in lines)


def test_an_overlong_word_stays_whole() -> None:
    """An address is of no use in two halves."""
    assert wrapped("at [fd00::1234:5678]:80 now", 10) == "at\n[fd00::1234:5678]:80\nnow"
