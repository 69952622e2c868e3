"""A host of ours in a loop: what asyncio's tests cannot see of the kernel."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from random import Random

import pytest
from worlds import LEFT, RIGHT, Recorder, echo, in_a_loop, two_hosts, until, watched

import lastack
from lastack.aio import Host
from lastack.errors import LastackError
from lastack.link.memory import MemoryWire
from lastack.link.pair import socket_pair_links
from lastack.link.wrappers import Counted, Filtered
from lastack.stack.listener import Verdict
from lastack.tcp.config import preset
from lastack.tcp.connection import Connection
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import State
from lastack.units import MS, NEVER
from lastack.wire.address import Endpoint
from lastack.wire.segment import Segment

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SMALL = preset("linux").replace(
    strict=True, send_buffer=100_000, receive_buffer=100_000, send_most=0, receive_most=0
)


async def connected(left: Host, right: Host) -> tuple[asyncio.Transport, Recorder, Recorder]:
    """Return a client's transport, its protocol and the server's protocol."""
    made: list[Recorder] = []

    def factory() -> Recorder:
        made.append(Recorder(keep_open=True))
        return made[-1]

    server = await right.create_server(factory, port=80)
    transport, client = await left.create_connection(lambda: Recorder(True), RIGHT, 80)
    await until(lambda: bool(made))
    server.close()
    return transport, client, made[0]


def connection_of(transport: asyncio.Transport) -> Connection:
    connection = transport.get_extra_info("connection")
    assert isinstance(connection, Connection)
    return connection


@in_a_loop
async def test_a_paused_reader_closes_the_window_and_fills_the_senders_buffers() -> None:
    """Flow control end to end: nothing is taken from the connection while reading is paused."""
    async with two_hosts(SMALL, SMALL) as (left, right):
        transport, client, inside = await connected(left, right)
        inside.transport.pause_reading()
        transport.write(bytes(500_000))
        sender, receiver = connection_of(transport), connection_of(inside.transport)
        await until(lambda: sender.info().snd_wnd == 0)
        assert receiver.info().unread == receiver.available > 90_000
        assert sender.unacknowledged > 66_000
        assert transport.get_write_buffer_size() > 150_000
        assert client.calls == ["made", "pause"]
        assert inside.calls == ["made"]
        inside.transport.resume_reading()
        await until(lambda: len(inside.data) == 500_000)
        assert client.calls == ["made", "pause", "resume"]
        assert sender.unacknowledged == transport.get_write_buffer_size() == 0
        transport.close()
        await client.lost
        inside.transport.close()


@in_a_loop
async def test_abort_resets_the_peer_and_throws_away_what_was_buffered() -> None:
    """Transport.abort is ABORT of RFC 9293 3.10.5."""
    async with two_hosts(SMALL, SMALL) as (left, right):
        transport, client, inside = await connected(left, right)
        inside.transport.pause_reading()
        transport.write(bytes(500_000))
        transport.abort()
        transport.abort()
        assert await client.lost is None
        assert connection_of(transport).state is State.CLOSED
        await until(lambda: connection_of(inside.transport).state is State.CLOSED)
        inside.transport.resume_reading()
        assert isinstance(await inside.lost, ConnectionResetError)
        assert left.stack.connections() == right.stack.connections() == []


@in_a_loop
async def test_a_protocol_that_only_listens_hears_of_a_reset_at_once() -> None:
    """RFC 9293 3.10.7.4: the user is told of a reset, even after the end of the stream."""
    async with two_hosts() as (left, right):
        transport, client, inside = await connected(left, right)
        transport.write_eof()
        await until(lambda: "eof" in inside.calls)
        transport.abort()
        assert isinstance(await inside.lost, ConnectionResetError)
        assert await client.lost is None


@in_a_loop
async def test_a_connection_that_is_given_up_while_opening_leaves_nothing() -> None:
    """Cancelling open_connection: SYN-SENT to CLOSED, no timer, no port."""
    dropped, other = socket_pair_links()
    silent = Filtered(dropped, predicate_out=lambda packet: False)
    async with Host(silent, [f"{LEFT}/24"]) as host:
        task = asyncio.create_task(host.open_connection(RIGHT, 80))
        await until(lambda: len(host.stack.connections()) == 1)
        assert host.stack.connections()[0].state is State.SYN_SENT
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert host.stack.connections() == []
        assert host.stack.next_deadline() == NEVER
    other.close()


@in_a_loop
async def test_nobody_answering_is_a_timeout() -> None:
    """RFC 9293 3.8.3: the SYN's R2; the error is a TimeoutError."""
    one, other = socket_pair_links()
    impatient = preset("linux").replace(initial_rto=20 * MS, min_rto=10 * MS, syn_retries=2)
    async with Host(one, [f"{LEFT}/24"], impatient) as host:
        with pytest.raises(TimeoutError):
            await host.open_connection(RIGHT, 80)
        with pytest.raises(LastackError, match="unreachable"):
            await host.open_connection("fd00::1", 80)
        with pytest.raises(socket.gaierror):
            await host.open_connection("no such name", 80)
    other.close()


@in_a_loop
async def test_a_quiet_host_runs_nothing_at_all() -> None:
    """No polling: with idle connections no timer waits, so that the loop sleeps for ever."""
    one, other = socket_pair_links()
    counted = Counted(one)
    async with (
        Host(counted, [f"{LEFT}/24"], preset("linux")) as left,
        Host(other, [f"{RIGHT}/24"], preset("linux")) as right,
    ):
        server = await right.start_server(echo, port=7)
        opened: list[Streams] = [await left.open_connection(RIGHT, 7) for _ in range(20)]
        for reader, writer in opened:
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
        await until(lambda: left.stack.next_deadline() == right.stack.next_deadline() == NEVER)
        await asyncio.sleep(0.3)  # longer than the retransmission timer that was last armed
        before = counted.packets_in + counted.packets_out
        watched().timers.clear()
        await asyncio.sleep(0.1)
        assert len(watched().timers) == 1, "but for the test's own there is none"
        assert counted.packets_in + counted.packets_out == before
        server.close()
        for _, writer in opened:
            writer.close()


@in_a_loop
async def test_a_full_link_is_watched_for_room_and_loses_nothing() -> None:
    """add_writer while the driver is blocked, and no longer."""
    async with two_hosts() as (left, right):
        watch = watched()
        transport, client, inside = await connected(left, right)
        descriptor = left.link.fileno()
        transport.write(bytes(2_000_000))
        await until(lambda: ("writer", descriptor) in watch.watched)
        await until(lambda: len(inside.data) == 2_000_000)
        await until(lambda: ("writer", descriptor) not in watch.watched)
        assert not left.driver.blocked
        transport.close()
        await client.lost
        inside.transport.close()


@in_a_loop
async def test_leaving_a_host_delivers_what_was_written() -> None:
    """Host.close: transports are flushed and closed, and the peers acknowledge it."""
    one, other = socket_pair_links()
    data = bytes(3_000_000)
    async with Host(other, [f"{RIGHT}/24"]) as right:
        got: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.append(await reader.read())
            writer.close()

        await right.start_server(serve, port=80)
        async with Host(one, [f"{LEFT}/24"], SMALL) as left:
            _, writer = await left.open_connection(RIGHT, 80)
            writer.write(data)
        assert writer.is_closing()
        assert left.stack.connections() == []
        assert [info.state for info in left.stack.infos()] == [State.TIME_WAIT]
        assert got == [data]


@in_a_loop
async def test_what_does_not_end_in_time_is_reset_when_its_host_is_left() -> None:
    """Host.close waits `linger` seconds and no longer."""
    async with two_hosts(linger=0.05) as (left, right):
        _, client, inside = await connected(left, right)
        await left.close()
        await left.close()
        assert await client.lost is None
        assert isinstance(await inside.lost, ConnectionResetError)
        with pytest.raises(RuntimeError, match="closed"):
            await left.open_connection(RIGHT, 80)
        assert left.stack.connections() == []


@in_a_loop
async def test_leaving_a_host_ends_what_is_still_opening() -> None:
    """Host.close: whoever waits for a handshake is told."""
    one, other = socket_pair_links()
    async with Host(one, [f"{LEFT}/24"]) as host:
        task = asyncio.create_task(host.open_connection(RIGHT, 80))
        await until(lambda: len(host.stack.connections()) == 1)
    with pytest.raises(ConnectionAbortedError):
        await task
    other.close()


@in_a_loop
async def test_a_link_that_fails_ends_every_connection_with_its_error() -> None:
    """The device is gone: protocols hear why, and so does the loop's exception handler."""
    async with two_hosts() as (left, right):
        transport, client, inside = await connected(left, right)
        left.link.close()
        transport.write(b"x")
        lost = await client.lost
        assert isinstance(lost, LastackError)
        with pytest.raises(LastackError):
            await left.open_connection(RIGHT, 80)
        reported = watched().reported
        assert [context["exception"] for context in reported] == [lost]
        reported.clear()
        inside.transport.abort()


@in_a_loop
async def test_there_is_more_to_see_of_a_connection_than_of_a_socket() -> None:
    """get_extra_info: `connection` and `info`."""
    async with two_hosts() as (left, right):
        transport, client, inside = await connected(left, right)
        info = transport.get_extra_info("info")
        assert isinstance(info, ConnectionInfo)
        assert (info.state, info.remote) == (State.ESTABLISHED, f"{RIGHT}:80")
        assert connection_of(transport).config.nagle is False
        assert left.stack.config.nagle is True
        assert f"{RIGHT}:80 ESTABLISHED" in repr(transport)
        transport.close()
        await client.lost
        inside.transport.close()


@in_a_loop
async def test_the_host_entered_last_is_the_one_that_module_functions_use() -> None:
    """lastack.open_connection and lastack.start_server: `via`, or the innermost Host."""
    with pytest.raises(RuntimeError, match="no Host"):
        await lastack.open_connection(RIGHT, 7)
    async with two_hosts() as (left, _):
        server = await lastack.start_server(echo, RIGHT, 7)
        assert server.sockets[0].getsockname() == (RIGHT, 7)
        reader, writer = await lastack.open_connection(RIGHT, 7, via=left)
        assert writer.get_extra_info("sockname")[0] == LEFT
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        server.close()
    with pytest.raises(RuntimeError, match="no Host"):
        await lastack.open_connection(RIGHT, 7)


@in_a_loop
async def test_local_addresses_ports_and_families_are_chosen_as_asked() -> None:
    """create_connection(local_addr=), create_server with several addresses, IPv6."""
    one, other = socket_pair_links()
    async with (
        Host(one, [f"{LEFT}/24", "fd00::1/64"]) as left,
        Host(other, [f"{RIGHT}/24", "fd00::2/64"]) as right,
    ):
        server = await right.start_server(echo)
        names = [one.getsockname() for one in server.sockets]
        port = names[0][1]
        assert names == [("0.0.0.0", port), ("::", port, 0, 0)]
        _, writer = await left.open_connection("fd00::2", port, local_addr=("fd00::1", 5000))
        assert writer.get_extra_info("sockname") == ("fd00::1", 5000, 0, 0)
        assert writer.get_extra_info("peername") == ("fd00::2", port, 0, 0)
        _, again = await left.open_connection(RIGHT, str(port))
        assert again.get_extra_info("peername") == (RIGHT, port)
        with pytest.raises(OSError, match="in use"):
            await right.start_server(echo, RIGHT, port)
        with pytest.raises(OSError, match="assign"):
            await right.start_server(echo, "10.0.0.77", 80)
        quiet = await right.start_server(echo, RIGHT, 81, start_serving=False)
        with pytest.raises(ConnectionRefusedError):
            await left.open_connection(RIGHT, 81)
        await quiet.start_serving()
        _, third = await left.open_connection(RIGHT, 81)
        for each in (writer, again, third):
            each.close()


@in_a_loop
async def test_a_server_can_close_and_abort_its_clients() -> None:
    """Server.close_clients, abort_clients, and wait_closed that waits for them."""
    async with two_hosts() as (left, right):
        for end in ("close_clients", "abort_clients"):
            made: list[Recorder] = []

            def factory(made: list[Recorder] = made) -> Recorder:
                made.append(Recorder(True))
                return made[-1]

            server = await right.create_server(factory, port=80)
            clients = [await left.create_connection(Recorder, RIGHT, 80) for _ in range(3)]
            await until(lambda made=made: len(made) == 3)  # type: ignore[misc]
            server.close()
            waiting = asyncio.create_task(server.wait_closed())
            await asyncio.sleep(0)
            assert not waiting.done()
            getattr(server, end)()
            await waiting
            for _, client in clients:
                error = await client.lost
                assert isinstance(error, ConnectionResetError) is (end == "abort_clients")


@in_a_loop
async def test_callbacks_and_streams_share_one_host() -> None:
    """on_notice gets the notices of what was made with the stack itself."""
    heard: list[bytes] = []

    def on_notice(one: object) -> None:
        assert isinstance(one, Connection)
        one.notices = 0
        data = one.receive(1000, host.now())
        if data:
            heard.append(data)
            one.close(host.now())
            host.wake(one)
        elif one.state is State.ESTABLISHED:
            one.send(b"hello", host.now())
            host.wake(one)

    near, far = socket_pair_links()
    async with (
        Host(near, [f"{LEFT}/24"], on_notice=on_notice, random=Random(1)) as host,
        Host(far, [f"{RIGHT}/24"]) as right,
    ):
        await right.start_server(echo, port=7)
        made = host.stack.connect(Endpoint(bytes([10, 0, 0, 2]), 7), host.now())
        host.wake(made)
        await until(lambda: heard == [b"hello"])


@in_a_loop
async def test_a_link_without_a_descriptor_is_refused() -> None:
    """A loop waits on descriptors; bad input gets a clear error."""
    with pytest.raises(ValueError, match="descriptor"):
        await Host(MemoryWire(Random(1)).a, [f"{LEFT}/24"]).start()
    host = Host(socket_pair_links()[0], [f"{LEFT}/24"])
    with pytest.raises(RuntimeError, match="async with"):
        await host.open_connection(RIGHT, 80)
    await host.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
@in_a_loop
async def test_tls_runs_over_our_streams(tmp_path: Path) -> None:
    """StreamWriter.start_tls: to TLS our transport is one like any other."""
    certificate, key = str(tmp_path / "certificate"), str(tmp_path / "key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=right", "-addext", "subjectAltName=DNS:right"]
    command += ["-days", "2", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(certificate, key)
    outside = ssl.create_default_context(cafile=certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(inside)
        await echo(reader, writer)

    async with two_hosts() as (left, right):
        await right.start_server(serve, port=443)
        reader, writer = await left.open_connection(RIGHT, 443)
        await writer.start_tls(outside, server_hostname="right")
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert writer.get_extra_info("peername") == (RIGHT, 443)
        sent = bytes(range(256)) * 4000
        writer.write(sent)
        assert await reader.readexactly(len(sent)) == sent
        writer.close()
        await writer.wait_closed()


@in_a_loop
async def test_a_server_may_answer_for_a_whole_prefix_and_look_at_each_syn() -> None:
    """create_server: a prefix as host, `inspect` with its verdicts."""

    def inspect(syn: Segment, local: Endpoint, remote: Endpoint) -> Verdict:
        return Verdict.REJECT if local.port == 25 else Verdict.ACCEPT

    async def name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(str(writer.get_extra_info("sockname")).encode())
        writer.close()

    async with two_hosts() as (left, right):
        server = await right.start_server(name, "10.7.0.0/16", 0, inspect=inspect)
        for address, port in (("10.7.1.2", 80), ("10.7.255.9", 8080)):
            reader, writer = await left.open_connection(address, port)
            assert await reader.read() == str((address, port)).encode()
            writer.close()
        with pytest.raises(ConnectionRefusedError):
            await left.open_connection("10.7.1.2", 25)
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await left.open_connection(RIGHT, 80)
        choosy = await right.start_server(name, port=80, inspect=inspect)
        reader, writer = await left.open_connection(RIGHT, 80)
        assert await reader.read() == str((RIGHT, 80)).encode()
        writer.close()
        choosy.close()
