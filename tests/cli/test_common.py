"""Words on the command line, and what JSON says."""

import json

import pytest

from lastack.cli.common import (
    json_line,
    parse_link,
    parse_probability,
    parse_rate,
    parse_size,
    parse_time,
)
from lastack.cli.records import connection_record
from lastack.cli.spoken import language_of
from lastack.tcp.events import Advice
from lastack.tcp.info import ConnectionInfo
from lastack.tcp.states import State
from lastack.units import MINUTE, MS, SECOND, US


@pytest.mark.parametrize(
    ("text", "value"),
    [("20ms", 20 * MS), ("1.5s", 1500 * MS), ("2min", 2 * MINUTE), ("3", 3 * SECOND),
     ("0.1 s", 100 * MS), (".5ms", 500 * US), ("7us", 7 * US), ("1h", 60 * MINUTE)],
)  # fmt: skip
def test_a_time_is_whole_nanoseconds(text: str, value: int) -> None:
    """A bare number is seconds."""
    assert parse_time(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("5%", 0.05), ("0.05", 0.05), ("0", 0.0), ("100%", 1.0), (" 1 % ", 0.01)]
)
def test_a_probability_may_be_in_percent(text: str, value: float) -> None:
    """`0.05` and `5%` are the same."""
    assert parse_probability(text) == pytest.approx(value)


def test_rates_and_sizes_have_their_units() -> None:
    """Bits as tc has them; k alone is 1024."""
    assert parse_rate("10mbit") == 10_000_000
    assert parse_rate("1gbit") == 1_000_000_000
    assert parse_size("4k") == 4096
    assert parse_size("1MiB") == 1 << 20
    assert parse_size("1MB") == 1_000_000


@pytest.mark.parametrize("text", ["", "fast", "-1s", "1e3", "ms", "5 parsecs", "nan"])
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    """The sentence says how to write it."""
    for parse in (parse_time, parse_rate, parse_size, parse_probability):
        with pytest.raises(ValueError, match="write it as"):
            parse(text)


@pytest.mark.parametrize("text", ["101%", "1.5", "-0.1", "nan", "inf"])
def test_a_probability_lies_between_nothing_and_certainty(text: str) -> None:
    """0.0 to 1.0."""
    with pytest.raises(ValueError, match="no probability"):
        parse_probability(text)


def test_a_link_is_a_tun_device_or_memory() -> None:
    """Device names have at most 15 letters."""
    assert parse_link("tun:tcp0") == ("tun", "tcp0")
    assert parse_link("memory") == ("memory", "")
    for text in ("tun:", "tun:a/b", "tun:" + "x" * 16, "eth0"):
        with pytest.raises(ValueError, match="no link"):
            parse_link(text)


@pytest.mark.parametrize(
    ("variables", "language"),
    [({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LANG": "C"}, "en"), ({}, "en"),
     ({"LC_ALL": "en_US.UTF-8", "LANG": "zh_CN"}, "en"), ({"LC_ALL": "zh_TW", "LANG": "C"}, "zh")],
)  # fmt: skip
def test_the_language_is_that_of_the_locale(variables: dict[str, str], language: str) -> None:
    """LC_ALL goes before LANG."""
    assert language_of(variables) == language


def test_json_says_states_as_the_rfc_and_leads_with_the_schema() -> None:
    """One object a line."""
    line = json_line(
        "x", state=State.FIN_WAIT_1, advice=Advice.R1_REACHED, data=b"\x01", more={1: None}
    )
    assert line.startswith('{"schema": 1, "type": "x", ')
    assert "\n" not in line
    assert json.loads(line) == {
        "schema": 1, "type": "x", "state": "FIN-WAIT-1", "advice": "r1 reached", "data": "01",
        "more": {"1": None},
    }  # fmt: skip


def test_a_connection_in_json_names_its_times() -> None:
    """Times end in _ns."""
    record = connection_record(
        ConnectionInfo("a", "b", State.CLOSED, srtt=5, timers={"delayed": 3})
    )
    assert record["srtt_ns"] == 5
    assert record["timers_ns"] == {"delayed": 3}
    assert "time" not in record
