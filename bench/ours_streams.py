"""The three services over lastack's asyncio streams: what these cost on top of Connection."""

import asyncio
import signal

from services import BACKLOG, BLOCK, DEVICE, ECHO, MTU, PREFIX_LENGTH, SINK, SOURCE, STACK_ADDRESS

from lastack.aio import Host
from lastack.link.tun import TunLink

READ = 256 * 1024


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ):
        writer.write(data)
        await writer.drain()
    writer.close()


async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    count = 0
    while data := await reader.read(READ):
        count += len(data)
    writer.write(count.to_bytes(8, "big"))
    writer.close()


async def source(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(BLOCK)
            await writer.drain()
    except ConnectionError:
        writer.close()


async def main() -> None:
    """Serve until told to end."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    link = TunLink(DEVICE, MTU)
    async with Host(link, [f"{STACK_ADDRESS}/{PREFIX_LENGTH}"], linger=0.1) as host:
        for port, serve in ((ECHO, echo), (SINK, sink), (SOURCE, source)):
            await host.start_server(serve, STACK_ADDRESS, port, backlog=BACKLOG)
        print("ready", flush=True)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
