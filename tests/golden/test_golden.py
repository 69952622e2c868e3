"""The golden table is what comes out: interpreted and compiled, on every machine."""

import pytest
from golden_table import HEAD, TABLE, WHO, part


def test_the_table_says_how_to_read_it() -> None:
    """Its head is that of the program that writes it."""
    assert TABLE.read_text(encoding="utf-8").startswith(HEAD)


@pytest.mark.parametrize("who", WHO, ids=lambda who: "-".join(who))
def test_nothing_has_changed_that_was_not_looked_at(who: tuple[str, str]) -> None:
    """`make golden` writes the table anew."""
    assert part(who) in TABLE.read_text(encoding="utf-8")
