"""What a capture amounts to, at the widths that terminals have."""

import re
from html import unescape
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console
from tests.observe.scenarios import SCENES
from tests.observe.worlds import EPOCH

from lastack.observe import Flow, Observer
from lastack.observe.connection import connection_of
from lastack.observe.summary import Summary, Wanted
from lastack.view.captures import connections_table, summary_lines
from lastack.view.flow_ladder import captured_ladder, head_lines, why_lines
from lastack.view.flow_page import ladder_page


def flow_of(name: str) -> Flow:
    """What the left host's tap shows of a scene, all of it."""
    observer, scene = Observer(), SCENES[name].play()
    for time, data in scene.octets("left"):
        observer.packet_seen(EPOCH + time, data)
    return observer.close()[0]


def summary_of(*names: str) -> Summary:
    summary = Summary("x.pcap", Wanted(), 99, "number")
    for name in names:
        summary.add(flow_of(name))
    summary.count_packets(100, 100, [0] * 7, 0)
    return summary


def table(summary: Summary, language: str, width: int) -> list[str]:
    file = StringIO()
    Console(file=file, width=width).print(connections_table(summary, language, width=width))
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [72, 80, 100])
def test_what_stands_in_the_table_is_whole(language: str, width: int) -> None:
    """Columns give way where there is no room; numbers, ports, states and verdicts do not."""
    lines = table(summary_of(*SCENES), language, width)
    assert max(map(cell_len, lines)) <= width
    assert not any("\u2026" in line for line in lines)
    ends = [line for line in lines if "10.0.0.1:49152" in line or "10.0.0.2:80" in line]
    assert len(ends) == 2 * len(SCENES) and any("FIN-WAIT-1" in line for line in ends)
    first = next(line for line in lines if "10.0.0.1:49152" in line)
    assert first.split()[0] == "1"


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_that_are_too_long_go_on_below_their_beginning(width: int) -> None:
    """Nothing of a summary, of a head or of the reasons begins at the edge but what has a title."""
    lines = [line.plain for line in summary_lines(summary_of(*SCENES), "en", width)]
    told = "\n".join(lines[1:]).split("\n")
    for name in SCENES:
        one = connection_of(flow_of(name), steps=True)
        told += "\n".join(line.plain for line in head_lines(one, "en", width)).split("\n")[1:]
        for line in why_lines(one, (), "en", width):
            told += line.plain.split("\n")
    assert max(map(cell_len, told)) <= width
    assert all(line.startswith(("  ", "A ", "B ")) for line in told)


def test_a_presumed_state_is_marked_and_the_mark_explained() -> None:
    """The last ACK of a close is never shown to have arrived; without a mark there is no legend."""
    marked = table(summary_of("normal"), "en", 100)
    assert any("CLOSED?" in line for line in marked) and any("TIME-WAIT " in one for one in marked)
    assert marked[-1].startswith("? presumed: ")
    assert not any("?" in line for line in table(summary_of("open at end"), "en", 100))


def test_a_number_in_place_of_states_is_explained() -> None:
    """Where a capture (of one segment with text) allows more than there is room for."""
    observer, scene = Observer(), SCENES["normal"].play()
    time, data = list(scene.octets("left"))[3]
    observer.packet_seen(EPOCH + time, data)
    summary = summary_of()
    summary.add(observer.close()[0])
    lines = table(summary, "en", 100)
    assert any(" ?7 " in line for line in lines)
    assert any(line.startswith("?3 is one of three states") for line in lines)


def test_the_evidence_of_the_last_state_is_told() -> None:
    """Of the one it is sure, of the other it is presumed; who has not moved has none."""
    one = connection_of(flow_of("normal"))
    assert (one.a.evidence, one.b.evidence) == ("acked", "presumed")
    assert connection_of(flow_of("refused")).b.evidence == ""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_is_for_narrow_and_dark_screens_too(language: str) -> None:
    """The browser breaks its lines, below their beginning; everything that is told is there."""
    one = connection_of(flow_of("simultaneous close"), steps=True)
    page = ladder_page(one, captured_ladder(one, ()), (), language)
    assert '<meta name="viewport"' in page and "prefers-color-scheme: dark" in page
    assert page.count('<p class="step">') == len(one.transitions)
    text = unescape(re.sub("<[^>]*>", "\n", page))
    for line in why_lines(one, (), language, 10_000):
        assert all(part.strip() in text for part in line.plain.split("\n"))
