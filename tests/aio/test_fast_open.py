"""Fast Open through asyncio's shapes: a Config is all it takes."""

from worlds import RIGHT, echo, in_a_loop, two_hosts

from lastack.tcp.config import preset
from lastack.tcp.connection import Connection

CLIENT = preset("linux").replace(strict=True, fast_open_connect=True)
SERVER = preset("linux").replace(strict=True, fast_open_backlog=8)


@in_a_loop
async def test_the_second_request_rides_on_the_syn() -> None:
    """RFC 7413 3.1: the first fetches a cookie; neither user sees a difference."""
    async with two_hosts(CLIENT, SERVER) as (left, right):
        server = await right.start_server(echo, port=7)
        taken = []
        for _ in range(3):
            reader, writer = await left.open_connection(RIGHT, 7)
            writer.write(b"request")
            assert await reader.readexactly(7) == b"request"
            connection = writer.get_extra_info("connection")
            assert isinstance(connection, Connection)
            taken.append(connection.info().syn_data)
            writer.close()
            await writer.wait_closed()
        assert taken == [False, True, True]
        server.close()


@in_a_loop
async def test_more_than_a_syn_carries_follows() -> None:
    """And what is closed before anything was written has never been."""
    async with two_hosts(CLIENT, SERVER) as (left, right):
        server = await right.start_server(echo, port=7)
        for size in (1, 200_000):
            reader, writer = await left.open_connection(RIGHT, 7)
            writer.write(bytes(size))
            assert await reader.readexactly(size) == bytes(size)
            writer.close()
            await writer.wait_closed()
        before = right.stack.counters.segments_in
        _, writer = await left.open_connection(RIGHT, 7)
        writer.close()
        await writer.wait_closed()
        assert right.stack.counters.opened_passively == 2
        assert right.stack.counters.segments_in >= before
        server.close()
