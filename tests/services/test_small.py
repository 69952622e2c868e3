"""Echo, discard and chargen, over the kernel's own TCP."""

import asyncio
from collections.abc import Awaitable, Callable

from streams import Client, Handler, serving

from lastack.services.small import PATTERN, chargen, discard, echo


def play(handler: Handler, scene: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving(handler) as connect:
            await scene(await connect())

    asyncio.run(main())


def test_echo_sends_back_everything_and_then_its_own_end() -> None:
    """RFC 862."""

    async def scene(client: Client) -> None:
        client.writer.write(b"hello " * 50_000)
        client.writer.write_eof()
        assert await client.reader.read() == b"hello " * 50_000

    play(echo, scene)


def test_discard_says_nothing() -> None:
    """RFC 863."""

    async def scene(client: Client) -> None:
        client.writer.write(bytes(1_000_000))
        client.writer.write_eof()
        assert await client.reader.read() == b""

    play(discard, scene)


def test_chargen_writes_the_pattern_until_the_caller_ends() -> None:
    """RFC 864: lines of 72 characters, each begins one character later."""

    async def scene(client: Client) -> None:
        heard = await client.reader.readexactly(1_000_000)
        assert heard == (PATTERN * (1_000_000 // len(PATTERN) + 1))[:1_000_000]
        first, second = heard.split(b"\r\n")[:2]
        assert len(first) == 72
        assert second[:-1] == first[1:]
        client.writer.write(b"ignored")
        client.writer.write_eof()
        while await client.reader.read(1 << 20):
            pass

    play(chargen, scene)
