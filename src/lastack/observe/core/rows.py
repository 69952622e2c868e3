"""One row for each segment, in columns: what an export of millions of them is made of."""

from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

COLUMNS: Final = (
    "packet",
    "time_ns",
    "connection",
    "from_a",
    "flags",
    "seq",
    "ack",
    "window",
    "length",
    "remarks",
    "state_a",
    "state_b",
)
"""The columns in order; all are whole numbers."""


class Rows:
    """Columns of equal length, a row for each segment.

    `packet` is its number in the capture, `time` nanoseconds since the epoch, `connection` the
    flow's number, `from_a` 1 or 0. `seq` and `ack` are absolute, `window` is as it stands in the
    header, `length` octets of text, `remarks` the bits of Remark, `state_a` and `state_b` the sets
    of states after the segment, one bit a State.
    """

    packet: vec[i64]
    time: vec[i64]
    connection: vec[i64]
    from_a: vec[i64]
    flags: vec[i64]
    seq: vec[i64]
    ack: vec[i64]
    window: vec[i64]
    length: vec[i64]
    remarks: vec[i64]
    state_a: vec[i64]
    state_b: vec[i64]

    def __init__(self) -> None:
        self.packet = vec[i64]()
        self.time = vec[i64]()
        self.connection = vec[i64]()
        self.from_a = vec[i64]()
        self.flags = vec[i64]()
        self.seq = vec[i64]()
        self.ack = vec[i64]()
        self.window = vec[i64]()
        self.length = vec[i64]()
        self.remarks = vec[i64]()
        self.state_a = vec[i64]()
        self.state_b = vec[i64]()

    def __len__(self) -> int:
        return len(self.packet)

    def columns(self) -> dict[str, vec[i64]]:
        """Return the columns by the names of COLUMNS."""
        return {
            "packet": self.packet,
            "time_ns": self.time,
            "connection": self.connection,
            "from_a": self.from_a,
            "flags": self.flags,
            "seq": self.seq,
            "ack": self.ack,
            "window": self.window,
            "length": self.length,
            "remarks": self.remarks,
            "state_a": self.state_a,
            "state_b": self.state_b,
        }

    def add(
        self,
        packet: i64,
        time: i64,
        connection: i64,
        from_a: i64,
        flags: i64,
        seq: i64,
        ack: i64,
        window: i64,
        length: i64,
        remarks: i64,
        state_a: i64,
        state_b: i64,
    ) -> None:
        """Put one more row at the end."""
        self.packet = append(self.packet, packet)
        self.time = append(self.time, time)
        self.connection = append(self.connection, connection)
        self.from_a = append(self.from_a, from_a)
        self.flags = append(self.flags, flags)
        self.seq = append(self.seq, seq)
        self.ack = append(self.ack, ack)
        self.window = append(self.window, window)
        self.length = append(self.length, length)
        self.remarks = append(self.remarks, remarks)
        self.state_a = append(self.state_a, state_a)
        self.state_b = append(self.state_b, state_b)
