"""Processes that do to their sockets what one is warned of."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
