"""Fast Open (RFC 7413): one connection's part in it.

The stack (`stack.fast_open`) keeps cookies and decides; here is what follows from that for the SYN,
and what the peer's answer was. States are those of RFC 9293: a server's connection whose client had
a good cookie is in SYN-RECEIVED until its SYN-ACK is acknowledged, and is `early` there: its user
has it already, reads the data of the SYN and may send (4.2.2).
"""

from lastack.tcp.receive import trimmed
from lastack.tcp.tcb import READABLE, Tcb
from lastack.wire.fast_open import find_fast_open, write_fast_open
from lastack.wire.segment import ABSENT, Part, Segment
from lastack.wire.seq import add


def option_of_syn(tcb: Tcb) -> bytes:
    """Return the option for our first SYN or SYN-ACK: a cookie, a request for one, or nothing.

    Those that are sent again carry none, lest a box on the way minds it (4.1.3.1).
    """
    part = tcb.fast_open
    if part is None or not part.offers or tcb.sent.spans:
        return b""
    return write_fast_open(part.cookie, part.experimental)


def syn_waits(tcb: Tcb) -> bool:
    """Return whether our SYN is held back until its user has given it data to carry."""
    part = tcb.fast_open
    return part is not None and part.waits and not tcb.passive and not tcb.snd.buffer.end


def data_of_syn(tcb: Tcb) -> tuple[Part, ...]:
    """Return the user's octets that ride on our first SYN (4.2.1): as many as it has room for."""
    part = tcb.fast_open
    buffer = tcb.snd.buffer
    if part is None or tcb.passive or part.limit <= 0 or buffer.end == 0:
        return ()
    part.carried = min(buffer.end, part.limit)
    return buffer.take(0, part.carried)


def ends_data_of_syn(tcb: Tcb, end: int) -> bool:
    """Return whether the data of our SYN, which its user had sent in one go, ends here."""
    part = tcb.fast_open
    return part is not None and part.carried > 0 and end == add(tcb.snd.iss, 1 + part.carried)


def data_of_syn_arrives(tcb: Tcb, segment: Segment) -> None:
    """LISTEN, a SYN with a good cookie: its data is the user's at once (4.2.2).

    The SYN's window begins behind our own SYN, which has no place in it.
    """
    tcb.snd.wnd = tcb.snd.max_wnd = segment.window + 1
    if 0 < segment.length <= tcb.rcv.room:
        tcb.rcv.deliver(trimmed(segment.parts, 0, segment.length))
        tcb.rcv.edge = tcb.rcv.nxt
        tcb.bytes_received += segment.length
        tcb.notices |= READABLE
        tcb.syn_data_taken = True


def syn_ack_arrives(tcb: Tcb, segment: Segment) -> None:
    """SYN-SENT, a good SYN-ACK: note what it says of Fast Open, for the stack's cache.

    What of the SYN's data it leaves out is sent again at once, and is no sign of congestion
    (4.1.3): the server did not want it.
    """
    part = tcb.fast_open
    if part is None:
        return
    option = find_fast_open(segment.options)
    if option is not None and option.valid and part.offers:
        part.granted = option.cookie
        part.granted_experimental = option.experimental
    part.peer_mss = segment.mss if segment.mss != ABSENT else 0
    part.answered = True
    part.all_taken = segment.ack == add(tcb.snd.iss, 1 + part.carried)
    tcb.syn_data_taken = part.carried > 0 and part.all_taken
    part.resent = tcb.sent.spans[0].retransmits > 0 if tcb.sent.spans else False


def data_was_left_out(tcb: Tcb) -> None:
    """Our SYN is acknowledged, (some of) the data it carried is not: send it again now."""
    if tcb.fast_open is None or tcb.passive:
        return
    for span in tcb.sent.spans:
        tcb.sent.mark_lost(span)
        tcb.resend_owed = True
