"""Scripts as nobody would write them: the runner always comes to a verdict, or says what is wrong.

Real scripts, cut, repeated, mixed and with strange words put in.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastack.script import Settings, Verdict, run
from lastack.script.parse import parse
from lastack.script.scan import Malformed, Unsupported

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.rglob("*.pkt"))]
LINES = sorted({line for text in TEXTS for line in text.splitlines()})
WORDS = st.sampled_from(
    [
        "0x", "-1", "99999999999999999999", "...", "{", "}", "[", "]", "(", ")", "`", '"', "\\",
        "<", ">", "*", "~", "+", "=", "|", ",", "#ifdef X", "#endif", "%{", "}%", "nop", "mss",
        "sack 1:2", "TS val 1 ecr 2", "icmp unreachable", "udp(1)", "\x00", "é", "\n", "/*", "//",
        "4294967295", "4294967296", "0:0(0)", "1:0(5)", "eol", "wscale 255", "FO", "NULL", "SEWUF.",
    ]
)  # fmt: skip
QUICK = Settings(all_packets=True)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A script of ours, changed in a few places."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            text = text[:at] + draw(WORDS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + draw(st.integers(1, 20)) :]
        elif kind == 2:
            lines = text.splitlines()
            lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(LINES)))
            text = "\n".join(lines)
        elif kind == 3:
            text = text[:at] + draw(st.characters(codec="utf-8")) + text[at + 1 :]
        else:
            lines = text.splitlines()
            del lines[draw(st.integers(0, max(len(lines) - 1, 0))) :][:1]
            text = "\n".join(lines)
    return text


def judge(text: str) -> None:
    try:
        script = parse(text, "fuzz.pkt")
    except Malformed as error:
        assert error.path == "fuzz.pkt"
        assert 1 <= error.line <= text.count("\n") + 2
        assert error.reason
        return
    except Unsupported as error:
        assert error.line >= 1 and str(error)
        return
    outcome = run(script, QUICK)
    assert outcome.verdict in Verdict
    assert not outcome.reason.startswith("the stack raised"), outcome.report()
    if outcome.verdict is not Verdict.PASSED:
        assert outcome.reason and outcome.line >= 1, outcome.report()


@given(mutated())
@settings(max_examples=150, deadline=None)
def test_a_mutated_script_comes_to_a_verdict_or_is_malformed_with_its_line(text: str) -> None:
    """Nothing raises, and what is wrong is said with file and line."""
    judge(text)


@given(st.text(alphabet='0123456789+.~<>SFRPUE:()[]{}`=|,"% \nacksmwinot_#', max_size=200))
@settings(max_examples=150, deadline=None)
def test_noise_is_malformed_with_its_line(text: str) -> None:
    """Whatever characters there are."""
    judge(text)


def test_a_write_beyond_reason_skips_the_script() -> None:
    """A digit too many must not fill the memory of whoever runs the script."""
    text = """
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
+0 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 4000000000) = 4000000000
"""
    outcome = run(parse(text, "much.pkt"), QUICK)
    assert outcome.verdict is Verdict.SKIPPED
    assert outcome.reason == "a write of 4,000,000,000 octets"


def test_a_time_beyond_reason_is_malformed() -> None:
    """Sums of such times would leave the clock's range."""
    with pytest.raises(Malformed) as caught:
        parse("42949672950 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n", "late.pkt")
    assert caught.value.line == 1 and "a million seconds" in caught.value.reason
