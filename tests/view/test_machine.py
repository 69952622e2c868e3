"""The picture of the machine is the table, drawn: nothing more, nothing less."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from rich.cells import cell_len

from lastack.tcp.states import LIFE, ROWS, Cause, Row, State
from lastack.view.machine import arrows, ends, machine_text
from lastack.view.machine_svg import machine_svg
from lastack.view.machine_words import CAUSES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "fresh"), [("states.txt", machine_text), ("states.svg", machine_svg)]
)
def test_the_committed_picture_is_the_fresh_one(name: str, fresh: object) -> None:
    """The pictures in docs/ come from the table: `lastack states --svg docs/states.svg`."""
    assert callable(fresh)
    assert (DOCS / name).read_text(encoding="utf-8") == fresh()


def test_every_row_of_life_has_its_arrow_and_its_label() -> None:
    """One arrow a row, in the order of the table; the label names cause and section."""
    drawn = arrows()
    assert [arrow.row for arrow in drawn] == list(LIFE)
    for arrow in drawn:
        assert arrow.label()[0] == CAUSES["en"][arrow.row.cause]
        assert arrow.label()[-1] == f"§{arrow.row.section}"


def test_a_row_without_a_place_fails_loudly() -> None:
    """A new transition cannot be forgotten in the picture."""
    stray = Row(State.CLOSING, Cause.TIME_WAIT_OVER, State.CLOSED, "0")
    with pytest.raises(LookupError, match="no place in the picture for CLOSING"):
        arrows((*LIFE, stray))


def test_a_place_without_a_row_fails_loudly() -> None:
    """A transition that is gone does not stay in the picture."""
    with pytest.raises(LookupError, match="places without a row"):
        arrows(LIFE[:-1])


def test_an_arrow_that_ends_at_the_wrong_box_fails_loudly() -> None:
    """Places are data, but where an arrow leads is the table's to say."""
    wrong = tuple(
        Row(row.state, row.cause, State.CLOSING, row.section) if row is LIFE[0] else row
        for row in LIFE
    )
    with pytest.raises(LookupError, match="misses CLOSING"):
        arrows(wrong)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_text_fits_a_hundred_columns_and_names_every_state(
    ascii_only: bool, language: str
) -> None:
    """The canvas itself raises when two things want one place."""
    text = machine_text(ascii_only=ascii_only, language=language)
    assert max(map(cell_len, text.splitlines())) <= 100
    assert all(str(state) in text for state in State)
    if language == "en":
        assert text.isascii() is ascii_only


def test_both_pictures_can_carry_counts_and_kernel_names() -> None:
    """Later views write how many connections are where."""
    counts = {State.ESTABLISHED: 1234, State.CLOSED: 5}
    for picture in (machine_text, machine_svg):
        text = picture(state_counts=counts, names="linux")
        assert "1,234" in text
        assert text.count(">5<" if "<svg" in text else " 5 ") == 1
        assert "SYN_RECV" in text
    assert "SYN-RECEIVED" not in machine_text(names="linux").partition("Sudden")[0]


def test_every_sudden_end_is_summed_up() -> None:
    """The rows outside LIFE stand below the picture, by cause."""
    causes = {row.cause for row in ROWS[len(LIFE) :]}
    assert {end.cause for end in ends()} == causes
    for language, words in CAUSES.items():
        assert set(words) == set(Cause)
        assert all(words[cause] in machine_text(language=language) for cause in causes)


def test_the_svg_is_one_document_that_needs_nothing_else() -> None:
    """Good for a paper: no script, no font, no image from elsewhere."""
    root = ElementTree.fromstring(machine_svg())
    assert root.tag.endswith("svg")
    text = machine_svg()
    assert "<script" not in text
    assert "href" not in text
    assert text.count("http") == 1
    paths = root.findall("{http://www.w3.org/2000/svg}path")
    assert sum(1 for path in paths if len(path)) == len(LIFE)
