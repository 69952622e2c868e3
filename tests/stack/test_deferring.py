"""TCP_DEFER_ACCEPT and TCP_SAVE_SYN: what a listener asks of those who knock."""

import pytest
from two_stacks import LEFT, RIGHT, STRICT, at, carried, host, segment_in

from lastack.errors import LastackError
from lastack.stack import options as o
from lastack.stack.sockets import TcpSocket
from lastack.stack.stack import Stack
from lastack.tcp.config import preset
from lastack.units import SECOND
from lastack.wire.notation import Base, parse_segment
from lastack.wire.segment import ACK, SYN, Segment
from lastack.wire.stop import Stop

TCP = o.IPPROTO_TCP


class Knocked:
    """A listener with an option, and one peer's handshake with it, by hand."""

    def __init__(self, name: int, value: int) -> None:
        self.now = 0
        self.stack: Stack = host("10.0.0.2/24", config=preset("linux").replace(strict=True))
        self.server = TcpSocket(self.stack)
        self.server.bind(0, at(RIGHT, 80))
        self.server.setsockopt(0, TCP, name, value)
        self.server.listen(0, 4)
        self.syn = Segment(5000, 80, 0, 0, SYN, 1000)
        self.stack.packet_arrives(carried(self.syn), 0)
        [answer] = self.sent()
        self.iss = answer.seq

    def sent(self) -> list[Segment]:
        found: list[Segment] = []
        while (packet := self.stack.next_packet(self.now)) is not None:
            found.append(segment_in(packet))
        return found

    def says(self, text: str) -> Stop | None:
        segment = parse_segment(text, Base(0, self.iss), 5000, 80)
        return self.stack.packet_arrives(carried(segment), self.now)

    def waits(self) -> list[Segment]:
        self.now = self.stack.next_deadline()
        self.stack.deadline_passed(self.now)
        return self.sent()


def test_a_bare_ack_opens_nothing_while_data_is_waited_for() -> None:
    """As in Linux: the connection stays half-open, and its SYN-ACK is not sent again meanwhile."""
    knocked = Knocked(o.TCP_DEFER_ACCEPT, 5)
    assert knocked.server.getsockopt(0, TCP, o.TCP_DEFER_ACCEPT) == 7
    assert knocked.says(". 1:1(0) ack 1 win 1000") is Stop.ACK_DEFERRED
    assert not knocked.server.readable and knocked.sent() == []
    assert knocked.says("P. 1:5(4) ack 1 win 1000") is None
    made, _ = knocked.server.accept(0)
    assert made.recv(0, 100) == bytes(4)


def test_when_the_time_is_over_a_bare_ack_will_do() -> None:
    """Three timeouts of 1, 2 and 4 seconds: the last asks for that ACK."""
    knocked = Knocked(o.TCP_DEFER_ACCEPT, 5)
    knocked.says(". 1:1(0) ack 1 win 1000")
    assert knocked.waits() == [] and knocked.now == 1 * SECOND
    assert knocked.waits() == [] and knocked.now == 3 * SECOND
    [again] = knocked.waits()
    assert again.flags == SYN | ACK and knocked.now == 7 * SECOND
    assert knocked.says(". 1:1(0) ack 1 win 1000") is None
    assert knocked.server.readable


def test_a_fin_is_worth_waiting_for_too() -> None:
    """It takes sequence space: there is something to be read, the end."""
    knocked = Knocked(o.TCP_DEFER_ACCEPT, 1)
    assert knocked.says("F. 1:1(0) ack 1 win 1000") is None
    assert knocked.server.readable


def test_the_headers_of_the_syn_are_kept_for_who_accepts_and_read_once() -> None:
    """IP and TCP header, as they came."""
    knocked = Knocked(o.TCP_SAVE_SYN, 1)
    knocked.says(". 1:1(0) ack 1 win 1000")
    made, _ = knocked.server.accept(0)
    assert made.getsockopt(0, TCP, o.TCP_SAVED_SYN) == carried(knocked.syn, LEFT).to_bytes()
    assert made.getsockopt(0, TCP, o.TCP_SAVED_SYN) == b""
    with pytest.raises(LastackError):
        made.setsockopt(0, TCP, o.TCP_SAVED_SYN, 1)
    assert STRICT.save_syn is False
