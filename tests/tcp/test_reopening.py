"""A SYN in TIME-WAIT: when it may open the connection again (RFC 9293 3.6.1, RFC 6191)."""

import pytest
from peer import LOCAL, PLAIN, REMOTE, THEIRS

from lastack.tcp.config import Config
from lastack.tcp.time_wait import TimeWait, time_wait_segment
from lastack.wire.notation import Base, parse_segment
from lastack.wire.stop import Stop

STAMPED = PLAIN.replace(timestamps=True)


def entry(timestamps: bool) -> TimeWait:
    """Return what is left of a connection whose peer's last number was 100, last timestamp 500."""
    made = TimeWait(LOCAL, REMOTE, 1)
    made.rcv_nxt = (THEIRS + 100) & 0xFFFFFFFF
    made.room = 1000
    made.ts_on = timestamps
    made.ts_recent = 500
    return made


def verdict(timestamps: bool, syn: str, config: Config = STAMPED) -> Stop | None:
    segment = parse_segment(syn, Base(THEIRS, 0), REMOTE.port, LOCAL.port)
    return time_wait_segment(entry(timestamps), segment, 0, config)


@pytest.mark.parametrize(
    ("seq", "stamp", "opens"),
    [(50, 501, True), (50, 500, False), (50, 499, False), (101, 500, True), (101, 499, False)],
)
def test_with_timestamps_a_newer_one_opens_whatever_the_number(
    seq: int, stamp: int, opens: bool
) -> None:
    """SHLD-4, RFC 6191 2: the timestamp decides, and the number where it is the same."""
    found = verdict(True, f"S {seq}:{seq}(0) win 1000 <TS val {stamp} ecr 0>")
    assert found is (None if opens else Stop.SYN_IN_TIME_WAIT)


@pytest.mark.parametrize(("seq", "opens"), [(101, True), (100, False), (50, False)])
def test_without_timestamps_a_later_number_opens(seq: int, opens: bool) -> None:
    """MAY-2: larger than the largest that the old connection has used."""
    found = verdict(False, f"S {seq}:{seq}(0) win 1000")
    assert found is (None if opens else Stop.SYN_IN_TIME_WAIT)


@pytest.mark.parametrize(("seq", "opens"), [(101, True), (50, False)])
@pytest.mark.parametrize("before", [True, False])
def test_stamps_that_we_would_not_answer_with_do_not_count(
    before: bool, seq: int, opens: bool
) -> None:
    """RFC 6191 2: both ends have to use timestamps in the new connection."""
    found = verdict(before, f"S {seq}:{seq}(0) win 1000 <TS val 900 ecr 0>", PLAIN)
    assert found is (None if opens else Stop.SYN_IN_TIME_WAIT)


@pytest.mark.parametrize("seq", [50, 101])
def test_timestamps_where_there_were_none_open_whatever_the_number(seq: int) -> None:
    """RFC 6191 2: nothing of the old connection had any, so nothing of it will be believed."""
    assert verdict(False, f"S {seq}:{seq}(0) win 1000 <TS val 1 ecr 0>") is None


def test_a_knob_keeps_time_wait_to_its_end() -> None:
    """MAY-2 is permission, not duty."""
    config = PLAIN.replace(reuse_time_wait=False)
    assert verdict(False, "S 500:500(0) win 1000", config) is Stop.SYN_IN_TIME_WAIT
