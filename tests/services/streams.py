"""A service on the kernel's loopback, and a client that says and hears exact octets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Client:
    """One connection to a service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def says(self, *lines: str, body: bytes = b"") -> None:
        """Send a head of these lines, with a Host, and a body."""
        head = "\r\n".join([lines[0], "Host: test", *lines[1:], "", ""])
        self.writer.write(head.encode("latin-1") + body)

    async def hears(self, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Return status, fields (names in lower case) and body of the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {}
        for line in head[1:-2]:
            name, _, value = line.partition(": ")
            fields[name.lower()] = value
        length = 0 if head_only else int(fields.get("content-length", "0"))
        return int(head[0].split()[1]), fields, await self.reader.readexactly(length)

    async def asks(self, *lines: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Send a request and return its answer."""
        self.says(*lines, body=body)
        return await self.hears(lines[0].startswith("HEAD "))


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Callable[[], Awaitable[Client]]]:
    """Serve on a free port of the loopback; yields what connects to it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    clients: list[Client] = []

    async def connect() -> Client:
        port = server.sockets[0].getsockname()[1]
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return clients[-1]

    try:
        async with asyncio.timeout(20):
            yield connect
    finally:
        for client in clients:
            client.writer.close()
        server.close()
