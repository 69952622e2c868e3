"""The three services over lastack at the level of Connection: Driver, Stack and TUN, no asyncio."""

import random
import signal
import sys

from services import BACKLOG, BLOCK, DEVICE, ECHO, MTU, PREFIX_LENGTH, SINK, SOURCE, STACK_ADDRESS

from lastack.driver import Driver
from lastack.link.tun import TunLink
from lastack.stack.listener import Listener
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import preset
from lastack.tcp.connection import Connection
from lastack.wire.address import Endpoint, pack_address

READ = 256 * 1024


class Services:
    """What is done when something has changed for a connection or a listener.

    A connection's `user` is nothing for an echo that owes nothing, the octets that are still to be
    sent back, or a count of octets.
    """

    def __init__(self, stack: Stack, driver: Driver) -> None:
        self.stack = stack
        self.driver = driver
        self.serve = {ECHO: self.echo, SINK: self.sink, SOURCE: self.source}

    def notice(self, noticed: Connection | Listener) -> None:
        if isinstance(noticed, Listener):
            noticed.notices = 0
            while (accepted := noticed.accept()) is not None:
                self.notice(accepted)
            return
        noticed.notices = 0
        now = self.driver.now
        try:
            self.serve[noticed.local.port](noticed, now)
        except OSError:
            noticed.close(now)
        self.stack.wake(noticed, now)

    def echo(self, connection: Connection, now: int) -> None:
        owed = connection.user
        if isinstance(owed, bytes):
            owed = owed[connection.send(owed, now) :]
        else:
            owed = b""
        while not owed and (data := connection.receive(READ, now)):
            owed = data[connection.send(data, now) :]
        connection.user = owed or None
        if not owed and connection.at_end:
            connection.close(now)

    def sink(self, connection: Connection, now: int) -> None:
        counted = connection.user
        assert counted is None or isinstance(counted, int)
        count = counted or 0
        while data := connection.receive(READ, now):
            count += len(data)
        connection.user = count
        if connection.at_end:
            connection.send(count.to_bytes(8, "big"), now)
            connection.close(now)

    def source(self, connection: Connection, now: int) -> None:
        if connection.at_end:
            connection.close(now)
            return
        while connection.send(BLOCK, now):
            pass


def main() -> None:
    """Serve until told to end."""
    link = TunLink(DEVICE, MTU)
    interface = Interface(DEVICE, [f"{STACK_ADDRESS}/{PREFIX_LENGTH}"], MTU, link.offload)
    stack = Stack([interface], preset("linux"), random.SystemRandom())
    driver = Driver(stack, link)
    driver.on_notice = Services(stack, driver).notice
    for port in (ECHO, SINK, SOURCE):
        stack.listen(Endpoint(pack_address(STACK_ADDRESS), port), BACKLOG)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    while True:
        driver.poll()
        stack.take_events()  # nobody reads them here, so nobody shall keep them


if __name__ == "__main__":
    main()
