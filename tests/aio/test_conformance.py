"""One suite of streams and transports for two stacks: what the kernel's asyncio does, ours does."""

import asyncio
import hashlib
import socket

import pytest
from worlds import MakeWorld, Recorder, echo, in_a_loop, kernel, ours, until

BOTH = pytest.mark.parametrize("world", [ours, kernel], ids=["ours", "kernel"])


def octets(count: int) -> bytes:
    return b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(count // 32))


@BOTH
@in_a_loop
async def test_what_is_written_comes_back_from_an_echo(world: MakeWorld) -> None:
    """Streams: every octet once and in order."""
    async with world() as it:
        server, (reader, writer) = await it.talk(echo)
        for size in (1, 10, 1000, 100_000):
            writer.write(octets(100_000)[:size])
            assert await reader.readexactly(size) == octets(100_000)[:size]
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()


@BOTH
@in_a_loop
async def test_a_large_transfer_waits_for_a_slow_reader(world: MakeWorld) -> None:
    """StreamWriter.drain: it blocks while the peer does not read, and is released when it does."""
    data = octets(1 << 20) * 12
    go = asyncio.Event()
    got = hashlib.sha256()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        while piece := await reader.read(50_000):
            got.update(piece)
        writer.close()

    async with world() as it:
        server, (reader, writer) = await it.talk(serve)
        writer.write(data)
        drained = asyncio.create_task(writer.drain())
        done, _ = await asyncio.wait([drained], timeout=0.2)
        assert not done
        assert writer.transport.get_write_buffer_size() > 64 * 1024
        go.set()
        await drained
        assert writer.transport.get_write_buffer_size() <= 16 * 1024
        writer.write_eof()
        assert await reader.read() == b""
        assert got.digest() == hashlib.sha256(data).digest()
        writer.close()
        server.close()


@BOTH
@in_a_loop
async def test_each_side_can_close_its_half_first(world: MakeWorld) -> None:
    """write_eof is a half-close: the other direction goes on."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read()
        writer.write(b"answer to " + question)
        writer.close()

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"news")
        writer.write_eof()
        told.append(await reader.read())
        writer.close()

    told: list[bytes] = []
    async with world() as it:
        server, (reader, writer) = await it.talk(answer)
        assert writer.can_write_eof()
        writer.write(b"question")
        writer.write_eof()
        with pytest.raises(RuntimeError):
            writer.write(b"more")
        assert await reader.read() == b"answer to question"
        assert reader.at_eof()
        writer.close()
        server.close()
        server, (reader, writer) = await it.talk(tell)
        assert await reader.read() == b"news"
        writer.write(b"thanks" * 10_000)
        writer.close()
        await writer.wait_closed()
        await until(lambda: bool(told))
        assert told == [b"thanks" * 10_000]
        server.close()


@BOTH
@in_a_loop
async def test_what_was_buffered_before_eof_and_close_still_arrives(world: MakeWorld) -> None:
    """Transport.close and write_eof: buffered data is flushed first."""
    data = octets(1 << 20) * 8
    results: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        results.append(hashlib.sha256(await reader.read()).digest())
        writer.close()

    async with world() as it:
        for eof_first in (False, True):
            server, (_, writer) = await it.talk(serve)
            writer.write(data)
            assert writer.transport.get_write_buffer_size() > 0
            if eof_first:
                writer.write_eof()
            writer.close()
            assert writer.is_closing()
            await writer.wait_closed()
            server.close()
        await until(lambda: len(results) == 2)
        assert results == [hashlib.sha256(data).digest()] * 2


@BOTH
@in_a_loop
async def test_a_protocol_hears_everything_in_order_and_eof_closes(world: MakeWorld) -> None:
    """eof_received returning False (or None) closes the transport."""
    async with world() as it:
        made: list[Recorder] = []

        def factory() -> Recorder:
            made.append(Recorder())
            return made[-1]

        server, port = await it.create_server(factory)
        transport, client = await it.create_connection(Recorder, port)
        assert client.calls == ["made"]
        transport.write(b"hello")
        transport.write_eof()
        await client.lost
        assert made[0].calls == ["made", "data", "eof", "lost"]
        assert bytes(made[0].data) == b"hello"
        assert made[0].error is None and client.error is None
        assert client.calls == ["made", "eof", "lost"]
        server.close()


@BOTH
@in_a_loop
async def test_eof_received_returning_true_keeps_the_other_half_open(world: MakeWorld) -> None:
    """eof_received's return value is honoured."""
    async with world() as it:
        made: list[Recorder] = []

        def factory() -> Recorder:
            made.append(Recorder(keep_open=True))
            return made[-1]

        server, port = await it.create_server(factory)
        transport, client = await it.create_connection(Recorder, port)
        transport.write_eof()
        await until(lambda: bool(made) and "eof" in made[0].calls)
        assert not made[0].transport.is_closing()
        made[0].transport.write(b"still here")
        made[0].transport.close()
        await client.lost
        assert bytes(client.data) == b"still here"
        server.close()


@BOTH
@in_a_loop
async def test_no_data_comes_while_reading_is_paused(world: MakeWorld) -> None:
    """pause_reading: data_received is not called, and the end of the stream waits too."""
    async with world() as it:
        made: list[Recorder] = []

        def factory() -> Recorder:
            made.append(Recorder())
            return made[-1]

        server, port = await it.create_server(factory)
        transport, client = await it.create_connection(Recorder, port)
        await until(lambda: bool(made))
        inside = made[0].transport
        assert inside.is_reading()
        inside.pause_reading()
        inside.pause_reading()
        assert not inside.is_reading()
        transport.write(b"x" * 1000)
        transport.write_eof()
        await asyncio.sleep(0.05)
        assert made[0].calls == ["made"]
        inside.resume_reading()
        assert made[0].calls == ["made"]
        await client.lost
        assert made[0].calls == ["made", "data", "eof", "lost"]
        assert len(made[0].data) == 1000
        server.close()


@BOTH
@in_a_loop
async def test_a_pause_inside_data_received_holds_at_once(world: MakeWorld) -> None:
    """pause_reading called from data_received: not one more call until resumed."""

    class OneAtATime(Recorder):
        def data_received(self, data: bytes) -> None:
            assert self.transport.is_reading()
            self.data += data
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(0.001, self.transport.resume_reading)

    async with world() as it:
        made: list[OneAtATime] = []

        def factory() -> OneAtATime:
            made.append(OneAtATime())
            return made[-1]

        server, port = await it.create_server(factory)
        transport, client = await it.create_connection(Recorder, port)
        transport.write(octets(1 << 20))
        transport.write_eof()
        await client.lost
        assert bytes(made[0].data) == octets(1 << 20)
        server.close()


@BOTH
@in_a_loop
async def test_a_writer_is_paused_above_the_high_and_resumed_at_the_low_mark(
    world: MakeWorld,
) -> None:
    """set_write_buffer_limits, pause_writing, resume_writing."""
    async with world() as it:
        made: list[Recorder] = []

        def factory() -> Recorder:
            made.append(Recorder())
            return made[-1]

        server, port = await it.create_server(factory)
        transport, client = await it.create_connection(Recorder, port)
        await until(lambda: bool(made))
        made[0].transport.pause_reading()
        transport.set_write_buffer_limits(high=100_000, low=10_000)
        assert transport.get_write_buffer_limits() == (10_000, 100_000)
        with pytest.raises(ValueError):
            transport.set_write_buffer_limits(high=1, low=2)
        while "pause" not in client.calls:
            assert transport.get_write_buffer_size() <= 100_000
            transport.write(bytes(50_000))
        assert transport.get_write_buffer_size() > 100_000
        made[0].transport.resume_reading()
        await until(lambda: "resume" in client.calls)
        assert transport.get_write_buffer_size() <= 10_000
        assert client.calls == ["made", "pause", "resume"]
        transport.close()
        await client.lost
        server.close()


@BOTH
@in_a_loop
async def test_a_buffered_protocol_gets_its_data_into_its_own_buffer(world: MakeWorld) -> None:
    """BufferedProtocol: get_buffer, then buffer_updated with what was put there."""

    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(10_000)
            self.data = bytearray()
            self.over = asyncio.get_running_loop().create_future()

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            assert 0 < nbytes <= len(self.buffer)
            self.data += self.buffer[:nbytes]

        def eof_received(self) -> None:
            self.over.set_result(None)

    async with world() as it:
        made: list[Buffered] = []

        def factory() -> Buffered:
            made.append(Buffered())
            return made[-1]

        server, port = await it.create_server(factory)
        transport, client = await it.create_connection(Recorder, port)
        transport.write(octets(1 << 20))
        transport.write_eof()
        await client.lost
        await made[0].over
        assert bytes(made[0].data) == octets(1 << 20)
        server.close()


@BOTH
@in_a_loop
async def test_a_mistake_in_data_received_ends_that_connection_and_is_reported(
    world: MakeWorld,
) -> None:
    """The loop's exception handler hears of it; connection_lost gets the exception."""

    class Mistaken(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    async with world() as it:
        made: list[Mistaken] = []

        def factory() -> Mistaken:
            made.append(Mistaken())
            return made[-1]

        server, port = await it.create_server(factory)
        transport, client = await it.create_connection(Recorder, port)
        transport.write(b"x")
        await client.lost
        assert isinstance(made[0].error, ZeroDivisionError)
        server.close()
        loop = asyncio.get_running_loop()
        reported = loop.reported  # type: ignore[attr-defined]
        assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]
        reported.clear()


@BOTH
@in_a_loop
async def test_nobody_listening_is_connection_refused(world: MakeWorld) -> None:
    """RFC 9293 3.10.7.1: a SYN for nobody is answered with a reset; that is ECONNREFUSED."""
    async with world() as it:
        server, port = await it.serve(echo)
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await it.open(port)


@BOTH
@in_a_loop
async def test_a_reset_is_raised_to_readers_and_writers(world: MakeWorld) -> None:
    """ConnectionResetError from read, drain and wait_closed."""

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.pause_reading()
        await asyncio.sleep(0.02)
        writer.close()  # with data unread: a reset

    async with world() as it:
        server, (reader, writer) = await it.talk(leave, limit=1)
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"unread" * 1000)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionResetError):
            writer.write(b"in vain")
            await writer.drain()
        writer.close()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()
        server.close()


@BOTH
@in_a_loop
async def test_a_closed_server_leaves_its_clients_alone(world: MakeWorld) -> None:
    """Server.close stops listening and nothing else."""
    async with world() as it:
        server, (reader, writer) = await it.talk(echo)
        writer.write(b"there?")
        assert await reader.readexactly(6) == b"there?"
        assert server.is_serving()
        server.close()
        server.close()
        assert not server.is_serving()
        assert tuple(server.sockets) == ()
        writer.write(b"still there?")
        assert await reader.readexactly(12) == b"still there?"
        writer.close()
        await writer.wait_closed()


@BOTH
@in_a_loop
async def test_two_hundred_connections_at_once(world: MakeWorld) -> None:
    """Each gets its own octets back."""
    async with world() as it:
        server, port = await it.serve(echo, backlog=256)

        async def one(number: int) -> None:
            reader, writer = await it.open(port)
            sent = number.to_bytes(2, "big") * 500
            writer.write(sent)
            writer.write_eof()
            assert await reader.read() == sent
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*(one(number) for number in range(200)))
        server.close()


@BOTH
@in_a_loop
async def test_names_and_options_are_those_of_a_socket(world: MakeWorld) -> None:
    """get_extra_info: peername, sockname, socket, and a default for what there is not."""
    async with world() as it:
        server, (_, writer) = await it.talk(echo)
        port = server.sockets[0].getsockname()[1]
        assert writer.get_extra_info("peername") == (it.address, port)
        inner = writer.get_extra_info("socket")
        assert inner.getpeername() == (it.address, port)
        assert inner.getsockname() == writer.get_extra_info("sockname")
        assert (inner.family, inner.type) == (socket.AF_INET, socket.SOCK_STREAM)
        assert inner.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        assert inner.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        info = inner.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
        assert info[0] == 1  # ESTABLISHED
        with pytest.raises(OSError):
            inner.setsockopt(socket.IPPROTO_TCP, 9999, 1)
        assert writer.get_extra_info("sslcontext") is None
        assert writer.get_extra_info("nothing", 5) == 5
        writer.close()
        await writer.wait_closed()
        assert writer.get_extra_info("peername") == (it.address, port)
        server.close()


@BOTH
@in_a_loop
async def test_serving_for_ever_ends_when_cancelled(world: MakeWorld) -> None:
    """Server.serve_forever closes the server on its way out."""
    async with world() as it:
        server, port = await it.serve(echo)
        task = asyncio.create_task(server.serve_forever())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await server.serve_forever()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await it.open(port)
