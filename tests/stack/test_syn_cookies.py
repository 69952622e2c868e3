"""SYN cookies (RFC 4987 3.6): nothing is kept of a SYN, and whoever is real gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_stacks import RIGHT, STRICT, TwoStacks, at, carried, host, segment_in

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.stack.cookies import BELIEVED_FOR, SIZES4, SynCookies, size_index
from lastack.stack.listener import Listener
from lastack.stack.stack import Stack
from lastack.tcp.config import preset
from lastack.tcp.states import State
from lastack.units import MINUTE, MS, SECOND
from lastack.wire.notation import Base, parse_segment
from lastack.wire.segment import ACK, RST, SYN, Segment
from lastack.wire.stop import Stop

ALWAYS = STRICT.replace(syn_cookies=2)
WHEN_FULL = STRICT.replace(syn_cookies=1)
BEGIN = 1000 * SECOND
OFFER = "<mss 1400,sackOK,TS val 5000 ecr 0,nop,wscale 7>"


def listening(config: object = ALWAYS, backlog: int = 4) -> tuple[Stack, Listener]:
    stack = host("10.0.0.2/24", config=config)  # type: ignore[arg-type]
    return stack, stack.listen(at(RIGHT, 80), backlog)


def knock(stack: Stack, port: int, options: str = OFFER, now: int = BEGIN) -> Segment:
    """Send a SYN; return the SYN-ACK, which must come."""
    syn = parse_segment(f"S 1000:1000(0) win 8000 {options}", Base(), port, 80)
    stack.packet_arrives(carried(syn), now)
    packet = stack.next_packet(now)
    assert packet is not None
    answer = segment_in(packet)
    assert answer.flags & (SYN | ACK) == SYN | ACK and answer.ack == 1001
    return answer


def answer_to(
    syn_ack: Segment, port: int, stamps: bool = True, off: int = 0, data: bytes = b""
) -> Segment:
    options = f"<nop,nop,TS val 5010 ecr {syn_ack.ts_val}>" if stamps else ""
    ack = (syn_ack.seq + 1 + off) & 0xFFFFFFFF
    text = f". 1001:{1001 + len(data)}({len(data)}) ack {ack} win 500 {options}"
    return parse_segment(text, Base(), port, 80, data)


def test_nothing_is_kept_of_a_syn_and_its_ack_makes_the_connection_whole() -> None:
    """All that the SYN offered holds, but for the exact MSS."""
    stack, listener = listening()
    syn_ack = knock(stack, 5000)
    assert not stack.connections() and not listener.children
    assert stack.next_deadline() > BEGIN + 10**15
    assert syn_ack.window_scale >= 0 and syn_ack.sack_permitted and syn_ack.ts_ecr == 5000
    now = BEGIN + 20 * MS
    assert stack.packet_arrives(carried(answer_to(syn_ack, 5000, data=b"hello")), now) is None
    connection = listener.accept()
    assert connection is not None and connection.state is State.ESTABLISHED
    assert connection.receive(100, now) == b"hello"
    info = connection.info()
    assert (info.sack, info.timestamps, info.snd_scale, info.snd_wnd) == (True, True, 7, 500 << 7)
    assert connection.tcb.peer_mss == 1300 and info.srtt is None
    counters = stack.counters
    assert (counters.cookies_sent, counters.cookies_received, counters.cookies_failed) == (1, 1, 0)


def test_without_timestamps_options_are_lost_and_the_connection_stands() -> None:
    """What has no place in 32 bits is not agreed on, and the peer is not told that it were."""
    stack, listener = listening()
    syn_ack = knock(stack, 5000, "<mss 1460,nop,nop,sackOK,nop,wscale 7>")
    assert syn_ack.window_scale == -1 and not syn_ack.sack_permitted
    stack.packet_arrives(carried(answer_to(syn_ack, 5000, stamps=False)), BEGIN)
    connection = listener.accept()
    assert connection is not None
    info = connection.info()
    assert (info.sack, info.timestamps, info.snd_scale, info.snd_wnd) == (False, False, -1, 500)


def test_freebsd_remembers_sack_without_timestamps() -> None:
    """In a bit of the cookie itself."""
    stack, listener = listening(preset("freebsd").replace(strict=True, syn_cookies=2))
    syn_ack = knock(stack, 5000, "<mss 1460,nop,nop,sackOK,nop,wscale 7>")
    assert syn_ack.window_scale == -1 and syn_ack.sack_permitted
    stack.packet_arrives(carried(answer_to(syn_ack, 5000, stamps=False)), BEGIN)
    connection = listener.accept()
    assert connection is not None
    assert connection.info().sack and connection.tcb.peer_mss == 1460


def test_ecn_is_remembered_in_a_timestamp() -> None:
    """The sixth bit of TSval."""
    stack, listener = listening(preset("linux").replace(strict=True, syn_cookies=2))
    asked = parse_segment(f"SEW 1000:1000(0) win 8000 {OFFER}", Base(), 5000, 80)
    stack.packet_arrives(carried(asked), BEGIN)
    packet = stack.next_packet(BEGIN)
    assert packet is not None
    stack.packet_arrives(carried(answer_to(segment_in(packet), 5000)), BEGIN)
    connection = listener.accept()
    assert connection is not None and connection.tcb.ecn.feedback.name == "CLASSIC"


def test_an_ack_of_nothing_is_not_believed() -> None:
    """RFC 9293 3.10.7.2: a reset, as ever."""
    stack, _ = listening()
    syn_ack = knock(stack, 5000)
    for wrong, now in (
        (answer_to(syn_ack, 5000, off=1000), BEGIN),
        (answer_to(syn_ack, 5001), BEGIN),
        (answer_to(syn_ack, 5000), BEGIN + 3 * MINUTE),
    ):
        assert stack.packet_arrives(carried(wrong), now) is Stop.ACK_IN_LISTEN
        packet = stack.next_packet(now)
        assert packet is not None and segment_in(packet).flags == RST
    assert not stack.connections() and stack.counters.cookies_failed == 3


def test_an_ack_ahead_of_lost_octets_is_not_taken_for_the_first() -> None:
    """Who believed its number would never ask for what is missing, who reset it would end a good
    client: it is dropped, until what was lost comes again.
    """
    stack, listener = listening()
    syn_ack = knock(stack, 5000)
    for ahead in (1, 2, 3, 1000):
        early = answer_to(syn_ack, 5000)
        early.seq += ahead
        assert stack.packet_arrives(carried(early), BEGIN) is Stop.AHEAD_OF_COOKIE
        assert stack.next_packet(BEGIN) is None
    assert stack.packet_arrives(carried(answer_to(syn_ack, 5000)), BEGIN) is None
    assert listener.accept() is not None


def test_cookies_are_looked_at_only_while_some_are_about() -> None:
    """Guessing is not worth it while nobody floods: then no ACK is compared with any cookie."""
    stack, listener = listening(WHEN_FULL, backlog=1)
    knock(stack, 1)
    syn_ack = knock(stack, 2)
    assert listener.cookies_until == BEGIN + BELIEVED_FOR
    late = BEGIN + BELIEVED_FOR
    assert stack.packet_arrives(carried(answer_to(syn_ack, 2)), late) is Stop.ACK_IN_LISTEN
    assert stack.counters.cookies_failed == 0


def test_a_flood_neither_grows_memory_nor_keeps_a_real_client_out() -> None:
    """RFC 4987 1: that is what they are for."""
    stack, listener = listening(WHEN_FULL, backlog=8)
    for port in range(1000, 3000):
        stack.packet_arrives(carried(Segment(port, 80, port, 0, SYN, 100)), BEGIN)
        while stack.next_packet(BEGIN) is not None:
            pass
    assert len(stack.connections()) == len(listener.children) == 8
    syn_ack = knock(stack, 5000)
    assert stack.packet_arrives(carried(answer_to(syn_ack, 5000)), BEGIN) is None
    connection = listener.accept()
    assert connection is not None and connection.remote.port == 5000
    assert stack.counters.stops[Stop.SYN_COOKIE] == 2000 - 8 + 1


def test_without_cookies_a_full_queue_drops() -> None:
    """The preset `rfc` has none."""
    stack, listener = listening(STRICT, backlog=1)
    knock(stack, 1)
    syn = Segment(2, 80, 7, 0, SYN, 100)
    assert stack.packet_arrives(carried(syn), BEGIN) is Stop.SYN_QUEUE_FULL
    assert stack.next_packet(BEGIN) is None and listener.cookies_until == 0


def test_a_full_accept_queue_takes_no_cookie() -> None:
    """The ACK is dropped; the data behind it will come again, and find room."""
    stack, listener = listening(ALWAYS, backlog=1)
    first, second = knock(stack, 1), knock(stack, 2)
    stack.packet_arrives(carried(answer_to(first, 1)), BEGIN)
    late = carried(answer_to(second, 2, data=b"x"))
    assert stack.packet_arrives(late, BEGIN) is Stop.ACCEPT_QUEUE_FULL
    assert listener.accept() is not None
    assert stack.packet_arrives(late, BEGIN) is None
    connection = listener.accept()
    assert connection is not None and connection.receive(9, BEGIN) == b"x"


def test_data_on_the_syn_is_left_to_be_sent_again() -> None:
    """A cookie has no place for it."""
    stack, _ = listening()
    syn = parse_segment(f"S 1000:1100(100) win 8000 {OFFER}", Base(), 5000, 80)
    stack.packet_arrives(carried(syn), BEGIN)
    packet = stack.next_packet(BEGIN)
    assert packet is not None and segment_in(packet).ack == 1001


@pytest.mark.parametrize("name", ["rfc", "linux", "freebsd"])
def test_two_stacks_talk_over_a_cookie(name: str) -> None:
    """From SYN to the last FIN."""
    two = TwoStacks(
        preset(name).replace(strict=True), preset(name).replace(strict=True, syn_cookies=2)
    )
    listener = two.right.listen(at(RIGHT, 80), 4)
    client = two.left.connect(at(RIGHT, 80), two.now)
    client.send(b"request", two.now)
    two.left.wake(client, two.now)
    two.run()
    server = listener.accept()
    assert server is not None and server.receive(100, two.now) == b"request"
    server.send(b"response", two.now)
    two.right.wake(server, two.now)
    two.run()
    assert client.receive(100, two.now) == b"response"


@given(
    secret=st.binary(min_size=32, max_size=32),
    four_tuple=st.binary(min_size=12, max_size=12),
    irs=st.integers(0, 2**32 - 1),
    mss=st.integers(0, 65535),
    begun=st.integers(0, 2**50),
    later=st.integers(0, 4 * MINUTE),
)
def test_what_a_cookie_says_can_be_read_for_its_time_and_no_longer(
    secret: bytes, four_tuple: bytes, irs: int, mss: int, begun: int, later: int
) -> None:
    """And the size that it says is never above the peer's, but for the smallest."""
    cookies = SynCookies(secret)
    index = size_index(SIZES4, mss)
    assert SIZES4[index] <= max(mss, SIZES4[0])
    iss = cookies.make(four_tuple, irs, index, begun)
    said = cookies.read(four_tuple, irs, iss, len(SIZES4), begun + later)
    if later <= MINUTE:
        assert said == index
    if later >= 2 * MINUTE:
        assert said < 0


@pytest.mark.parametrize("seed", range(15, 35))
def test_cookies_bear_the_loss_of_anything(seed: int) -> None:
    """The handshake's ACK, the first data, or both: whatever comes first with the cookie opens."""
    both = preset("rfc" if seed % 2 else "linux").replace(strict=True, syn_cookies=2)
    pair = TwoHosts(seed, loss=0.2, config=both, keep=False)
    talk = Conversation(pair, bytes(range(256)) * 30, b"thanks")
    pair.run(1000 * SECOND)
    assert talk.right is not None and talk.left.error == talk.right.error == 0
    assert talk.right.received == bytes(range(256)) * 30 and talk.left.received == b"thanks"
    assert pair.right.counters.cookies_received == 1
