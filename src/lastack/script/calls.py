"""The system calls of a script, made on `stack.sockets.TcpSocket`.

`Calls.make` turns a call into an attempt: a function without arguments that returns the result,
raises an OSError, or raises `Wait` when a blocking socket would have to wait; it is then tried
again whenever something has changed. Outputs (options, poll events ...) are compared in it.
"""

import errno
from collections.abc import Callable
from typing import Any, Final

from lastack.errors import error_for
from lastack.script.call_more import fcntl, getsockopt, ioctl, poll, setsockopt
from lastack.script.control import check_messages, expected_of, flags_of_message
from lastack.script.descriptors import Descriptors, Handle, Wait, argument
from lastack.script.epoll import epoll_create, epoll_ctl, epoll_wait, look
from lastack.script.facts import KEPT, facts_of
from lastack.script.files import MOVERS
from lastack.script.flow import pattern
from lastack.script.model import ANYTHING, Anything, Array, Call, Expression, Header, Name, Struct
from lastack.script.stage import EPOCH, StackScene
from lastack.script.subject import Attempt
from lastack.script.symbols import O_NONBLOCK, Unknown, check, number, show, socket_endpoint
from lastack.script.verdict import Mismatch
from lastack.script.write import MOST_WRITTEN, write
from lastack.stack import options
from lastack.stack.sockets import TcpSocket
from lastack.tcp.connection import Connection
from lastack.tcp.events import StateChanged
from lastack.tcp.states import CLOSED, LISTEN, SYN_SENT, TIME_WAIT, State
from lastack.wire.address import Endpoint

_MORE: Final[dict[str, Callable[[Descriptors, Call], Attempt]]] = {
    "fcntl": fcntl,
    "ioctl": ioctl,
    "poll": poll,
    "getsockopt": getsockopt,
    "setsockopt": setsockopt,
    "epoll_create": epoll_create,
    "epoll_ctl": epoll_ctl,
    "epoll_wait": epoll_wait,
    **MOVERS,
}
_NULL: Final = Name("NULL")
_UNSPECIFIED: Final = Endpoint(b"", 0)


class Calls(Descriptors):
    """The user of the stack: file descriptors, and what can be done with them."""

    def __init__(self, stage: StackScene, header: Header) -> None:
        super().__init__(stage, header)
        self._table: dict[str, Callable[[Call], Attempt]] = {
            "socket": self._socket,
            "bind": self._bind,
            "listen": self._listen,
            "accept": self._accept,
            "connect": self._connect,
            "read": self._receive,
            "recv": self._receive,
            "recvfrom": self._receive,
            "recvmsg": self._receive,
            "readv": self._receive,
            "write": self._send,
            "send": self._send,
            "sendto": self._send,
            "sendmsg": self._send,
            "writev": self._send,
            "shutdown": self._shutdown,
            "close": self._close,
        }

    def make(self, call: Call) -> Attempt:
        """Return the attempt for a call; raises Unknown for what cannot be done here."""
        more = _MORE.get(call.name)
        maker = self._table.get(call.name)
        if more is None and maker is None:
            raise Unknown(f"the system call {call.name}")
        if more is not None:
            attempt = more(self, call)
        else:
            assert maker is not None
            attempt = maker(call)
        return self._watched(attempt) if self.sets else attempt

    def _watched(self, attempt: Attempt) -> Attempt:
        """Return the attempt with a look at the epoll sets around it."""

        def watched() -> int:
            look(self)
            try:
                return attempt()
            finally:
                look(self)

        return watched

    def facts(self, local_port: int, remote_port: int) -> dict[str, int]:
        """Return the values of the socket with this connection, or of the newest."""
        chosen: Handle | None = None
        for fd in sorted(self.handles):
            handle = self.handles[fd]
            connection = handle.socket.connection
            chosen = handle
            if connection is not None:
                ends = (connection.local.port, connection.remote.port)
                if ends == (local_port, remote_port):
                    break
        if chosen is None:
            raise Unknown("a snippet where no socket is open")
        clock = self.stage.clock
        octets = chosen.socket.getsockopt(clock, options.IPPROTO_TCP, options.TCP_INFO)
        assert isinstance(octets, bytes)
        return facts_of(octets, KEPT)

    def state_of(self, local_port: int, remote_port: int) -> State | None:
        """Return what our stack says of a connection; LISTEN or CLOSED where there is none."""
        stack = self.stage.stack
        for connection in stack.connections():
            if (connection.local.port, connection.remote.port) == (local_port, remote_port):
                return connection.state
        for entry in stack.time_wait_table.entries.values():
            if (entry.local.port, entry.remote.port) == (local_port, remote_port):
                return TIME_WAIT
        return LISTEN if stack.listeners.by_port.get(local_port) else CLOSED

    def rule(self) -> str:
        """Return the last state change, with the section of RFC 9293."""
        changes = [one for one in self.stage.stack.take_events() if isinstance(one, StateChanged)]
        if not changes:
            return ""
        last = changes[-1]
        return f"{last.state} -> {last.to}: RFC 9293 {last.section}"

    # opening

    def _socket(self, call: Call) -> Attempt:
        family = options.AF_INET if self.stage.version == 4 else options.AF_INET6
        if argument(call, 0) is not ANYTHING:
            family = number(argument(call, 0))
        kind = number(argument(call, 1))
        if kind & 0xF != options.SOCK_STREAM:
            raise Unknown(f"a socket of kind {show(argument(call, 1))}")

        def attempt() -> int:
            handle = Handle(TcpSocket(self.stage.stack, family))
            handle.nonblocking = bool(kind & O_NONBLOCK)
            fd = call.result if isinstance(call.result, int) and call.result >= 0 else self.free()
            self.handles[fd] = handle
            return fd

        return attempt

    def _endpoint(self, expression: Expression, address: bytes, port: int) -> Endpoint:
        if isinstance(expression, Anything):
            return Endpoint(address, port)
        packed, port_named = socket_endpoint(expression, port)
        return Endpoint(packed, number(port_named))

    def _bind(self, call: Call) -> Attempt:
        local = self._endpoint(argument(call, 1), self.stage.local, self.header.bind_port)

        def attempt() -> int:
            self.handle(call).socket.bind(self.stage.clock, local)
            return 0

        return attempt

    def _listen(self, call: Call) -> Attempt:
        backlog = number(argument(call, 1))

        def attempt() -> int:
            socket = self.handle(call).socket
            socket.listen(self.stage.clock, backlog)
            self.on_open(socket.getsockname().port, 0)
            return 0

        return attempt

    def _accept(self, call: Call) -> Attempt:
        def attempt() -> int:
            handle = self.handle(call)
            try:
                made, _ = handle.socket.accept(self.stage.clock)
            except BlockingIOError:
                raise self.or_wait(handle) from None
            fd = call.result if isinstance(call.result, int) and call.result >= 0 else self.free()
            self.handles[fd] = Handle(made)
            return fd

        return attempt

    def _connect(self, call: Call) -> Attempt:
        remote = self._endpoint(argument(call, 1), self.stage.remote, self.header.connect_port)
        waiting = False

        def attempt() -> int:
            nonlocal waiting
            handle = self.handle(call)
            before = handle.socket.connection
            try:
                handle.socket.connect(self.stage.clock, remote)
            except BlockingIOError:
                self._opening(handle, before)
                if handle.nonblocking and not waiting:
                    raise
                waiting = True
                raise Wait() from None
            self._opening(handle, before)
            return 0

        return attempt

    # data

    def _flags(self, call: Call) -> int:
        """Return the flags of a call that has any."""
        if call.name in ("send", "recv", "sendto", "recvfrom"):
            return number(argument(call, 3))
        return number(argument(call, 2)) if call.name in ("sendmsg", "recvmsg") else 0

    def _size(self, call: Call) -> int:
        """Return how many octets a call is to move: its length, or those of its vectors."""
        vectors: Expression | None = None
        if call.name in ("readv", "writev"):
            vectors = argument(call, 1)
        elif call.name in ("sendmsg", "recvmsg"):
            message = argument(call, 1)
            if not isinstance(message, Struct):
                raise Unknown(f"the message {show(message)}")
            if call.name == "sendmsg" and message.fields.get("msg_control", Array(())) != Array(()):
                raise Unknown("control messages to send")
            vectors = message.fields.get("msg_iov")
        if vectors is None:
            return number(argument(call, 2))
        if not isinstance(vectors, Array):
            raise Unknown(f"the vectors {show(vectors)}")
        total = 0
        for vector in vectors.items:
            if not isinstance(vector, Array) or len(vector.items) != 2:
                raise Unknown(f"the vector {show(vector)}")
            total += number(vector.items[1])
        return total

    def _receive(self, call: Call) -> Attempt:
        flags, size = self._flags(call), self._size(call)
        nowhere = argument(call, 1) == _NULL
        expected = expected_of(call, number)

        def attempt() -> int:
            handle = self.handle(call)
            if nowhere and size and handle.socket.readable:
                raise error_for(errno.EFAULT)
            try:
                data, control, said = handle.socket.recvmsg(
                    self.stage.clock, size, flags & ~options.MSG_DONTWAIT
                )
            except BlockingIOError:
                if flags & (options.MSG_OOB | options.MSG_ERRQUEUE):
                    raise  # neither is ever waited for
                raise self.or_wait(handle, flags) from None
            if expected is not None:
                check_messages(expected, control, number, EPOCH, self.header.tolerance)
            if call.name == "recvmsg":
                check("msg_flags", flags_of_message(call), said)
            self._check_data(handle, data, flags)
            return len(data)

        return attempt

    def _check_data(self, handle: Handle, data: bytes, flags: int) -> None:
        """What has been read must be what the remote host sent, in order."""
        connection = handle.socket.connection
        if connection is None or not data:
            return
        if flags & options.MSG_OOB or connection.urgent_remaining:
            handle.urgent = True
        start = connection.tcb.rcv.irs + 1 + handle.read - self.stage.remote_offset
        if not handle.urgent and data != pattern(start & 0xFFFFFFFF, len(data)):
            raise Mismatch("the octets read are not those that were sent")
        if not flags & (options.MSG_PEEK | options.MSG_OOB):
            handle.read += len(data)

    def _send(self, call: Call) -> Attempt:
        flags, size = self._flags(call), self._size(call)
        if size > MOST_WRITTEN:
            raise Unknown(f"a write of {size:,} octets")
        given = argument(call, 1)
        to = self._destination(call)
        done = 0
        waited = False

        def attempt() -> int:
            nonlocal done, waited
            handle = self.handle(call)
            if to == _UNSPECIFIED and flags & options.MSG_FASTOPEN:
                raise error_for(errno.EOPNOTSUPP)
            if done == size > 0:
                return self._opened(handle, done)
            if waited and not handle.socket.writable:
                raise self._wait_to_write(handle)
            if given == _NULL and size:
                raise error_for(errno.EFAULT)
            data = given if isinstance(given, bytes) else pattern(len(handle.written), size - done)
            data = data[:size] if isinstance(given, bytes) else data
            connection = handle.socket.connection
            try:
                done += write(
                    self,
                    handle,
                    data,
                    flags & ~(options.MSG_DONTWAIT | options.MSG_NOSIGNAL),
                    to if connection is None else None,
                )
            except BlockingIOError as error:
                self._opening(handle, connection)
                if flags & options.MSG_DONTWAIT or handle.nonblocking:
                    raise
                waited = True
                raise self._wait_to_write(handle) from error
            self._opening(handle, connection)
            if handle.nonblocking or flags & options.MSG_DONTWAIT:
                return done
            if done < size:
                waited = True
                raise self._wait_to_write(handle)
            return self._opened(handle, done)

        return attempt

    def _wait_to_write(self, handle: Handle) -> Exception:
        """Return what makes a blocking call wait until it can send."""
        connection = handle.socket.connection
        if connection is not None and connection.state is SYN_SENT:
            self.stage.writer = connection
        return Wait()

    def _destination(self, call: Call) -> Endpoint | None:
        """Return where a call sends to, for one that may connect."""
        if call.name == "sendto":
            name = argument(call, 4)
        elif call.name == "sendmsg":
            message = argument(call, 1)
            name = (
                message.fields.get("msg_name", ANYTHING) if isinstance(message, Struct) else _NULL
            )
        else:
            return None
        if name == Name("AF_UNSPEC"):
            return _UNSPECIFIED
        if name == _NULL:
            return None
        return self._endpoint(name, self.stage.remote, self.header.connect_port)

    def _opening(self, handle: Handle, before: Connection | None) -> None:
        """Tell of a connection that a send has begun."""
        connection = handle.socket.connection
        if connection is not None and before is None:
            self.on_open(connection.local.port, connection.remote.port)

    def _opened(self, handle: Handle, done: int) -> int:
        """Return what a blocking send returns once the handshake is over, however it ends."""
        connection = handle.socket.connection
        opening = connection is not None and connection.state is SYN_SENT
        if opening and not handle.socket.config.implied_connect:
            raise Wait()
        code = handle.socket.take_error()
        if code:
            raise error_for(code)
        return done

    # closing

    def _shutdown(self, call: Call) -> Attempt:
        how = number(argument(call, 1))

        def attempt() -> int:
            self.handle(call).socket.shutdown(self.stage.clock, how)
            return 0

        return attempt

    def _close(self, call: Call) -> Attempt:
        for others in (self.sets, self.files):
            if number(argument(call, 0)) in others:
                return _close_other(others, number(argument(call, 0)))
        closing: Handle | None = None
        deadline = 0

        def attempt() -> int:
            nonlocal closing, deadline
            if closing is None:
                closing = self.handle(call)
                del self.handles[number(argument(call, 0))]
                closing.socket.close(self.stage.clock)
                deadline = self.stage.now + closing.socket.linger_time
            if closing.nonblocking or closing.socket.drained or self.stage.now >= deadline:
                return 0
            raise Wait(deadline)

        return attempt


def _close_other(others: dict[int, Any], fd: int) -> Attempt:
    def attempt() -> int:
        del others[fd]
        return 0

    return attempt
