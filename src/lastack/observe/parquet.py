"""A capture as Parquet: `packets`, `transitions`, `connections`, a file of each a capture."""

import errno
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from lastack.errors import error_for
from lastack.observe.captures import Capture
from lastack.observe.connection import connection_of, section_of
from lastack.observe.core.ends import Evidence, names
from lastack.observe.core.flow import Flow
from lastack.observe.core.rows import Rows
from lastack.observe.core.steps import Steps
from lastack.observe.core.verdicts import verdict_on
from lastack.observe.many import Question
from lastack.observe.reading import Observer
from lastack.observe.second import Corrections
from lastack.observe.sources import Notice
from lastack.observe.tables import (
    CONNECTIONS,
    PACKETS,
    TRANSITIONS,
    Record,
    connection_row,
)
from lastack.tcp.states import Cause, State
from lastack.wire.capture import CaptureError

_GROUP: Final = 1 << 18
"""Packets in a row group."""
_SMALL_GROUP: Final = 1 << 14


def _arrow() -> tuple[Any, Any, Any]:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        problem = "Parquet needs pyarrow: pip install 'lastack[read]'"
        raise error_for(errno.ENOTSUP, problem) from None
    return pyarrow, pyarrow.compute, pyarrow.parquet


class _Table:
    """Records that become a file, so many at a time."""

    def __init__(self, path: Path, columns: dict[str, str]) -> None:
        arrow, _, parquet = _arrow()
        self._arrow = arrow
        self._columns = columns
        kinds = {"bool": arrow.bool_()}
        self._schema = arrow.schema(
            [(name, kinds.get(kind) or getattr(arrow, kind)()) for name, kind in columns.items()]
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._held: list[Record] = []

    def add(self, record: Record) -> None:
        self._held.append(record)
        if len(self._held) >= _SMALL_GROUP:
            self.flush()

    def flush(self) -> None:
        if self._held:
            self._writer.write_table(self._arrow.Table.from_pylist(self._held, self._schema))
            self._held = []

    def close(self) -> None:
        self.flush()
        self._writer.close()


class _Steps:
    """The rows of changes of state; words are looked up by number, a table of them at a time."""

    def __init__(self, path: Path, capture: str) -> None:
        self._arrow, self._compute, parquet = _arrow()
        self._capture = capture
        kinds = [(name, getattr(self._arrow, kind)()) for name, kind in TRANSITIONS.items()]
        self._schema = self._arrow.schema(kinds)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows = Steps()
        self._words: dict[str, list[str]] = {
            "end": ["a", "b"],
            "before": [names(mask) for mask in range(1 << len(State))],
            "cause": _by_number(Cause),
            "evidence": _by_number(Evidence),
        }
        self._words["after"] = self._words["before"]

    def add(self, flow: Flow) -> None:
        self._rows.add(flow)
        if len(self._rows) >= _GROUP:
            self.flush()

    def flush(self) -> None:
        rows, self._rows = self._rows, Steps()
        arrow = self._arrow
        found = {
            name: arrow.Array.from_buffers(arrow.int64(), len(rows), [None, arrow.py_buffer(one)])
            for name, one in rows.columns().items()
        }
        found["capture"] = arrow.repeat(arrow.scalar(self._capture, arrow.string()), len(rows))
        found["section"] = self._sections(found["before"], found["cause"])
        for name, words in self._words.items():
            places = found[name].cast(arrow.int32())
            found[name] = arrow.DictionaryArray.from_arrays(places, words).dictionary_decode()
        columns = [found[name] for name in TRANSITIONS]
        self._writer.write_table(arrow.Table.from_arrays(columns, schema=self._schema))

    def _sections(self, before: Any, cause: Any) -> Any:
        compute = self._compute
        both = compute.add(compute.multiply(before, 64), cause).dictionary_encode()
        sections = [section_of(code >> 6, Cause(code & 63)) for code in both.dictionary.to_pylist()]
        words = self._arrow.array(sections, self._arrow.string())
        return self._arrow.DictionaryArray.from_arrays(both.indices, words).dictionary_decode()

    def close(self) -> None:
        if len(self._rows):
            self.flush()
        self._writer.close()


def _by_number(kind: type[IntEnum]) -> list[str]:
    """Return the words of an enumeration, each at the place of its number."""
    words = [""] * (max(kind) + 1)
    for one in kind:
        words[one] = str(one)
    return words


class _Packets:
    """The rows of segments; states that were refuted later are set right at the end."""

    def __init__(self, path: Path) -> None:
        self._arrow, self._compute, self._parquet = _arrow()
        self.path = path
        self._schema = self._arrow.schema(
            [
                (name, self._arrow.bool_() if kind == "bool" else getattr(self._arrow, kind)())
                for name, kind in PACKETS.items()
            ]
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._writer_to(path)

    def _writer_to(self, path: Path) -> Any:
        return self._parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Rows) -> None:
        arrow = self._arrow
        arrays = []
        for name, kind in zip(PACKETS, self._schema.types):
            column = arrow.Array.from_buffers(
                arrow.int64(), len(rows), [None, arrow.py_buffer(rows.columns()[name])]
            )
            arrays.append(self._compute.cast(column, kind, safe=False))
        self._writer.write_table(arrow.Table.from_arrays(arrays, schema=self._schema))

    def close(self, corrections: Corrections) -> None:
        self._writer.close()
        if not corrections.ways:
            return
        written = self.path.with_suffix(".first")
        self.path.rename(written)
        self._writer = self._writer_to(self.path)
        source = self._parquet.ParquetFile(written)
        for group in range(source.num_row_groups):
            self._writer.write_table(self._corrected(source.read_row_group(group), corrections))
        self._writer.close()
        source.close()
        written.unlink()

    def _corrected(self, table: Any, corrections: Corrections) -> Any:
        arrow, compute = self._arrow, self._compute
        numbers = arrow.array(list(corrections.ways), arrow.int32())
        mask = compute.is_in(table["connection"], value_set=numbers).combine_chunks()
        few = table.filter(mask).select(["connection", "packet", "state_a", "state_b"])
        if not few.num_rows:
            return table
        right: tuple[list[int], list[int]] = ([], [])
        for row in zip(*(column.to_pylist() for column in few.columns)):
            for column, states in zip(right, corrections.after(*row)):
                column.append(sum(1 << int(state) for state in states))
        for name, values in zip(("state_a", "state_b"), right):
            place = table.schema.get_field_index(name)
            new = arrow.array(values, arrow.uint16())
            old = table[name].combine_chunks()
            column = compute.replace_with_mask(old, mask, new)
            table = table.set_column(place, table.schema.field(place), column)
        return table


def write_parquet(given: tuple[Capture, Question, str, int], notice: Notice | None = None) -> str:
    """Write a capture into a folder; return what is wrong with the capture, "" for nothing.

    `given` are the capture, what is asked, the folder, and the number that the files begin with.
    The filters leave out connections and transitions; `packets` always has them all. Raises
    OSError, ENOTSUP where pyarrow is missing.
    """
    capture, question, folder, place = given
    name = f"{place:04}-{Path(capture.name).name if capture.name != '-' else 'stdin'}.parquet"
    connections = _Table(Path(folder, "connections", name), CONNECTIONS)
    transitions = _Steps(Path(folder, "transitions", name), capture.name)
    packets = _Packets(Path(folder, "packets", name))
    observer = Observer(question.most_open, rows=Rows())
    corrections = Corrections()

    def octets_read(octets: int) -> None:
        rows = observer.scanner.rows
        if rows is not None and len(rows) >= _GROUP:
            packets.write(rows)
            observer.scanner.rows = Rows()
        if notice is not None:
            notice(octets)

    problem = ""
    try:
        for flow in capture.flows(observer, octets_read):
            corrections.note(flow)
            verdict = verdict_on(flow)
            if question.wanted and not question.wanted.matches(flow, verdict):
                continue
            connections.add(connection_row(connection_of(flow, capture.name, verdict)))
            transitions.add(flow)
    except CaptureError as error:
        problem = str(error)
    if observer.scanner.rows is not None:
        packets.write(observer.scanner.rows)
    packets.close(corrections)
    connections.close()
    transitions.close()
    return problem
