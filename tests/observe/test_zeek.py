"""Zeek's words beside ours, by their documented meanings, on scenes whose course is known."""

import struct

import pytest
from tests.observe.scenarios import SCENES
from tests.observe.test_verdicts import first_flow

from lastack.observe.core.scan import Scanner
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


F, S, R, A = 1, 2, 4, 16
Segment = tuple[bool, int, int, int, int, int]
"""(from the client, flags, sequence number, acknowledgment, octets of text, window)."""

SYN: Segment = (True, S, 99, 0, 0, 500)
SYN_ACK: Segment = (False, S | A, 299, 100, 0, 500)
ACK: Segment = (True, A, 100, 300, 0, 500)
OPEN = [SYN, SYN_ACK, ACK]

LETTERS: dict[str, tuple[list[Segment], str, str]] = {
    "originator attempts": ([SYN], "S0", "S"),
    "it is rejected": ([SYN, (False, R | A, 0, 100, 0, 0)], "REJ", "Sr"),
    "it is rejected, and both reset": (
        [SYN, (False, R | A, 0, 100, 0, 0), (True, R, 100, 0, 0, 0)],
        "REJ",
        "SrR",
    ),
    "it resets its own SYN": ([SYN, (True, R, 100, 0, 0, 0)], "RSTOS0", "SR"),
    "it finishes without an answer": ([SYN, (True, F | A, 100, 300, 0, 500)], "SH", "SF"),
    "the responder answers and resets": (
        [SYN_ACK, (False, R, 300, 0, 0, 0)],
        "RSTRH",
        "^hr",
    ),
    "the responder answers and finishes": (
        [SYN_ACK, (False, F | A, 300, 100, 0, 500)],
        "SHR",
        "^hf",
    ),
    "established": (OPEN, "S1", "ShA"),
    "the originator closes": ([*OPEN, (True, F | A, 100, 300, 0, 500)], "S2", "ShAF"),
    "the responder closes": ([*OPEN, (False, F | A, 300, 100, 0, 500)], "S3", "ShAf"),
    "both close": (
        [*OPEN, (True, F | A, 100, 300, 0, 500), (False, F | A, 300, 101, 0, 500)],
        "SF",
        "ShAFf",
    ),
    "the originator aborts": ([*OPEN, (True, R, 100, 0, 0, 0)], "RSTO", "ShAR"),
    "the responder aborts": ([*OPEN, (False, R, 300, 0, 0, 0)], "RSTR", "ShAr"),
    "text of both": (
        [*OPEN, (True, A, 100, 300, 7, 500), (False, A, 300, 107, 9, 500)],
        "S1",
        "ShADd",
    ),
    "no SYN": ([(True, A, 100, 300, 7, 500), (False, A, 300, 107, 9, 500)], "OTH", "Dd"),
    "the answer before the SYN": ([SYN_ACK, SYN, ACK], "S1", "^hSA"),
    "text instead of an answer": (
        [SYN, (False, A, 300, 100, 9, 500)],
        "OTH",
        "Sd",
    ),
    "SYN and FIN": ([(True, S | F, 99, 0, 0, 500)], "SH", "SQF"),
    "FIN and RST": ([*OPEN, (True, F | R | A, 100, 300, 0, 500)], "RSTO", "ShAIFR"),
    "text again, ten times": (
        [*OPEN, *[(True, A, 100, 300, 7, 500)] * 11],
        "S1",
        "ShADTT",
    ),
    "a closed window, ten times": (
        [*OPEN, *[(False, A, 300, 100, 0, 0)] * 100],
        "S1",
        "ShAawww",
    ),
    "gaps, ten times": (
        [*OPEN, *[(False, A, 300, 100 + 50 * more, 0, 500) for more in range(1, 11)]],
        "S1",
        "ShAaGG",
    ),
}


@pytest.mark.parametrize("name", LETTERS)
def test_each_letter_and_each_word(name: str) -> None:
    """Large for the originator, also where the first packet was the other one's."""
    segments, state, letters = LETTERS[name]
    scanner = Scanner()
    for number, (from_client, flags, seq, ack, length, window) in enumerate(segments):
        ends = ((b"\n\0\0\1", 1000), (b"\n\0\0\2", 80))
        (source, port), (target, service) = ends if from_client else ends[::-1]
        tcp = struct.pack("!HHIIBBHHH", port, service, seq, ack, 5 << 4, flags, window, 0, 0)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 40 + length, 1, 0, 64, 6, 0) + source + target
        packet = head + tcp + bytes(length)
        scanner.packet(packet, 0, len(packet), 101, 1_000_000_000 * (number + 1))
    (flow,) = {*scanner.flows.values()}
    assert (conn_state(flow), history(flow)) == (state, letters)
