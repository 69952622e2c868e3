"""A web page served to this machine's own kernel over a TUN device (as root).

python examples/hello_web.py, then: curl http://10.9.0.2/
"""

import asyncio
from contextlib import suppress

from lastack.aio import Host
from lastack.link.kernel_side import KernelSide
from lastack.link.tun import TunLink


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    info = writer.get_extra_info("info")
    page = f"Hello {info.remote}, this is {info.local}.\nOur connection is {info.state}, "
    page += f"its segments carry {info.mss} octets and its RTT is {info.srtt / 1e6:.3f} ms.\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    writer.write((head + page).encode())
    writer.close()


async def main() -> None:
    link = TunLink("hello0")
    with KernelSide(link.name, ["10.9.0.1/24"]):
        async with Host(link, ["10.9.0.2/24"]) as host:
            server = await host.start_server(serve, port=80)
            print("http://10.9.0.2/ until Ctrl-C", flush=True)
            await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
