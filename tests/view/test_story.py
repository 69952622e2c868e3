"""What a world left behind, retold: every reason on its rung."""

import pytest

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.tcp.config import Config
from lastack.tcp.states import Cause, State
from lastack.view.ladder import Ladder, short
from lastack.view.story import final_states, ladder_of
from lastack.view.story_words import WORDS
from lastack.wire.stop import Stop

S = State


def _play(loss: float, seed: int, simultaneous: bool = False, language: str = "en") -> Ladder:
    config = Config(strict=True)
    pair = TwoHosts(seed=seed, loss=loss, config=config)
    Conversation(pair, bytes(30000), bytes(100), simultaneous=simultaneous).run()
    start = (S.CLOSED, S.CLOSED if simultaneous else S.LISTEN)
    return ladder_of(pair.crossings, pair.events, ("a", "b"), start, language)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 5>",
            "S 0:0(0) win 65535 <mss 1460,sackOK,TS,wscale 5>",
        ),
        (". 1:11(10) ack 1 win 502 <nop,nop,TS val 1 ecr 2>", ". 1:11(10) ack 1"),
        (". 1:1(0) ack 1 win 502 <nop,nop,sack 21:31 41:51>", ". 1:1(0) ack 1 <sack 21:31 41:51>"),
        (". 1:1(0) ack 9 win 0", ". 1:1(0) ack 9 win 0"),
        ("R 1:1(0) win 0", "R 1:1(0)"),
        ("P. 1:11(10) ack 1 win 502 urg 4", "P. 1:11(10) ack 1 urg 4"),
    ],
)
def test_a_ladder_spares_what_it_can(text: str, expected: str) -> None:
    """Windows but closed ones, padding and timestamps go; a SYN keeps what it offers."""
    assert short(text) == expected


@pytest.mark.parametrize("simultaneous", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_the_states_of_a_ladder_follow_the_table(seed: int, simultaneous: bool) -> None:
    """Each end walks through states one after the other, and ends in CLOSED."""
    ladder = _play(0.1, seed, simultaneous)
    assert final_states(ladder) == (S.CLOSED, S.CLOSED)
    walked = [ladder.left_state]
    for rung in ladder.rungs:
        if rung.left is not walked[-1]:
            walked.append(rung.left)
    assert walked[:2] == [S.CLOSED, S.SYN_SENT]
    assert walked[-1] is S.CLOSED
    assert S.ESTABLISHED in walked


def test_every_retransmission_has_its_reason() -> None:
    """As many as the connection counted, by timer and by duplicate ACKs."""
    remarks = [rung.remark for rung in _play(0.1, 4).rungs]
    assert any(remark.startswith("retransmission (RTO ") for remark in remarks)
    assert any(remark.startswith("fast retransmit") for remark in remarks)
    assert any(remark.startswith("duplicate ACK 1") for remark in remarks)


def test_a_world_without_loss_has_nothing_to_remark() -> None:
    """The usual course explains itself."""
    ladder = _play(0.0, 1)
    assert not any(rung.remark or rung.fate or rung.trouble for rung in ladder.rungs)
    assert ladder.rungs[-1].text == "2MSL passed (RFC 9293 3.6.1)"


def test_both_languages_have_the_same_words() -> None:
    """None is missing in either: every cause of a change, every stop of a segment."""
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    assert {each.name for each in (*Cause, *Stop)} <= WORDS["en"].keys()
    assert all(words.isascii() for words in WORDS["en"].values())
    assert "重传（RTO " in _play(0.1, 4, language="zh").text()
