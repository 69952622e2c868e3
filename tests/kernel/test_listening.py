"""Connections of the kernel as `lastack read -i` and the library hear them, in a namespace."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
from every_state import EveryState
from namespaces import Namespace

from lastack.errors import DeviceUnavailable, LastackError
from lastack.link.tun import TunLink
from lastack.observe.connection import Connection, connection_of
from lastack.observe.interface import ANY, Interface
from lastack.observe.live import Live, Until
from lastack.observe.reading import Observer
from lastack.observe.sockets import kernel_sockets
from lastack.tcp.states import State
from lastack.wire.capture import LINKTYPE_ETHERNET

DeviceMaker = Callable[..., TunLink]
MACS = bytes.fromhex("020000000002020000000001")
CAP_NET_RAW, PR_CAPBSET_DROP = 13, 24
SYN = bytes.fromhex(
    "4500002800010000400600000a0000010a000002"  # 10.0.0.1 to 10.0.0.2
    "9c40005000000001000000005002ffff00000000"  # port 40000 to 80
)


def heard(interface: Interface, observer: Observer) -> int:
    """Hand over what comes until it is quiet; return the time of the last packet."""
    last = 0
    while interface.wait(0.5):
        while packet := interface.receive():
            observer.packet_seen(*packet)
            last = packet[0]
    return last


def records(observer: Observer) -> list[Connection]:
    return [connection_of(flow) for flow in observer.close()]


def talk(listener: socket.socket, close: bool = True) -> tuple[socket.socket, socket.socket]:
    """A connection over loopback with text both ways, its client closed first."""
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    client.sendall(bytes(3000))
    assert len(server.recv(3000, socket.MSG_WAITALL)) == 3000
    server.sendall(bytes(2000))
    assert len(client.recv(2000, socket.MSG_WAITALL)) == 2000
    if close:
        client.close()
        assert server.recv(1) == b""
        server.close()
    return client, server


@pytest.mark.parametrize("version", [4, 6])
def test_the_states_heard_are_those_that_the_kernel_has(device: DeviceMaker, version: int) -> None:
    """Every state there is; a device without link header, and `any`, hear the same."""
    with ExitStack() as kept:
        link = device()
        interfaces = [kept.enter_context(Interface(name)) for name in (link.name, ANY)]
        every = EveryState(link, version, kept)
        for interface in interfaces:
            observer = Observer()
            heard(interface, observer)
            found = {}
            for one in records(observer):
                for side, other in ((one.a, one.b), (one.b, one.a)):
                    found[side.port, other.port] = side.states
            wanted = {ports: s for ports, s in every.expected.items() if s is not State.LISTEN}
            assert {ports: found[ports] for ports in wanted} == {
                ports: (state,) for ports, state in wanted.items()
            }


def test_loopback_gives_each_packet_once(namespace: Namespace) -> None:
    """The kernel hands each to listeners twice there, on its way out and on its way in."""
    with Interface("lo") as interface, socket.create_server(("127.0.0.1", 0)) as listener:
        observer = Observer()
        client, server = talk(listener, close=False)
        talk(listener)
        heard(interface, observer)
        with client, server:
            kernel = {(s.local_port, s.remote_port): s.state for s in kernel_sockets()}
        one, other = records(observer)
    assert (one.a.octets, one.b.octets, one.resent, other.resent) == (3000, 2000, 0, 0)
    assert (one.handshake, one.teardown) == ("complete", "open")
    assert other.handshake == "complete" and other.teardown in ("normal", "three segment")
    for record in (one, other):
        for side, peer in ((record.a, record.b), (record.b, record.a)):
            state = kernel.get((side.port, peer.port), State.CLOSED)
            assert side.states == (state,)


@pytest.mark.parametrize("tags", ["81000064", "88a800c881000064"])
@pytest.mark.parametrize("name", ["heard", ANY])
def test_a_vlan_tag_stands_where_it_stood(namespace: Namespace, tags: str, name: str) -> None:
    """The kernel takes the outer one out of the frame and tells of it beside (packet(7))."""
    namespace.run("ip", "link", "add", "told", "type", "veth", "peer", "name", "heard")
    for one in ("heard", "told"):
        namespace.run("ip", "link", "set", one, "up")
    frame = MACS + bytes.fromhex(tags) + b"\x08\x00" + SYN
    with Interface(name) as interface, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind(("told", 0))
        out.send(frame)
        observer = Observer()
        found = []
        while len(observer.scanner.flows) == 0:
            assert interface.wait(5)
            if packet := interface.receive():
                found.append(packet)
                observer.packet_seen(*packet)
        (record,) = records(observer)
    assert (record.a.endpoint, record.b.endpoint) == ("10.0.0.1:40000", "10.0.0.2:80")
    _, data, linktype = found[-1]
    if name == ANY:  # of two tags in what goes out the kernel tells the outer one there
        assert data[14:18] == frame[12:16] and data[-40:] == SYN
    else:
        assert (linktype, data) == (LINKTYPE_ETHERNET, frame)


def test_what_is_dropped_is_counted(namespace: Namespace) -> None:
    """Received and dropped make all that went by, also once the interface is closed."""
    with Interface("lo", buffer=4096) as interface:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for _ in range(500):
                out.sendto(bytes(100), ("127.0.0.1", 9))
        received = 0
        while interface.wait(0.5):
            received += interface.receive() is not None
        # Outgoing ones, which count there too, are passed over: at least the others are told.
        assert received == interface.packets < 500
        assert interface.dropped >= 500 - received
    assert interface.dropped >= 500 - received


def test_memory_stays_bounded_while_connections_come_and_go(namespace: Namespace) -> None:
    """Beyond `most_open` the silent ones are given up; what is over is let go of by time."""
    observer = Observer(most_open=10, linger=0)
    with Interface("lo") as interface, socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(20):
            talk(listener)
        last = heard(interface, observer)
    observer.time_passed(last + 1)
    assert len(observer.take_finished()) == 20
    assert not observer.scanner.flows


def test_it_stops_after_so_many_packets_or_so_long(namespace: Namespace) -> None:
    """Whatever is open then comes at the end; what came before the end is still taken in."""
    with socket.create_server(("127.0.0.1", 0)) as listener, Interface("lo") as interface:
        talk(listener)
        observer = Observer()
        (flow,) = Live("lo", (), interface, Until(count=3)).flows(observer)
        assert (interface.packets, flow.a.packets + flow.b.packets) == (3, 3)
        talk(listener)
        assert len(list(Live("lo", (), interface, Until(duration=0)).flows(Observer()))) == 2


def test_an_interface_that_goes_away_ends_it(namespace: Namespace) -> None:
    """What was heard before is given; with nothing heard it is an error at once."""
    namespace.run("ip", "link", "add", "told", "type", "veth", "peer", "name", "heard")
    with pytest.raises(LastackError, match="down"), Interface("heard") as interface:
        list(Live("heard", (), interface, Until()).flows(Observer()))
    with pytest.raises(DeviceUnavailable, match="no interface"):
        Interface("nowhere")


class Reading:
    """`lastack read -i lo` under way."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lastack", "read", "-i", "lo", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        sockets = Path(f"/proc/{self.process.pid}/net/packet")
        for _ in range(3000):
            lines = [line.split() for line in sockets.read_text().splitlines()[1:]]
            bound = any(protocol == "0003" for _, _, _, protocol, *_ in lines)
            if bound or self.process.poll() is not None:
                break
            Event().wait(0.01)

    def ended(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=100)
        return self.process.returncode, out, err


def test_the_command_ends_well_at_a_signal_even_if_it_comes_twice(namespace: Namespace) -> None:
    """timeout(1) sends each to the process and to its group; the summary is printed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reading = Reading()
        talk(listener)
        reading.process.send_signal(signal.SIGINT)
        reading.process.send_signal(signal.SIGINT)
        code, out, err = reading.ended()
    assert (code, err) == (0, "")
    assert "1 connection" in out and "TIME-WAIT" in out


def test_json_tells_what_was_heard_and_dropped(namespace: Namespace) -> None:
    """The last line is of the interface; connections and changes are as from a file."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reading = Reading("--json", "--count", "5")
        talk(listener)
        code, out, _ = reading.ended()
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    kinds = {line["type"] for line in found}
    assert {"connection", "transition", "interface"} <= kinds
    assert found[-1]["type"] == "interface"
    assert (found[-1]["capture"], found[-1]["packets"], found[-1]["dropped"]) == ("lo", 5, 0)
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in found[-1] if name not in ("schema", "type"))


def test_what_came_too_fast_is_told_on_stderr(namespace: Namespace) -> None:
    """How many, and which option gives them more room."""
    reading = Reading("--buffer", "4096")
    reading.process.send_signal(signal.SIGSTOP)
    os.waitpid(reading.process.pid, os.WUNTRACED)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _ in range(500):
            out.sendto(bytes(100), ("127.0.0.1", 9))
    reading.process.send_signal(signal.SIGCONT)
    reading.process.send_signal(signal.SIGINT)
    code, _, err = reading.ended()
    assert code == 0
    assert "dropped" in err and "--buffer" in err and err.count("\n") == 1


def test_without_the_privilege_it_says_so_in_a_line(namespace: Namespace) -> None:
    """Exit code 3."""
    libc = ctypes.CDLL(None)
    done = subprocess.run(
        [sys.executable, "-m", "lastack", "read", "-i", "lo"],
        capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: libc.prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0),
    )  # fmt: skip
    assert done.returncode == 3
    assert "CAP_NET_RAW" in done.stderr and done.stderr.count("\n") == 1
