"""The three services over PyTCP (the package pmd-pytcp), asyncio on the same TUN device."""

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pmd_net_addr import Ip4IfAddr  # type: ignore[import-not-found]
from pmd_pytcp import stack  # type: ignore[import-not-found]
from pmd_pytcp.lib.logger import refresh_log_enabled  # type: ignore[import-not-found]
from pmd_pytcp.socket import (  # type: ignore[import-not-found]
    AddressFamily,
    SocketType,
    socket,
)
from services import (
    BACKLOG,
    BLOCK,
    BLOCK_SIZE,
    DEVICE,
    ECHO,
    PREFIX_LENGTH,
    SINK,
    SOURCE,
    STACK_ADDRESS,
)

MOST_UNSENT = 256 * 1024
"""Its send() takes whatever it is given; a user who cares for memory has to look himself."""


async def drained(connection: Any) -> None:
    while len(connection.tcp_session._tx.buffer) > MOST_UNSENT:
        await asyncio.sleep(0.001)


async def echo(connection: Any) -> None:
    while data := await connection.recv(BLOCK_SIZE):
        await connection.send(data)
        await drained(connection)


async def sink(connection: Any) -> None:
    counted = 0
    while data := await connection.recv(BLOCK_SIZE):
        counted += len(data)
    await connection.send(counted.to_bytes(8, "big"))


async def source(connection: Any) -> None:
    while True:
        await connection.send(BLOCK[: 64 * 1024])
        await drained(connection)


async def serve_one(connection: Any, service: Any) -> None:
    try:
        await service(connection)
    except OSError:
        pass
    connection.close()


async def serve(port: int, service: Any) -> None:
    listener = socket(AddressFamily.INET4, SocketType.STREAM)
    listener.bind((STACK_ADDRESS, port))
    listener.listen(backlog=BACKLOG)
    tasks = set()
    while True:
        connection, _ = await listener.accept()
        task = asyncio.create_task(serve_one(connection, service))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def main() -> None:
    stack.LOG__CHANNEL.clear()
    refresh_log_enabled()
    stack.init()
    stack.add_interface(
        **stack.initialize_interface__tun(DEVICE),
        ip4_host=Ip4IfAddr(f"{STACK_ADDRESS}/{PREFIX_LENGTH}"),
        ip6_support=False,
    )
    await stack.start()
    services = [serve(ECHO, echo), serve(SINK, sink), serve(SOURCE, source)]
    tasks = [asyncio.create_task(one) for one in services]
    await asyncio.sleep(0.1)
    print("ready", flush=True)
    await asyncio.gather(*tasks)


asyncio.run(main())
