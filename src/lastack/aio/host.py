"""The host: a stack of its own on a link of its own, used as asyncio's loop is used for TCP."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from random import SystemRandom
from types import TracebackType
from typing import Any, Self, TypeVar

from lastack.aio.attachment import Attachment, NoticeTaker
from lastack.aio.names import endpoints, family_of, local_endpoints
from lastack.aio.server import Opening, ProtocolFactory, Server
from lastack.aio.transport import ConnectionTransport
from lastack.chance import Random
from lastack.driver import Driver
from lastack.link.base import Link
from lastack.stack.listener import Inspect, Listener
from lastack.stack.routes import Interface
from lastack.stack.sockets import TcpSocket
from lastack.stack.stack import Stack
from lastack.tcp.config import Config, preset
from lastack.tcp.connection import Connection
from lastack.tcp.states import SYN_RECEIVED, SYN_SENT
from lastack.wire.address import Endpoint

P = TypeVar("P", bound=asyncio.BaseProtocol)
Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]
OnNotice = Callable[[Connection | Listener], None]

_current: ContextVar["Host"] = ContextVar("lastack.aio.current")


class Host:
    """A host with these addresses behind this link, in the running loop while it is entered.

        async with Host(TunLink("tun0"), ["10.9.0.2/24"]) as host:
            reader, writer = await host.open_connection("10.9.0.1", 80)

    `config` is the preset `linux` unless given; streams and transports switch Nagle's algorithm
    off, as asyncio does, unless they are given a Config of their own. Leaving closes whatever is
    open and waits up to `linger` seconds for the peers to acknowledge it; what is left then is
    reset, and the link is closed. `on_notice` gets the notices of connections and listeners that
    were made with `stack` itself; after using those, call `wake`.
    """

    def __init__(
        self,
        link: Link,
        addresses: Sequence[str],
        config: Config | None = None,
        *,
        linger: float = 5.0,
        on_notice: OnNotice | None = None,
        random: Random | None = None,
    ) -> None:
        self.link = link
        self.config = preset("linux") if config is None else config
        self.linger = linger
        name = str(getattr(link, "name", "")) or "link0"
        self.stack = Stack(
            [Interface(name, list(addresses), link.mtu, link.offload)],
            self.config,
            SystemRandom() if random is None else random,
        )
        self._stream_config = self.config.replace(nagle=False)
        self._on_notice = on_notice
        self._attachment: Attachment | None = None
        self._servers: list[Server] = []
        self._connecting: set[_Connecting] = set()
        self._closed = False
        self._token: Token[Host] | None = None

    # its life

    async def start(self) -> None:
        """Join the running loop; `async with` does it."""
        if self._closed:
            raise RuntimeError("the host is closed")
        if self._attachment is None:
            self._attachment = Attachment(self.stack, self.link)
            if self._on_notice is not None:
                self._attachment.on_notice = self._on_notice

    async def close(self) -> None:
        """Close servers and connections, wait for the peers, leave the loop, close the link.

        Connections that are not over after `linger` seconds are reset. Harmless when repeated.
        """
        if self._closed:
            return
        self._closed = True
        attachment = self._attachment
        if attachment is None:
            self.link.close()
            return
        try:
            for server in self._servers:
                server.close()
            for one in list(self._connecting):
                one.give_up()
            for transport in list(attachment.transports):
                transport.close()
            await attachment.at_rest(self.linger)
        finally:
            for transport in list(attachment.transports):
                transport.abort()
            for connection in self.stack.connections():
                connection.abort(attachment.now())
                attachment.wake(connection)
            attachment.detach()
            self.link.close()
            await asyncio.sleep(0)  # in this round the last protocols hear connection_lost

    async def __aenter__(self) -> Self:
        await self.start()
        self._token = _current.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            try:
                _current.reset(self._token)
            except ValueError:
                pass  # left in another task than it was entered in
        await self.close()

    @property
    def driver(self) -> Driver:
        """What drives the stack; only while the host is in a loop."""
        return self._attached().driver

    def now(self) -> int:
        """Return the stack's time, in nanoseconds: what its methods want as `now`."""
        return self._attached().now()

    def wake(self, connection: Connection) -> None:
        """After using a Connection itself: what follows from it goes out in this round."""
        self._attached().wake(connection)

    # streams

    async def open_connection(
        self, host: str, port: int | str, *, limit: int = 2**16, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect and return (reader, writer), as asyncio.open_connection does.

        `options` are those of `create_connection`.
        """
        loop = self._attached().loop
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await self.create_connection(lambda: protocol, host, port, **options)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def start_server(
        self,
        client_connected_cb: Connected,
        host: str | Sequence[str] | None = None,
        port: int | str = 0,
        *,
        limit: int = 2**16,
        **options: Any,
    ) -> Server:
        """Serve `client_connected_cb(reader, writer)`, as asyncio.start_server does.

        `options` are those of `create_server`.
        """
        loop = self._attached().loop

        def factory() -> asyncio.StreamReaderProtocol:
            reader = asyncio.StreamReader(limit=limit, loop=loop)
            return asyncio.StreamReaderProtocol(reader, client_connected_cb, loop=loop)

        return await self.create_server(factory, host, port, **options)

    # transports and protocols

    async def create_connection(
        self,
        protocol_factory: Callable[[], P],
        host: str,
        port: int | str,
        *,
        family: int = 0,
        local_addr: tuple[str, int] | None = None,
        config: Config | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """Connect and return (transport, protocol), as loop.create_connection does.

        Of several addresses of a name each is tried in turn. Raises ConnectionRefusedError,
        TimeoutError, socket.gaierror or another OSError that says why. Cancelling gives up.
        """
        attachment = self._attached()
        local: Endpoint | None = None
        if local_addr is not None:
            local = (await endpoints(*local_addr, family))[0]
        errors: list[OSError] = []
        for remote in await endpoints(host, port, family):
            try:
                socket = await self._connect(remote, local, config or self._stream_config)
            except OSError as error:
                errors.append(error)
                continue
            try:
                protocol = protocol_factory()
            except BaseException:
                socket.close(attachment.now())
                attachment.flush_soon()
                raise
            transport = ConnectionTransport(attachment, socket, protocol)
            transport.begin()
            attachment.loop.call_soon(transport.noticed)  # what came while nobody listened
            return transport, protocol
        if len({str(error) for error in errors}) == 1:
            raise errors[0]
        raise OSError(f"no address of {host} answers: {'; '.join(map(str, errors))}")

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        host: str | Sequence[str] | None = None,
        port: int | str = 0,
        *,
        family: int = 0,
        backlog: int = 100,
        reuse_address: bool = True,
        start_serving: bool = True,
        config: Config | None = None,
        inspect: Inspect | None = None,
    ) -> Server:
        """Listen and return the Server, as loop.create_server does.

        No host means every address of ours; a port of 0 one that is free, the same for each
        address. Raises EADDRINUSE, EADDRNOTAVAIL.

        A prefix (`10.1.0.0/16`) means every address in it, ours or not, and then a port of 0 every
        port. `inspect` sees (SYN, local, remote) first and says what becomes of it: a Verdict.
        """
        attachment = self._attached()
        widths = [
            width for width in (4, 16) if any(len(a) == width for a in self.stack.routes.ours)
        ]
        sockets: list[TcpSocket] = []
        openings: list[Opening] = []
        try:
            chosen = 0
            for local, length in await local_endpoints(host, port, family, widths):
                socket = TcpSocket(
                    self.stack, family_of(local.address), config or self._stream_config
                )
                sockets.append(socket)
                if length is not None or inspect is not None:
                    openings.append((local, length, inspect))
                    continue
                openings.append(None)
                socket.reuse = reuse_address
                socket.bind(attachment.now(), Endpoint(local.address, local.port or chosen))
                chosen = socket.getsockname().port
            server = Server(attachment, sockets, openings, protocol_factory, backlog)
            if start_serving:
                server.begin()
        except BaseException:
            for socket in sockets:
                socket.close(attachment.now())
            raise
        self._servers = [one for one in self._servers if one.sockets]
        self._servers.append(server)
        return server

    # helpers

    def _attached(self) -> Attachment:
        attachment = self._attachment
        if attachment is None:
            raise RuntimeError("the host is in no loop yet: enter it with `async with`")
        if attachment.lost is not None:
            raise attachment.lost
        if self._closed:
            raise RuntimeError("the host is closed")
        return attachment

    async def _connect(self, remote: Endpoint, local: Endpoint | None, config: Config) -> TcpSocket:
        """Return a socket whose connection stands."""
        attachment = self._attached()
        socket = TcpSocket(self.stack, family_of(remote.address), config)
        waiting = _Connecting(socket, attachment.loop.create_future())
        self._connecting.add(waiting)
        try:
            if local is not None:
                socket.reuse = True
                socket.bind(attachment.now(), local)
            try:
                socket.connect(attachment.now(), remote)
            except BlockingIOError:
                assert socket.connection is not None
                socket.connection.user = waiting
                attachment.flush_soon()
                await waiting.over
                socket.connect(attachment.now(), remote)
        except BaseException:
            socket.close(attachment.now())
            attachment.flush_soon()
            raise
        finally:
            self._connecting.discard(waiting)
        return socket


class _Connecting(NoticeTaker):
    """Waits for the end of a handshake."""

    def __init__(self, socket: TcpSocket, over: "asyncio.Future[None]") -> None:
        self.socket = socket
        self.over = over

    def noticed(self) -> None:
        connection = self.socket.connection
        if connection is None:
            return
        connection.notices = 0
        if connection.state is not SYN_SENT and connection.state is not SYN_RECEIVED:
            if not self.over.done():
                self.over.set_result(None)

    def give_up(self) -> None:
        """The host closes."""
        if not self.over.done():
            self.over.set_exception(ConnectionAbortedError("the host was closed meanwhile"))


def current() -> Host:
    """Return the Host that was entered last in this context; raises RuntimeError without one."""
    host = _current.get(None)
    if host is None:
        raise RuntimeError("no Host has been entered: use `async with Host(...)` or give `via`")
    return host


async def open_connection(
    host: str, port: int | str, *, via: Host | None = None, **options: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect by `via`, by default the Host entered last, and return (reader, writer)."""
    return await (via or current()).open_connection(host, port, **options)


async def start_server(
    client_connected_cb: Connected,
    host: str | Sequence[str] | None = None,
    port: int | str = 0,
    *,
    via: Host | None = None,
    **options: Any,
) -> Server:
    """Serve by `via`, by default the Host entered last, and return the Server."""
    return await (via or current()).start_server(client_connected_cb, host, port, **options)
