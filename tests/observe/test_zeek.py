"""Zeek's words beside ours, by their documented meanings, on scenes whose course is known."""

import pytest
from tests.observe.scenarios import SCENES
from tests.observe.test_verdicts import first_flow

from lastack.observe.core.zeek import conn_state, history

WORDS = {
    "normal": ("SF", "ShADdFaf"),
    "half-close": ("SF", "ShADFadf"),
    "refused": ("REJ", "Sr"),
    "no answer": ("S0", "S"),
    "half-open": ("S1", "Sh"),
    "abort in ESTABLISHED": ("RSTO", "ShADR"),
    "abort in CLOSE-WAIT": ("RSTR", "ShAFar"),
    "stuck in CLOSE-WAIT": ("S2", "ShAdFa"),
    "open at end": ("S1", "ShADd"),
    "only the client's side": ("SH", "SADF"),
    "only the server's side": ("OTH", "^hd"),
    "backscatter": ("OTH", "^h"),
    "mid-stream": ("OTH", "Dd"),
    "half-open discovered, its past unseen": ("RSTOS0", "SaR"),
}


@pytest.mark.parametrize("name", WORDS)
def test_zeeks_words_follow_their_documented_meanings(name: str) -> None:
    """conn_state and history of conn.log."""
    scene = SCENES[name].play()
    flow, _ = first_flow(name, "left", scene)
    assert (conn_state(flow), history(flow)) == WORDS[name]
