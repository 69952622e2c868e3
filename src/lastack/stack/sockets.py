"""One non-blocking BSD socket over a Stack: the door on which every other door stands.

Calls never wait. Every call that could start a timer or send takes `now` first. Errors are
LastackErrors with the errno that Linux would give; addresses are `Endpoint`s. How to wait is the
business of the doors above: they look at `readable`, `writable` and `error`, or have the
connection's notices handed to them (`connection.user`, `listener.user` are theirs to set).
"""

import errno

from lastack.errors import LastackError, error_for
from lastack.stack import messages, options
from lastack.stack.option_base import SocketOptions, Value
from lastack.stack.options import (
    MSG_FASTOPEN,
    MSG_MORE,
    MSG_OOB,
    MSG_PEEK,
    SHUT_RD,
    SHUT_RDWR,
    SHUT_WR,
)
from lastack.stack.ports import Binding
from lastack.stack.socket_options import get_option, set_option
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.opening import FastOpen
from lastack.tcp.reports import ErrorReport
from lastack.tcp.states import CLOSED, FIN_WAIT_2, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from lastack.units import SECOND
from lastack.wire.address import Endpoint

AF_INET = options.AF_INET
AF_INET6 = options.AF_INET6

Buffer = bytes | bytearray | memoryview


class TcpSocket(SocketOptions):
    """A stream socket. Unconnected at first; then either `listen` or `connect` gives it a life.

    `connection` and `listener` are open to whoever needs more than sockets have.
    """

    binding: Binding | None
    bound: Endpoint | None
    closed: bool
    _connecting: bool
    _read_shut: bool

    def __init__(self, stack: Stack, family: int = AF_INET, config: Config | None = None) -> None:
        if family not in (AF_INET, AF_INET6):
            raise error_for(errno.EAFNOSUPPORT, f"family {family}")
        super().__init__(stack, family, config or stack.config)
        self.binding = None
        self.bound = None
        self.closed = False
        self._connecting = False
        self._read_shut = False

    def change(self, config: Config, now: int) -> None:
        """Let another Config count from now on, for resets from a bound port too."""
        super().change(config, now)
        if self.binding is not None:
            self.binding.config = config

    # opening

    def bind(self, now: int, local: Endpoint) -> None:
        """Take a local address (all zeroes: any) and port (0: one that is free).

        Raises EINVAL when bound or connected already, EADDRNOTAVAIL for an address that is not
        ours (with IP_FREEBIND it may be), EADDRINUSE for a port that another socket, or without
        SO_REUSEADDR a connection or TIME-WAIT, still has.
        """
        self._must_be_open()
        if self.bound is not None or self.connection is not None or self.listener is not None:
            raise error_for(errno.EINVAL, "already bound")
        address, port = local
        self._must_fit(address)
        stack = self.stack
        if any(address) and not stack.routes.is_ours(address) and not self.free_bind:
            raise error_for(errno.EADDRNOTAVAIL, str(local))
        if not 0 <= port < 65536:
            raise error_for(errno.EINVAL, f"port {port}")
        if port == 0:
            port = stack.free_port(address)
        elif stack.ports.clash(address, port, self.reuse, self.reuse_port) or (
            not (self.reuse or self.reuse_port) and stack.port_in_use(address, port)
        ):
            raise error_for(errno.EADDRINUSE, str(local))
        self.binding = stack.ports.bind(address, port, self.reuse, self.reuse_port)
        self.binding.config = self.config
        self.bound = Endpoint(address, port)

    def listen(self, now: int, backlog: int) -> None:
        """Wait for connections; an unbound socket gets an ephemeral port. Again: a new backlog."""
        self._must_be_open()
        if self.listener is not None:
            self.listener.backlog = max(backlog, 1)
            return
        if self.connection is not None:
            raise error_for(errno.EINVAL, "connected")
        if self.bound is None or self.binding is None:
            self.bind(now, Endpoint(bytes(self._width), 0))
        bound, binding = self.bound, self.binding
        assert bound is not None and binding is not None
        for other in self.stack.ports.bindings[bound.port]:
            clashes = other.clashes(bound.address, True, binding.shared)
            if other is not binding and other.listening and clashes:
                raise error_for(errno.EADDRINUSE, str(bound))
        self.listener = self.stack.listen(bound, backlog, self.config, binding=binding)

    def accept(self, now: int) -> "tuple[TcpSocket, Endpoint]":
        """Return the connection that has waited longest, as a socket, and its remote end; raise
        EAGAIN when none waits, EINVAL when the socket does not listen.
        """
        self._must_be_open()
        if self.listener is None:
            raise error_for(errno.EINVAL, "not listening")
        connection = self.listener.accept()
        if connection is None:
            raise error_for(errno.EAGAIN)
        made = TcpSocket(self.stack, self.family, connection.config)
        made.zerocopy = self.zerocopy
        made.connection = connection
        made.linger = self.linger
        made.reuse = self.reuse
        made.reuse_port = self.reuse_port
        made.notsent_lowat = self.notsent_lowat
        return made, connection.remote

    def connect(self, now: int, remote: Endpoint) -> None:
        """Begin, or find out about, an active open.

        Raises EINPROGRESS when it has begun, EALREADY while it lasts; then returns once for a
        connection that stands, and EISCONN from then on (that is Linux's way). One that failed
        raises its error and leaves the socket unconnected. With TCP_FASTOPEN_CONNECT, where a
        cookie is known, returns at once: the SYN waits for the first data.
        """
        self._must_be_open()
        if self.listener is not None:
            raise error_for(errno.EISCONN)
        connection = self.connection
        if connection is None:
            wanted = self.config.fast_open_connect and self.stack.config.fast_open_client
            part = self._begin(now, remote, wanted)
            if part is not None and part.limit:
                part.waits = True
                self._connecting = False
                return
            raise error_for(errno.EINPROGRESS, str(remote))
        if not self._connecting:
            raise error_for(errno.EISCONN)
        if _is_opening(connection):
            raise error_for(errno.EALREADY)
        self._connecting = False
        if connection.state is CLOSED:
            # An error that SO_ERROR has taken is not told twice.
            code = self.take_error() or errno.ECONNABORTED
            self._reports = connection.tcb.error_reports()
            self.connection = None
            raise error_for(code, str(remote))

    def connect_ex(self, now: int, remote: Endpoint) -> int:
        """As `connect`, but return the errno (0 for success) instead of raising it."""
        try:
            self.connect(now, remote)
        except LastackError as error:
            return error.errno or 0
        return 0

    def _begin(self, now: int, remote: Endpoint, fast_open: bool) -> FastOpen | None:
        self._must_fit(remote.address)
        if not any(remote.address):  # as Linux has it: "this host"
            remote = Endpoint(self.stack.any_address(self._width), remote.port)
        connection = self.stack.connect(remote, now, self.bound, self.config, self.hops, fast_open)
        self.connection = connection
        if self.cork:
            connection.cork = True
        if self.stamping:
            messages.watch(connection, self.stamping)
        self._connecting = True
        self._read_shut = False
        return connection.tcb.fast_open

    # data

    def send(self, now: int, data: Buffer, flags: int = 0, to: Endpoint | None = None) -> int:
        """Queue octets to be sent and return how many were taken; MSG_OOB makes the last urgent,
        MSG_EOR ends a record: what is sent later goes in segments of its own.

        MSG_FASTOPEN also connects, to `to`, and takes as many as the SYN carries (RFC 7413 4.2.1);
        it raises EINPROGRESS where it carries none, and EALREADY while that lasts.
        Raises EAGAIN when none could be, EPIPE after shutdown or the end, ENOTCONN (or EPIPE: see
        `broken_before_opening`) before, and once the error that ended the connection.
        """
        if flags & MSG_FASTOPEN or self._syn_waits or (to is not None and self.connection is None):
            if self._opens_by_sending(flags):
                return self._send_first(now, data, flags, to)
            flags &= ~MSG_FASTOPEN
        connection = self._connected(sending=True)
        if _is_opening(connection):
            raise error_for(errno.EAGAIN)
        if code := self.take_error():
            raise error_for(code)
        taken = connection.send(
            data, now, bool(flags & MSG_OOB), bool(flags & MSG_MORE), bool(flags & options.MSG_EOR)
        )
        messages.lend(connection, taken if self.zerocopy else 0, flags)
        self.stack.wake(connection, now)
        if taken == 0 and len(data):
            raise error_for(errno.EAGAIN)
        return taken

    def _opens_by_sending(self, flags: int) -> bool:
        """Return whether a send is to open the connection; raises where that cannot be."""
        self._must_be_open()
        if flags & MSG_FASTOPEN and not self.stack.config.fast_open_client:
            raise error_for(errno.EOPNOTSUPP, "Fast Open is off")
        connection = self.connection
        if connection is None:
            return bool(flags & MSG_FASTOPEN) or self.config.implied_connect
        if self._syn_waits:
            return True
        if _is_opening(connection):
            raise error_for(errno.EALREADY)
        return False

    def _send_first(self, now: int, data: Buffer, flags: int, to: Endpoint | None) -> int:
        """Connect, with the first data on the SYN where a cookie is known."""
        all_at_once = not flags & MSG_FASTOPEN and self.connection is None
        if self.connection is None:
            if to is None:
                raise error_for(errno.EINVAL, "no address")
            fast_open = bool(flags & MSG_FASTOPEN) or self.config.fast_open_backlog > 0
            part = self._begin(now, to, fast_open and self.stack.config.fast_open_client)
        else:
            part = self.connection.tcb.fast_open
        connection = self._connected()
        self._connecting = True
        room = part.limit if part is not None else 0
        if part is not None:
            part.waits = False
        taken = 0
        if all_at_once:
            taken = connection.send(data, now)
        elif room and len(data):
            taken = connection.send(memoryview(data)[:room], now)
        messages.lend(connection, taken if self.zerocopy else 0, flags)
        self.stack.wake(connection, now)
        if not taken:
            raise error_for(errno.EINPROGRESS)
        return taken

    @property
    def _syn_waits(self) -> bool:
        connection = self.connection
        part = connection.tcb.fast_open if connection is not None else None
        return part is not None and part.waits

    def recv(self, now: int, limit: int, flags: int = 0) -> bytes:
        """Return up to `limit` octets, b"" at the end of the stream; MSG_PEEK leaves them there.

        Raises EAGAIN when nothing has come, ENOTCONN before the beginning, and once the error that
        ended the connection. MSG_OOB returns the urgent octet; EINVAL when there is none.
        """
        if limit < 0:
            raise error_for(errno.EINVAL, f"{limit} octets")
        connection = self._connected()
        peek = bool(flags & MSG_PEEK)
        if flags & MSG_OOB:
            urgent = connection.receive_urgent(now, peek)
            if not urgent:
                raise error_for(errno.EAGAIN, "the urgent octet is on its way")
            return urgent
        if _is_opening(connection):
            raise error_for(errno.EAGAIN)
        if limit == 0:
            return b""
        data = connection.receive(limit, now, peek)
        self.stack.wake(connection, now)
        if data or connection.at_end or self._read_shut:
            return data
        raise error_for(errno.EAGAIN)

    def recv_into(self, now: int, buffer: bytearray | memoryview, flags: int = 0) -> int:
        """As `recv`, into a buffer of the caller's; return how many octets."""
        data = self.recv(now, len(buffer), flags)
        buffer[: len(data)] = data
        return len(data)

    def recv_error(self, now: int) -> ErrorReport:
        """Return what an ICMP error has said, as recvmsg(MSG_ERRQUEUE) does after IP_RECVERR.

        Raises EAGAIN when nothing (more) was said.
        """
        self._must_be_open()
        reports = self.reports
        if not reports:
            raise error_for(errno.EAGAIN)
        return reports.pop(0)

    def recvmsg(self, now: int, limit: int, flags: int = 0) -> messages.Message:
        """As `recv`, or with MSG_ERRQUEUE a report of SO_TIMESTAMPING (EAGAIN without one)."""
        if flags & options.MSG_ERRQUEUE:
            return b"", *messages.take_report(self.connection, self.stamping)
        data = self.recv(now, limit, flags)
        return data, [messages.inq(self._connected())] if self.tells_inq else [], 0

    # closing

    def shutdown(self, now: int, how: int) -> None:
        """Send FIN (SHUT_WR), read no more (SHUT_RD), or both. Raises ENOTCONN, EINVAL."""
        self._must_be_open()
        if how not in (SHUT_RD, SHUT_WR, SHUT_RDWR):
            raise error_for(errno.EINVAL, f"how {how}")
        if self.listener is not None and how != SHUT_WR:
            self.listener.close(now)
            self.listener = None
            return
        connection = self.connection
        if connection is None or connection.state is CLOSED or connection.state is SYN_SENT:
            raise error_for(errno.ENOTCONN)
        if how != SHUT_WR:
            self._read_shut = True
        if how != SHUT_RD:
            connection.shutdown_write(now)
        self.stack.wake(connection, now)

    def close(self, now: int) -> None:
        """Give the socket back; the connection ends by itself (RFC 9293 3.10.4). Repeatable.

        Unread data, or SO_LINGER with 0 seconds, make it a reset.
        """
        if self.closed:
            return
        self.closed = True
        if self.listener is not None:
            self.listener.close(now)
            self.listener = None
        connection = self.connection
        if connection is not None:
            connection.user = None
            if self.linger == 0:
                connection.abort(now)
            else:
                connection.close(now)
            self.stack.wake(connection, now)
        if self.binding is not None:
            self.stack.ports.release(self.binding)
            self.binding = None

    @property
    def linger_time(self) -> int:
        """How long, in nanoseconds, a blocking door should wait in close for `drained`."""
        return self.linger * SECOND if self.linger else 0

    @property
    def drained(self) -> bool:
        """Whether everything, FIN included, has been acknowledged, or never will be."""
        connection = self.connection
        if connection is None:
            return True
        return connection.state in (CLOSED, TIME_WAIT, FIN_WAIT_2)

    # readiness

    @property
    def readable(self) -> bool:
        """Whether `recv` or `accept` would not raise EAGAIN."""
        if self.listener is not None:
            return self.listener.acceptable
        connection = self.connection
        if connection is None or connection.state is SYN_SENT:
            return False
        return self._read_shut or connection.readable or connection.state is CLOSED

    @property
    def writable(self) -> bool:
        """Whether `send` would not raise EAGAIN, or a connect has come to its end."""
        connection = self.connection
        if connection is None or connection.state is SYN_SENT:
            return self._syn_waits
        return connection.writable or connection.state is CLOSED

    @property
    def exceptional(self) -> bool:
        """Whether there is urgent data, read yet or on its way."""
        return self.connection is not None and self.connection.urgent_remaining > 0

    @property
    def error(self) -> int:
        """The pending error as an errno, 0 without one; SO_ERROR also clears it."""
        return self.connection.error if self.connection is not None else 0

    # options and names

    def getsockopt(self, now: int, level: int, name: int) -> Value:
        """Return an option: a number, or octets for SO_LINGER, TCP_INFO, TCP_CONGESTION."""
        self._must_be_open()
        return get_option(self, level, name, now)

    def setsockopt(self, now: int, level: int, name: int, value: Value) -> None:
        """Set an option; ENOPROTOOPT for one that does not exist, EINVAL for a bad value."""
        self._must_be_open()
        set_option(self, level, name, value, now)

    def getsockname(self) -> Endpoint:
        """Return the local end; zeroes for what is not decided yet."""
        if self.connection is not None:
            return self.connection.local
        if self.listener is not None:
            return self.listener.local
        return self.bound or Endpoint(bytes(self._width), 0)

    def getpeername(self) -> Endpoint:
        """Return the remote end; raises ENOTCONN without a connection."""
        connection = self.connection
        if connection is None or connection.state in (CLOSED, SYN_SENT):
            raise error_for(errno.ENOTCONN)
        return connection.remote

    # helpers

    @property
    def _width(self) -> int:
        return 4 if self.family == AF_INET else 16

    def _must_be_open(self) -> None:
        if self.closed:
            raise error_for(errno.EBADF)

    def _must_fit(self, address: bytes) -> None:
        if len(address) != self._width:
            raise error_for(errno.EAFNOSUPPORT, "an address of another family")

    def _connected(self, sending: bool = False) -> Connection:
        self._must_be_open()
        if self.connection is None:
            broken = sending and self.config.broken_before_opening
            raise error_for(errno.EPIPE if broken else errno.ENOTCONN)
        return self.connection


def _is_opening(connection: Connection) -> bool:
    """Return whether its user has to wait for the end of the handshake."""
    state = connection.state
    return state is SYN_SENT or (state is SYN_RECEIVED and not connection.tcb.early)
