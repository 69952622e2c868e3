"""A connected pair of sockets, ours or the kernel's, behind the same few calls."""

import select
import socket
from collections.abc import Callable

from two_stacks import RIGHT, TwoStacks, at

from lastack.stack.sockets import TcpSocket
from lastack.tcp.config import preset
from lastack.units import MS

LINUX = preset("linux").replace(strict=True)


class End:
    """One socket. Calls raise OSError; nothing ever waits but `settle`."""

    def __init__(
        self, owner: "Ends", ours: TcpSocket | None, kernel: socket.socket | None = None
    ) -> None:
        self.owner = owner
        self.ours = ours
        self.kernel = kernel

    def set(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option."""
        if self.kernel is not None:
            self.kernel.setsockopt(level, name, value)
        else:
            assert self.ours is not None
            self.ours.setsockopt(self.owner.now, level, name, value)

    def get(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Read an option: a number, or octets when a size is given."""
        if self.kernel is not None:
            if size:
                return self.kernel.getsockopt(level, name, size)
            return self.kernel.getsockopt(level, name)
        assert self.ours is not None
        return self.ours.getsockopt(self.owner.now, level, name)

    def send(self, data: bytes) -> int:
        """Send, and return how much was taken; 0 for nothing."""
        try:
            if self.kernel is not None:
                return self.kernel.send(data)
            assert self.ours is not None
            return self.ours.send(self.owner.now, data)
        except BlockingIOError:
            return 0

    def recv(self, limit: int = 1 << 20) -> bytes | None:
        """Receive; None when nothing has come."""
        try:
            if self.kernel is not None:
                return self.kernel.recv(limit)
            assert self.ours is not None
            return self.ours.recv(self.owner.now, limit)
        except BlockingIOError:
            return None

    @property
    def readable(self) -> bool:
        """Whether poll says POLLIN."""
        if self.kernel is not None:
            return bool(select.select([self.kernel], [], [], 0)[0])
        assert self.ours is not None
        return self.ours.readable

    @property
    def writable(self) -> bool:
        """Whether poll says POLLOUT."""
        if self.kernel is not None:
            return bool(select.select([], [self.kernel], [], 0)[1])
        assert self.ours is not None
        return self.ours.writable

    def close(self) -> None:
        """Close it."""
        if self.kernel is not None:
            self.kernel.close()
        else:
            assert self.ours is not None
            self.ours.close(self.owner.now)


class Ends:
    """Makes sockets and lets what they do take effect."""

    def __init__(self, kernel: bool, version: int = 4) -> None:
        self.is_kernel = kernel
        self.version = version
        self.pair = TwoStacks(LINUX, LINUX)
        self.opened: list[End] = []

    @property
    def now(self) -> int:
        """The stacks' time."""
        return self.pair.now

    def settle(self, until: Callable[[], bool] | None = None) -> bool:
        """Let it take effect; return whether `until` then holds."""
        if not self.is_kernel:
            self.pair.run_until(self.pair.now + 50 * MS)
            return until is None or until()
        for _ in range(100):
            if until is not None and until():
                return True
            select.select([], [], [], 0.002)
            if until is None:
                return True
        return False

    def made(self, listens: bool = False) -> End:
        """Return a fresh socket; one that is to listen is of the other host."""
        if self.is_kernel:
            family = socket.AF_INET if self.version == 4 else socket.AF_INET6
            kernel = socket.socket(family, socket.SOCK_STREAM)
            kernel.setblocking(False)
            end = End(self, None, kernel)
        else:
            stack = self.pair.right if listens else self.pair.left
            family_number = 2 if self.version == 4 else 10
            end = End(self, TcpSocket(stack, family_number))
        self.opened.append(end)
        return end

    def listening(self, end: End, port: int = 0, backlog: int = 16) -> int:
        """Bind and listen; return the port."""
        if end.kernel is not None:
            end.kernel.bind(("127.0.0.1" if self.version == 4 else "::1", port))
            end.kernel.listen(backlog)
            return int(end.kernel.getsockname()[1])
        assert end.ours is not None
        end.ours.bind(self.now, at(RIGHT if self.version == 4 else "fd00::2", port))
        end.ours.listen(self.now, backlog)
        return end.ours.getsockname().port

    def connected(self, end: End, port: int) -> None:
        """Connect to that port."""
        if end.kernel is not None:
            end.kernel.connect_ex(("127.0.0.1" if self.version == 4 else "::1", port))
        else:
            assert end.ours is not None
            end.ours.connect_ex(self.now, at(RIGHT if self.version == 4 else "fd00::2", port))
        self.settle()

    def accepted(self, end: End) -> End | None:
        """Return who has connected, None when nobody has."""
        try:
            if end.kernel is not None:
                kernel, _ = end.kernel.accept()
                kernel.setblocking(False)
                found = End(self, None, kernel)
            else:
                assert end.ours is not None
                found = End(self, end.ours.accept(self.now)[0])
        except BlockingIOError:
            return None
        self.opened.append(found)
        return found

    def both(self, prepared: Callable[[End], None] | None = None) -> tuple[End, End]:
        """Return a connected pair; `prepared` sees the connecting one before it connects."""
        waiting, client = self.made(listens=True), self.made()
        port = self.listening(waiting)
        if prepared is not None:
            prepared(client)
        self.connected(client, port)
        server = self.accepted(waiting)
        assert server is not None
        return client, server

    def close(self) -> None:
        """Give all back."""
        for end in self.opened:
            if end.kernel is not None:
                end.kernel.close()
