"""The ladder: what the eye may rely on."""

import xml.etree.ElementTree as ElementTree

import pytest
from rich.cells import cell_len

from lastack.tcp.states import State
from lastack.units import MS, SECOND
from lastack.view.ladder import CHANGE_STYLE, LOST_STYLE, Ladder, Rung, clock, duration, fitted
from lastack.view.ladder_svg import ladder_svg

S = State
SYN = "S 0:0(0) win 65535 <mss 1460,sackOK,TS,wscale 7>"


def _ladder(*rungs: Rung) -> Ladder:
    return Ladder("client 10.0.0.1:49152", "server 10.0.0.2:80", S.CLOSED, S.LISTEN, rungs)


def _story() -> Ladder:
    up = S.ESTABLISHED
    doubled = ". 1:1(0) ack 1 <sack 1461:2921>"
    return _ladder(
        Rung(0, S.SYN_SENT, S.LISTEN, True, SYN, "lost"),
        Rung(SECOND, S.SYN_SENT, S.SYN_RECEIVED, True, SYN, remark="retransmission (RTO 1 s)"),
        Rung(1010 * MS, up, S.SYN_RECEIVED, False, "S. 0:0(0) ack 1 win 65535 <mss 1460>"),
        Rung(1020 * MS, up, up, True, ". 1:1(0) ack 1"),
        Rung(1020 * MS, up, up, True, "P. 1:1461(1460) ack 1", "lost"),
        Rung(1040 * MS, up, up, False, doubled, "", "duplicate ACK 1", True),
        Rung(1050 * MS, up, up, False, doubled, "丢失", "重复 ACK 2", True),
        Rung(1231 * MS, up, up, True, "P. 1:1461(1460) ack 1", "", "重传（RTO 211 ms）", True),
        Rung(241 * SECOND, S.CLOSED, S.CLOSED, None, "2MSL passed (RFC 9293 3.6.1)"),
    )  # fmt: skip


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_wider_than_the_page(width: int, ascii_only: bool) -> None:
    """East Asian characters count double."""
    for line in _story().text(width, ascii_only).splitlines():
        assert cell_len(line) <= width


def test_the_columns_never_move() -> None:
    """Times end, states begin and arrows begin and end in the same columns on every line."""
    lines = _story().text().splitlines()
    assert lines[1].startswith(" " * 9 + "CLOSED")
    assert lines[1].index("LISTEN") == 88
    assert lines[2].startswith("  0.000  SYN-SENT     ─ S")
    assert lines[3].index("SYN-RECEIVED") == 88
    arrows = [line for line in lines if "▶" in line]
    assert {cell_len(line[: line.index("▶")]) for line in arrows} == {86}
    assert {line.index("◀") for line in lines if "◀" in line} == {22}


def test_a_state_stands_only_where_it_changes() -> None:
    """The eye looks for the change, not for the sameness."""
    text = _story().text()
    assert text.count("ESTABLISHED") == 2
    assert text.count("SYN-SENT") == 1


def test_a_lost_segment_ends_in_the_middle() -> None:
    """Whichever way it went, no arrowhead reaches the other side."""
    lines = _story().text().splitlines()
    lost = [line for line in lines if "✗" in line]
    assert len(lost) == 3
    assert not any("▶" in line or "◀" in line for line in lost)
    assert all(40 < cell_len(line[: line.index("✗")]) < 80 for line in lost)


def test_numbers_line_up() -> None:
    """Fields are as wide as on every other rung that way."""
    lines = [line for line in _story().text().splitlines() if " ack 1 ──" in line]
    assert len({line.index(" ack ") for line in lines}) == 1


def test_colour_marks_state_changes_and_trouble_and_nothing_else() -> None:
    """A plain rung has no style at all."""
    lines = list(_story().lines())
    plain = next(line for line in lines if line.plain.startswith("  1.020") and "▶" in line.plain)
    styles = {str(span.style) for span in plain.spans if plain.plain[span.start : span.end].strip()}
    assert styles == {CHANGE_STYLE}
    lost = next(line for line in lines if "✗ lost" in line.plain)
    assert LOST_STYLE in {str(span.style) for span in lost.spans}


def test_ascii_is_ascii_but_for_what_was_said() -> None:
    """The frame needs nothing beyond ASCII."""
    rungs = [r for r in _story().rungs if (r.fate + r.remark).isascii()]
    assert _ladder(*rungs).text(ascii_only=True).isascii()


def test_a_text_without_room_is_cut_with_a_sign() -> None:
    """Nothing spills into the state column."""
    long = ". 1:1(0) ack 1 <sack " + " ".join(f"{i}000:{i}999" for i in range(1, 9)) + ">"
    answer = "S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS,wscale 7>"
    rungs = [
        Rung(0, S.CLOSED, S.LISTEN, True, long),
        Rung(0, S.CLOSED, S.LISTEN, False, answer, "lost"),
    ]
    text = _ladder(*rungs).text()
    assert text.count("…") == 2
    assert "lost ✗ ── S. 0:0(0) ack 1 win 65535 <mss 1460" in text
    assert max(map(cell_len, text.splitlines())) <= 100


def test_a_long_ladder_tells_how_much_it_leaves_out() -> None:
    """Beginning, end and state changes stay."""
    up = S.ESTABLISHED
    rungs = [Rung(i * MS, up, up, True, f". {i}:{i}(0) ack 1") for i in range(1000)]
    rungs[500] = Rung(500 * MS, S.FIN_WAIT_1, up, True, "F. 500:500(0) ack 1")
    rungs[501:] = [Rung(r.time, S.FIN_WAIT_1, up, True, r.text) for r in rungs[501:]]
    short = _ladder(*rungs).shortened(20, "{count} more")
    assert len(short.rungs) == 23
    assert short.text().count("⋮ 489 more") == 1
    assert short.text().count("⋮ 490 more") == 1
    assert "FIN-WAIT-1" in short.text()
    assert _ladder(*rungs[:20]).shortened(20, "{count} more").rungs == rungs[:20]


def test_the_svg_is_well_formed_and_marks_what_was_lost() -> None:
    """The same ladder, for a paper."""
    text = ladder_svg(_story())
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    assert text.count('class="way lost"') == 3
    assert "&lt;mss 1460" in text


def test_a_rung_for_json_has_words_and_whole_numbers() -> None:
    """Times in nanoseconds, states in RFC spelling."""
    record = _story().rungs[0].record()
    assert record["time_ns"] == 0
    assert record["left"] == "SYN-SENT"
    assert record["direction"] == "right"
    assert record["fate"] == "lost"


def test_times_read_well() -> None:
    """Milliseconds on the ladder, the unit that suits in a remark."""
    assert clock(240282 * MS) == "240.282"
    assert [duration(t) for t in (211 * MS, 1500 * MS, 240 * SECOND)] == [
        "211 ms",
        "1.5 s",
        "240 s",
    ]
    assert fitted("重传重传", 5) == "重传…"
