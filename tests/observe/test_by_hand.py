"""Conversations that captures of real systems are full of, written segment by segment."""

import struct

import pytest

from lastack.observe import Observer
from lastack.observe.core.ends import CLOSED, ESTABLISHED, FIN_WAIT_2, SYN_SENT, Evidence
from lastack.observe.core.flow import Flow
from lastack.observe.core.verdicts import ANSWER_AFTER, Also, Handshake, Teardown, verdict_on
from lastack.tcp.states import Cause
from lastack.units import MS

Segment = tuple[int, str, str, int, int, int]
"""Milliseconds since the one before, who sends it, flags, sequence number, ACK, octets of text."""
FLAGS = {"F": 1, "S": 2, "R": 4, ".": 16}
OPENS: list[Segment] = [
    (0, "a", "S", 1000, 0, 0),
    (10, "b", "S.", 5000, 1001, 0),
    (10, "a", ".", 1001, 5001, 0),
    (1, "a", ".", 1001, 5001, 100),
    (10, "b", ".", 5001, 1101, 0),
]


def seen(*segments: Segment) -> Flow:
    """The one connection of a capture of these segments."""
    observer = Observer()
    now = 1_700_000_000 * 10**9
    for wait, who, flags, seq, ack, length in segments:
        now += wait * MS
        bits = sum(FLAGS[flag] for flag in flags)
        ports = (1000, 80) if who == "a" else (80, 1000)
        tcp = struct.pack(">HHIIBBHHH", *ports, seq, ack, 0x50, bits, 1000, 0, 0) + bytes(length)
        ends = (b"\x0a\0\0\1", b"\x0a\0\0\2") if who == "a" else (b"\x0a\0\0\2", b"\x0a\0\0\1")
        header = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, ends[0], ends[1]
        )
        observer.packet_seen(now, header + tcp)
    (flow,) = observer.close()
    return flow


def test_asking_again_after_a_refusal_is_no_rejected_reset() -> None:
    """Some systems send a refused SYN two more times; the reset was exact (RFC 9293 3.10.7.3)."""
    asks: Segment = (500, "a", "S", 1000, 0, 0)
    refuses: Segment = (1, "b", "R.", 0, 1001, 0)
    verdict = verdict_on(seen(asks, refuses, asks, refuses, asks, refuses))
    assert (verdict.handshake, verdict.teardown) == (Handshake.REFUSED, Teardown.NEVER_OPEN)
    assert not verdict.also and not verdict.rejected_resets


@pytest.mark.parametrize("begun_late", [False, True])
def test_a_close_that_began_before_the_capture_is_not_simultaneous_for_want_of_knowledge(
    begun_late: bool,
) -> None:
    """The second FIN acknowledges the first: they did not cross, whenever the capture begins."""
    closes: list[Segment] = [
        (1, "a", "F.", 1101, 5001, 0),
        (1, "b", "F.", 5001, 1102, 0),
        (1, "a", ".", 1102, 5002, 0),
    ]
    flow = seen(*OPENS[3 if begun_late else 0 :], *closes)
    assert verdict_on(flow).teardown is Teardown.THREE_SEGMENT


def test_a_capture_that_begins_with_a_fin_tells_of_the_whole_close() -> None:
    """Of an end that has acknowledged the FIN nothing is possible that lacks it."""
    flow = seen(
        (1, "a", "F.", 1101, 5001, 0),
        (1, "b", ".", 5001, 1102, 0),
        (10, "b", "F.", 5001, 1102, 0),
        (1, "a", ".", 1102, 5002, 0),
    )
    assert not flow.b.states & FIN_WAIT_2 and flow.b.states & CLOSED
    assert verdict_on(flow).teardown is Teardown.NORMAL


def test_a_fin_that_is_answered_with_a_reset_found_no_time_wait() -> None:
    """The first to close had gone from FIN-WAIT-2 already; TIME-WAIT would have acknowledged it."""
    flow = seen(
        *OPENS,
        (1, "b", "F.", 5001, 1101, 0),
        (1, "a", ".", 1101, 5002, 0),
        (90_000, "a", "F.", 1101, 5002, 0),
        (10, "b", "R", 5002, 0, 0),
    )
    verdict = verdict_on(flow)
    assert (verdict.teardown, verdict.by_a) == (Teardown.ABORT, False)
    assert (verdict.state, flow.b.states) == (FIN_WAIT_2, CLOSED)


def test_who_goes_on_after_a_reset_under_its_address_has_not_sent_it() -> None:
    """Even one with the right number may come from a box between; both ends say that they live."""
    flow = seen(
        *OPENS,
        (1, "b", "R.", 5001, 1101, 0),
        (300, "b", ".", 5001, 1101, 10),
        (300, "a", ".", 1101, 5011, 0),
    )
    assert (flow.a.states, flow.b.states) == (ESTABLISHED, ESTABLISHED)
    verdict = verdict_on(flow)
    assert (verdict.teardown, verdict.rejected_resets) == (Teardown.OPEN, 1)
    refuted = [one.cause for one in flow.b.changes if one.evidence is Evidence.REFUTED]
    assert refuted == [Cause.ABORT]


def test_a_fin_beside_a_syn_closes_nothing() -> None:
    """No CLOSE sends one (RFC 9293 3.10.4): both ends talk on, and that opens the connection.

    So a damaged bit in a capture that begins in the middle; the ACK covers more than the SYN.
    """
    flow = seen(
        (1, "a", "FS", 1000, 0, 6),
        (1, "a", ".", 1009, 5000, 9),
        (200, "b", ".", 5000, 1009, 12),
        (500, "a", ".", 1018, 5012, 9),
        (100, "b", ".", 5012, 1027, 12),
    )
    verdict = verdict_on(flow)
    assert (flow.a.states, flow.b.states) == (ESTABLISHED, ESTABLISHED)
    assert (verdict.handshake, verdict.teardown) == (Handshake.COMPLETE, Teardown.OPEN)


def test_a_scan_with_syn_and_fin_is_refused_as_any_other() -> None:
    """What it asks is a SYN all the same."""
    verdict = verdict_on(seen((1, "a", "FS", 1000, 0, 0), (1, "b", "R.", 0, 1002, 0)))
    assert (verdict.handshake, verdict.teardown) == (Handshake.REFUSED, Teardown.NEVER_OPEN)


def test_a_step_of_which_the_cause_was_not_captured_is_possible_and_no_more() -> None:
    """An ACK of text that is missing in the capture: the FIN may have been there, or not."""
    flow = seen(*OPENS, (10, "b", ".", 5001, 1501, 0))
    (step,) = flow.a.changes[-1:]
    assert (step.cause, step.evidence) == (Cause.CLOSE, Evidence.POSSIBLE)
    assert step.after & step.before == step.before == ESTABLISHED


ASKS: Segment = (1, "a", "S", 1000, 0, 0)
ANSWERS: Segment = (10, "b", "S.", 5000, 1001, 0)


@pytest.mark.parametrize(
    ("segments", "handshake"),
    [
        ([ASKS], Handshake.BEING_OPENED),
        ([ASKS, ANSWERS], Handshake.BEING_OPENED),
        ([ASKS, (300, "a", "S", 1000, 0, 0)], Handshake.NO_ANSWER),
        ([ASKS, ANSWERS, (300, "b", "S.", 5000, 1001, 0)], Handshake.HALF_OPEN),
    ],
)
def test_a_capture_that_ends_with_a_handshake_under_way_does_not_call_it_unanswered(
    segments: list[Segment], handshake: Handshake
) -> None:
    """A SYN is sent again after a second (RFC 6298 2.1), or sooner: then an answer was due."""
    verdict = verdict_on(seen(*segments))
    assert (verdict.handshake, verdict.teardown) == (handshake, Teardown.NEVER_OPEN)
    flow = seen(*segments)
    flow.until = flow.last + ANSWER_AFTER
    waited = Handshake.HALF_OPEN if flow.b.packets else Handshake.NO_ANSWER
    assert verdict_on(flow).handshake is waited


def test_one_sided_text_that_goes_on_shows_no_silent_peer() -> None:
    """Of the other end nothing was captured; what is sent again now and then was lost."""
    talk: list[Segment] = [(50, "a", ".", 1001 + 100 * i, 5001, 100) for i in range(40)]
    for again in (30, 20, 10):
        talk.insert(again, (300, "a", ".", 1001 + 100 * (again - 2), 5001, 100))
    assert verdict_on(seen(*talk)).teardown is Teardown.OPEN
    dying: list[Segment] = [(1000 << i, "a", ".", 1001, 5001, 100) for i in range(5)]
    assert verdict_on(seen(*dying)).teardown is Teardown.PEER_SILENT


def test_a_reset_after_both_ends_have_finished_aborts_nothing() -> None:
    """Some clients send one out of TIME-WAIT; RFC 9293 3.10.5 has none there, and all was said."""
    flow = seen(
        *OPENS,
        (9, "a", "F.", 1101, 5001, 0),
        (9, "b", "F.", 5001, 1102, 0),
        (9, "a", ".", 1102, 5002, 0),
        (1, "a", "R.", 1102, 5002, 0),
    )
    assert flow.over and verdict_on(flow).teardown is Teardown.THREE_SEGMENT


@pytest.mark.parametrize(
    ("ack", "text", "refused"),
    [(1001, 0, True), (1000, 0, False), (1002, 0, False), (1001, 50, True), (1051, 50, True)],
)
def test_a_reset_refuses_a_syn_when_it_acknowledges_it(ack: int, text: int, refused: bool) -> None:
    """RFC 9293 3.10.7.3: behind the ISN, and nothing that was not sent; any other is a guess."""
    flow = seen((0, "a", "S", 1000, 0, text), (5, "b", "R.", 0, ack, 0), (2000, "b", "R.", 9, 9, 0))
    verdict = verdict_on(flow)
    assert verdict.handshake is (Handshake.REFUSED if refused else Handshake.NO_ANSWER)
    assert flow.a.states == (CLOSED if refused else SYN_SENT)
    assert (Also.BLIND_RESET_REJECTED in verdict.also) == (not refused)


def test_one_side_alone_shows_that_the_other_end_has_been_answered() -> None:
    """The SYN-ACK was not captured; who goes on behind it has acknowledged it."""
    flow = seen(
        (0, "a", "S", 1000, 0, 0), (9, "a", ".", 1001, 5001, 0), (9, "a", ".", 1001, 5001, 7)
    )
    assert (flow.a.states, flow.b.states) == (ESTABLISHED, ESTABLISHED)
    assert flow.b.changes[-1].evidence is Evidence.PRESUMED


def test_who_knows_nothing_of_a_connection_is_closed() -> None:
    """A reset is all that it has to say (RFC 9293 3.10.7.1), whatever the other end believes."""
    verdict = verdict_on(seen((0, "a", ".", 1000, 77, 0), (1, "b", "R", 77, 0, 0)))
    assert (verdict.teardown, verdict.by_a) == (Teardown.HALF_OPEN_DISCOVERED, False)
    assert verdict.state == CLOSED


def test_a_syn_ack_that_is_sent_again_begins_the_stream_though_the_first_was_not_captured() -> None:
    """The ACK of the first had not arrived: back to SYN-RECEIVED, and no SYN was rejected."""
    flow = seen(
        (0, "a", "S", 1000, 0, 0),
        (20, "a", ".", 1001, 5001, 0),
        (200, "b", "S.", 5000, 1001, 0),
        (20, "a", ".", 1001, 5001, 9),
        (20, "b", ".", 5001, 1010, 9),
    )
    assert (flow.a.states, flow.b.states) == (ESTABLISHED, ESTABLISHED)
    assert flow.b.isn == 5000 and not verdict_on(flow).also
    assert Evidence.REFUTED in [change.evidence for change in flow.b.changes]
