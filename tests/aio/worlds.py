"""What the tests of streams run in: a loop that is looked after, and two worlds with one face.

`ours` is two hosts of ours in one loop, joined by a pair of datagram sockets, in real time.
`kernel` is asyncio as it comes, over the kernel's loopback: what holds in both is asyncio's way.
"""

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from lastack.aio import Host
from lastack.link.pair import socket_pair_links
from lastack.tcp.config import Config, preset

LEFT = "10.0.0.1"
RIGHT = "10.0.0.2"
PATIENCE = 20.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class WatchedLoop(asyncio.SelectorEventLoop):
    """Knows which of its readers, writers and timers are left, and what was reported."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: set[tuple[str, int]] = set()
        self.timers: list[asyncio.TimerHandle] = []
        self.reported: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.reported.append(context))

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        self.watched.add(("reader", fd))
        super().add_reader(fd, callback, *args)

    def remove_reader(self, fd: Any) -> bool:
        self.watched.discard(("reader", fd))
        return super().remove_reader(fd)

    def add_writer(self, fd: Any, callback: Any, *args: Any) -> None:
        self.watched.add(("writer", fd))
        super().add_writer(fd, callback, *args)

    def remove_writer(self, fd: Any) -> bool:
        self.watched.discard(("writer", fd))
        return super().remove_writer(fd)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = super().call_at(when, callback, *args, context=context)
        self.timers.append(handle)
        return handle

    def waiting(self) -> list[asyncio.TimerHandle]:
        """Return the timers that have not gone off and are not cancelled."""
        now = self.time()
        return [one for one in self.timers if not one.cancelled() and one.when() > now]


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test to its end in a watched loop that must be left as it was found."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE):
                await test(*args, **kwargs)

        made: list[WatchedLoop] = []

        def factory() -> WatchedLoop:
            made.append(WatchedLoop())
            return made[0]

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(bounded())
        assert made[0].reported == []
        assert made[0].watched == set()
        assert made[0].waiting() == []

    return run


def watched() -> WatchedLoop:
    """Return the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WatchedLoop)
    return loop


@asynccontextmanager
async def two_hosts(
    left: Config | None = None, right: Config | None = None, mtu: int = 1500, linger: float = 5.0
) -> AsyncIterator[tuple[Host, Host]]:
    """Two hosts of ours on one wire; their Configs are strict unless given."""
    plain = preset("linux").replace(strict=True)
    one, other = socket_pair_links(mtu)
    chance = random.Random(1)
    async with (
        Host(one, [f"{LEFT}/24"], left or plain, linger=linger, random=chance) as here,
        Host(other, [f"{RIGHT}/24"], right or plain, linger=linger, random=chance) as there,
    ):
        yield here, there


class World:
    """Somewhere to serve and somewhere to connect from."""

    def __init__(self, client: Any, server: Any, address: str) -> None:
        self.client = client
        self.server = server
        self.address = address

    async def serve(self, serve: Serve, **options: Any) -> tuple[Any, int]:
        """Start a server of streams; return it and its port."""
        server = await self.server.start_server(serve, self.address, 0, **options)
        return server, server.sockets[0].getsockname()[1]

    async def open(self, port: int, **options: Any) -> Streams:
        """Connect to the other side."""
        streams: Streams = await self.client.open_connection(self.address, port, **options)
        return streams

    async def talk(self, serve: Serve, **options: Any) -> tuple[Any, Streams]:
        """Start a server and connect to it."""
        server, port = await self.serve(serve)
        return server, await self.open(port, **options)

    async def create_server(self, factory: Any) -> tuple[Any, int]:
        """Start a server of protocols; return it and its port."""
        maker = self.server
        if maker is asyncio:
            maker = asyncio.get_running_loop()
        server = await maker.create_server(factory, self.address, 0)
        return server, server.sockets[0].getsockname()[1]

    async def create_connection(self, factory: Any, port: int) -> tuple[asyncio.Transport, Any]:
        """Connect a protocol."""
        maker = self.client
        if maker is asyncio:
            maker = asyncio.get_running_loop()
        made: tuple[asyncio.Transport, Any] = await maker.create_connection(
            factory, self.address, port
        )
        return made


@asynccontextmanager
async def ours() -> AsyncIterator[World]:
    """Our stack on both sides."""
    async with two_hosts() as (left, right):
        yield World(left, right, RIGHT)


@asynccontextmanager
async def kernel() -> AsyncIterator[World]:
    """The kernel's TCP on both sides."""
    yield World(asyncio, asyncio, "127.0.0.1")


MakeWorld = Callable[[], AbstractAsyncContextManager[World]]


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Let the loop run until something holds; fails when that takes too long."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.001)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back whatever comes; close when the peer does."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


class Recorder(asyncio.Protocol):
    """A protocol that notes what it is told."""

    def __init__(self, keep_open: bool = False) -> None:
        self.keep_open = keep_open
        self.calls: list[str] = []
        self.data = bytearray()
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.error: Exception | None = None
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.calls[-1] != "data":
            self.calls.append("data")

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        self.error = exc
        self.lost.set_result(exc)
