"""A capture as Parquet: `packets`, `transitions`, `connections`, a file of each a capture.

The columns come from the compiled part as they are; nothing here looks at a single row.
"""

import errno
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from lastack.errors import error_for
from lastack.observe.captures import Capture
from lastack.observe.core.columns import NOTHING
from lastack.observe.core.lines import Lines
from lastack.observe.core.rows import Rows
from lastack.observe.core.steps import Steps
from lastack.observe.core.verdicts import verdict_on
from lastack.observe.many import Question
from lastack.observe.places import is_url, send
from lastack.observe.reading import Observer
from lastack.observe.second import Corrections
from lastack.observe.sources import Notice
from lastack.observe.tables import CONNECTIONS, PACKETS, TRANSITIONS
from lastack.wire.capture import CaptureError

_GROUP: Final = 1 << 18
"""Packets, or changes, in a row group."""
_ROOM: Final = _GROUP + (1 << 14)
"""Rows made room for: a group, and what one buffer of a capture can add at most."""
_SMALL_GROUP: Final = 1 << 15
"""Connections in one."""
_RANDOM: Final = ("seq", "ack")
"""Columns in which neither values nor differences come again."""


def _arrow() -> tuple[Any, Any, Any]:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        problem = "Parquet needs pyarrow: pip install 'lastack[read]'"
        raise error_for(errno.ENOTSUP, problem) from None
    return pyarrow, pyarrow.compute, pyarrow.parquet


class _File:
    """The Parquet file of one table, whose columns and their Arrow types are given."""

    def __init__(self, path: Path, columns: dict[str, str]) -> None:
        arrow, self._compute, self._parquet = _arrow()
        self._arrow = arrow
        self._sources = {1: arrow.uint8(), 2: arrow.int16(), 4: arrow.int32(), 8: arrow.int64()}
        special = {"bool": arrow.bool_(), "string": arrow.dictionary(arrow.int32(), arrow.string())}
        self._schema = arrow.schema(
            [(name, special.get(kind) or getattr(arrow, kind)()) for name, kind in columns.items()]
        )
        steady = [name for name, kind in columns.items() if kind in ("int64", "int32")]
        self._options = {
            "compression": "zstd",
            "store_schema": False,  # words are plain strings for whoever reads them
            "use_dictionary": [n for n in columns if n not in steady and n not in _RANDOM],
            "column_encoding": dict.fromkeys(steady, "DELTA_BINARY_PACKED"),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._writer = self._writer_to(path)
        # pyarrow lets go of the interpreter while it encodes: meanwhile the capture is read on.
        self._other = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def write(
        self,
        count: int,
        numbers: Mapping[str, object],
        words: Mapping[str, tuple[object, list[str]]],
    ) -> None:
        """Write so many rows: columns of numbers, and columns of places in lists of words."""
        columns = [
            self._numbers(numbers[field.name], count, field.type)
            if field.name in numbers
            else self._words(*words[field.name], count)
            for field in self._schema
        ]
        self._wait()
        table = self._arrow.Table.from_arrays(columns, schema=self._schema)
        self._writing = self._other.submit(self._writer.write_table, table)

    def close(self) -> None:
        """Write what is left; raises OSError where that fails."""
        self._wait()
        self._other.shutdown()
        self._writer.close()

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def _writer_to(self, path: Path) -> Any:
        return self._parquet.ParquetWriter(path, self._schema, **self._options)

    def _numbers(self, column: object, count: int, kind: Any) -> Any:
        array = self._array(column, count, kind)
        if kind.bit_width == 64:
            known = self._compute.not_equal(array, NOTHING)
            array = self._compute.if_else(known, array, None)
        return array

    def _array(self, column: object, count: int, kind: Any) -> Any:
        buffer = self._arrow.py_buffer(column)
        source = self._sources[memoryview(column).itemsize]  # type: ignore[arg-type]
        if source.bit_width == kind.bit_width:
            source = kind  # the same bits
        array = self._arrow.Array.from_buffers(source, count, [None, buffer])
        return self._compute.cast(array, kind)

    def _words(self, places: object, words: list[str], count: int) -> Any:
        indices = self._array(places, count, self._arrow.int32())
        return self._arrow.DictionaryArray.from_arrays(indices, self._arrow.array(words, "string"))


class _Connections(_File):
    """The rows of connections, a group at a time."""

    def __init__(self, path: Path, capture: str) -> None:
        super().__init__(path, CONNECTIONS)
        self._capture = capture
        self.lines = Lines()

    def flush(self, least: int = 1) -> None:
        """Write what there is, if it is so much."""
        lines = self.lines
        if len(lines) >= least:
            numbers = {name: column.values for name, column in lines.numbers.items()}
            words: dict[str, tuple[object, list[str]]] = {
                name: (column.codes, column.words) for name, column in lines.words.items()
            }
            words["capture"] = (bytes(len(lines)), [self._capture])
            self.write(len(lines), numbers, words)
            self.lines = Lines()


class _Transitions(_File):
    """The rows of changes of state, a group at a time."""

    def __init__(self, path: Path, capture: str) -> None:
        super().__init__(path, TRANSITIONS)
        self._capture = capture
        self.steps = Steps()

    def flush(self, least: int = 1) -> None:
        """Write what there is, if it is so much."""
        steps = self.steps
        if len(steps) >= least:
            words = steps.words()
            words["capture"] = (bytes(len(steps)), [self._capture])
            self.write(len(steps), steps.numbers(), words)
            self.steps = Steps()


class _Packets(_File):
    """The rows of segments; states that were refuted later are set right at the end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, PACKETS)

    def flush(self, rows: Rows) -> None:
        """Write some rows."""
        if len(rows):
            self.write(len(rows), rows.columns(), {})

    def correct(self, corrections: Corrections) -> None:
        """Write the whole file anew, where something was refuted."""
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

    `given` are the capture, what is asked, the folder (or its URL), and the number that the files
    begin with. The filters leave out connections and transitions; `packets` always has them all.
    Raises OSError, ENOTSUP where pyarrow is missing.
    """
    capture, question, folder, place = given
    if is_url(folder):
        with TemporaryDirectory(prefix="lastack-") as near:
            problem = write_parquet((capture, question, near, place), notice)
            send(near, folder)
        return problem
    called = capture.name.encode("utf-8", "backslashreplace").decode()  # Arrow knows UTF-8 alone
    name = f"{place:04}-{Path(called).name if called != '-' else 'stdin'}.parquet"
    connections = _Connections(Path(folder, "connections", name), called)
    transitions = _Transitions(Path(folder, "transitions", name), called)
    packets = _Packets(Path(folder, "packets", name))
    observer = Observer(question.most_open, rows=Rows(_ROOM))
    corrections = Corrections()

    def octets_read(octets: int) -> None:
        rows = observer.scanner.rows
        if rows is not None and len(rows) >= _GROUP:
            observer.scanner.rows = Rows(_ROOM)
            packets.flush(rows)
        if notice is not None:
            notice(octets)

    problem = ""
    try:
        for flow in capture.flows(observer, octets_read):
            corrections.note(flow)
            verdict = verdict_on(flow)
            if question.wanted and not question.wanted.matches(flow, verdict):
                continue
            connections.lines.add(flow, verdict)
            connections.flush(_SMALL_GROUP)
            transitions.steps.add(flow)
            transitions.flush(_GROUP)
    except CaptureError as error:
        problem = str(error)
    if observer.scanner.rows is not None:
        packets.flush(observer.scanner.rows)
    connections.flush()
    transitions.flush()
    for table in (packets, connections, transitions):
        table.close()
    packets.correct(corrections)
    return problem
