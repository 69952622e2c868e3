"""A write as the kernel makes it: piece by piece, each on its way while the next is copied."""

from typing import Final

from lastack.script.descriptors import Descriptors, Handle
from lastack.stack.messages import lend
from lastack.stack.options import MSG_EOR, MSG_MORE, MSG_ZEROCOPY
from lastack.tcp.send_room import piece_of, rest_of_piece
from lastack.wire.address import Endpoint

MOST_WRITTEN: Final = 1 << 24
"""Octets of one call: a script with more in it has a digit too many, and would fill the memory."""


def write(
    those: Descriptors, handle: Handle, data: bytes, flags: int, to: Endpoint | None = None
) -> int:
    """Hand a socket octets; return how many it took, raise EAGAIN when none.

    Where pieces count (`send_overhead`), what goes out within the call makes room in the last of
    them. Only what the call ends with is a record, is pushed, and is watched for SO_TIMESTAMPING.
    """
    connection = handle.socket.connection
    if connection is None or not connection.config.send_overhead or not data:
        return _hand(those, handle, data, flags, to)
    tcb = connection.tcb
    stamps = tcb.stamps
    done = 0
    while done < len(data):
        end = min(done + rest_of_piece(tcb.snd.unsent, piece_of(tcb)), len(data))
        how = flags
        if end < len(data):
            how = (flags & ~MSG_EOR) | MSG_MORE
        how &= ~MSG_ZEROCOPY
        tcb.stamps = None
        try:
            taken = _hand(those, handle, data[done:end], how, None)
        except BlockingIOError:
            if not done:
                raise
            break
        finally:
            tcb.stamps = stamps
        done += taken
        if done < end or end == len(data):
            break
        those.stage.settle()
    if not flags & MSG_MORE:
        tcb.pushed = tcb.snd.end
        tcb.corked = connection.cork
    lend(connection, done if handle.socket.zerocopy else 0, flags)
    if stamps is not None:
        stamps.queued(tcb.snd.buffer.end)
        stamps.sent(tcb.snd.offset(tcb.snd.nxt), those.stage.clock)
    return done


def _hand(those: Descriptors, handle: Handle, data: bytes, flags: int, to: Endpoint | None) -> int:
    taken = handle.socket.send(those.stage.clock, data, flags, to)
    connection = handle.socket.connection
    assert connection is not None
    handle.written += data[:taken]
    those.streams[(connection.local.port, connection.remote.port)] = handle.written
    return taken
