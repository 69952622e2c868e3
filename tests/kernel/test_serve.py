"""`lastack serve` with curl, sockets of the kernel and signals."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from beside_kernel import LEGAL, kernel_states
from namespaces import Namespace
from served import (
    OURS,
    URLS,
    Served,
    command,
    deadline,
    environment,
    needs,
    run,
    served,
    sha256,
    write_random,
)

from lastack.services.small import PATTERN
from lastack.tcp.states import State, state_named

S = State
BOTH = pytest.mark.parametrize("version", [4, 6])
SIZE = 64 << 20
ROOT = Path(__file__).resolve().parent.parent.parent


def talking(version: int, port: int) -> socket.socket:
    """Return a socket of the kernel, connected to a service."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    kernel = socket.socket(family, socket.SOCK_STREAM)
    kernel.settimeout(20)
    kernel.connect((OURS[version], port))
    return kernel


def pairs(server: Served) -> list[tuple[State | None, State | None]]:
    """Return (our state, the kernel's) of every connection that either table knows."""
    ours = server.states()
    theirs = {(peer, local): state for (local, peer), state in kernel_states().items()}
    return [
        (state_named(ours[key]) if key in ours else None, theirs.get(key))
        for key in sorted({*ours, *theirs})
    ]


def quiet_pairs(server: Served) -> list[tuple[State | None, State | None]]:
    """Return the pairs once they are legal; at the latest after some seconds, as they are."""
    limit = deadline(10)
    while time.monotonic() < limit:
        found = pairs(server)
        if all(pair in LEGAL for pair in found):
            return found
        server.await_change(0.1)
    return pairs(server)


@BOTH
def test_curl_fetches_and_uploads_a_big_file(
    namespace: Namespace, tmp_path: Path, version: int
) -> None:
    """Every octet arrives once and in order, both ways: SHA-256 equal."""
    needs("curl", "ss")
    root = tmp_path / "public"
    root.mkdir()
    wanted = write_random(root / "big", SIZE, 1)
    with served(root, "--writable") as server:
        down = tmp_path / "down"
        namespace.run("curl", "-sSfg", "-o", str(down), f"{URLS[version]}/big")
        assert sha256(down) == wanted
        namespace.run("curl", "-sSfg", "-T", str(down), f"{URLS[version]}/up")
        assert sha256(root / "up") == wanted
        part = tmp_path / "part"
        namespace.run("curl", "-sSfg", "-r", "1000-1999", "-o", str(part), f"{URLS[version]}/big")
        assert part.read_bytes() == down.read_bytes()[1000:2000]
        namespace.run(
            "curl", "-sSfg", "-T", str(part), "-H", "Transfer-Encoding: chunked",
            f"{URLS[version]}/chunks",
        )  # fmt: skip
        assert (root / "chunks").read_bytes() == part.read_bytes()
        assert set(quiet_pairs(server)) == {(None, S.TIME_WAIT)}
        assert server.ends() == 0
        summary = server.of("summary")[0]
    assert [record["status"] for record in server.of("request")] == [200, 201, 206, 201]
    assert not [name for name in summary if name == "stop_internal" or "bad_checksum" in name]


def test_two_hundred_curls_at_once(namespace: Namespace, tmp_path: Path) -> None:
    """Each gets every octet, and each connection opens and closes by the table."""
    needs("curl", "ss")
    root = tmp_path / "public"
    root.mkdir()
    wanted = write_random(root / "file", 300_000, 2)
    with served(root) as server:
        config = tmp_path / "config"
        lines = []
        for number in range(200):
            lines += [f'url = "{URLS[4]}/file"', f'output = "{tmp_path / str(number)}"']
        config.write_text("\n".join(lines))
        namespace.run(
            "curl", "-sSf", "--parallel", "--parallel-immediate", "--parallel-max", "200",
            "-K", str(config),
        )  # fmt: skip
        assert {sha256(tmp_path / str(number)) for number in range(200)} == {wanted}
        assert set(quiet_pairs(server)) <= {(None, S.TIME_WAIT)}
        assert server.ends() == 0
    assert len(server.of("request")) == 200
    passed = {record["connection"]: "" for record in server.of("state_changed")}
    for record in server.of("state_changed"):
        passed[record["connection"]] += f" {record['to']}"
    documented = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    for record in server.records:
        names = {*record} - {"schema", "type"} if record["type"] != "summary" else set()
        assert [name for name in names if f"`{name}`" not in documented] == []
    lives = {life for number, life in passed.items() if "ESTABLISHED" in life}
    assert lives == {" LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"}


@BOTH
def test_the_states_of_both_ends_fit_at_every_quiet_moment(
    namespace: Namespace, tmp_path: Path, version: int
) -> None:
    """Our table and ss through open, transfer, half-close and close."""
    needs("ss")
    write_random(tmp_path / "file", 100_000, 3)
    with served(tmp_path) as server:
        kernel = talking(version, 80)
        assert quiet_pairs(server) == [(S.ESTABLISHED, S.ESTABLISHED)]
        kernel.sendall(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kernel.recv(1 << 20).startswith(b"HTTP/1.1 200")
        assert quiet_pairs(server) == [(S.ESTABLISHED, S.ESTABLISHED)]
        kernel.sendall(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        kernel.shutdown(socket.SHUT_WR)
        heard = b""
        while piece := kernel.recv(1 << 20):
            heard += piece
        assert len(heard) > 100_000
        assert quiet_pairs(server) == [(None, S.TIME_WAIT)]
        kernel.close()
        kernel = talking(version, 80)
        kernel.sendall(b"GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while kernel.recv(1 << 20):
            pass
        assert set(quiet_pairs(server)) == {(S.FIN_WAIT_2, S.CLOSE_WAIT), (None, S.TIME_WAIT)}
        kernel.close()
        assert set(quiet_pairs(server)) == {(S.TIME_WAIT, None), (None, S.TIME_WAIT)}
        assert server.ends() == 0


@BOTH
def test_echo_discard_and_chargen_answer_on_their_ports(
    namespace: Namespace, tmp_path: Path, version: int
) -> None:
    """RFC 862, 863, 864."""
    with served(tmp_path, "--discard-port", "99") as server:
        data = os.urandom(200_000)
        with talking(version, 7) as echo:
            echo.sendall(data)
            echo.shutdown(socket.SHUT_WR)
            assert b"".join(iter(lambda: echo.recv(65536), b"")) == data
        with talking(version, 99) as discard:
            discard.sendall(data)
            discard.shutdown(socket.SHUT_WR)
            assert discard.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            talking(version, 9)
        with talking(version, 19) as chargen:
            heard = b""
            while len(heard) < 500_000:
                heard += chargen.recv(65536)
        assert heard.startswith(PATTERN)
        assert server.ends() == 0
    assert {record["service"] for record in server.of("accepted")} == {"echo", "discard", "chargen"}


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_every_connection_in_order(
    namespace: Namespace, tmp_path: Path, which: signal.Signals
) -> None:
    """FIN, not a reset; what was queued still arrives; the device is gone; exit code 0."""
    with served(tmp_path) as server, talking(4, 80) as idle, talking(4, 7) as echo:
        echo.sendall(b"hello")
        assert echo.recv(100) == b"hello"
        server.await_record("accepted")
        server.process.send_signal(which)
        assert (idle.recv(1), echo.recv(1)) == (b"", b"")
        idle.close()
        echo.close()
        assert server.process.wait(20) == 0
    with pytest.raises(OSError, match="no interface"):
        socket.if_nametoindex("tun0")


def test_a_second_signal_resets_who_does_not_close(namespace: Namespace, tmp_path: Path) -> None:
    """A client that never closes holds us up for seconds, and not at all when we are told again."""
    with served(tmp_path) as server, talking(4, 19) as stuck:
        server.await_record("accepted")
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        server.process.send_signal(signal.SIGTERM)
        while server.process.poll() is None and time.monotonic() < began + 20:
            server.process.send_signal(signal.SIGINT)
            server.await_change(0.05)
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 4
        with pytest.raises(ConnectionResetError):
            while stuck.recv(1 << 20):
                pass


@pytest.mark.parametrize(
    "words, code, sentence",
    [
        (("--link", "tun:tun0", "10.9.0.2"), 2, "lacks its prefix length"),
        (("--link", "tun:tun0", "10.9.0.0/24"), 2, "stands for the whole network"),
        (("--link", "tun:tun0", "10.9.0.2/32"), 2, "leaves the kernel no address"),
        (("--link", "tun:tun0", "10.9.0.2/24", "no-such-place"), 2, "neither a directory nor"),
        (("--link", "memory", "10.9.0.2/24"), 2, "needs a TUN device"),
        (("10.9.0.2/24",), 2, "--link"),
        (("--link", "tun:tun0", "--echo-port", "80", "10.9.0.2/24"), 2, "the same port"),
        (("--link", "tun:lo", "10.9.0.2/24"), 3, "no TUN device"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_sentence(
    namespace: Namespace, words: tuple[str, ...], code: int, sentence: str
) -> None:
    """Exit codes: 2 for usage, 3 for a missing device."""
    done = run("serve", *words)
    assert done.returncode == code
    said = done.stderr.decode()
    assert sentence in said and said.startswith("lastack: ") and said.count("\n") == 1
    assert done.stdout == b""


def test_without_privilege_it_says_what_to_do(namespace: Namespace, tmp_path: Path) -> None:
    """Exit code 3."""
    needs("setpriv")
    done = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all",
         *command("serve", "--link", "tun:tun0", "10.9.0.2/24", str(tmp_path))],
        capture_output=True, text=True, env=environment(), timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "run this as root" in done.stderr and done.stderr.count("\n") == 1


def test_when_the_device_goes_the_server_says_so(namespace: Namespace, tmp_path: Path) -> None:
    """One sentence, exit code 3."""
    needs("ip")
    with served(tmp_path) as server:
        namespace.run("ip", "link", "delete", "tun0")
        assert server.process.wait(20) == 3
        assert server.process.stderr is not None
        said = server.process.stderr.read()
        assert "the device tun0 is gone" in said and said.count("\n") == 1
