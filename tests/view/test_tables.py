"""The tables of a connection and of connections, from records alone."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import State
from lastack.units import MS
from lastack.view.table import connections_table
from lastack.view.tcb import tcb_rows, tcb_table

BUSY = ConnectionInfo(
    "10.0.0.1:49152",
    "10.0.0.2:80",
    State.ESTABLISHED,
    snd_una=4294967295,
    snd_nxt=1459,
    iss=4294967290,
    rcv_nxt=78,
    irs=77,
    unsent=1000,
    in_flight=1460,
    unread=7,
    srtt=20 * MS,
    cwnd=14600,
    timers={"retransmit": 200 * MS},
)
LISTENER = ConnectionInfo("*:80", "*:*", State.LISTEN)
HALF = ConnectionInfo("[fd00::1]:80", "[fd00::2]:50000", State.SYN_RECEIVED)


def _text(table: Table, width: int = 100) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue()


def test_the_control_block_speaks_the_names_of_the_rfc() -> None:
    """RFC 9293 3.3.1; numbers are relative, also across the wrap, and absolute in brackets."""
    rows = dict(tcb_rows(BUSY))
    assert rows["SND.UNA"] == "5  (4294967295)"
    assert rows["SND.NXT"] == "1,465  (1459)"
    assert rows["RCV.NXT"] == "1  (78)"
    assert rows["timers"] == "retransmit in 200 ms"


def test_what_is_unknown_is_left_out_or_said_to_be() -> None:
    """None means unknown, and is never shown as a number."""
    assert "SND.UNA" not in dict(tcb_rows(LISTENER))
    text = _text(tcb_table([("client", BUSY), ("server", LISTENER)]))
    assert "?" in next(line for line in text.splitlines() if "SND.UNA" in line)
    assert "None" not in text


def test_connections_stand_in_the_order_of_the_states() -> None:
    """Listeners first; queues as in ss: unread, and unsent with in flight."""
    lines = _text(connections_table([BUSY, HALF, LISTENER])).splitlines()
    states = [line.split()[0] for line in lines if line.strip() and "─" not in line]
    assert states == ["State", "LISTEN", "SYN-RECEIVED", "ESTABLISHED"]
    busy = next(line for line in lines if "ESTABLISHED" in line).split()
    assert busy[1:5] == ["7", "2,460", "10.0.0.1:49152", "10.0.0.2:80"]


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits_its_page(width: int) -> None:
    """A terminal of the usual width."""
    text = _text(connections_table([BUSY, HALF, LISTENER] * 5, most=4), width)
    assert max(map(len, text.splitlines())) <= width
    assert "and 11 more" in text


def test_kernel_names_are_used_when_asked_for() -> None:
    """`--names linux`."""
    assert "SYN_RECV" in _text(connections_table([HALF], names="linux"))
