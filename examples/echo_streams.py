"""Two hosts in one process talk through asyncio's streams: no root, no device, no kernel TCP."""

import asyncio

from lastack.aio import Host
from lastack.link.pair import socket_pair_links


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main() -> None:
    here, there = socket_pair_links(mtu=1500)
    async with Host(here, ["10.0.0.1/24"]) as client, Host(there, ["10.0.0.2/24"]) as server:
        await server.start_server(echo, port=7)
        reader, writer = await client.open_connection("10.0.0.2", 7)
        writer.write(b"hello from a TCP in Python\n")
        writer.write_eof()
        print((await reader.read()).decode(), end="")
        print("the connection is in", writer.get_extra_info("connection").state)
        writer.close()
        await writer.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
