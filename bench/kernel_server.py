"""The reference: the three services over the kernel's own sockets, in one epoll loop."""

import os
import resource
import select
import socket

from services import BACKLOG, BLOCK, BLOCK_SIZE, ECHO, SINK, SOURCE, STACK_ADDRESS


class Served:
    """One accepted connection: which service it uses, and what it still owes."""

    def __init__(self, connection: socket.socket, service: int) -> None:
        self.connection = connection
        self.service = service
        self.owed = b""
        self.counted = 0


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    poller = select.epoll()
    listeners: dict[int, tuple[socket.socket, int]] = {}
    for service in (ECHO, SINK, SOURCE):
        listener = socket.create_server((STACK_ADDRESS, service), backlog=BACKLOG)
        listener.setblocking(False)
        listeners[listener.fileno()] = (listener, service)
        poller.register(listener, select.EPOLLIN)
    served: dict[int, Served] = {}
    buffer = bytearray(4 * BLOCK_SIZE)
    print("ready", flush=True)
    while True:
        for descriptor, events in poller.poll():
            if descriptor in listeners:
                accept(*listeners[descriptor], poller, served)
                continue
            one = served[descriptor]
            try:
                going = serve(one, descriptor, events, poller, buffer)
            except OSError:
                going = False
            if not going:
                del served[descriptor]
                one.connection.close()


def accept(
    listener: socket.socket, service: int, poller: select.epoll, served: dict[int, Served]
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        served[connection.fileno()] = Served(connection, service)
        poller.register(connection, select.EPOLLOUT if service == SOURCE else select.EPOLLIN)


def serve(
    one: Served, descriptor: int, events: int, poller: select.epoll, buffer: bytearray
) -> bool:
    """Do what is to be done; False when the connection is over."""
    if one.service == SOURCE:
        if events & (select.EPOLLHUP | select.EPOLLERR):
            return False
        one.connection.send(BLOCK)  # only when there is room
        return True
    if one.service == SINK:
        count = one.connection.recv_into(buffer)
        one.counted += count
        if count == 0:
            one.connection.send(one.counted.to_bytes(8, "big"))
        return count > 0
    data = one.owed or os.read(descriptor, BLOCK_SIZE)
    if not data:
        return False
    try:
        sent = one.connection.send(data)
    except BlockingIOError:
        sent = 0
    if sent < len(data) or one.owed:
        one.owed = data[sent:]
        poller.modify(descriptor, select.EPOLLOUT if one.owed else select.EPOLLIN)
    return True


if __name__ == "__main__":
    main()
