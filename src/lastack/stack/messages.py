"""What recvmsg brings besides octets: TCP_INQ, reports of SO_TIMESTAMPING and of MSG_ZEROCOPY.

Control messages are (level, type, octets) with Linux's numbers and layouts. Reports wait in the
error queue and are read with MSG_ERRQUEUE, one a call: its time (struct scm_timestamping, in the
clock of whoever drives the stack) and what it is about (struct sock_extended_err).
"""

import errno
import struct
from typing import Final

from lastack.errors import error_for
from lastack.stack import options as o
from lastack.tcp.connection import Connection
from lastack.tcp.stamps import ACKNOWLEDGED, RELEASED, SCHEDULED, SENT, Stage, Stamps
from lastack.tcp.states import CLOSED
from lastack.units import SECOND

SOF_TIMESTAMPING_TX_HARDWARE: Final = 1 << 0
SOF_TIMESTAMPING_TX_SOFTWARE: Final = 1 << 1
SOF_TIMESTAMPING_SOFTWARE: Final = 1 << 4
SOF_TIMESTAMPING_OPT_ID: Final = 1 << 7
SOF_TIMESTAMPING_TX_SCHED: Final = 1 << 8
SOF_TIMESTAMPING_TX_ACK: Final = 1 << 9
SOF_TIMESTAMPING_OPT_TSONLY: Final = 1 << 11
SOF_TIMESTAMPING_OPT_ID_TCP: Final = 1 << 16
_KNOWN: Final = (
    SOF_TIMESTAMPING_TX_SOFTWARE
    | SOF_TIMESTAMPING_SOFTWARE
    | SOF_TIMESTAMPING_OPT_ID
    | SOF_TIMESTAMPING_TX_SCHED
    | SOF_TIMESTAMPING_TX_ACK
    | SOF_TIMESTAMPING_OPT_TSONLY
    | SOF_TIMESTAMPING_OPT_ID_TCP
)
SCM_TIMESTAMPING: Final = o.SO_TIMESTAMPING
SCM_TSTAMP_SND: Final = int(SENT)
SCM_TSTAMP_SCHED: Final = int(SCHEDULED)
SCM_TSTAMP_ACK: Final = int(ACKNOWLEDGED)
SO_EE_ORIGIN_TIMESTAMPING: Final = 4
SO_EE_ORIGIN_ZEROCOPY: Final = 5
SO_EE_CODE_ZEROCOPY_COPIED: Final = 1

Control = tuple[int, int, bytes]
Message = tuple[bytes, list[Control], int]
"""What recvmsg returns: octets, control messages, flags."""
_TIMES: Final = struct.Struct("=6q")
_ERROR: Final = struct.Struct("=IBBBxII")
_INT: Final = struct.Struct("=i")


def watch(connection: Connection, flags: int) -> None:
    """Report of SENDs to come what `flags` (SOF_TIMESTAMPING_*) ask for."""
    if flags & ~_KNOWN:
        raise error_for(errno.EINVAL, "timestamps of hardware, or of what arrives")
    by_octet = bool(flags & SOF_TIMESTAMPING_OPT_ID)
    if by_octet and connection.state is CLOSED:
        raise error_for(errno.EINVAL, "numbers of octets before there are any")
    stamps = connection.tcb.stamps
    if stamps is None:
        stamps = connection.tcb.stamps = Stamps()
    pairs: tuple[tuple[int, Stage], ...] = (
        (SOF_TIMESTAMPING_TX_SCHED, SCHEDULED),
        (SOF_TIMESTAMPING_TX_SOFTWARE, SENT),
        (SOF_TIMESTAMPING_TX_ACK, ACKNOWLEDGED),
    )
    told = bool(flags & SOF_TIMESTAMPING_SOFTWARE)
    stamps.wanted = tuple([stage for flag, stage in pairs if told and flags & flag])
    if by_octet:
        buffer = connection.tcb.snd.buffer
        stamps.base = buffer.end if flags & SOF_TIMESTAMPING_OPT_ID_TCP else buffer.start


def lend(connection: Connection, taken: int, flags: int) -> None:
    """Report when the octets of the SEND just made are needed no more, if `flags` ask for it.

    What is not `bytes` was copied, what is may have been cut up: the report says "copied", as the
    kernel's does where the device could not do without.
    """
    if not taken or not flags & o.MSG_ZEROCOPY:
        return
    stamps = connection.tcb.stamps
    if stamps is None:
        stamps = connection.tcb.stamps = Stamps()
    stamps.lent(connection.tcb.snd.buffer.end)


def has_reports(connection: Connection | None) -> bool:
    """Whether the error queue holds anything (POLLERR)."""
    if connection is None or connection.tcb.stamps is None:
        return False
    return bool(connection.tcb.stamps.reports)


def take_report(connection: Connection | None, flags: int) -> tuple[list[Control], int]:
    """Return the control messages of the oldest report, and the flags of the message around them.

    `flags` are the socket's SOF_TIMESTAMPING_*. Raises EAGAIN when there is no report.
    """
    stamps = connection.tcb.stamps if connection is not None else None
    if connection is None or stamps is None or not stamps.reports:
        raise error_for(errno.EAGAIN)
    stamp = stamps.reports.pop(0)
    level, kind = o.IPPROTO_IP, o.IP_RECVERR
    if len(connection.local.address) == 16:
        level, kind = o.IPPROTO_IPV6, o.IPV6_RECVERR
    if stamp.stage is RELEASED:
        about = _ERROR.pack(
            0, SO_EE_ORIGIN_ZEROCOPY, 0, SO_EE_CODE_ZEROCOPY_COPIED, stamp.first, stamp.key
        )
        return [(level, kind, about)], o.MSG_ERRQUEUE
    times = _TIMES.pack(stamp.time // SECOND, stamp.time % SECOND, 0, 0, 0, 0)
    key = stamp.key if flags & SOF_TIMESTAMPING_OPT_ID else 0
    about = _ERROR.pack(errno.ENOMSG, SO_EE_ORIGIN_TIMESTAMPING, 0, 0, int(stamp.stage), key)
    cut = 0 if flags & SOF_TIMESTAMPING_OPT_TSONLY else o.MSG_TRUNC  # the segment itself
    messages = [(o.SOL_SOCKET, SCM_TIMESTAMPING, times), (level, kind, about)]
    return messages, o.MSG_ERRQUEUE | cut


def inq(connection: Connection) -> Control:
    """Return what is left to be read; 1, too, where only the end of the stream is."""
    left = connection.available or int(connection.tcb.rcv.finished)
    return o.IPPROTO_TCP, o.TCP_CM_INQ, _INT.pack(left)
