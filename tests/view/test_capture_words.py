"""Whatever a capture can amount to has words in English and Chinese, and a summary says it."""

import re

import pytest

from lastack.observe import Handshake, Teardown, What
from lastack.observe.core.analysis import Remark
from lastack.observe.core.frames import Skipped
from lastack.observe.core.groups import KINDS, Group
from lastack.observe.core.verdicts import Also
from lastack.observe.core.violations import Rule
from lastack.tcp.states import ROWS, Cause
from lastack.view.capture_words import EVIDENCE, WORDS
from lastack.view.captures import group_line
from lastack.view.machine_words import cause_words, section_words
from lastack.view.stream_words import STREAM
from lastack.view.verdict_words import (
    GROUPS,
    REMARKS,
    RULES,
    SKIPPED,
    VERDICTS,
    advice_on,
    rule_words,
    verdict_word,
)

CHINESE = re.compile("[一-鿿]")
SAME_IN_CHINESE = {Cause.CLOSE, Cause.ABORT, Cause.SYN, Cause.SYN_ACK, Cause.FIN, Cause.RESET}
"""The user's calls and the segments are called by their names in the RFC."""


@pytest.mark.parametrize("one", [*Handshake, *Teardown, *Also])
def test_every_verdict_has_a_name_and_a_meaning(one: Handshake | Teardown | Also) -> None:
    """In both languages, whoever is to read it."""
    for words in (verdict_word(str(one), "en"), advice_on(str(one), "en")):
        assert words.isascii() and words
    assert CHINESE.search(advice_on(str(one), "zh"))
    assert CHINESE.search(verdict_word(str(one), "zh"))


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_has_words_and_keeps_its_section(rule: Rule) -> None:
    """`text after fin (RFC 9293 3.10.4)`."""
    english, chinese = (rule_words(rule.cited, language) for language in ("en", "zh"))
    assert rule.section in english and rule.section in chinese
    assert english.isascii() and CHINESE.search(chinese)


@pytest.mark.parametrize("kind", KINDS)
def test_every_group_has_a_line(kind: str) -> None:
    """With its place, and how many there were."""
    steps = [(1000, 5), (2000, 1234), (3000, 0)]
    group = Group(kind, "10.0.0.1 to 10.0.0.2:80", 1234, 1000, 3000, 20, steps)
    for language in ("en", "zh"):
        line = group_line(group, 4000, language)
        assert "10.0.0.2:80" in line and "1,234" in line
        assert (CHINESE.search(line) is None) == (language == "en")


@pytest.mark.parametrize("remark", Remark)
def test_every_remark_has_words(remark: Remark) -> None:
    """What Wireshark says of a segment, beside it in the ladder."""
    assert REMARKS["en"][remark].isascii() and CHINESE.search(REMARKS["zh"][remark])


def test_every_cause_is_told_in_the_language_of_the_reader() -> None:
    """By the name that JSON has it under, with the section and its step."""
    for cause in Cause:
        assert cause_words(str(cause), "en").isascii()
        assert CHINESE.search(cause_words(str(cause), "zh")) or cause in SAME_IN_CHINESE
    for row in ROWS:
        assert section_words(row.section, "en") == row.section
        assert not re.search("[a-z]", section_words(row.section, "zh"))


def test_no_word_is_there_in_one_language_alone() -> None:
    """And none for what does not exist."""
    tables: list[dict[str, dict[object, object]]] = [
        {language: dict(words) for language, words in table.items()}
        for table in (WORDS, EVIDENCE, STREAM, VERDICTS, RULES, GROUPS, SKIPPED)  # type: ignore[attr-defined]
    ]
    for table in tables:
        assert table["en"].keys() == table["zh"].keys()
    assert set(VERDICTS["en"]) == {str(one) for one in (*Handshake, *Teardown, *Also)}
    assert set(RULES["en"]) == {str(one) for one in Rule} and set(GROUPS["en"]) == set(KINDS)
    assert set(SKIPPED["en"]) == {str(one) for one in Skipped}
    assert set(STREAM["en"]) == {what for what in What if what is not What.TEXT}
