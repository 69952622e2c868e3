"""Processes that do to their sockets what one is warned of."""

import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEAKING_SERVER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 7001))
print("ready", flush=True)
kept = [server.accept()[0] for _ in range(int(sys.argv[1]))]
sys.stdin.read()
"""
"""It accepts so many connections and never closes one."""

HASTY_CLIENT = """
import socket, sys
for _ in range(int(sys.argv[1])):
    socket.create_connection(("127.0.0.1", 7002)).close()
print("done", flush=True)
sys.stdin.read()
"""
"""It opens so many connections, one by one, and closes each first."""

UNPRIVILEGED = """
import fractions, json, os, sys
import lastack.cli.why, lastack.cli.watch
b"".decode("ascii")
from lastack.cli.main import main
os.setgroups([]), os.setgid(65534), os.setuid(65534)
main(sys.argv[1:])
"""
"""The command, by nobody; who may not read the interpreter's modules has them beforehand."""


@contextmanager
def process(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def time_waits() -> int:
    """How many sockets of this namespace are in TIME-WAIT, by the kernel's own list."""
    rows = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    return sum(row.split()[3] == "06" for row in rows)


def closed_by_client(count: int) -> subprocess.Popen[str]:
    """Run a client that closes so many connections first, to its end; return its process.

    They are all in TIME-WAIT then. On loopback an ACK of one processor can be overtaken by the FIN
    of another; TIME-WAIT answers the late ACK, nobody is left to hear that, and the reset would
    end it: RFC 1337's assassination, which happens to one connection in some hundreds. And after
    a second a port that is chosen again by chance would be taken out of TIME-WAIT.
    """
    Path("/proc/sys/net/ipv4/tcp_rfc1337").write_text("1")
    Path("/proc/sys/net/ipv4/tcp_tw_reuse").write_text("0")
    with (
        socket.create_server(("127.0.0.1", 7002), backlog=64) as server,
        process(HASTY_CLIENT, str(count)) as client,
    ):
        for _ in range(count):
            there, _ = server.accept()
            assert there.recv(1) == b""
            there.close()
        assert client.stdout is not None
        client.stdout.readline()
        for _ in range(1200):  # a FIN may have to be sent again
            if time_waits() == count:
                return client
            select.select([], [], [], 0.05)
    raise AssertionError(f"{time_waits()} of {count} in TIME-WAIT")
