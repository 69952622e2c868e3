"""Below streams: a Stack, a Driver and one callback, without asyncio; the server shouts back."""

from random import SystemRandom

from lastack import Connection, Driver, Endpoint, Interface, Stack, preset
from lastack.link.pair import socket_pair_links
from lastack.stack.listener import Listener

near, far = socket_pair_links()
here = Stack([Interface("if0", ["10.0.0.1/24"])], preset("linux"), SystemRandom())
there = Stack([Interface("if0", ["10.0.0.2/24"])], preset("linux"), SystemRandom())
client, server = Driver(here, near), Driver(there, far)


def serve(noticed: Connection | Listener) -> None:
    noticed.notices = 0
    if isinstance(noticed, Listener):
        while (connection := noticed.accept()) is not None:
            print(f"{connection.remote} is here: {connection.state}")
        return
    while data := noticed.receive(65536, server.now):
        noticed.send(data.upper(), server.now)
    if noticed.at_end:
        noticed.close(server.now)
    there.wake(noticed, server.now)  # after every use: what follows is then seen to


server.on_notice = serve
there.listen(Endpoint(b"", 80), backlog=8)
ours = here.connect(Endpoint(bytes([10, 0, 0, 2]), 80), client.clock())
while not ours.at_end:
    client.poll(1_000_000)  # two in one process take turns of 1 ms; a program alone just polls
    server.poll(1_000_000)
    if not ours.info().bytes_sent and ours.writable:
        ours.send(b"is anybody there?\n", client.clock())
        ours.shutdown_write(client.clock())
    print(ours.receive(65536, client.clock()).decode(), end="")
    here.wake(ours, client.clock())
near.close()
far.close()
