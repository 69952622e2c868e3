"""What `lastack why` claims of sockets in one state, each claim by the numbers the kernel gives."""

import select
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest
from rich.cells import cell_len

from lastack.cli.screen import console, show_whole
from lastack.observe.ages import Age, age_of, given_up_after
from lastack.observe.core.diag import TIMERS, KernelSocket
from lastack.observe.findings import Finding, finding_of
from lastack.observe.processes import Holder, Holders
from lastack.observe.sockets import destroy, is_peer_told, kernel_sockets
from lastack.observe.talkers import talkers
from lastack.observe.watching import Look, Watching
from lastack.stack.tcp_info import FIELDS
from lastack.tcp.states import State
from lastack.units import MS, SECOND
from lastack.view.watch import kill_question, socket_cells, sockets_table
from lastack.view.why import why_lines
from lastack.wire.address import pack_address

S = State
HERE, THERE = pack_address("10.0.0.1"), pack_address("10.0.0.2")
LOOPBACK = pack_address("127.0.0.1")


@pytest.fixture
def watching() -> Iterator[Watching]:
    with Watching(events=False) as found:
        yield found


def one(state: State, timer: str = "", probes: int = 0, left: int = 0) -> KernelSocket:
    """A connection to 10.0.0.2:80, or a listener at port 7000."""
    made = KernelSocket(2, state)
    made.local, made.local_port = HERE, 7000
    if state is not S.LISTEN:
        made.remote, made.remote_port = THERE, 80
    made.timer, made.retransmits, made.expires = TIMERS.index(timer), probes, left
    return made


def held(by_inode: dict[int, Holder]) -> Holders:
    """Holders of these sockets alone."""
    found = Holders()
    found.by_inode = {inode: [holder] for inode, holder in by_inode.items()}
    return found


def found_in(
    watching: Watching, state: State, *sockets: KernelSocket, holders: Holders | None = None
) -> Finding:
    return finding_of(state, Look(list(sockets), holders or held({}), {}), watching)


def said(found: Finding, language: str = "en", width: int = 100) -> str:
    lines = [line.plain for line in why_lines(found, language, width)]
    assert max(map(cell_len, lines)) <= width
    return " ".join(" ".join(lines).split())


def test_probes_are_not_retransmissions(watching: Watching) -> None:
    """The kernel counts unanswered probes of a closed window and of keep-alive in one field."""
    found = found_in(
        watching,
        S.ESTABLISHED,
        one(S.ESTABLISHED, "persist", 4),
        one(S.ESTABLISHED, "persist"),
        one(S.ESTABLISHED, "keepalive", 2),
        one(S.ESTABLISHED, "retransmit", 3),
    )
    assert (found.retransmitting, found.most_retransmits) == (1, 3)
    assert (found.window_closed, found.probing, found.most_probes) == (2, 2, 4)
    text = said(found)
    assert "1 retransmit, up to 3 times so far" in text
    assert "the peer's window is closed in 2 of them" in text
    assert "the peers of 2 have not answered a probe, up to 4 in a row" in text


@pytest.mark.parametrize("state", [S.ESTABLISHED, S.CLOSE_WAIT])
def test_what_nobody_holds_yet_waits_for_accept_and_its_listener_is_named(
    watching: Watching, state: State
) -> None:
    """Only before accept() has an open connection no process; who should call it is known."""
    listener = one(S.LISTEN)
    listener.inode, listener.unread, listener.unsent = 77, 1, 16
    holders = held({77: Holder(4127, "server", "/usr/bin/server --fast")})
    found = found_in(watching, state, listener, one(state), holders=holders)
    [listening] = found.listeners
    assert (listening.waiting, listening.pids, listening.name) == (1, [4127], "server")
    text = said(found)
    assert "1 held by no process: nobody has called accept() for them yet" in text
    assert "listener 10.0.0.1:7000 (pid 4127 server)" in text
    if state is S.CLOSE_WAIT:
        assert "Who must act: pid 4127, which should call accept(). The application" in text
        assert "该谁行动：pid 4127 应调用 accept()。本方的" in said(found, "zh")


@pytest.mark.parametrize("state", [S.FIN_WAIT_1, S.FIN_WAIT_2, S.CLOSING, S.LAST_ACK])
def test_what_nobody_holds_any_more_was_closed(watching: Watching, state: State) -> None:
    """Nobody waits for accept() in a state that begins with close()."""
    found = found_in(watching, state, one(state))
    text = said(found)
    assert "1 held by no process: closed by their user" in text
    assert "accept" not in text
    assert ("3.10.7.4 第五步" in said(found, "zh")) == (state is S.LAST_ACK)


def test_a_program_with_a_long_path_keeps_its_arguments(watching: Watching) -> None:
    """Which script it is counts for more than where the interpreter lies."""
    leaked = one(S.CLOSE_WAIT)
    leaked.inode = 5
    holder = Holder(4127, "python3", "/opt/very/long/way/to/versions/3.11/bin/python3 worker.py -x")
    holder.descriptors = [3]
    found = found_in(watching, S.CLOSE_WAIT, leaked, holders=held({5: holder}))
    assert "all held by pid 4127 python3 worker.py -x (fd 3)" in said(found)
    assert "该谁行动：pid 4127。本方的应用程序" in said(found, "zh")


def test_the_kernel_gives_up_by_time_not_by_count(watching: Watching) -> None:
    """ip-sysctl: tcp_retries2 of 15 is 924.6 s; while a device is down no try of it counts."""
    assert given_up_after(15, 120 * SECOND) == 924_600 * MS
    assert given_up_after(8, 120 * SECOND) == 102_200 * MS
    assert given_up_after(3, 1 * SECOND) == (200 + 400 + 800) * MS + 1 * SECOND
    found = found_in(watching, S.FIN_WAIT_1, one(S.FIN_WAIT_1, "retransmit", 14))
    found.settings.update(tcp_orphan_retries=0, tcp_retries2=15, tcp_rto_max_ms=120_000)
    text = said(found)
    assert "sent again for 1 min 42 s where no process holds it (tcp_orphan_retries 8)" in text
    assert "else for 15 min 24 s (tcp_retries2 15)" in text
    assert "after 8 retransmissions" not in text


def many_in_time_wait(local: bytes, low: int, count: int, age: int) -> list[KernelSocket]:
    made = []
    for port in range(low, low + count):
        each = one(S.TIME_WAIT, "time wait", left=60_000 - age)
        each.local, each.remote, each.local_port = local, local, port
        made.append(each)
    return made


def test_ports_in_time_wait_are_not_used_up_where_connect_may_take_them_again(
    namespace: object, watching: Watching
) -> None:
    """tcp_tw_reuse of 2 does so on loopback, 1 everywhere, after a second."""
    for name, value in (("ip_local_port_range", "40000 40049"), ("tcp_tw_reuse", "2")):
        with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
            file.write(value)
    old = found_in(watching, S.TIME_WAIT, *many_in_time_wait(LOOPBACK, 40000, 50, 5000))
    assert old.destinations[0].reusable == 50
    assert "no port is left" not in said(old)
    assert "connect() may take 50 of them again" in said(old)
    young = found_in(watching, S.TIME_WAIT, *many_in_time_wait(LOOPBACK, 40000, 50, 500))
    assert "no port is left: connect() fails" in said(young)
    abroad = found_in(watching, S.TIME_WAIT, *many_in_time_wait(HERE, 40000, 50, 5000))
    assert abroad.destinations[0].reusable == 0
    assert "no port is left: connect() fails" in said(abroad)


def test_where_none_has_come_lately_no_rate_is_told(watching: Watching) -> None:
    """Zero a second would level off at nothing: no help to anybody."""
    text = said(found_in(watching, S.TIME_WAIT, *many_in_time_wait(HERE, 40000, 3, 30_000)))
    assert "none has come in the last 10 s" in text
    assert "levels off" not in text


def test_how_long_a_backlog_may_be_is_said(watching: Watching) -> None:
    """listen() asks, net.core.somaxconn bounds."""
    found = found_in(watching, S.SYN_RECEIVED, one(S.LISTEN), one(S.SYN_RECEIVED))
    assert f"at most {found.settings['somaxconn']:,} (somaxconn)" in said(found)


def the(state: State, timer: str | None = None) -> KernelSocket:
    """The one socket of this namespace in a state, once that timer of it runs."""
    while True:
        found = kernel_sockets([state], info=True)
        if found and timer in (None, TIMERS[found[0].timer]):
            return found[0]
        select.select([], [], [], 0.01)


@pytest.fixture
def ends(namespace: object) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection: who called, and who accepted."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as there,
    ):
        yield client, there


@pytest.mark.parametrize("late", [True, False])
def test_what_was_sent_in_close_wait_and_answered_makes_its_age_a_lower_bound(
    ends: tuple[socket.socket, socket.socket], late: bool
) -> None:
    """The last segment of the peer's may be that answer, and not its FIN."""
    client, there = ends
    client.shutdown(socket.SHUT_WR)
    the(S.CLOSE_WAIT)
    if late:
        there.sendall(b"late")
        assert client.recv(4) == b"late"
        select.select([], [], [], 0.1)
    age = age_of(the(S.CLOSE_WAIT))
    assert age is not None and age.exact is not late


def test_an_answer_long_before_the_last_word_of_the_peer_does_not_blur_it(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """What we sent is acknowledged within an RTO, or sent again: later only the FIN can come."""
    client, there = ends
    there.sendall(b"early")
    assert client.recv(5) == b"early"
    select.select([], [], [], 0.5)
    client.shutdown(socket.SHUT_WR)
    age = age_of(the(S.CLOSE_WAIT))
    assert age is not None and age.exact


def test_answers_to_probes_of_a_closed_window_say_nothing_of_the_age(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """FIN-WAIT-1 begins with our close(), and its peer may be heard again and again since."""
    client, _ = ends
    client.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            client.send(bytes(65536))
    client.close()
    assert age_of(the(S.FIN_WAIT_1, "persist")) is None


@pytest.mark.parametrize("state", [S.FIN_WAIT_1, S.LAST_ACK])
def test_what_was_sent_again_before_the_fin_says_nothing_of_the_fin(state: State) -> None:
    """The back-off is that of the data; where the FIN alone is behind, it is the FIN's."""
    info = bytearray(struct.calcsize("=" + "".join(form for _, form in FIELDS)))
    at = 0
    for name, form in FIELDS:
        values = {"backoff": 4, "rto": 3_200_000}
        struct.pack_into("=" + form, info, at, values.get(name, 0))
        at += struct.calcsize("=" + form)
    found = one(state, "retransmit", 4, left=1000)
    found.info, found.unsent = bytes(info), 101
    assert age_of(found) is None
    found.unsent = 1
    assert age_of(found) == ((200 + 400 + 800 + 1600 + 2200) * MS, False, "back-off")


def test_octets_of_text_are_counted_on_either_side_and_neither_syn_nor_fin(
    ends: tuple[socket.socket, socket.socket], watching: Watching
) -> None:
    """Who called has its SYN acknowledged, who closed its FIN: both are no text."""
    client, there = ends
    there.sendall(b"0123456789")
    assert client.recv(10) == b"0123456789"
    client.sendall(bytes(20))
    assert there.recv(20) == bytes(20)
    client.shutdown(socket.SHUT_WR)
    the(S.FIN_WAIT_2), the(S.CLOSE_WAIT)
    look = watching.look()
    for state, octets in ((S.FIN_WAIT_2, (10, 20)), (S.CLOSE_WAIT, (20, 10))):
        chosen = [each for each in look.sockets if each.state is state]
        [peer] = talkers(chosen, look, watching)["peer"]
        assert (peer.octets_in, peer.octets_out) == octets, state


def test_before_sockets_are_destroyed_it_is_told_who_will_hear_of_it() -> None:
    """The kernel resets a connection, and lets a remnant go in silence."""
    remnant = one(S.FIN_WAIT_2, "time wait", left=1000)
    chosen = [one(S.CLOSE_WAIT), one(S.FIN_WAIT_2), remnant, one(S.TIME_WAIT, "time wait")]
    assert kill_question(chosen[:2]) == "Destroy 2 sockets? Peers that will see a reset: 2."
    assert kill_question(chosen[1:3]) == (
        "Destroy 2 sockets? Peers that will see a reset: 1. Peers that are not told: 1."
    )
    assert kill_question(chosen).endswith("the next connection (RFC 1337).")
    assert kill_question([one(S.LISTEN)]) == "Destroy 1 sockets?"
    assert kill_question(chosen, "zh").startswith("销毁 4 个套接字吗？会看到复位的对端：2 个。")


@pytest.mark.parametrize("held", [True, False])
def test_of_a_remnant_that_is_destroyed_no_peer_is_told(
    ends: tuple[socket.socket, socket.socket], held: bool
) -> None:
    """FIN-WAIT-2 of nobody leaves its peer in CLOSE-WAIT; that of a process resets it."""
    client, _ = ends
    client.shutdown(socket.SHUT_WR)
    if not held:
        client.close()
    the(S.CLOSE_WAIT)
    found = the(S.FIN_WAIT_2, "" if held else "time wait")
    assert is_peer_told(found) is held
    destroy(found)
    select.select([], [], [], 0.1)
    assert len(kernel_sockets([S.CLOSE_WAIT])) == (0 if held else 1)
    assert not kernel_sockets([S.FIN_WAIT_2])


def test_a_listener_whose_queue_is_full_has_somebody_who_must_accept(watching: Watching) -> None:
    """The kernel takes one more than the backlog."""
    listener = one(S.LISTEN)
    listener.inode, listener.unread, listener.unsent = 77, 2, 2
    holders = held({77: Holder(4127, "server", "server")})
    assert "its queue is full" not in said(found_in(watching, S.LISTEN, listener, holders=holders))
    listener.unread = 3
    for state in (S.LISTEN, S.SYN_RECEIVED):
        text = said(found_in(watching, state, listener, one(S.SYN_RECEIVED), holders=holders))
        assert "its queue is full: until accept() is called" in text
        assert "Who must act: pid 4127, which should call accept()." in text


def test_a_process_with_two_full_listeners_is_named_once(watching: Watching) -> None:
    """It is one that must act, and where it must, it is not said that nobody does."""
    listeners = one(S.LISTEN), one(S.LISTEN)
    for port, listener in enumerate(listeners, 7000):
        listener.inode, listener.local_port, listener.unread, listener.unsent = 77, port, 3, 2
    holders = held({77: Holder(4127, "server", "server")})
    text = said(found_in(watching, S.LISTEN, *listeners, holders=holders))
    assert "Who must act: pid 4127, which should call accept(). What ends it" in text


def test_no_limit_runs_for_what_a_process_holds_in_fin_wait_2(watching: Watching) -> None:
    """tcp_fin_timeout begins when the last process lets go."""
    mine, orphan = one(S.FIN_WAIT_2), one(S.FIN_WAIT_2, "time wait", left=30_000)
    mine.inode = 5
    holders = held({5: Holder(4127, "client", "client")})
    text = said(found_in(watching, S.FIN_WAIT_2, mine, orphan, holders=holders))
    assert "no limit runs for the 1 that a process holds" in text
    assert "no limit runs" not in said(found_in(watching, S.FIN_WAIT_2, orphan))


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_no_port_and_no_process_is_cut_from_the_table_of_sockets(
    columns: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a narrow terminal its lines are broken by that: what is cut cannot be looked for."""
    local, remote = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:2"
    found = one(S.FIN_WAIT_2, "time wait", left=58_000)
    found.local, found.remote = pack_address(local), pack_address(remote)
    rows = [socket_cells(found, "(a-long-name[4194303])", Age(2 * SECOND, False, "timer"))]
    show_whole(console(width=columns), sockets_table(rows, 0))
    told = capsys.readouterr().out
    for words in ("(a-long-name[4194303])", f"[{local}]:7000", f"[{remote}]:80", "time wait 58 s"):
        assert words in told
