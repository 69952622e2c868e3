"""The queues against plain models: whatever comes in whatever order, the octets are right."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lastack.tcp.acked import Acked
from lastack.tcp.receive import ReceiveHalf
from lastack.tcp.send import SendBuffer
from lastack.tcp.sent import SentLog
from lastack.wire.seq import add, diff, ge

START = 4_294_967_290  # wraps almost at once
STREAM = bytes(i * 7 % 251 for i in range(400))


@given(st.lists(st.tuples(st.integers(0, 399), st.integers(1, 60)), max_size=60))
def test_reassembly_gives_each_octet_once_and_in_order(pieces: list[tuple[int, int]]) -> None:
    """Any pieces, overlapping as they like; then the whole stream closes every gap."""
    rcv = ReceiveHalf(1 << 16)
    rcv.synchronize(START)
    first = rcv.nxt
    have: set[int] = set()
    for at, length in [*pieces, (0, 400)]:
        data = STREAM[at : at + length]
        start = add(first, at)
        have.update(range(at, at + len(data)))
        skip = diff(rcv.nxt, start)
        if skip >= len(data):
            continue
        if skip >= 0:
            rcv.deliver(data[skip:])
            rcv.drain()
        else:
            assert rcv.keep(start, data, 1000)
        reached = diff(rcv.nxt, first)
        assert reached == next(i for i in range(401) if i not in have)
        assert rcv.out_of_order == len([i for i in have if i >= reached])
        blocks = rcv.blocks or []
        for left, right in pairwise(blocks):
            assert diff(right.start, left.end) > 0
        for block in blocks:
            offset = diff(block.start, first)
            assert b"".join(block.parts) == STREAM[offset : offset + diff(block.end, block.start)]
    assert rcv.take(1000) == STREAM
    assert rcv.blocks is None


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=40), st.data())
def test_reading_gives_what_was_delivered(
    steps: list[tuple[int, bool]], data: st.DataObject
) -> None:
    """Take and peek against a bytearray."""
    rcv = ReceiveHalf(1 << 16)
    rcv.synchronize(START)
    model = bytearray()
    for n, reads in steps:
        if reads:
            skip = data.draw(st.integers(0, 5))
            assert rcv.peek(skip, n) == bytes(model[skip : skip + n])
            assert rcv.take(n) == bytes(model[:n])
            del model[:n]
        else:
            piece = STREAM[:n] * data.draw(st.sampled_from([1, 100]))
            rcv.deliver(piece)
            model += piece
        assert rcv.queued == len(model)


@given(st.lists(st.binary(min_size=1, max_size=6000), min_size=1, max_size=12), st.data())
def test_the_send_buffer_returns_any_stretch_until_it_is_released(
    chunks: list[bytes], data: st.DataObject
) -> None:
    """Take and release against the joined octets."""
    buffer = SendBuffer()
    for chunk in chunks:
        buffer.append(chunk)
    whole = b"".join(chunks)
    low = 0
    while low < len(whole):
        start = data.draw(st.integers(low, len(whole) - 1))
        length = data.draw(st.integers(1, len(whole) - start))
        assert b"".join(buffer.take(start, length)) == whole[start : start + length]
        low = data.draw(st.integers(low + 1, len(whole)))
        buffer.release(low)
    assert buffer.chunks is None


@given(st.lists(st.tuples(st.sampled_from("sakrl"), st.integers(0, 99), st.integers(1, 40))))
def test_the_records_fill_the_space_between_una_and_nxt(
    steps: list[tuple[str, int, int]],
) -> None:
    """Sent, acknowledged, SACKed, resent, lost in any order: no gap, no overlap, sums that hold."""
    log = SentLog()
    una = nxt = START
    for now, (what, at, length) in enumerate(steps):
        if what == "s":
            log.sent(nxt, add(nxt, length), now, False)
            nxt = add(nxt, length)
        elif what == "a":
            to = add(una, min(at, diff(nxt, una)))
            assert log.acknowledged(to, now, Acked(to, nxt, 1, True)) == diff(to, una)
            una = to
        elif what == "k":
            low = add(una, at)
            high = add(low, length)
            if ge(nxt, high):
                before = log.sacked
                news = log.selectively_acknowledged(low, high, now, Acked(una, nxt, 1, True))
                assert log.sacked == before + news <= log.octets
        elif log.spans:
            span = log.spans[at % len(log.spans)]
            if what == "l":
                log.mark_lost(span)
            elif not span.sacked:
                log.resent(span, now)
        assert log.covers(una, nxt)
        assert log.in_flight >= 0
