"""Sockets of the kernel's in each state that it can hold, by a peer that says what it likes."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import ip_address

from by_hand import KERNEL_V4, KERNEL_V6, MSS, OURS_V4, OURS_V6, ip_header, wait_for

from lastack.link.tun import TunLink
from lastack.tcp.states import State
from lastack.wire.checksum import pseudo_sum
from lastack.wire.packet import CHECKSUM_OWED, Packet
from lastack.wire.segment import ACK, FIN, SYN, Segment, decode_segment

S = State
Ends = tuple[int, int]
"""Local and remote port, the kernel's being the local one."""


class Stranger:
    """A client without a TCP: it calls the kernel's listener and answers only when told."""

    def __init__(self, link: TunLink, version: int, from_port: int, to_port: int) -> None:
        self.link = link
        ours, theirs = (OURS_V4, KERNEL_V4) if version == 4 else (OURS_V6, KERNEL_V6)
        self.ours = ip_address(ours).packed
        self.theirs = ip_address(theirs).packed
        self.from_port = from_port
        self.to_port = to_port
        self.snd_nxt = 1000
        self.rcv_nxt = 0

    def says(self, flags: int, data: bytes = b"") -> None:
        """Send a segment."""
        options = bytes([2, 4, MSS >> 8, MSS & 0xFF]) if flags & SYN else b""
        segment = Segment(
            self.from_port, self.to_port, self.snd_nxt, self.rcv_nxt, flags, 65535, options=options
        )
        length = 20 + len(options) + len(data)
        head = ip_header(self.ours, self.theirs, socket.IPPROTO_TCP, length)
        at = len(head)
        head += segment.header(pseudo_sum(self.ours, self.theirs, socket.IPPROTO_TCP, length))
        assert self.link.send(
            Packet(
                head,
                parts=(data,) if data else (),
                parts_length=len(data),
                checksum=CHECKSUM_OWED,
                checksum_start=at,
                checksum_offset=16,
            )
        )
        self.snd_nxt += len(data) + bool(flags & (SYN | FIN))

    def hears(self, flags: int) -> None:
        """Wait for a segment to us with these flags, and note what it occupies."""
        while True:
            packet = wait_for(self.link)
            at = packet.start + (20 if packet.data[packet.start] >> 4 == 4 else 40)
            segment = decode_segment(packet.data, at, packet.end)
            if isinstance(segment, Segment) and segment.destination_port == self.from_port:
                if segment.flags & flags == flags:
                    occupied = segment.length + bool(segment.flags & (SYN | FIN))
                    self.rcv_nxt = (segment.seq + occupied) & 0xFFFFFFFF
                    return

    def calls(self) -> None:
        """Send a SYN and wait for its answer."""
        self.says(SYN)
        self.hears(SYN | ACK)

    def opens(self, listener: socket.socket) -> socket.socket:
        """Open a connection and return the kernel's end."""
        self.calls()
        self.says(ACK)
        return listener.accept()[0]


class EveryState:
    """One socket in each state: `expected` is the state by ports, `held` are those that we hold.

    `between` are the times (monotonic) between which each has entered its state.
    """

    def __init__(self, link: TunLink, version: int, kept: ExitStack) -> None:
        self.link = link
        self.version = version
        self.kept = kept
        self.expected: dict[Ends, State] = {}
        self.held: set[Ends] = set()
        self.between: dict[Ends, tuple[int, int]] = {}
        self.next_port = 4001
        address = KERNEL_V4 if version == 4 else KERNEL_V6
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        self.listener = kept.enter_context(socket.create_server((address, 0), family=family))
        self.listener.settimeout(5)
        self.port = self.listener.getsockname()[1]
        self._note(0, S.LISTEN, True)
        before = time.monotonic_ns()
        calling = kept.enter_context(socket.socket(family))
        calling.setblocking(False)
        calling.connect_ex((OURS_V4 if version == 4 else OURS_V6, 9))
        self.expected[calling.getsockname()[1], 9] = S.SYN_SENT
        self.held.add((calling.getsockname()[1], 9))
        self.between[calling.getsockname()[1], 9] = before, time.monotonic_ns()
        before = time.monotonic_ns()
        self.half_open = self._stranger(S.SYN_RECEIVED)
        self.half_open.calls()
        self.between[self.port, self.half_open.from_port] = before, time.monotonic_ns()
        for state in (S.ESTABLISHED, S.CLOSE_WAIT, S.LAST_ACK, *_CLOSING_FIRST):
            before = time.monotonic_ns()
            port = self._reach(state)
            self.between[self.port, port] = before, time.monotonic_ns()

    def _stranger(self, state: State) -> Stranger:
        port = self.next_port
        self.next_port += 1
        self._note(port, state, False)
        return Stranger(self.link, self.version, port, self.port)

    def _note(self, remote: int, state: State, held: bool) -> None:
        self.expected[self.port, remote] = state
        if held:
            self.held.add((self.port, remote))

    def _reach(self, state: State) -> int:
        stranger = self._stranger(state)
        kernel = stranger.opens(self.listener)
        self.kept.callback(kernel.close)
        if state not in (S.LAST_ACK, S.TIME_WAIT):
            self.held.add((self.port, stranger.from_port))
        if state in (S.CLOSE_WAIT, S.LAST_ACK):
            stranger.says(ACK | FIN)
            assert kernel.recv(1) == b""
            if state is S.LAST_ACK:
                kernel.close()
        elif state is not S.ESTABLISHED:
            kernel.shutdown(socket.SHUT_WR)
            for step in _CLOSING_FIRST[state]:
                step(stranger)
            if state is S.TIME_WAIT:
                kernel.close()
        return stranger.from_port


_CLOSING_FIRST: dict[State, tuple[Callable[[Stranger], None], ...]] = {
    S.FIN_WAIT_1: (),
    S.CLOSING: (lambda peer: peer.says(ACK | FIN),),
    S.FIN_WAIT_2: (lambda peer: peer.hears(FIN), lambda peer: peer.says(ACK)),
    S.TIME_WAIT: (lambda peer: peer.hears(FIN), lambda peer: peer.says(ACK | FIN)),
}
