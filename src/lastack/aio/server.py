"""The server: listeners whose connections get a protocol each, in the shape of asyncio.Server."""

import asyncio
from collections.abc import Callable, Sequence

from lastack.aio.attachment import Attachment, NoticeTaker
from lastack.aio.extra import TransportSocket
from lastack.aio.transport import ConnectionTransport
from lastack.stack.listener import Inspect
from lastack.stack.sockets import TcpSocket
from lastack.wire.address import Endpoint

ProtocolFactory = Callable[[], asyncio.BaseProtocol]
Opening = tuple[Endpoint, int | None, Inspect | None] | None
"""How to listen where a socket cannot: for a prefix, or with each SYN inspected. None: it can."""


class Server(asyncio.AbstractServer):
    """Listens on one or more sockets; made by `Host.create_server` and `Host.start_server`.

    `close()` stops listening and leaves the clients alone; `wait_closed()` waits until they have
    gone too, as asyncio's does from Python 3.12 on.
    """

    def __init__(
        self,
        attachment: Attachment,
        sockets: Sequence[TcpSocket],
        openings: Sequence[Opening],
        protocol_factory: ProtocolFactory,
        backlog: int,
    ) -> None:
        self._attachment = attachment
        self._openings = openings
        self._sockets: list[TcpSocket] | None = list(sockets)
        self._factory = protocol_factory
        self._backlog = backlog
        self._serving = False
        self._clients: set[ConnectionTransport] = set()
        self._closed: asyncio.Future[None] = attachment.loop.create_future()
        self._forever: asyncio.Future[None] | None = None

    @property
    def sockets(self) -> tuple[TransportSocket, ...]:
        """The listening sockets; empty once closed."""
        return tuple(TransportSocket(self._attachment, one) for one in self._sockets or ())

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._attachment.loop

    def is_serving(self) -> bool:
        """Return whether it accepts connections."""
        return self._serving

    def begin(self) -> None:
        """Listen, if not yet. Raises EADDRINUSE."""
        if self._serving or self._sockets is None:
            return
        self._serving = True
        now = self._attachment.now()
        for one, opening in zip(self._sockets, self._openings, strict=True):
            if opening is None:
                one.listen(now, self._backlog)
            else:
                local, prefix_length, inspect = opening
                one.listener = one.stack.listen(
                    local, self._backlog, one.config, prefix_length, inspect
                )
            assert one.listener is not None
            one.listener.user = _Door(self, one)

    async def start_serving(self) -> None:
        """Listen, if not yet."""
        if self._sockets is None:
            raise RuntimeError(f"{self!r} is closed")
        self.begin()

    async def serve_forever(self) -> None:
        """Serve until cancelled; then close the server and its clients, and wait for them."""
        if self._forever is not None:
            raise RuntimeError(f"{self!r} serves for ever already")
        await self.start_serving()
        self._forever = self._attachment.loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            self.close()
            self.close_clients()
            await self.wait_closed()
            raise
        finally:
            self._forever = None

    def close(self) -> None:
        """Stop listening; those whom nobody has accepted are reset. Harmless when repeated."""
        if self._sockets is None:
            return
        for one in self._sockets:
            one.close(self._attachment.now())
        self._sockets = None
        self._serving = False
        self._attachment.flush_soon()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._see_whether_over()

    def close_clients(self) -> None:
        """Close every client's transport."""
        for transport in list(self._clients):
            transport.close()

    def abort_clients(self) -> None:
        """Reset every client."""
        for transport in list(self._clients):
            transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the server has been closed and its last client has gone."""
        await asyncio.shield(self._closed)

    def attach(self, transport: ConnectionTransport) -> None:
        """A client has come."""
        self._clients.add(transport)

    def detach(self, transport: ConnectionTransport) -> None:
        """A client has gone."""
        self._clients.discard(transport)
        self._see_whether_over()

    def accepted(self, made: TcpSocket) -> None:
        """Give a connection its protocol."""
        try:
            protocol = self._factory()
        except Exception as error:
            made.close(self._attachment.now())
            self._attachment.loop.call_exception_handler(
                {"message": "the protocol factory of a server failed", "exception": error}
            )
        else:
            ConnectionTransport(self._attachment, made, protocol, self).begin()

    def now(self) -> int:
        """Return the time."""
        return self._attachment.now()

    def _see_whether_over(self) -> None:
        if self._sockets is None and not self._clients and not self._closed.done():
            self._closed.set_result(None)

    def __repr__(self) -> str:
        return f"<Server {', '.join(str(one.getsockname()) for one in self._sockets or ())}>"


class _Door(NoticeTaker):
    """Stands at one listening socket of a server."""

    def __init__(self, server: Server, socket: TcpSocket) -> None:
        self._server = server
        self._socket = socket

    def noticed(self) -> None:
        """Take in everybody who waits."""
        listener = self._socket.listener
        while listener is not None:
            listener.notices = 0
            if not listener.acceptable:
                return
            made, _ = self._socket.accept(self._server.now())
            self._server.accepted(made)
            listener = self._socket.listener
