"""Every change of state of both ends, with its cause and the section of RFC 9293 that says so."""

import asyncio

from lastack.aio import Host
from lastack.link.pair import socket_pair_links
from lastack.tcp.events import StateChanged


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello " + await reader.read())
    writer.close()


def tell(name: str, host: Host) -> None:
    for event in host.stack.take_events():
        if isinstance(event, StateChanged):
            print(
                f"{name:7} {event.state!s:>12} -> {event.to!s:12} {event.cause} ({event.section})"
            )


async def main() -> None:
    here, there = socket_pair_links()
    async with Host(here, ["10.0.0.1/24"]) as client, Host(there, ["10.0.0.2/24"]) as server:
        await server.start_server(greet, port=80)
        reader, writer = await client.open_connection("10.0.0.2", 80)
        writer.write(b"you")
        writer.write_eof()
        assert await reader.read() == b"hello you"
        writer.close()
        await writer.wait_closed()
    tell("client", client)
    tell("server", server)


if __name__ == "__main__":
    asyncio.run(main())
