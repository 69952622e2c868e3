"""`lastack fetch` from servers on the kernel's side of the device."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from namespaces import Namespace
from served import KERNELS, run

DATA = os.urandom(3_000_000)
CHUNKS = b"".join(
    b"%x\r\n%s\r\n" % (len(DATA[at : at + 70_001]), DATA[at : at + 70_001])
    for at in range(0, len(DATA), 70_001)
)
HEAD = b"HTTP/1.1 200 OK\r\n"
Ask = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def ask(namespace: Namespace) -> Ask:
    """Return what runs a server that gives one exact answer, and fetches from it."""

    def fetch(answer: bytes, *options: str, version: int = 4) -> tuple[int, bytes, str]:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        host = KERNELS[version] if version == 4 else f"[{KERNELS[version]}]"
        with socket.create_server(("", 0), family=family) as server:
            server.settimeout(30)

            def serve() -> None:
                with server.accept()[0] as kernel:
                    kernel.settimeout(30)
                    request = b""
                    while not request.endswith(b"\r\n\r\n"):
                        request += kernel.recv(65536)
                    try:
                        kernel.sendall(answer)
                        kernel.shutdown(socket.SHUT_WR)
                        while kernel.recv(65536):
                            pass
                    except OSError:
                        pass

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            url = f"http://{host}:{server.getsockname()[1]}/x"
            done = run("fetch", url, "--link", "tun:tun0", *options)
            thread.join(30)
        return done.returncode, done.stdout, done.stderr.decode()

    return fetch


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: %d\r\n\r\n" % len(DATA) + DATA,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS + b"0\r\nTrailer: x\r\n\r\n",
        HEAD + b"\r\n" + DATA,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + b"\r\n" + DATA,
    ],
    ids=["length", "chunked", "until-the-end", "after-an-interim-answer"],
)
def test_every_kind_of_body_arrives_whole(ask: Ask, version: int, answer: bytes) -> None:
    """RFC 9112 6.3: its length, its chunks, or the end of the stream end a body."""
    assert ask(answer, version=version) == (0, DATA, "")


def test_a_file_appears_when_it_is_complete(ask: Ask, tmp_path: Path) -> None:
    """A body that breaks off leaves what was there, and is said in one sentence."""
    file = tmp_path / "file"
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(DATA)
    assert ask(head + DATA, "-o", str(file)) == (0, b"", "")
    assert file.read_bytes() == DATA
    code, out, said = ask(head + b"short", "-o", str(file))
    assert (code, out) == (1, b"")
    assert "the stream ended after 5 of 3,000,000 bytes" in said and said.count("\n") == 1
    assert file.read_bytes() == DATA
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "answer, sentence",
    [
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "the server answers 404 Not Found",
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: /y\r\n\r\n", "the server answers 302 Found, see /y"),
        (b"220 smtp.example ready\r\n\r\n", "the server does not speak HTTP/1.1"),
        (b"", "the server ended the connection without an answer"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "the size of a chunk is malformed"),
    ],
)
def test_what_is_no_file_is_said_in_one_sentence(ask: Ask, answer: bytes, sentence: str) -> None:
    """Exit code 1, nothing on stdout."""
    code, out, said = ask(answer)
    assert (code, out) == (1, b"")
    assert sentence in said and said.startswith("lastack: ") and said.count("\n") == 1


@pytest.mark.parametrize(
    "words, code, sentence",
    [
        (("http://10.9.0.1:1/",), 1, "Connection refused"),
        (("https://10.9.0.1/",), 2, "only http://"),
        (("http://example/",), 2, "is no address"),
        (("http://10.9.0.2/",), 2, "is our own address"),
        (("http://10.9.0.1/", "--address", "fd00::2/64"), 2, "both must be IPv4"),
        (("http://10.9.0.1/", "-o", "no-such-place/x"), 2, "there is no directory"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_one_sentence(
    namespace: Namespace, words: tuple[str, ...], code: int, sentence: str
) -> None:
    """Exit codes: 1 for a failure, 2 for usage."""
    done = run("fetch", *words, "--link", "tun:tun0")
    assert done.returncode == code
    said = done.stderr.decode()
    assert sentence in said and said.startswith("lastack: ") and said.count("\n") == 1
    assert done.stdout == b""
