"""The kernel's own TCP sockets, asked for over sock_diag(7): our own client, no `ss` needed.

Everybody may ask; which process holds a socket is another question. A dump sees what there is at
one moment; what has ended since the last one is seen only by those who listen (`Destroyed`).
"""

import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from lastack.errors import error_for
from lastack.observe.core.diag import (
    KERNEL_STATES,
    TIMERS,
    KernelSocket,
    read_dump,
    read_message,
)
from lastack.tcp.states import State

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_SOCK_DESTROY: Final = 21
_REQUEST: Final = 0x001
_ACK: Final = 0x004
_DUMP: Final = 0x300
_INFO: Final = 1 << (2 - 1)
_CONGESTION: Final = 1 << (4 - 1)
_GROUPS: Final = (1, 3)
"""SKNLGRP_INET_TCP_DESTROY and that of IPv6."""
_BOUND: Final = 13
_RESET: Final = (State.ESTABLISHED, State.CLOSE_WAIT, State.FIN_WAIT_1, State.FIN_WAIT_2)
_TIME_WAIT: Final = TIMERS.index("time wait")
_BUFFER: Final = 1 << 18
_NOTICES: Final = 1 << 23
"""So many octets of notices the kernel may keep until they are read, if it lets us say so."""

_MESSAGE: Final = struct.Struct("=IHHII")
_REQUEST_BODY: Final = struct.Struct("=BBBxI")


def kernel_sockets(
    states: Iterable[State] = tuple(State), families: Iterable[int] = (2, 10), info: bool = False
) -> list[KernelSocket]:
    """Return the TCP sockets of this network namespace that are in one of these states.

    The kernel itself leaves the others out. `info` asks for tcp_info and the congestion controller
    too. Raises OSError where there is no sock_diag.
    """
    wanted = _mask(states)
    found: list[KernelSocket] = []
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
    ) as asking:
        for sequence, family in enumerate(families, 1):
            asking.send(_request(family, wanted, info, sequence))
            while True:
                code = read_dump(asking.recv(_BUFFER), found, sequence)
                if code < 0 and -code != errno.ENOENT:
                    raise error_for(-code, "sock_diag")
                if code:
                    break
    return found


def _mask(states: Iterable[State]) -> int:
    """Return the set of states as the kernel numbers them."""
    wanted = set(states)
    return sum(
        1 << number
        for number, state in enumerate(KERNEL_STATES)
        if number not in (0, _BOUND) and state in wanted
    )


def _request(family: int, states: int, info: bool, sequence: int) -> bytes:
    extension = _INFO | _CONGESTION if info else 0
    body = _REQUEST_BODY.pack(family, socket.IPPROTO_TCP, extension, states) + bytes(48)
    head = _MESSAGE.pack(
        _MESSAGE.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST | _DUMP, sequence, 0
    )
    return head + body


def is_peer_told(found: KernelSocket) -> bool:
    """Return whether the kernel would send a reset to the peer of a socket that is destroyed.

    It does not for what is a remnant (TIME-WAIT, FIN-WAIT-2 of nobody, SYN-RECEIVED), and not in
    the states where the peer has closed and we have, too.
    """
    return found.state in _RESET and found.timer != _TIME_WAIT


def destroy(found: KernelSocket) -> None:
    """Have the kernel abort a connection; its process hears of it. Needs CAP_NET_ADMIN.

    Raises the OSError of the kernel's answer; ENOENT when it is gone, EOPNOTSUPP where the kernel
    was built without it.
    """
    body = _REQUEST_BODY.pack(found.family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF)
    body += struct.pack("!HH", found.local_port, found.remote_port)
    body += found.local.ljust(16, b"\0") + found.remote.ljust(16, b"\0")
    body += struct.pack("=IQ", found.interface, found.cookie)
    size = _MESSAGE.size + len(body)
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
    ) as asking:
        asking.send(_MESSAGE.pack(size, _SOCK_DESTROY, _REQUEST | _ACK, 1, 0) + body)
        code = read_dump(asking.recv(_BUFFER), [], 1)
    if code < 0:
        raise error_for(-code, "the connection was not destroyed")


def _enlarge(listening: socket.socket) -> None:
    try:
        listening.setsockopt(socket.SOL_SOCKET, 33, _NOTICES)  # SO_RCVBUFFORCE
    except PermissionError:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NOTICES)


class Destroyed:
    """The sockets that end, as they end; iterate what has come. A context manager.

    Raises OSError where the kernel refuses: one of today lets everybody listen, others want
    CAP_NET_ADMIN. `lost` counts how often the kernel had more to say than it could keep.
    """

    lost: int

    def __init__(self) -> None:
        self.lost = 0
        self._socket = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
            _NETLINK_SOCK_DIAG,
        )
        try:
            _enlarge(self._socket)
            self._socket.bind((0, 0))
            for group in _GROUPS:
                self._socket.setsockopt(270, 1, group)  # NETLINK_ADD_MEMBERSHIP
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "Destroyed":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """Return what can be waited on until something has ended."""
        return self._socket.fileno()

    def __iter__(self) -> Iterator[KernelSocket]:
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost += 1
                continue
            at = 0
            while at + 88 <= len(data):
                size = int.from_bytes(data[at : at + 4], "little")
                if size < 88 or at + size > len(data):
                    break
                yield read_message(data, at + 16, at + size)
                at += (size + 3) & ~3
