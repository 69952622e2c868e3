"""Services on the ports of a host: who talks there, and the end of it all."""

import asyncio
from collections.abc import Awaitable, Callable

from lastack.aio import Host, Server
from lastack.services.messages import PIECE
from lastack.tcp.connection import Connection

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Opened = Callable[[Connection, str], None]


class Serving:
    """Runs handlers of streams on ports of a host until `end`.

    `opened` hears of each connection that is accepted, with the name of the service.
    """

    def __init__(self, host: Host, opened: Opened | None = None) -> None:
        self.host = host
        self.opened = opened
        self._servers: list[Server] = []
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def talks(self) -> int:
        """How many connections are being served."""
        return len(self._tasks)

    async def serve(self, name: str, handler: Handler, port: int) -> None:
        """Serve on a port of every address of the host; raises EADDRINUSE."""

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.opened is not None:
                self.opened(writer.get_extra_info("connection"), name)
            await self._talk(handler, reader, writer)

        server = await self.host.start_server(talk, None, port, limit=PIECE, backlog=512)
        self._servers.append(server)

    async def _talk(
        self, handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await handler(reader, writer)
        except OSError:
            pass  # the client has gone; the table has shown how
        except asyncio.CancelledError:
            pass  # we end: what is queued still goes out, and FIN after it
        finally:
            self._tasks.discard(task)
            writer.close()

    async def end(self) -> None:
        """Accept nobody any more and let every handler stop where it is."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def abort(self) -> None:
        """Reset whoever is still connected."""
        for connection in self.host.stack.connections():
            connection.abort(self.host.now())
            self.host.wake(connection)
