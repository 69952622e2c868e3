"""The tables of the grid as values, and what every runner of them needs (README.md beside them)."""

from pathlib import Path
from typing import Final, NamedTuple

from lastack.tcp.states import State, state_named
from lastack.wire.notation import Base, format_segment, parse_segment
from lastack.wire.segment import Segment

HERE: Final = Path(__file__).parent
NOTHING: Final = "-"
EDGE: Final = 1001
"""The window's right edge in the tables; numbers near it move with the real one."""
NEAR_EDGE: Final = range(900, 1100)
RESERVED_BITS: Final = 0xE00
LAST_TIMESTAMP: Final = 1000
_HEADS: Final = ["kind", "segment", "answer", "state", "user", "RFC 9293"]


class Step(NamedTuple):
    """One line of the way into a state: who (`<`, `>` or `user`), and what."""

    who: str
    what: str


class Cell(NamedTuple):
    """A segment, and what the RFC wants to follow."""

    table: str
    kind: str
    segment: str
    answer: str
    state: State
    user: str
    section: str

    @property
    def timestamps(self) -> bool:
        """Whether both ends have agreed on timestamps."""
        return self.kind.startswith("ts-")


class Outcome(NamedTuple):
    """What did follow, in the words of the tables."""

    answer: str
    state: str
    user: str

    def __str__(self) -> str:
        return " | ".join(self)


class Table(NamedTuple):
    """A state, the way into it, and its cells."""

    name: str
    state: State
    before: list[Step]
    cells: list[Cell]


def wanted(cell: Cell) -> Outcome:
    """Return what the table says."""
    return Outcome(cell.answer, str(cell.state), cell.user)


def read_table(path: Path) -> Table:
    """Read one table; raises ValueError with the line that cannot be read."""
    state: State | None = None
    before: list[Step] = []
    cells: list[Cell] = []
    heads = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if not words or line.startswith(("#", "-")):
            continue
        if words[0] == "state":
            state = state_named(words[1])
        elif words[0] in ("<", ">", "user"):
            before.append(Step(words[0], " ".join(words[1:])))
        else:
            fields = [field.strip() for field in line.split("|")]
            if len(fields) != len(_HEADS):
                raise ValueError(f"{path.name}:{number}: {len(fields)} columns, not {len(_HEADS)}")
            if not heads:
                assert fields == _HEADS, f"{path.name}:{number}: {fields}"
                heads = True
                continue
            kind, segment, answer, to, user, section = fields
            cells.append(Cell(path.stem, kind, segment, answer, state_named(to), user, section))
    if state is None:
        raise ValueError(f"{path.name} names no state")
    return Table(path.stem, state, before, cells)


def tables() -> list[Table]:
    """Return all of them."""
    found = [path for path in HERE.glob("*.txt") if not path.stem.endswith("_differences")]
    return [read_table(path) for path in sorted(found)]


class Differences(NamedTuple):
    """Where a stack answers otherwise, and why: what a `*_differences.txt` holds."""

    about: dict[str, str]
    """Words before the first cell: `kernel 6.18` -> {"kernel": "6.18"}."""
    reasons: dict[str, str]
    cells: dict[tuple[str, str], Outcome]
    """(table, kind) -> what is answered there."""


def read_differences(path: Path) -> Differences:
    """Read a list of differences; raises ValueError for a cell without a reason."""
    read = Differences({}, {}, {})
    reason = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("    "):
            read.reasons[reason] += line.strip() + " "
        elif "|" in line:
            table, kind, answer, state, user = [field.strip() for field in line.split("|")]
            if not read.reasons.get(reason):
                raise ValueError(f"{path.name}:{number}: no reason is given")
            read.cells[table, kind] = Outcome(answer, state, user)
        elif line.endswith(":"):
            reason = line[:-1]
            read.reasons[reason] = ""
        else:
            name, _, value = line.partition(" ")
            read.about[name] = value
    return read


def segment_of(text: str, base: Base, source: int, destination: int, edge: int = EDGE) -> Segment:
    """Return the segment of a cell or a step; `edge` is where the real window ends."""
    reserved = text.startswith("reserved ")
    if reserved:
        text = text.removeprefix("reserved ")
    segment = parse_segment(moved(text, edge), base, source, destination)
    if reserved:
        segment.flags |= RESERVED_BITS
    return segment


def moved(text: str, edge: int) -> str:
    """Return a segment's text with the numbers near the window's edge moved to the real edge."""
    if edge == EDGE:
        return text
    words = text.split(" ")
    first, _, rest = words[1].partition(":")
    end, _, length = rest.partition("(")
    low, high = (_moved(int(number), edge) for number in (first, end))
    words[1] = f"{low}:{high}({high - low})" if int(length[:-1]) else f"{low}:{low}(0)"
    return " ".join(words)


def _moved(number: int, edge: int) -> int:
    return number - EDGE + edge if number in NEAR_EDGE else number


def with_timestamp(text: str) -> str:
    """Return a segment of the way in with the timestamp option that `ts-` cells start from."""
    option = f"nop,nop,TS val {LAST_TIMESTAMP} ecr 0"
    if text.endswith(">"):
        return f"{text[:-1]},{option}>"
    return f"{text} <{option}>"


def spelled(segment: Segment, base: Base) -> str:
    """Return an answer as the tables write it, without window and options."""
    return format_segment(segment, base).partition(" win ")[0]
