"""The client of every measurement: one workload over kernel sockets, one JSON object printed.

    python client.py WORKLOAD --seconds 2 --server PID

`--server` names the process under test, to read its memory and CPU time from /proc.
"""

import argparse
import hashlib
import json
import os
import resource
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from services import (
    BLOCK,
    BLOCK_SIZE,
    ECHO,
    REQUEST_SIZE,
    SINK,
    SOURCE,
    STACK_ADDRESS,
)

PAGE = os.sysconf("SC_PAGE_SIZE")
PATIENCE = 60.0
Result = dict[str, float]


def connected(port: int) -> socket.socket:
    made = socket.socket()
    made.settimeout(PATIENCE)
    made.connect((STACK_ADDRESS, port))
    return made


def exactly(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = connection.recv(count - len(got))
        if not more:
            raise ConnectionError(f"the stream ended after {len(got)} of {count} octets")
        got += more
    return got


def server_cpu(pid: int) -> int:
    """CPU time of all threads of a process so far, in nanoseconds."""
    total = 0
    for path in Path(f"/proc/{pid}/task").iterdir():
        total += int((path / "schedstat").read_text().split()[0])
    return total


def server_memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def bulk_in(seconds: float, server: int) -> Result:
    """Send for a while; what counts is what the server says it has been given."""
    with connected(SINK) as connection:
        sent = 0
        start = time.monotonic()
        end = start + seconds
        while time.monotonic() < end:
            sent += connection.send(BLOCK)
        connection.shutdown(socket.SHUT_WR)
        counted = int.from_bytes(exactly(connection, 8), "big")
        elapsed = time.monotonic() - start
    if counted != sent:
        raise ConnectionError(f"sent {sent} octets, the server was given {counted}")
    return {"value": counted / elapsed / 1e6, "bytes": counted, "elapsed": elapsed}


def bulk_out(seconds: float, server: int) -> Result:
    """Receive for a while."""
    buffer = bytearray(4 * BLOCK_SIZE)
    with connected(SOURCE) as connection:
        got = 0
        start = time.monotonic()
        end = start + seconds
        while True:
            count = connection.recv_into(buffer)
            if not count:
                raise ConnectionError("the stream ended")
            got += count
            now = time.monotonic()
            if now >= end:
                break
    return {"value": got / (now - start) / 1e6, "bytes": got, "elapsed": now - start}


def request_1(seconds: float, server: int) -> Result:
    """One request at a time on one connection."""
    request = BLOCK[:REQUEST_SIZE]
    done = 0
    with connected(ECHO) as connection:
        start = time.monotonic()
        end = start + seconds
        while (now := time.monotonic()) < end:
            connection.send(request)
            if len(connection.recv(REQUEST_SIZE)) != REQUEST_SIZE:
                raise ConnectionError("a response of another length")
            done += 1
    return {"value": done / (now - start), "requests": done, "elapsed": now - start}


def request_64(seconds: float, server: int) -> Result:
    """One request at a time on each of 64 connections."""
    request = BLOCK[:REQUEST_SIZE]
    poller = select.epoll()
    connections: dict[int, socket.socket] = {}
    for _ in range(64):
        connection = connected(ECHO)
        connection.setblocking(False)
        connections[connection.fileno()] = connection
        poller.register(connection, select.EPOLLIN)
    read, write = os.read, os.write
    done = 0
    start = time.monotonic()
    end = start + seconds
    for descriptor in connections:
        write(descriptor, request)
    while (now := time.monotonic()) < end:
        for descriptor, _ in poller.poll(PATIENCE):
            if len(read(descriptor, REQUEST_SIZE)) != REQUEST_SIZE:
                raise ConnectionError("a response of another length")
            write(descriptor, request)
            done += 1
    for connection in connections.values():
        connection.close()
    return {"value": done / (now - start), "requests": done, "elapsed": now - start}


def connect_32(seconds: float, server: int) -> Result:
    """Connect, one echo, close: 32 of them at once, until the time is over."""
    request = BLOCK[:REQUEST_SIZE]
    poller = select.epoll()
    waiting: dict[int, socket.socket] = {}
    asked: set[int] = set()
    events = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET
    address = (STACK_ADDRESS, ECHO)

    def begin() -> None:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        made.connect_ex(address)
        waiting[made.fileno()] = made
        poller.register(made, events)

    done = 0
    start = time.monotonic()
    end = start + seconds
    for _ in range(32):
        begin()
    while (now := time.monotonic()) < end:
        ready = poller.poll(PATIENCE)
        if not ready:
            raise TimeoutError("nothing moves any more")
        for descriptor, _ in ready:
            connection = waiting[descriptor]
            if descriptor not in asked:
                connection.send(request)
                asked.add(descriptor)
                continue
            try:
                got = connection.recv(REQUEST_SIZE)
            except BlockingIOError:
                continue
            if len(got) != REQUEST_SIZE:
                raise ConnectionError("a response of another length")
            asked.discard(descriptor)
            del waiting[descriptor]
            connection.close()
            done += 1
            begin()
    for connection in waiting.values():
        connection.close()
    return {"value": done / (now - start), "connections": done, "elapsed": now - start}


def opened(count: int) -> list[socket.socket]:
    """Connections that have each been used once."""
    made = []
    for _ in range(count):
        connection = connected(ECHO)
        connection.send(BLOCK[:REQUEST_SIZE])
        exactly(connection, REQUEST_SIZE)
        made.append(connection)
    return made


def memory(seconds: float, server: int) -> Result:
    """Resident memory of the server for each of 2,000 idle connections.

    A thousand are open before them: what the program needs once is not theirs.
    """
    count = 2000
    first = opened(1000)
    time.sleep(0.5)
    before = server_memory(server)
    more = opened(count)
    time.sleep(0.5)
    after = server_memory(server)
    for connection in (*first, *more):
        connection.close()
    return {"value": (after - before) / count, "before": before, "after": after, "elapsed": 0.0}


def idle(seconds: float, server: int) -> Result:
    """CPU time of the server while 1,000 connections do nothing, in percent of a core."""
    connections = opened(1000)
    time.sleep(1.0)
    before = server_cpu(server)
    start = time.monotonic()
    time.sleep(max(seconds, 1.0))
    elapsed = time.monotonic() - start
    used = server_cpu(server) - before
    for connection in connections:
        connection.close()
    return {"value": used / 1e9 / elapsed * 100, "elapsed": elapsed}


def check(size: int) -> Result:
    """Send known octets through the server and back again; both hashes must be the same."""
    sent = hashlib.sha256()
    got = hashlib.sha256()
    with connected(ECHO) as connection:

        def send() -> None:
            left = size
            while left > 0:
                # 251 is prime: the blocks never meet a boundary of windows or segments alike.
                piece = BLOCK[: min(left, BLOCK_SIZE - 251)]
                sent.update(piece)
                connection.sendall(piece)
                left -= len(piece)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        start = time.monotonic()
        sender.start()
        count = 0
        while data := connection.recv(BLOCK_SIZE):
            got.update(data)
            count += len(data)
        sender.join()
        elapsed = time.monotonic() - start
    if count != size or sent.digest() != got.digest():
        raise ConnectionError(f"{count} of {size} octets came back, SHA-256 differs")
    return {"value": size / elapsed / 1e6, "bytes": size, "elapsed": elapsed}


WORKLOADS: dict[str, Callable[[float, int], Result]] = {
    "bulk_in": bulk_in,
    "bulk_out": bulk_out,
    "request_1": request_1,
    "request_64": request_64,
    "connect_32": connect_32,
    "memory": memory,
    "idle": idle,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=[*WORKLOADS, "check"])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--server", type=int, required=True)
    parser.add_argument("--bytes", type=int, default=64 << 20)
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    cpu_before = server_cpu(given.server)
    if given.workload == "check":
        result = check(given.bytes)
    else:
        result = WORKLOADS[given.workload](given.seconds, given.server)
    result["server_cpu"] = (server_cpu(given.server) - cpu_before) / 1e9
    result["client_cpu"] = time.process_time()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
