"""The kernel's own sockets as we list them: every state, owner and age, and the same as ss."""

import os
import re
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from every_state import EveryState
from namespaces import Namespace

from lastack import COMPILED
from lastack.link.tun import TunLink
from lastack.observe.ages import Age, age_of
from lastack.observe.core.diag import KernelSocket
from lastack.observe.kernel_info import connection_info, text_of
from lastack.observe.processes import Holders
from lastack.observe.sockets import Destroyed, destroy, kernel_sockets
from lastack.tcp.states import State, state_named
from lastack.units import SECOND
from lastack.wire.segment import ACK, SYN

S = State
CLOCK = SECOND // 10
"""What the kernel's clocks (jiffies) may be behind."""
RESENT = (S.FIN_WAIT_1, S.CLOSING, S.LAST_ACK)
DeviceMaker = Callable[..., TunLink]


@pytest.fixture(params=[4, 6])
def every(request: pytest.FixtureRequest, device: DeviceMaker) -> Iterator[EveryState]:
    """One socket in each state; the peer says nothing more."""
    with ExitStack() as kept:
        yield EveryState(device(), request.param, kept)


def by_ports(found: list[KernelSocket]) -> dict[tuple[int, int], KernelSocket]:
    return {(each.local_port, each.remote_port): each for each in found}


def test_each_state_that_the_kernel_holds_is_listed(every: EveryState) -> None:
    """All but CLOSED, which is no socket."""
    found = by_ports(kernel_sockets(info=True))
    assert {ports: each.state for ports, each in found.items()} == every.expected
    assert set(every.expected.values()) == set(State) - {S.CLOSED}


@pytest.mark.parametrize("state", [state for state in State if state is not S.CLOSED])
def test_the_kernel_leaves_out_the_states_that_were_not_asked_for(
    every: EveryState, state: State
) -> None:
    """A filter by state is the kernel's work."""
    assert [each.state for each in kernel_sockets([state])] == [state]


def test_the_owner_is_the_process_that_holds_the_descriptor(every: EveryState) -> None:
    """Where nobody holds it any more, or not yet, there is none."""
    holders = Holders()
    for ports, each in by_ports(kernel_sockets()).items():
        owners = holders.of(each.inode)
        assert [owner.pid for owner in owners] == [os.getpid()] * (ports in every.held), each.state
        for owner in owners:
            for descriptor in owner.descriptors:
                assert os.fstat(descriptor).st_ino == each.inode


def test_each_tells_since_when_it_is_in_its_state(every: EveryState) -> None:
    """A second later: exactly, or at least; of a listener nothing is known."""
    every.half_open.hears(SYN | ACK)  # the first retransmission, after a second
    began = time.monotonic_ns()
    found = by_ports(kernel_sockets(info=True))
    ended = time.monotonic_ns()
    for ports, each in found.items():
        age = age_of(each)
        if each.state is S.LISTEN:
            assert age is None
            continue
        assert age is not None, each.state
        before, after = every.between[ports]
        assert age.time <= ended - before + CLOCK, (each.state, age)
        if age.exact:
            assert age.time >= began - after - CLOCK, (each.state, age)
        assert age.exact is (each.state not in (S.ESTABLISHED, S.FIN_WAIT_2, *RESENT)), each.state


def test_twenty_thousand_are_listed_sooner_than_by_ss(namespace: Namespace) -> None:
    """The library's call beside the whole of `ss -tan`, by turns; the best of each."""
    if not COMPILED:
        pytest.skip("interpreted, the call takes longer")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 10_100:
        pytest.skip(f"no more than {hard} files may be open")
    Path("/proc/sys/net/core/somaxconn").write_text("10000")
    ours, theirs = [], []
    with ExitStack() as kept:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        kept.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        server = kept.enter_context(socket.create_server(("127.0.0.1", 0), backlog=10_000))
        for _ in range(10_000):  # the other ends wait to be accepted
            kept.enter_context(socket.create_connection(server.getsockname()))
        for _ in range(7):
            start = time.perf_counter_ns()
            found = kernel_sockets()
            middle = time.perf_counter_ns()
            text = namespace.run("ss", "-Htan")
            ours.append(middle - start)
            theirs.append(time.perf_counter_ns() - middle)
            assert len(found) == text.count("\n") == 20_001
    assert min(ours) < min(theirs)


def made(state: State, timer: int = 0, retransmits: int = 0, expires: int = 0) -> KernelSocket:
    found = KernelSocket(2, state)
    found.timer, found.retransmits, found.expires = timer, retransmits, expires
    return found


def test_ages_are_read_from_what_the_timers_have_behind_them() -> None:
    """TIME-WAIT lasts 60 s, a SYN-ACK is repeated after 1, 2, 4 s."""
    assert age_of(made(S.TIME_WAIT, 3, 0, 45_000)) == Age(15 * SECOND, True, "timer")
    assert age_of(made(S.FIN_WAIT_2, 3, 0, 10_000)) == Age(50 * SECOND, False, "timer")
    assert age_of(made(S.SYN_RECEIVED, 1, 2, 1_000)) == Age(6 * SECOND, True, "timer")
    assert age_of(made(S.LISTEN)) is None


def test_the_listing_equals_that_of_ss(every: EveryState, namespace: Namespace) -> None:
    """State and both ends, at the same moment."""
    rows = set()
    for line in namespace.run("ss", "-Htan").splitlines():
        state, _, _, local, remote = line.split()[:5]
        rows.add((state_named(state), local, remote))
    ours = set()
    for each in kernel_sockets():
        remote = text_of(each.remote, each.remote_port)
        if each.state is S.LISTEN:
            remote = "0.0.0.0:*" if each.family == 2 else "[::]:*"
        ours.add((each.state, text_of(each.local, each.local_port), remote))
    assert ours == rows


def test_the_record_has_what_ss_reads_of_a_connection(
    every: EveryState, namespace: Namespace
) -> None:
    """The window in octets; mss, rto and retransmissions as ss -i has them."""
    ports = next(ports for ports, state in every.expected.items() if state is S.CLOSE_WAIT)
    text = namespace.run("ss", "-Htani", "state", "close-wait")
    info = connection_info(by_ports(kernel_sockets(info=True))[ports])
    assert info.mss == int(re.search(r"\bmss:(\d+)", text)[1])  # type: ignore[index]
    assert info.cwnd == info.mss * int(re.search(r"\bcwnd:(\d+)", text)[1])  # type: ignore[index]
    assert info.rto == round(float(re.search(r"\brto:([\d.]+)", text)[1]) * 1e6)  # type: ignore[index]
    assert info.controller in text
    assert (info.state, info.unread) == (S.CLOSE_WAIT, 0)
    assert info.since_ack_received is not None


def test_destroying_ends_a_connection_and_those_who_listen_hear_of_it(
    namespace: Namespace,
) -> None:
    """SOCK_DESTROY: both ends are told; the notice names the cookie of what ended."""
    with socket.create_server(("127.0.0.1", 0)) as server, Destroyed() as ended:
        client = socket.create_connection(server.getsockname())
        there, _ = server.accept()
        [victim] = [
            each
            for each in kernel_sockets([S.ESTABLISHED])
            if each.local_port == client.getsockname()[1]
        ]
        destroy(victim)
        with pytest.raises(ConnectionAbortedError):
            client.recv(1)
        with pytest.raises(ConnectionResetError):
            there.recv(1)
        client.close()
        there.close()
        heard: list[int] = []
        while victim.cookie not in heard:
            assert select.select([ended], [], [], 5)[0], "nothing was heard"
            heard += [each.cookie for each in ended]
        with pytest.raises(OSError, match="not destroyed"):
            destroy(victim)
