"""Streams of ours and of the kernel's asyncio, to each other over a TUN device."""

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from by_hand import KERNEL_V4, KERNEL_V6, OURS_V4, OURS_V6
from namespaces import Namespace

from lastack.aio import Host
from lastack.link.tun import TunLink
from lastack.tcp.config import preset

DeviceMaker = Callable[..., TunLink]
BOTH = pytest.mark.parametrize("ours, theirs", [(OURS_V4, KERNEL_V4), (OURS_V6, KERNEL_V6)])
BLOCK = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(256)) * 128
BLOCKS = 50
WHOLE = hashlib.sha256(BLOCK * BLOCKS).digest()

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def our_host(link: TunLink) -> AsyncIterator[Host]:
    strict = preset("linux").replace(strict=True)
    async with Host(link, [f"{OURS_V4}/24", f"{OURS_V6}/64"], strict) as host:
        yield host


async def send(writer: asyncio.StreamWriter) -> None:
    for _ in range(BLOCKS):
        writer.write(BLOCK)
        await writer.drain()
    writer.write_eof()


async def digest(reader: asyncio.StreamReader) -> bytes:
    got = hashlib.sha256()
    while data := await reader.read(1 << 20):
        got.update(data)
    return got.digest()


async def take_and_give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer 50 MB with their hash, and with 50 MB more."""
    writer.write(await digest(reader))
    await send(writer)
    writer.close()


async def give_and_take(streams: Streams) -> None:
    reader, writer = streams
    await send(writer)
    assert await reader.readexactly(32) == WHOLE
    assert await digest(reader) == WHOLE
    writer.close()
    await writer.wait_closed()


def run(test: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(bounded())


@BOTH
def test_the_kernels_streams_and_our_server_exchange_50_megabytes(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """Every octet once and in order, both ways, by hash; half-close by the client."""

    async def test() -> None:
        async with our_host(device()) as host:
            await host.start_server(take_and_give, ours, 8000)
            await give_and_take(await asyncio.open_connection(ours, 8000))

    run(test())


@BOTH
def test_our_streams_and_the_kernels_server_exchange_50_megabytes(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """The same with the parts exchanged."""

    async def test() -> None:
        async with our_host(device()) as host:
            server = await asyncio.start_server(take_and_give, theirs, 0)
            port = server.sockets[0].getsockname()[1]
            await give_and_take(await host.open_connection(theirs, port))
            server.close()

    run(test())


def test_refusals_and_resets_are_told_both_ways(device: DeviceMaker) -> None:
    """ECONNREFUSED and ECONNRESET as exceptions of their classes."""

    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async def test() -> None:
        async with our_host(device()) as host:
            with pytest.raises(ConnectionRefusedError):
                await host.open_connection(KERNEL_V4, 9)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(OURS_V4, 9)
            await host.start_server(vanish, port=80)
            reader, writer = await asyncio.open_connection(OURS_V4, 80)
            writer.write(b"x")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    run(test())


def test_a_hundred_clients_of_the_kernel_at_once(device: DeviceMaker) -> None:
    """Connections side by side keep their octets apart."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(OURS_V4, 7)
        sent = number.to_bytes(2, "big") * 5000
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == sent
        writer.close()

    async def test() -> None:
        async with our_host(device()) as host:
            server = await host.start_server(echo, port=7)
            await asyncio.gather(*(one(number) for number in range(100)))
            server.close()
            await server.wait_closed()

    run(test())


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_example_serves_its_page_to_curl_and_takes_its_device_away(
    namespace: Namespace,
) -> None:
    """examples/hello_web.py: Ctrl-C ends it in order."""
    example = Path(__file__).resolve().parent.parent.parent / "examples" / "hello_web.py"
    with subprocess.Popen(
        [sys.executable, str(example)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.readline() == "http://10.9.0.2/ until Ctrl-C\n"
            page = namespace.run("curl", "-sS", "--max-time", "10", "http://10.9.0.2/")
            assert page.startswith("Hello 10.9.0.1:") and "ESTABLISHED" in page
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
    assert "hello0" not in namespace.run("ip", "link")
