"""The 119 numbered requirements of RFC 9293, as data: id, section, level and subject.

`docs/requirements.md` says of each where it is met and which tests show it.
"""

from importlib.resources import files
from typing import Final, NamedTuple

_TABLE: Final = "data/rfc9293.tsv"


class Requirement(NamedTuple):
    """One line of the table: its number, section and level, and what it asks for in our words."""

    id: str
    section: str
    level: str
    subject: str


def requirements() -> dict[str, Requirement]:
    """Return every requirement by its id, in the order of the table: MUST, SHLD, MAY, REC."""
    text = files("lastack").joinpath(_TABLE).read_text(encoding="utf-8")
    rows = [Requirement(*line.split("\t")) for line in text.splitlines()[1:]]
    return {row.id: row for row in rows}
