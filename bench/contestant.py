"""One end of a transfer in the side-by-side: the kernel's TCP or ours, as sender or receiver.

    python contestant.py kernel receive --port 9001
    python contestant.py ours send --to 10.78.0.1 --port 9001 --bytes 5000000 --congestion cubic

Prints `ready` where others may go on, and at its end one JSON object: octets, SHA-256, when it
began and ended (CLOCK_MONOTONIC, the same for all processes), what was sent again.
"""

import argparse
import hashlib
import json
import random
import socket
import struct
import time
from contextlib import ExitStack

from path import MTU, hurry
from services import BLOCK

from lastack.driver import Driver
from lastack.link.kernel_side import KernelSide
from lastack.link.tun import TunLink
from lastack.stack.listener import Listener
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import preset
from lastack.tcp.connection import Connection
from lastack.units import NEVER, SECOND
from lastack.wire.address import Endpoint, pack_address

DEVICE = "ours0"
PIECE = len(BLOCK) - 251
"""251 is prime: pieces never meet a boundary of windows or segments alike."""
READ = 256 * 1024
TOTAL_RETRANS = 100
"""Where tcpi_total_retrans stands in struct tcp_info (linux/tcp.h)."""
Result = dict[str, object]


def piece_at(sent: int, size: int) -> bytes:
    """Return what is sent next after `sent` octets: up to the end of a piece, or of it all."""
    at = sent % PIECE
    return BLOCK[at : at + min(PIECE - at, size - sent)]


def expected(size: int) -> str:
    """Return the SHA-256 of a transfer."""
    digest = hashlib.sha256()
    sent = 0
    while sent < size:
        piece = piece_at(sent, size)
        digest.update(piece)
        sent += len(piece)
    return digest.hexdigest()


class Receipt:
    """What a receiver has been given."""

    def __init__(self) -> None:
        self.count = 0
        self.digest = hashlib.sha256()
        self.began = 0
        self.ended = 0

    def take(self, data: bytes) -> None:
        """Count octets."""
        self.count += len(data)
        self.digest.update(data)

    def result(self) -> Result:
        """Return what is to be printed."""
        return {
            "bytes": self.count,
            "sha256": self.digest.hexdigest(),
            "began_ns": self.began,
            "ended_ns": self.ended,
        }


# -- the kernel's -------------------------------------------------------------------------------


def kernel_sends(given: argparse.Namespace) -> Result:
    """Send over a kernel socket."""
    made = socket.socket()
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, given.congestion.encode())
    made.settimeout(given.seconds or None)
    began = time.monotonic_ns()
    end = began + round(given.seconds * SECOND)
    sent = 0
    with made:
        made.connect((given.to, given.port))
        while sent < given.bytes and (time.monotonic_ns() < end or not given.seconds):
            sent += made.send(piece_at(sent, given.bytes))
        made.shutdown(socket.SHUT_WR)
        made.recv(1)
        info = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    again = struct.unpack_from("=I", info, TOTAL_RETRANS)[0]
    return {"bytes": sent, "began_ns": began, "resent": again}


def kernel_receives(given: argparse.Namespace) -> Result:
    """Receive over a kernel socket, to the end of the stream or for so many seconds."""
    receipt = Receipt()
    with socket.create_server(("", given.port)) as listener:
        print("ready", flush=True)
        made, _ = listener.accept()
        receipt.began = time.monotonic_ns()
        end = receipt.began + round(given.seconds * SECOND)
        made.settimeout(given.seconds or None)
        with made:
            while not given.seconds or time.monotonic_ns() < end:
                try:
                    data = made.recv(READ)
                except TimeoutError:
                    break
                if not data:
                    break
                receipt.take(data)
            receipt.ended = time.monotonic_ns()
    return receipt.result()


# -- ours ---------------------------------------------------------------------------------------


class Ours:
    """Our stack behind a TUN device of its own, next to the kernel of the namespace."""

    def __init__(self, given: argparse.Namespace, devices: ExitStack) -> None:
        self.given = given
        link = TunLink(DEVICE, MTU, queue=20_000)
        devices.callback(link.close)
        network = given.address.rsplit(".", 1)[0]
        devices.enter_context(KernelSide(DEVICE, [f"{network}.1/24"], MTU))
        interface = Interface(DEVICE, [f"{given.address}/24"], MTU, link.offload)
        self.config = preset(given.preset).replace(strict=True, congestion=given.congestion)
        self.stack = Stack([interface], self.config, random.SystemRandom())
        self.driver = Driver(self.stack, link)
        self.driver.on_notice = self.notice
        self.receipt = Receipt()
        self.sent = 0
        self.over = False

    def notice(self, noticed: Connection | Listener) -> None:
        """Something has changed for a connection or the listener."""
        noticed.notices = 0
        if isinstance(noticed, Listener):
            while (accepted := noticed.accept()) is not None:
                self.receipt.began = self.driver.now
                self.notice(accepted)
            return
        now = self.driver.now
        if self.given.role == "send":
            self.feed(noticed, now)
        else:
            self.drain(noticed, now)
        self.stack.wake(noticed, now)

    def feed(self, connection: Connection, now: int) -> None:
        """Give it octets as long as it takes them, then close our side and wait for the peer."""
        if connection.at_end:
            self.over = True
            return
        while self.sent < self.given.bytes:
            taken = connection.send(piece_at(self.sent, self.given.bytes), now)
            self.sent += taken
            if not taken:
                return
        connection.shutdown_write(now)

    def drain(self, connection: Connection, now: int) -> None:
        """Take all that has come."""
        while data := connection.receive(READ, now):
            self.receipt.take(data)
        if connection.at_end and not self.over:
            self.receipt.ended = now
            self.over = True
            connection.close(now)

    def run(self, seconds: float) -> None:
        """Go on until it is over, or for so many seconds (0: however long it takes)."""
        clock = self.driver.clock
        limit = clock() + round(seconds * SECOND) if seconds else NEVER
        while not self.over and clock() < limit:
            self.driver.poll(limit - clock())
            self.stack.take_events()


def ours_sends(given: argparse.Namespace) -> Result:
    """Send over our stack."""
    with ExitStack() as devices:
        ours = Ours(given, devices)
        hurry(given.priority)
        began = ours.driver.clock()
        connection = ours.stack.connect(Endpoint(pack_address(given.to), given.port), began)
        ours.run(given.seconds)
        info = connection.info()
        connection.close(ours.driver.clock())
        ours.stack.wake(connection, ours.driver.clock())
        ours.driver.settle()
    return {"bytes": ours.sent, "began_ns": began, "resent": info.retransmissions}


def ours_receives(given: argparse.Namespace) -> Result:
    """Receive over our stack, to the end of the stream or for so many seconds."""
    with ExitStack() as devices:
        ours = Ours(given, devices)
        hurry(given.priority)
        ours.stack.listen(Endpoint(b"", given.port), 1)
        print("ready", flush=True)
        ours.driver.run_until(lambda: ours.receipt.began > 0)
        ours.run(given.seconds)
        ours.receipt.ended = ours.receipt.ended or ours.driver.clock()
        ours.driver.run_until(lambda: not ours.stack.connections(), ours.driver.clock() + SECOND)
    return ours.receipt.result()


ROLES = {
    ("kernel", "send"): kernel_sends,
    ("kernel", "receive"): kernel_receives,
    ("ours", "send"): ours_sends,
    ("ours", "receive"): ours_receives,
}


def main() -> None:
    """Be one end of one transfer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("who", choices=["kernel", "ours"])
    parser.add_argument("role", choices=["send", "receive"])
    parser.add_argument("--address", default="", help="ours: its own; the kernel has .1 of that")
    parser.add_argument("--to", default="", help="the receiver's address")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--bytes", type=int, default=1 << 40)
    parser.add_argument("--seconds", type=float, default=0.0, help="end after that; 0 is never")
    parser.add_argument("--congestion", default="reno")
    parser.add_argument("--preset", default="linux", help="ours: the Config's")
    parser.add_argument("--priority", type=int, default=0, help="of SCHED_FIFO; 0 is ordinary")
    given = parser.parse_args()
    if given.who == "kernel":
        hurry(given.priority)
    print(json.dumps(ROLES[given.who, given.role](given)), flush=True)


if __name__ == "__main__":
    main()
