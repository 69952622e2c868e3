"""One row for each segment, in columns: what an export of millions of them is made of."""

from typing import Final

from librt.vecs import extend, vec
from mypy_extensions import i16, i32, i64, u8

_U16: Final = 0xFFFF
_U32: Final = 0xFFFFFFFF


class Rows:
    """Columns with a row for each segment, `count` of them; what is behind is room.

    `packet` is its number in the capture, `time` nanoseconds since the epoch, `connection` the
    flow's number, `from_a` 1 or 0. `seq` and `ack` are absolute, `window` is as it stands in the
    header, `length` octets of text, `remarks` the bits of Remark, `state_a` and `state_b` the sets
    of states after the segment, one bit a State. The columns of 16 and 32 bits are to be read as
    numbers without a sign.
    """

    count: i64
    room: i64
    packet: vec[i64]
    time: vec[i64]
    connection: vec[i32]
    from_a: vec[u8]
    flags: vec[u8]
    seq: vec[i32]
    ack: vec[i32]
    window: vec[i16]
    length: vec[i32]
    remarks: vec[i16]
    state_a: vec[i16]
    state_b: vec[i16]

    def __init__(self, room: i64 = 1) -> None:
        self.count = 0
        self.room = room
        self.packet = vec[i64]([0] * room)
        self.time = vec[i64]([0] * room)
        self.connection = vec[i32]([0] * room)
        self.from_a = vec[u8]([0] * room)
        self.flags = vec[u8]([0] * room)
        self.seq = vec[i32]([0] * room)
        self.ack = vec[i32]([0] * room)
        self.window = vec[i16]([0] * room)
        self.length = vec[i32]([0] * room)
        self.remarks = vec[i16]([0] * room)
        self.state_a = vec[i16]([0] * room)
        self.state_b = vec[i16]([0] * room)

    def __len__(self) -> int:
        return int(self.count)

    def columns(self) -> dict[str, object]:
        """Return the columns by name."""
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
        from_a: bool,
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
        if self.count == self.room:
            self._make_room()
        at = self.count
        self.count = at + 1
        self.packet[at] = packet
        self.time[at] = time
        self.connection[at] = i32(connection)
        self.from_a[at] = 1 if from_a else 0
        self.flags[at] = u8(flags)
        self.seq[at] = i32(_signed(seq, _U32))
        self.ack[at] = i32(_signed(ack, _U32))
        self.window[at] = i16(_signed(window, _U16))
        self.length[at] = i32(length)
        self.remarks[at] = i16(remarks)
        self.state_a[at] = i16(state_a)
        self.state_b[at] = i16(state_b)

    def _make_room(self) -> None:
        more = Rows(self.room)
        self.room += more.room
        self.packet = extend(self.packet, more.packet)
        self.time = extend(self.time, more.time)
        self.connection = extend(self.connection, more.connection)
        self.from_a = extend(self.from_a, more.from_a)
        self.flags = extend(self.flags, more.flags)
        self.seq = extend(self.seq, more.seq)
        self.ack = extend(self.ack, more.ack)
        self.window = extend(self.window, more.window)
        self.length = extend(self.length, more.length)
        self.remarks = extend(self.remarks, more.remarks)
        self.state_a = extend(self.state_a, more.state_a)
        self.state_b = extend(self.state_b, more.state_b)


def _signed(number: i64, most: i64) -> i64:
    """Return the number with a sign that has the same bits; `most` has all of them set."""
    return number - most - 1 if number > most >> 1 else number
