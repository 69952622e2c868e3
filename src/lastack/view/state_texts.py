"""What each state means to somebody who has to act on it, in English and Chinese.

`about(state, language)` gives the text; the ways in and out come from the transition table instead.
"""
# The lines are prose.
# ruff: noqa: E501

from typing import Final

from lastack.tcp.states import State
from lastack.view import state_texts_zh
from lastack.view.about import About

_S = State

ENGLISH: Final[dict[State, About]] = {
    _S.CLOSED: About(
        "There is no connection: no control block, no memory.",
        "an OPEN, passive (listen) or active (connect)",
        "the application, if it wants one",
        "A segment that arrives here is answered with a reset, so a client sees “connection refused”.",
        "Nothing piles up here. If clients are refused, ask whether the server runs, on this address "
        "and port, and whether a firewall answers in its place.",
        "none",
        "3.3.2, 3.10.7.1",
    ),
    _S.LISTEN: About(
        "A server waits for connection requests from anywhere.",
        "a SYN (for the connection it starts), or close() of the listening socket",
        "nobody; a client may call at any time",
        "The application called listen(). A listener itself never moves on: each SYN starts a "
        "connection of its own in SYN-RECEIVED, and accept() hands it over once it is ESTABLISHED.",
        "One per server socket is right. Watch its queues: an accept queue that stays full means "
        "that the application does not call accept() fast enough; new clients then wait or are dropped.",
        "none",
        "3.10.7.2",
    ),
    _S.SYN_SENT: About(
        "A client has sent its SYN and waits for the answer.",
        "the peer's SYN-ACK; a reset (refused); or R2 of the SYN (at least 3 minutes in the RFC, some "
        "2 minutes on Linux)",
        "the peer, or whatever drops the packets on the way",
        "The application called connect(). A SYN of the peer's that crosses ours leads to "
        "SYN-RECEIVED instead: a simultaneous open.",
        "The peer does not answer at all: a wrong address, a firewall that drops silently, a route "
        "missing there or back, or a host that is down. A host that is up without the service would "
        "refuse at once.",
        "retransmission, with its interval doubling",
        "3.10.7.3, 3.8.3",
    ),
    _S.SYN_RECEIVED: About(
        "A SYN has come and been answered with SYN-ACK; the last ACK of the handshake is missing.",
        "the ACK of our SYN; a reset; or the retransmissions of the SYN-ACK running out",
        "the peer, which owes an ACK",
        "From LISTEN by a client's SYN; from SYN-SENT when two SYNs cross; from TIME-WAIT when a new "
        "SYN reopens the pair.",
        "Many from many addresses: a SYN flood, or a way back that is broken (our SYN-ACK gets lost, "
        "often asymmetric routing). Many from few addresses: port scanners or failing health checks.",
        "retransmission of the SYN-ACK",
        "3.10.7.2, 3.10.7.4",
    ),
    _S.ESTABLISHED: About(
        "The connection is open; data flows both ways.",
        "close() here (to FIN-WAIT-1) or the peer's FIN (to CLOSE-WAIT)",
        "either application, when it has finished",
        "The handshake is complete on this side.",
        "Many idle ones: a pool that grows, or peers that vanished without a FIN (power, NAT, sleep). "
        "TCP does not notice a silent peer while nothing is sent: keep-alive or a heartbeat does. A "
        "send queue that does not shrink: the peer does not read, or the path loses everything.",
        "retransmission while something is unacknowledged; delayed ACK; persist while the peer's "
        "window is closed; keep-alive if it is switched on",
        "3.10.7.4",
    ),
    _S.FIN_WAIT_1: About(
        "This side has closed and its FIN is not acknowledged yet.",
        "the ACK of our FIN (to FIN-WAIT-2), or the peer's FIN first (to CLOSING)",
        "the peer's TCP, which owes an ACK",
        "The application called close() or shutdown(SHUT_WR) in ESTABLISHED or SYN-RECEIVED. Data "
        "that was queued before is still being sent: the FIN comes after it.",
        "It should last one round trip. If many stay, the peers are gone, or they keep their window "
        "closed so that the data before the FIN cannot leave: look at the send queue and the window.",
        "retransmission; persist while the peer's window is closed",
        "3.6, 3.10.4",
    ),
    _S.FIN_WAIT_2: About(
        "This side has closed and the peer knows; the peer has not closed yet.",
        "the peer's FIN (to TIME-WAIT); where the user has gone, a limit may end it",
        "the peer's application: it has to call close()",
        "Our FIN was acknowledged in FIN-WAIT-1. Data from the peer is still welcome: this is the "
        "half-closed connection.",
        "The peers sit in CLOSE-WAIT: their application does not close. A protocol that half-closes "
        "on purpose looks the same. Linux ends orphans after tcp_fin_timeout, 60 s; the RFC knows no limit.",
        "none in the RFC; many systems bound it when nobody holds the socket any more",
        "3.6.1",
    ),
    _S.CLOSE_WAIT: About(
        "The peer has closed; this side's application has not called close() yet.",
        "close() by the application of this side; short of a reset or a failure, nothing else",
        "the application of this side: the process that holds the socket",
        "The peer's FIN arrived in ESTABLISHED. A read returns the rest of the data and then end of "
        "file; writing is still allowed.",
        "A leak in this side's program: a response that is never closed, a pool without an idle "
        "limit, an exception between read and close, a thread stuck before close(). Find the process "
        "that holds the sockets; no kernel setting helps.",
        "none that would end it (retransmission only while something unacknowledged was sent; "
        "keep-alive if it is switched on)",
        "3.6, 3.10.7.4",
    ),
    _S.CLOSING: About(
        "Both sides closed at the same time; the FINs crossed and ours is not acknowledged yet.",
        "the ACK of our FIN (to TIME-WAIT)",
        "the peer's TCP, which owes an ACK",
        "The peer's FIN came in FIN-WAIT-1 without acknowledging ours: a simultaneous close.",
        "Rare, and over in one round trip. One that stays has lost its peer; retransmissions end it.",
        "retransmission",
        "3.6 figure 13",
    ),
    _S.LAST_ACK: About(
        "The peer closed first, this side has closed too; the ACK of our FIN is missing.",
        "the ACK of our FIN (to CLOSED)",
        "the peer's TCP, which owes an ACK",
        "The application called close() in CLOSE-WAIT.",
        "It should last one round trip. Many mean that the peers went away between their FIN and "
        "ours, typically because the application took too long to close; or data before the FIN "
        "cannot leave. Retransmissions end it.",
        "retransmission; persist while the peer's window is closed",
        "3.10.7.4 fifth",
    ),
    _S.TIME_WAIT: About(
        "Both sides have closed; this side, which closed first, waits 2MSL for stragglers.",
        "the end of 2MSL (4 minutes in the RFC, 60 s on Linux), or a new SYN from the same peer",
        "nobody: it is right so, and ends by itself",
        "From FIN-WAIT-2 or CLOSING. It answers the peer's FIN again should the last ACK be lost, and "
        "keeps old segments out of a new connection between the same two endpoints.",
        "Thousands are normal on whichever side closes first and cost little. They hurt only a client "
        "that runs out of ports to one destination: reuse connections, let the other side close "
        "first, or use more addresses. Never avoid it with SO_LINGER 0: that sends a reset and may lose data.",
        "2MSL",
        "3.6.1, MUST-13",
    ),
}

TEXTS: Final[dict[str, dict[State, About]]] = {"en": ENGLISH, "zh": state_texts_zh.CHINESE}

HEADINGS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "state": "State",
        "meaning": "Meaning",
        "ends": "What ends it",
        "actor": "Who must act",
        "arrival": "How one gets here",
        "many": "When many pile up",
        "timers": "Timers that run",
        "section": "RFC 9293",
        "ways_in": "Ways in",
        "ways_out": "Ways out",
        "none": "none",
    },
    "zh": state_texts_zh.HEADINGS,
}


def about(state: State, language: str = "en") -> About:
    """Return the text about a state in `en` or `zh`."""
    return TEXTS[language][state]
