"""The system calls of a script, made on the kernel's own sockets.

A call that has an end in the script is made in a thread of its own, so that packets can come and go
meanwhile. Any other that does not return within a while would block: a signal ends it.
"""

import ctypes
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from lastack.script.control import check_messages, expected_of, flags_of_message
from lastack.script.descriptors import Wait, argument
from lastack.script.facts import facts_of
from lastack.script.flow import pattern
from lastack.script.kernel_control import split
from lastack.script.kernel_files import file_calls
from lastack.script.kernel_helper import Helper, Job
from lastack.script.kernel_machine import KernelMachine
from lastack.script.kernel_more import Handle, further_calls
from lastack.script.kernel_scene import KernelScene
from lastack.script.kernel_values import (
    Buffers,
    Message,
    ask,
    check_value,
    libc,
    socket_address,
    value_of,
)
from lastack.script.model import ANYTHING, Anything, Array, Call, Expression, Header, Name, Struct
from lastack.script.subject import Attempt, Caller
from lastack.script.symbols import Unknown, show, socket_endpoint
from lastack.script.verdict import Mismatch

_PATIENCE: Final = 2.0
"""Seconds after which a call that has no end in the script is taken to block."""
_MSG_FASTOPEN: Final = 0x20000000
_MSG_ZEROCOPY: Final = 0x4000000
_MOST: Final = 1 << 30
_MOST_FACTS: Final = 512
_MOST_CONTROL: Final = 1024
_SOCKET_NAME: Final = 28


class KernelCalls(Caller):
    """The user of the kernel: file descriptors, and what can be done with them."""

    def __init__(self, scene: KernelScene, header: Header, machine: KernelMachine) -> None:
        super().__init__()
        self.scene = scene
        self.header = header
        self.machine = machine
        self.handles: dict[int, Handle] = {}
        self._shadowed: list[Handle] = []
        self._helper = Helper(scene)
        self._table: dict[str, Callable[[Call], Attempt]] = {
            "socket": self._socket,
            "bind": self._bind,
            "listen": self._listen,
            "accept": self._accept,
            "connect": self._connect,
            "shutdown": self._shutdown,
            "close": self._close,
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
            **further_calls(self.find, self.keep),
            **file_calls(self.find, self.keep),
        }

    def make(self, call: Call) -> Attempt:
        """Return the attempt for a call; raises Unknown for what cannot be done here."""
        maker = self._table.get(call.name)
        if maker is None:
            raise Unknown(f"the system call {call.name}")
        work = maker(call)
        return self._in_a_thread(work) if call.end >= 0 else _in_time(work)

    def _in_a_thread(self, work: Attempt) -> Attempt:
        job: Job | None = None

        def attempt() -> int:
            nonlocal job
            if job is None:
                job = self._helper.begin(work)
                raise Wait()
            if not job.over:
                raise Wait()
            self.scene.happened(job.ended)
            return job.outcome()

        return attempt

    def facts(self, local_port: int, remote_port: int) -> Mapping[str, int]:
        """Return what TCP_INFO says of this connection, or of the last socket that was made."""
        handles = list(self.handles.values())
        mine = [one for one in handles if self.ports_of(one) == (local_port, remote_port)]
        if not handles:
            raise Unknown("snippets without a socket")
        octets = ctypes.create_string_buffer(_MOST_FACTS)
        size = ctypes.c_uint32(_MOST_FACTS)
        chosen = (mine or handles)[-1].real
        place = (socket.IPPROTO_TCP, socket.TCP_INFO, octets, ctypes.byref(size))
        ask(libc.getsockopt, chosen, *place)
        return facts_of(octets.raw[: size.value])

    def close(self) -> None:
        """Close what the script has left open, and end the calls that still block."""
        for handle in [*self.handles.values(), *self._shadowed]:
            if self._helper.busy:
                libc.shutdown(handle.real, socket.SHUT_RDWR)
            linger = struct.pack("=ii", 1, 0)
            libc.setsockopt(handle.real, socket.SOL_SOCKET, socket.SO_LINGER, linger, len(linger))
            libc.close(handle.real)
        self.handles.clear()
        self._helper.close()

    # descriptors

    def find(self, number: int) -> Handle:
        """Return what a script's descriptor stands for; one that is bad is bad for the kernel."""
        return self.handles.get(number) or Handle(-1)

    def handle(self, call: Call) -> Handle:
        """Return the file descriptor that a call is about."""
        return self.find(value_of(argument(call, 0)))

    def keep(self, call: Call, real: int) -> int:
        """Give a new descriptor of the kernel's the number that the script has for it."""
        fd = call.result if isinstance(call.result, int) and call.result >= 0 else -1
        if fd < 0:
            fd = next(n for n in range(3, _MOST) if n not in self.handles)
        if fd in self.handles:  # the script means the new one from now on
            self._shadowed.append(self.handles[fd])
        self.handles[fd] = Handle(real)
        return fd

    def ports_of(self, handle: Handle) -> tuple[int, int] | None:
        """Return the ports of a connection, None before they are known."""
        if handle.ports is None:
            local, remote = _port(libc.getsockname, handle), _port(libc.getpeername, handle)
            if local and remote:
                handle.ports = (local, remote)
        return handle.ports

    # opening

    def _socket(self, call: Call) -> Attempt:
        family: int = socket.AF_INET if self.scene.version == 4 else socket.AF_INET6
        if argument(call, 0) is not ANYTHING:
            family = value_of(argument(call, 0))
        kind, protocol = value_of(argument(call, 1)), value_of(argument(call, 2))
        if kind & 0xF != socket.SOCK_STREAM or protocol not in (0, socket.IPPROTO_TCP):
            raise Unknown(f"a socket of kind {show(argument(call, 1))}")

        def work() -> int:
            real = ask(libc.socket, family, kind, protocol)
            name = self.machine.controller.encode()
            if name:
                where = (socket.IPPROTO_TCP, socket.TCP_CONGESTION)
                ask(libc.setsockopt, real, *where, name, len(name))
            return self.keep(call, real)

        return work

    def _address(self, expression: Expression, address: bytes, port: int) -> bytes:
        if isinstance(expression, Anything):
            return socket_address(address, port)
        if isinstance(expression, Name) and expression.text == "AF_UNSPEC":
            return bytes(16)
        packed, port_named = socket_endpoint(expression, port)
        return socket_address(packed, value_of(port_named))

    def _bind(self, call: Call) -> Attempt:
        name = self._address(argument(call, 1), self.scene.local, self.header.bind_port)
        return lambda: ask(libc.bind, self.handle(call).real, name, len(name))

    def _listen(self, call: Call) -> Attempt:
        backlog = value_of(argument(call, 1))

        def work() -> int:
            handle = self.handle(call)
            result = ask(libc.listen, handle.real, backlog)
            self.on_open(_port(libc.getsockname, handle), 0)
            return result

        return work

    def _accept(self, call: Call) -> Attempt:
        def work() -> int:
            fd = self.keep(call, ask(libc.accept, self.handle(call).real, None, None))
            self.ports_of(self.handles[fd])
            return fd

        return work

    def _open(self, handle: Handle, name: bytes) -> None:
        """Tell that a connection begins, before its SYN is seen."""
        if not handle.opened:
            handle.opened = True
            self.on_open(_port(libc.getsockname, handle), int.from_bytes(name[2:4], "big"))

    def _connect(self, call: Call) -> Attempt:
        name = self._address(argument(call, 1), self.scene.remote, self.header.connect_port)
        self._open(self.handle(call), name)
        return lambda: ask(libc.connect, self.handle(call).real, name, len(name))

    # data

    def _flags(self, call: Call) -> int:
        if call.name in ("send", "recv", "sendto", "recvfrom"):
            return value_of(argument(call, 3))
        return value_of(argument(call, 2)) if call.name in ("sendmsg", "recvmsg") else 0

    def _sizes(self, call: Call) -> list[int]:
        """Return how many octets go into each of a call's buffers."""
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
            return [value_of(argument(call, 2))]
        if not isinstance(vectors, Array):
            raise Unknown(f"the vectors {show(vectors)}")
        return [
            value_of(vector.items[1])
            for vector in vectors.items
            if isinstance(vector, Array) and len(vector.items) == 2
        ]

    def _receive(self, call: Call) -> Attempt:
        flags, sizes = self._flags(call), self._sizes(call)
        buffers, nothing = Buffers(sizes), _is_null(argument(call, 1))
        expected = expected_of(call, value_of)

        def work() -> int:
            handle = self.handle(call)
            self.ports_of(handle)
            real, size = handle.real, ctypes.c_ssize_t(sizes[0] if sizes else 0)
            where = ctypes.c_void_p(None if nothing else buffers.first)
            if call.name == "read":
                count = ask(libc.read, real, where, size)
            elif call.name == "readv":
                count = ask(libc.readv, real, buffers.vectors, buffers.count)
            elif call.name == "recvmsg":
                room = ctypes.create_string_buffer(_MOST_CONTROL)
                message = Message(None, 0, buffers.vectors, buffers.count, None, 0, 0)
                message.control = ctypes.addressof(room)
                message.control_length = _MOST_CONTROL
                count = ask(libc.recvmsg, real, ctypes.byref(message), flags)
                if expected is not None:
                    messages = split(room.raw[: message.control_length])
                    slack = self.header.tolerance
                    check_messages(expected, messages, value_of, self.scene.wall, slack)
                check_value("msg_flags", flags_of_message(call), message.flags)
            else:
                count = ask(libc.recv, real, where, size, flags)
            self._check_data(handle, buffers.taken(count), flags)
            return count

        return work

    def _check_data(self, handle: Handle, data: bytes, flags: int) -> None:
        """What has been read must be what the remote host sent, in order."""
        begin = self.scene.remote_isns.get(handle.ports or (0, 0))
        if begin is None or self.scene.urgent:
            return
        start = (begin + 1 + handle.read) & 0xFFFFFFFF
        if not flags & socket.MSG_TRUNC and data != pattern(start, len(data)):
            raise Mismatch("the octets read are not those that were sent")
        if not flags & (socket.MSG_PEEK | socket.MSG_OOB):
            handle.read += len(data)

    def _send(self, call: Call) -> Attempt:
        flags, sizes = self._flags(call), self._sizes(call)
        given, size = argument(call, 1), sum(sizes)
        to = argument(call, 4) if call.name == "sendto" else ANYTHING
        name = self._address(to, self.scene.remote, self.header.connect_port)
        if flags & _MSG_FASTOPEN:
            self._open(self.handle(call), name)

        def work() -> int:
            handle = self.handle(call)
            ports = self.ports_of(handle)
            stream = handle.written
            if ports:
                self.streams[ports] = stream
            before = len(stream)
            data = given[:size] if isinstance(given, bytes) else pattern(before, size)
            stream += data  # it may be on the wire before the call is over
            count = 0
            try:
                count = self._send_now(call, handle, sizes, data, flags, name)
            finally:
                del stream[before + count :]
            return count

        return work

    def _send_now(
        self, call: Call, handle: Handle, sizes: list[int], data: bytes, flags: int, name: bytes
    ) -> int:
        real, size = handle.real, ctypes.c_ssize_t(sizes[0] if sizes else 0)
        buffers = Buffers(sizes, data)
        if flags & _MSG_ZEROCOPY:
            handle.kept.append(buffers)  # the kernel goes on reading there
        where = ctypes.c_void_p(None if _is_null(argument(call, 1)) else buffers.first)
        if call.name == "write":
            return ask(libc.write, real, where, size)
        if call.name == "writev":
            return ask(libc.writev, real, buffers.vectors, buffers.count)
        if call.name == "sendmsg":
            message = Message(None, 0, buffers.vectors, buffers.count, None, 0, 0)
            if flags & _MSG_FASTOPEN:
                message.name = ctypes.cast(ctypes.c_char_p(name), ctypes.c_void_p)
                message.name_length = len(name)
            return ask(libc.sendmsg, real, ctypes.byref(message), flags)
        if flags & _MSG_FASTOPEN:
            return ask(libc.sendto, real, where, size, flags, name, len(name))
        return ask(libc.send, real, where, size, flags)

    # closing

    def _shutdown(self, call: Call) -> Attempt:
        how = value_of(argument(call, 1))
        return lambda: ask(libc.shutdown, self.handle(call).real, how)

    def _close(self, call: Call) -> Attempt:
        def work() -> int:
            handle = self.handle(call)
            self.handles.pop(value_of(argument(call, 0)), None)
            return ask(libc.close, handle.real)

        return work


def _is_null(expression: Expression) -> bool:
    return isinstance(expression, Name) and expression.text == "NULL"


def _in_time(work: Attempt) -> Attempt:
    """Have a signal end a call that would block for ever."""

    def attempt() -> int:
        with _alarm():
            return work()

    return attempt


@contextmanager
def _alarm() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _port(function: Callable[..., int], handle: Handle) -> int:
    """Return the port of getsockname or getpeername, 0 if there is none."""
    name = ctypes.create_string_buffer(_SOCKET_NAME)
    size = ctypes.c_uint32(_SOCKET_NAME)
    if function(handle.real, name, ctypes.byref(size)) < 0:
        return 0
    return int.from_bytes(name.raw[2:4], "big")
