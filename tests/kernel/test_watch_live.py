"""The live view of `lastack watch` on a screen of 80 by 24: every page, the filter, drill-down."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager

import pytest
from every_state import EveryState
from held_sockets import LEAKING_SERVER, process
from namespaces import Namespace

pytest.importorskip("textual")

from textual.pilot import Pilot
from textual.widgets import Input

from lastack.cli.watch_live import MOST_ROWS, WatchApp
from lastack.link.tun import TunLink
from lastack.observe.talkers import Choice
from lastack.observe.tracing import PLACES
from lastack.observe.watching import Watching
from lastack.tcp.states import State
from lastack.units import MS


@pytest.fixture
def every(device: Callable[..., TunLink]) -> Iterator[EveryState]:
    """One socket in each state."""
    with ExitStack() as kept:
        yield EveryState(device(), 4, kept)


def lines(pilot: Pilot[None]) -> list[str]:
    """What the screen shows."""
    return [strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips()]


async def shown(pilot: Pilot[None], words: str) -> list[str]:
    """Wait until the screen shows something."""
    for _ in range(500):
        if any(words in line for line in lines(pilot)):
            break
        await pilot.pause(0.01)
    found = lines(pilot)
    assert any(words in line for line in found), "\n".join(found)
    return found


@asynccontextmanager
async def screen(
    language: str = "en",
    places: tuple[str, ...] = PLACES,
    size: tuple[int, int] = (80, 24),
    sockets: int = 10,
) -> AsyncIterator[Pilot[None]]:
    """Run the view; looks follow each other quickly."""
    with Watching(places=places) as watching:
        app = WatchApp(watching, Choice(), 200 * MS, language=language)
        async with app.run_test(size=size, notifications=True) as pilot:
            await shown(pilot, f"{sockets} " if language == "zh" else f"{sockets} sockets")
            yield pilot
        with app.looking:
            pass


def test_the_overview_has_a_count_for_each_state_and_the_talkers(every: EveryState) -> None:
    """The kernel holds one of each but CLOSED; the keys stand below."""

    async def look() -> None:
        async with screen() as pilot:
            await shown(pilot, "q Quit")
            found = await shown(pilot, "By listener")
            for state in State:
                count = 0 if state is State.CLOSED else 1
                assert any(re.match(rf" {state} +{count}\b", line) for line in found), state
            assert any(f"*:{every.port}" in line for line in found)
            for key in ("1 Overview", "2 Sockets", "3 Diagram", "/ Filter", "p Pause", "q Quit"):
                assert key in found[-1]

    asyncio.run(look())


def test_the_list_leads_to_one_socket_and_back(every: EveryState) -> None:
    """Enter drills down to TCP_INFO and the timers, Escape goes back."""

    async def look() -> None:
        async with screen() as pilot:
            await pilot.press("2")
            await shown(pilot, "SYN-SENT")
            await pilot.press("down", "enter")
            found = await shown(pilot, "held by")
            assert any("SYN-SENT" in line for line in found)
            assert any("retransmit in" in line for line in found)
            await pilot.press("escape")
            await shown(pilot, "Recv-Q")

    asyncio.run(look())


def test_the_diagram_has_the_counts_in_its_boxes(every: EveryState) -> None:
    """The picture of `lastack states`, scrolled with the arrows."""

    async def look() -> None:
        async with screen() as pilot:
            await pilot.press("3")
            found = await shown(pilot, "LISTEN")
            at = next(place for place, line in enumerate(found) if "LISTEN" in line)
            assert " 1 " in found[at + 1]
            await pilot.press("end")
            await shown(pilot, "Sudden ends")

    asyncio.run(look())


def test_a_filter_leaves_what_is_meant_and_says_what_it_does_not_understand(
    every: EveryState,
) -> None:
    """`/`, a state, Enter; nonsense is answered and the filter stays open."""

    async def look() -> None:
        async with screen() as pilot:
            await pilot.press("slash")
            asked = pilot.app.query_one("#filter", Input)
            asked.value = "NONSENSE"
            await pilot.press("enter")
            await shown(pilot, "no TCP state 'NONSENSE'")
            asked.value = "CLOSE-WAIT"
            await pilot.press("enter")
            await shown(pilot, " 1 socket")
            await pilot.press("n")
            await shown(pilot, "CLOSE_WAIT")
            await pilot.press("p")
            await shown(pilot, "paused")

    asyncio.run(look())


def test_it_speaks_chinese(every: EveryState) -> None:
    """Every page: no word of English but the names of states, of variables and of processes."""

    async def look() -> None:
        async with screen("zh", ()) as pilot:
            await shown(pilot, "按监听者")
            await pilot.press("slash")
            pilot.app.query_one("#filter", Input).value = "NONSENSE"
            await pilot.press("enter")
            await shown(pilot, "没有 TCP 状态")
            await pilot.press("escape")
            found = await shown(pilot, "q 退出")
            for words in ("1 概览", "2 套接字", "3 状态图", "/ 筛选", "p 暂停", "n 名称", "q 退出"):
                assert words in found[-1]
            await pilot.press("2")
            found = await shown(pilot, "历时")
            assert re.fullmatch(r" ?状态 +历时 +进程 +本地 +对端.*", found[1])
            await pilot.press("down", "enter")
            found = await shown(pilot, "持有者")
            known = {"SRTT", "RTTVAR", "RTO", "MSS", "WND", "SND", "RCV", "ECN", "ACK", "RTT"}
            known |= {"cwnd", "ssthresh"}
            begin = next(place for place, line in enumerate(found) if "持有者" in line)
            end = next(place for place, line in enumerate(found) if "看不到的" in line)
            for line in found[begin - 1 : end]:
                name = re.split(r" {2,}", line[1:])[0]
                assert set(re.findall(r"[A-Za-z-]{3,}", name)) <= known, line
            assert any("定时器" in line and "重传" in line and "后" in line for line in found)
            await pilot.press("3")
            await shown(pilot, "客户端的通常一生")
            await pilot.press("end")
            await shown(pilot, "突然的结束")

    asyncio.run(look())


def test_the_diagram_can_be_scrolled_to_its_right_edge(every: EveryState) -> None:
    """It is wider than a screen of 80 columns."""

    async def look() -> None:
        async with screen() as pilot:
            await pilot.press("3")
            found = await shown(pilot, "LISTEN")
            assert not any("active OPEN · send SYN" in line for line in found)
            await pilot.press(*["right"] * 24)
            await shown(pilot, "active OPEN · send SYN · §3.10.1")

    asyncio.run(look())


def test_who_holds_a_socket_and_since_when_is_on_a_narrow_screen(every: EveryState) -> None:
    """The list of 80 columns, before one scrolls to the queues and timers."""

    async def look() -> None:
        async with screen() as pilot:
            await pilot.press("2")
            found = await shown(pilot, "TIME-WAIT")
            [line] = [line for line in found if "CLOSE-WAIT" in line]
            me = f"[{os.getpid()}]"
            assert re.match(rf" ?CLOSE-WAIT +≥?[0-9.]+ m?s +\S+{re.escape(me)} ", line)
            await pilot.press(*["right"] * 60)
            await shown(pilot, "time wait")

    asyncio.run(look())


def test_a_socket_that_has_ended_stays_on_the_screen(every: EveryState) -> None:
    """Its last state of affairs is what one looks for then."""

    async def look() -> None:
        async with screen() as pilot:
            with socket.create_server(("127.0.0.1", 0)) as more:
                await shown(pilot, "11 sockets")
                await pilot.press("2")
                await shown(pilot, f"127.0.0.1:{more.getsockname()[1]}")
                await pilot.press("down", "enter")
                before = await shown(pilot, "held by")
                more.close()
                await shown(pilot, "10 sockets")
                assert [line for line in lines(pilot) if "local" in line] == [
                    line for line in before if "local" in line
                ]

    asyncio.run(look())


@pytest.mark.parametrize("size", [(80, 40), (120, 40)])
def test_a_long_command_leaves_the_numbers_on_the_screen(
    namespace: Namespace, size: tuple[int, int]
) -> None:
    """It is broken where the screen ends, and nothing of it is lost."""

    async def look() -> None:
        async with screen(size=size, sockets=3) as pilot:
            await pilot.press("2", "enter")
            found = await shown(pilot, "held by")
            assert any(re.search(r"backlog +\d+", line) for line in found)
            assert len(set("".join(found).split()) & set(words)) == len(words)

    words = [f"--word-{place}" for place in range(9)]
    with process(LEAKING_SERVER, "1", *words) as server:
        assert server.stdout is not None
        server.stdout.readline()
        with socket.create_connection(("127.0.0.1", 7001)):
            asyncio.run(look())


def test_what_is_not_listed_is_told_in_the_title(namespace: Namespace) -> None:
    """In the table it would make the first column wider than any state."""

    async def look() -> None:
        async with screen(sockets=MOST_ROWS + 1) as pilot:
            await pilot.press("2")
            found = await shown(pilot, f"{MOST_ROWS} of them listed: choose with a filter")
            assert re.match(r" ?State {1,9}For", found[1])

    with ExitStack() as kept:
        for _ in range(MOST_ROWS + 1):
            kept.enter_context(socket.create_server(("127.0.0.1", 0)))
        asyncio.run(look())


ON_A_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from lastack.cli.main import main
main(["watch", "--interval", "100ms"])
"""


@pytest.mark.parametrize("times", range(8))
def test_it_ends_with_its_terminal_however_early(namespace: Namespace, times: int) -> None:
    """Closed while it is drawn on for the first time: nobody waits for what cannot be written."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as view:
        os.close(theirs)
        seen = b""
        while b"\x1b" not in seen:
            seen += os.read(ours, 4096)
        os.close(ours)
        try:
            assert view.wait(30) in (1, 129)  # what reads of it may be told first
        finally:
            view.kill()
