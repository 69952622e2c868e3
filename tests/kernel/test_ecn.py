"""Congestion marks between us and the kernel, both ways: a forwarder marks, nothing is lost."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from beside_kernel import Beside, kernel_socket
from by_hand import OURS_V4, OURS_V6

from lastack.link.tun import TunLink
from lastack.script.facts import facts_of
from lastack.tcp.config import preset
from lastack.tcp.connection import Connection
from lastack.units import SECOND, US
from lastack.wire.ce import congestion_experienced
from lastack.wire.packet import CHECKSUM_OWED, Packet
from lastack.wire.segment import ACK, AE, SYN

DeviceMaker = Callable[..., TunLink]
BOTH = pytest.mark.parametrize("version", [4, 6])
OFFLOAD = pytest.mark.parametrize("offload", [True, False])
PORT = 7000
AMOUNT = 600_000
EVERY = 5
PATIENT = 20 * SECOND
OURS = preset("linux").replace(tail_loss_probe=False, min_rto=PATIENT, min_rto_variance=PATIENT)
"""Nothing goes twice by itself, even where a busy machine lets an end wait."""
_ECN = 8
_ECN_SEEN = 16


class Marking:
    """Marks every fifth ECN-capable packet either way; `asks` sets AE on the SYNs that come in."""

    def __init__(self, beside: Beside, asks: bool = False) -> None:
        self.asks = asks
        self._seen = 0
        beside.link.predicate_in = self.comes_in
        beside.link.predicate_out = self.passes

    def comes_in(self, packet: Packet) -> bool:
        """Change a packet of the kernel's."""
        data = packet.data[packet.start : packet.end]
        header = 20 if data[0] >> 4 == 4 else 40
        if self.asks and data[6 if header == 40 else 9] == 6:
            if data[header + 13] & (SYN | ACK) == SYN:
                self._replace(packet, _asking(data, header, packet.checksum == CHECKSUM_OWED))
        return self.passes(packet)

    def passes(self, packet: Packet) -> bool:
        """Mark a packet when it is its turn."""
        data = packet.data[packet.start : packet.end]
        if data[1] & 3 if data[0] >> 4 == 4 else data[1] >> 4 & 3:
            self._seen += 1
            if self._seen % EVERY == 0:
                self._replace(packet, congestion_experienced(data))
        return True

    def _replace(self, packet: Packet, data: bytes) -> None:
        packet.data = packet.data[: packet.start] + data + packet.data[packet.end :]


def _asking(data: bytes, header: int, owed: bool) -> bytes:
    """Return a SYN with AE set, its checksum mended unless it is still to be made (RFC 1624)."""
    at = header + 12
    changed = bytearray(data)
    changed[at] |= AE >> 8
    if not owed:
        before = int.from_bytes(data[at : at + 2], "big")
        after = int.from_bytes(changed[at : at + 2], "big")
        total = int.from_bytes(data[header + 16 : header + 18], "big") - (after - before)
        changed[header + 16 : header + 18] = (total % 65535).to_bytes(2, "big")
    return bytes(changed)


def kernel_says(kernel: socket.socket) -> dict[str, int]:
    return facts_of(kernel.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512))


def kernel_is(**settings: int) -> None:
    """Set the sysctls of the namespace; without tail loss probes and with patience (Linux 6.11 and
    later) it sends nothing twice by itself."""
    for name, value in {"tcp_early_retrans": 0, **settings}.items():
        Path(f"/proc/sys/net/ipv4/{name}").write_text(str(value), encoding="ascii")
    patience = Path("/proc/sys/net/ipv4/tcp_rto_min_us")
    if patience.exists():
        patience.write_text(str(PATIENT // US), encoding="ascii")


def called_by_the_kernel(beside: Beside, version: int) -> tuple[socket.socket, Connection]:
    listener = beside.listens(PORT)
    kernel = kernel_socket(version)
    kernel.connect_ex((OURS_V4 if version == 4 else OURS_V6, PORT))
    connection = beside.accepts(listener)
    beside.quiet()
    return kernel, connection


def calling_the_kernel(beside: Beside, version: int) -> tuple[socket.socket, Connection]:
    with kernel_socket(version) as server:
        server.listen()
        connection = beside.opens(*server.getsockname()[:2])
        beside.quiet()
        kernel, _ = server.accept()
    return kernel, connection


def both_send(beside: Beside, kernel: socket.socket, connection: Connection) -> None:
    """AMOUNT octets go one way, then the other."""
    kernel.setblocking(True)
    sender = threading.Thread(target=kernel.sendall, args=(bytes(AMOUNT),), daemon=True)
    sender.start()
    assert beside.receives(connection, AMOUNT) == bytes(AMOUNT)
    sender.join()
    beside.quiet()
    heard = bytearray()

    def reads() -> None:
        while len(heard) < AMOUNT:
            heard.extend(kernel.recv(65536))

    reader = threading.Thread(target=reads, daemon=True)
    reader.start()
    beside.sends(connection, bytes(AMOUNT))
    assert beside.until(lambda: not connection.info().in_flight)
    reader.join()
    assert bytes(heard) == bytes(AMOUNT)


def check(kernel: socket.socket, connection: Connection) -> None:
    """Both have told and heard of marks, and nothing went twice."""
    info, there = connection.info(), kernel_says(kernel)
    assert there["tcpi_options"] & _ECN and there["tcpi_options"] & _ECN_SEEN
    assert info.marks_received and info.marks_delivered and there["tcpi_delivered_ce"]
    assert info.retransmissions == 0 and there["tcpi_total_retrans"] == 0


@BOTH
@OFFLOAD
def test_the_kernel_asks_and_both_slow_down_for_marks_alone(
    device: DeviceMaker, version: int, offload: bool
) -> None:
    """RFC 3168: tcp_ecn is 1 there, and we agree when asked."""
    kernel_is(tcp_ecn=1)
    beside = Beside(device(offload=offload), OURS)
    Marking(beside)
    kernel, connection = called_by_the_kernel(beside, version)
    with kernel:
        both_send(beside, kernel, connection)
        assert connection.info().ecn == "classic"
        check(kernel, connection)
    beside.driver.close()


@BOTH
@OFFLOAD
def test_we_ask_and_both_slow_down_for_marks_alone(
    device: DeviceMaker, version: int, offload: bool
) -> None:
    """RFC 3168: the kernel's tcp_ecn is 2, to agree when asked."""
    kernel_is(tcp_ecn=2)
    beside = Beside(device(offload=offload), OURS.replace(ecn="on"))
    Marking(beside)
    kernel, connection = calling_the_kernel(beside, version)
    with kernel:
        both_send(beside, kernel, connection)
        assert connection.info().ecn == "classic"
        check(kernel, connection)
    beside.driver.close()


@BOTH
@OFFLOAD
def test_what_accurate_feedback_the_kernel_has_counts_as_we_do(
    device: DeviceMaker, version: int, offload: bool
) -> None:
    """RFC 9768: Linux 6.18 cannot be told to ask, but counts when the answer to its SYN agrees.

    So the forwarder asks in its name.
    """
    kernel_is(tcp_ecn=1)
    beside = Beside(device(offload=offload), OURS.replace(ecn="accurate"))
    Marking(beside, asks=True)
    kernel, connection = called_by_the_kernel(beside, version)
    with kernel:
        if "tcpi_received_ce" not in kernel_says(kernel):
            pytest.skip("this kernel has no accurate feedback")
        both_send(beside, kernel, connection)
        there, counters = kernel_says(kernel), connection.tcb.ecn.counters
        check(kernel, connection)
        assert counters is not None
        assert there["tcpi_delivered_ce_bytes"] == counters.received_ce > 0
        assert there["tcpi_received_ce_bytes"] == counters.ce > 0
        # Of one of our super-segments the kernel knows no number of parts, and counts one mark.
        assert there["tcpi_received_ce"] <= counters.cep - 5
        assert offload or there["tcpi_received_ce"] == counters.cep - 5
        # Of what an ACK for more than seven segments leaves open the kernel assumes the most.
        assert there["tcpi_delivered_ce"] >= counters.received_cep - 5
    beside.driver.close()
