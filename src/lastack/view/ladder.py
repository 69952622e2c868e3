"""The ladder: two endpoints, time running down, every segment a rung, as text that fits a terminal.

The eye is led by four rules: the state columns never move; a state stands where it changes; a lost
segment ends in the middle; colour marks state changes and trouble, nothing else.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from lastack.tcp.states import State, linux_name
from lastack.units import MS, SECOND

CHANGE_STYLE: Final = "bold cyan"
LOST_STYLE: Final = "bold red"
TROUBLE_STYLE: Final = "yellow"

_STATE_WIDTH: Final = 12
_OPTIONS: Final = re.compile(r" ?<([^>]*)>")
_WINDOW: Final = re.compile(r" win (\d+)")
ASCII_FORMS: Final = str.maketrans(
    {"─": "-", "▶": ">", "◀": "<", "✗": "x", "·": "|", "…": "~", "⋮": ":", "×": "x"}
    | dict(zip("▁▂▃▄▅▆▇█", "_.-=+*%#"))
)


Ending = State | str | None
"""The state of an end: a State, words for several possible ones, None where it is unknown."""


@dataclass(frozen=True)
class Rung:
    """One segment on its way, or (`to_right` None) something that happened without one.

    `time` in nanoseconds is when it was sent; `left` and `right` are the states of both ends after
    it, None where they are unknown; `text` is the segment in packetdrill's notation, or what to
    say. `fate` is why it did not arrive ("" for one that did); `remark` says why it was sent;
    `trouble` makes the remark stand out. `arrives` is when it came, None when it did not.
    """

    time: int
    left: Ending
    right: Ending
    to_right: bool | None
    text: str
    fate: str = ""
    remark: str = ""
    trouble: bool = False
    arrives: int | None = None

    def record(self) -> dict[str, object]:
        """Return the rung for JSON: times end in `_ns`, `direction` is right, left or null."""
        direction = None if self.to_right is None else "right" if self.to_right else "left"
        return {
            "time_ns": self.time,
            "arrives_ns": self.arrives,
            "left": None if self.left is None else str(self.left),
            "right": None if self.right is None else str(self.right),
            "direction": direction,
            "text": self.text,
            "fate": self.fate or ("" if direction is None else "arrived"),
            "remark": self.remark,
        }


class Ladder:
    """Rungs between two named endpoints, and the states from which both began.

    Seconds have so many `places`.
    """

    def __init__(
        self,
        left_name: str,
        right_name: str,
        left_state: Ending,
        right_state: Ending,
        rungs: Sequence[Rung],
        places: int = 3,
    ) -> None:
        self.left_name = left_name
        self.right_name = right_name
        self.left_state = left_state
        self.right_state = right_state
        self.rungs = list(rungs)
        self.places = places

    def text(self, width: int = 100, ascii_only: bool = False) -> str:
        """Return the ladder as plain text, no line wider than `width`, ending in a newline."""
        return "".join(line.plain.rstrip() + "\n" for line in self.lines(width, ascii_only))

    def lines(
        self, width: int = 100, ascii_only: bool = False, names: str = "rfc"
    ) -> Iterator[Text]:
        """Yield the lines, coloured, without newlines; `names` spells the states: rfc or linux."""
        page = _Page(self.rungs, width, names, self.places)
        yield page.header(self.left_name, self.right_name)
        yield page.states("", self.left_state, self.right_state, Text(" " * page.arrow))
        left, right = self.left_state, self.right_state
        for rung in self.rungs:
            new_left = rung.left if rung.left != left else None
            new_right = rung.right if rung.right != right else None
            left, right = rung.left, rung.right
            for line in page.rung(rung, new_left, new_right):
                if ascii_only:
                    line.plain = line.plain.translate(ASCII_FORMS)
                yield line

    def shortened(self, most: int, sentence: str) -> "Ladder":
        """Return a ladder of about `most` rungs: the beginning, the end, and every state change.

        Each gap is told by a rung of its own; `sentence` has the place `{count}` for its size.
        """
        if len(self.rungs) <= most:
            return self
        head, tail = most // 2, len(self.rungs) - most // 2
        kept: list[Rung] = []
        gap: list[Rung] = []
        left, right = self.left_state, self.right_state
        for i, rung in enumerate(self.rungs):
            changed = rung.left != left or rung.right != right
            left, right = rung.left, rung.right
            if i < head or i >= tail or changed:
                kept.extend(_gap(gap, sentence))
                gap = []
                kept.append(rung)
            else:
                gap.append(rung)
        kept.extend(_gap(gap, sentence))
        states = self.left_state, self.right_state
        return Ladder(self.left_name, self.right_name, *states, kept, self.places)


def _gap(gap: list[Rung], sentence: str) -> list[Rung]:
    """Return what stands for the rungs left out: one rung, or none for an empty or tiny gap."""
    if len(gap) < 2:
        return gap
    last = gap[-1]
    words = sentence.format(count=f"{len(gap):,}")
    return [Rung(gap[0].time, last.left, last.right, None, f"⋮ {words}")]


def clock(time: int, places: int = 3) -> str:
    """Return a time as seconds with so many places: `240.282`."""
    unit = 10**places
    parts = (time * unit + SECOND // 2) // SECOND
    return f"{parts // unit}.{parts % unit:0{places}}"


def duration(time: int) -> str:
    """Return a span of time in the unit that suits it: `211 ms`, `1.5 s`, `240 s`."""
    if time < SECOND:
        return f"{round(time / MS, 1):g} ms"
    return f"{round(time / SECOND, 2):g} s"


def fitted(words: str, cells: int) -> str:
    """Return words cut to so many cells, with … at the cut."""
    if cell_len(words) <= cells:
        return words
    while words and cell_len(words) > cells - 1:
        words = words[:-1]
    return words + "…"


class _Fields:
    """How wide the fields are of the segments that go one way, so that their numbers line up."""

    def __init__(self, texts: Sequence[str]) -> None:
        # A SYN's fields stay close together: its options need the room.
        fields = [text.split(" ", 2) for text in texts if not text.startswith("S")]
        self.flags = max([2, *(len(f[0]) for f in fields)])
        self.range = max([0, *(len(f[1]) for f in fields if len(f) > 1)])
        acks = [f[2].split(" ", 2) for f in fields if len(f) > 2]
        self.ack = max([0, *(len(a[1]) for a in acks if a[0] == "ack" and len(a) > 1)])
        # Where the texts that go to the left begin; one longer than the plain ones begins before.
        plain = [
            len(self.aligned(text))
            for text in texts
            if not text.startswith("S") and "<" not in text
        ]
        self.plain = max([0, *plain])

    def aligned(self, text: str) -> str:
        """Return a segment's text with its fields as wide as on every other rung that way."""
        flags, _, rest = text.partition(" ")
        if "S" in flags:
            return f"{flags:{self.flags}} {rest}"
        numbers, _, rest = rest.partition(" ")
        if rest.startswith("ack "):
            _, number, *tail = rest.split(" ", 2)
            rest = f"ack {number:{self.ack}} {tail[0]}" if tail else f"ack {number}"
        if not rest:
            return f"{flags:{self.flags}} {numbers}".rstrip()
        return f"{flags:{self.flags}} {numbers:{self.range}} {rest}"


class _Page:
    """The columns of one ladder: how wide each is, and how a rung is written into them."""

    def __init__(self, rungs: Sequence[Rung], width: int, names: str, places: int) -> None:
        self.names = names
        self.places = places
        self.width = width
        self.time = max([7, *(len(clock(rung.time, places)) for rung in rungs)])
        self.arrow = max(24, width - self.time - 2 * _STATE_WIDTH - 4)
        self.ways = {
            way: _Fields([r.text for r in rungs if r.to_right is way]) for way in (True, False)
        }

    def header(self, left: str, right: str) -> Text:
        indent = " " * (self.time + 2)
        gap = self.width - len(indent) - cell_len(left) - cell_len(right)
        return Text(f"{indent}{left}{' ' * max(gap, 2)}{right}")

    def spell(self, state: State | str) -> str:
        if isinstance(state, State) and self.names == "linux":
            return linux_name(state)
        return str(state)

    def states(self, time: str, left: Ending, right: Ending, middle: Text) -> Text:
        line = Text(f"{time:>{self.time}}  ", no_wrap=True)
        name = "" if left is None else self.spell(left)
        line.append(name, CHANGE_STYLE).append(" " * (_STATE_WIDTH + 1 - len(name)))
        line.append_text(middle)
        if right is not None:
            line.append(" " * max(0, self.arrow - cell_len(middle.plain)))
            line.append(f" {self.spell(right)}", CHANGE_STYLE)
        return line

    def rung(self, rung: Rung, left: Ending, right: Ending) -> Iterator[Text]:
        """Yield the rung's line, and one more for a remark that found no room in it."""
        style = TROUBLE_STYLE if rung.trouble else ""
        if rung.to_right is None:
            words = rung.text + (f" · {rung.remark}" if rung.remark else "")
            middle = Text(fitted(words, self.arrow), style)
            yield self.states(clock(rung.time, self.places), left, right, middle)
            return
        inside, below = self._shaft(rung)
        middle = Text(inside)
        if rung.fate:
            mark = f"✗ {rung.fate}" if rung.to_right else f"{rung.fate} ✗"
            middle.highlight_words([mark], LOST_STYLE)
        if rung.remark and not below and style:
            middle.highlight_words([rung.remark], style)
        yield self.states(clock(rung.time, self.places), left, right, middle)
        if below:
            note = Text(fitted(rung.remark, self.arrow - 4), style)
            pad = 4 if rung.to_right else max(4, self.arrow - 2 - cell_len(note.plain))
            yield self.states("", None, None, Text(" " * pad).append_text(note))

    def _shaft(self, rung: Rung) -> tuple[str, bool]:
        """Return what stands between the states, and whether the remark must go below it.

        Where room is short, first the alignment of the numbers gives way, then the remark.
        """
        draw = self._to_right if rung.to_right else self._to_left
        aligned = self.ways[bool(rung.to_right)].aligned(rung.text)
        tries = [(aligned, rung.remark), (rung.text, rung.remark), (aligned, ""), (rung.text, "")]
        for text, remark in tries:
            found = draw(text, rung.fate, remark)
            if cell_len(found) <= self.arrow:
                return found, bool(rung.remark and not remark)
        for cells in range(len(rung.text) - 1, 8, -1):
            found = draw(fitted(rung.text, cells), rung.fate, "")
            if cell_len(found) <= self.arrow:
                break
        return found, bool(rung.remark)

    def _to_right(self, text: str, fate: str, remark: str) -> str:
        start = f"─ {text} "
        if fate:
            shaft = max(2, self.arrow // 2 + 4 - cell_len(start))
            return f"{start}{'─' * shaft} ✗ {fate}" + (f" · {remark}" if remark else "")
        end = f" {remark} ─▶" if remark else "▶"
        return start + "─" * max(2, self.arrow - cell_len(start) - cell_len(end)) + end

    def _to_left(self, text: str, fate: str, remark: str) -> str:
        fields = self.ways[False]
        usual = text == fields.aligned(text) and "S" not in text.partition(" ")[0]
        end = f" {text} ─" + "─" * (fields.plain - len(text) if text and usual else 0)
        if fate:
            shaft = max(2, self.arrow // 2 + 4 - cell_len(end))
            words = (f"{remark} · " if remark else "") + f"{fate} ✗ {'─' * shaft}{end}"
            return " " * max(0, self.arrow - cell_len(words)) + words
        start = f"◀─ {remark} " if remark else "◀"
        return start + "─" * max(2, self.arrow - cell_len(start) - cell_len(end)) + end


def short(text: str) -> str:
    """Return a segment's notation without what a ladder can spare: windows, padding, timestamps.

    A SYN keeps them (timestamps as the word TS alone), and a window of zero is always told.
    """
    syn = "S" in text.partition(" ")[0]
    options = _OPTIONS.search(text)
    kept = []
    for option in options[1].split(",") if options else ():
        if option.startswith("TS "):
            kept += ["TS"] if syn else []
        elif option not in ("nop", "eol"):
            kept.append(option)
    text = _OPTIONS.sub("", text)
    window = _WINDOW.search(text)
    if window and not syn and (window[1] != "0" or "R" in text.partition(" ")[0]):
        text = _WINDOW.sub("", text)
    return f"{text} <{','.join(kept)}>" if kept else text
