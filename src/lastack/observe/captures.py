"""Which captures a list of paths stands for: single files, rotated series, folders of both."""

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lastack.observe.core.flow import Flow
from lastack.observe.places import is_file, is_folder, size_of
from lastack.observe.reading import Observer, read_with
from lastack.observe.sources import Notice, in_order, open_capture
from lastack.wire.batches import BatchReader
from lastack.wire.capture import CaptureError

SIDES: Final = ("a", "b", "both")
"""Whose stream of a connection can be asked for."""
_MAGICS: Final = frozenset(
    bytes.fromhex(text) for text in ("0a0d0d0a", "a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1")
)
_NUMBER: Final = re.compile(r"\d+")
_DATE: Final = 8
"""Digits from which on a number in a name is a date, which changes along with the other one."""
_NO_PACKET: Final = -1
"""Stands for the time of the first packet where there is a header and nothing else."""


@dataclass(frozen=True)
class Capture:
    """One capture: its name, and the files it was written to, one after the other."""

    name: str
    files: tuple[str, ...]

    @property
    def size(self) -> int:
        """Octets on disk, 0 for what is no plain file."""
        return sum(size_of(file) for file in self.files)

    @property
    def again(self) -> bool:
        """Whether it can be read a second time."""
        return all(is_file(file) for file in self.files)

    def flows(self, observer: Observer, notice: Notice | None = None) -> Iterator[Flow]:
        """Return its connections as they end, as `read_with` does."""
        return read_with(observer, self.files, notice)


def captures_in(paths: Iterable[str]) -> tuple[list[Capture], list[tuple[str, str]]]:
    """Return the captures that paths stand for, and the files in folders that are none.

    With the latter stands why they could not be opened, "" for those that are something else.

    The files of a rotated series (their names differ in one number, their times follow one
    another; one without a packet has no time) are one capture.
    """
    files: list[str] = []
    passed_over: list[tuple[str, str]] = []
    for path in paths:
        if not is_folder(path):
            files.append(path)
            continue
        for file in in_order([path]):
            try:
                if _is_capture(file):
                    files.append(file)
                else:
                    passed_over.append((file, ""))
            except OSError as error:
                passed_over.append((file, error.strerror or str(error)))
    groups: list[list[str]] = []
    for file in files:
        if groups and _follows(groups[-1], file):
            groups[-1].append(file)
        else:
            groups.append([file])
    return [Capture(group[0], tuple(group)) for group in groups], passed_over


def _is_capture(path: str) -> bool:
    try:
        with closing(open_capture(path)) as file:
            return file.read(4) in _MAGICS
    except CaptureError:
        return False


def _follows(series: list[str], after: str) -> bool:
    """Return whether a file goes on where a series ends."""
    one, other = Path(series[-1]), Path(after)
    if "-" in (series[-1], after) or one.parent != other.parent or one.name == other.name:
        return False
    if not _same_but_for_a_number(one.name, other.name):
        return False
    times = (_first_time(path) for path in reversed(series))
    before = next((time for time in times if time != _NO_PACKET), _NO_PACKET)
    begun = _first_time(after)
    if before is None or begun is None:
        return False
    return begun == _NO_PACKET or before <= begun


def _same_but_for_a_number(one: str, other: str) -> bool:
    if _NUMBER.sub("0", other) == _NUMBER.sub("0", one):
        pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other))
        differing = [a for a, b in pairs if a != b]
        return sum(1 for a in differing if len(a) < _DATE) <= 1
    # tcpdump -C: trace.pcap, trace.pcap1, trace.pcap2
    return other.startswith(one) and other[len(one) :] == "1"


def _first_time(path: str) -> int | None:
    """Return when a file's first packet was captured; None where it cannot be read so far."""
    try:
        with closing(open_capture(path)) as file:
            for batch in BatchReader(file).batches():
                return int(batch.times[0])
    except (OSError, CaptureError):
        return None
    return _NO_PACKET
