"""Snippets: what they may say, and that nothing they say is executed."""

import pytest

from lastack.script import Outcome, Settings, Verdict, parse, run
from lastack.script.facts import KEPT, facts_of
from lastack.script.snippet import Snippets
from lastack.script.symbols import Unknown
from lastack.script.verdict import Mismatch

FACTS = {"tcpi_snd_cwnd": 10, "tcpi_state": 1, "tcpi_options": 7}

OPEN = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 %{ assert tcpi_state == TCP_LISTEN }%
+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
"""


def played(text: str) -> Outcome:
    return run(parse(OPEN + text), Settings())


@pytest.mark.parametrize(
    "code",
    [
        "assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd",
        "assert 5 <= tcpi_snd_cwnd < 11",
        "assert (tcpi_options & TCPI_OPT_WSCALE) != 0 and not tcpi_state == TCP_CLOSE",
        "assert tcpi_state == TCPI_ESTABLISHED; assert tcpi_state == TCP_ESTABLISHED",
        "cwnd = 5; cwnd += 5; assert tcpi_snd_cwnd == cwnd, 'cwnd=%d' % cwnd",
        "print(tcpi_snd_cwnd)\n   assert max(1, tcpi_snd_cwnd, 3) == 20 // 2",
        "assert tcpi_snd_cwnd == 10; \\\n   assert -1 < 0",
        "assert 1 if tcpi_state else 0  # a comment",
    ],
)
def test_assertions_that_hold_say_nothing(code: str) -> None:
    """Arithmetic, comparisons, names, print."""
    Snippets().run(code, FACTS)


def test_what_one_snippet_assigns_the_next_ones_know() -> None:
    """Variables belong to the script, the tcpi_* values to the moment."""
    snippets = Snippets()
    snippets.run("cwnd = tcpi_snd_cwnd", {"tcpi_snd_cwnd": 10})
    snippets.run("cwnd += 2; assert tcpi_snd_cwnd == cwnd", {"tcpi_snd_cwnd": 12})


def test_an_assertion_that_does_not_hold_shows_both_sides() -> None:
    """The expression, and the value of each variable in it."""
    with pytest.raises(Mismatch) as caught:
        Snippets().run("assert tcpi_snd_cwnd == 11", FACTS)
    assert caught.value.expected == "tcpi_snd_cwnd == 11"
    assert caught.value.actual == "tcpi_snd_cwnd = 10"


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "assert __import__('os').system('true') == 0",
        "assert tcpi_state.real == 1",
        "assert [1][0]",
        "assert (lambda: 1)()",
        "while 1: pass",
        "assert 2 ** 99999999",
        "assert 1 << 99999",
        "a = 1 << 60; a *= a; a *= a",
        "assert 1 // 0",
        "assert tcpi_accecn_opt_seen == 0",
        "assert (((",
        "assert 'a' * 99999999",
        "def f(): pass",
        "assert " + "-" * 90_000 + "1",
    ],
)
def test_whatever_else_skips_the_script(code: str) -> None:
    """Never executed: no calls, attributes, subscripts, loops, large numbers; no value unknown."""
    with pytest.raises(Unknown):
        Snippets().run(code, FACTS)


def test_the_values_are_those_of_the_connection() -> None:
    """TCP_INFO of the socket that the script is about, at that moment."""
    outcome = played("""
+0 %{ assert tcpi_state == TCP_ESTABLISHED and tcpi_unacked == 0 and tcpi_options == 0 }%
+0 write(4, ..., 2000) = 2000
+0 > P. 1:2001(2000) ack 1
+0 %{ assert tcpi_unacked == 2, tcpi_unacked }%
+1 > . 1:1001(1000) ack 1
+0 %{ assert tcpi_ca_state == TCP_CA_Loss and tcpi_lost == 2 and tcpi_retrans == 1 }%
+0 %{ assert tcpi_snd_mss == 1000 and tcpi_total_retrans == 1 and tcpi_backoff == 1 }%
""")
    assert outcome.verdict is Verdict.PASSED, outcome.report()
    wrong = played("+0 %{ assert tcpi_state == TCP_CLOSE_WAIT }%")
    assert wrong.verdict is Verdict.FAILED and wrong.actual == "tcpi_state = 1"


def test_what_our_stack_does_not_keep_is_no_fact() -> None:
    """A zero that means nothing must not make an assertion hold."""
    outcome = played("+0 %{ assert tcpi_accecn_opt_seen == 0 }%")
    assert (outcome.verdict, outcome.reason) == (
        Verdict.SKIPPED,
        "tcpi_accecn_opt_seen in a snippet",
    )
    assert "tcpi_accecn_opt_seen" in facts_of(
        bytes(280)
    ) and "tcpi_accecn_opt_seen" not in facts_of(bytes(280), KEPT)
    assert "tcpi_snd_wnd" not in facts_of(bytes(100))  # an older kernel's is shorter
