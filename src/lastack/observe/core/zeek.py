"""Zeek's summary of a connection, by its documented meanings, for those who join with its logs.

`conn_state` is one of the thirteen words and `history` the letters of conn.log: s SYN, h SYN-ACK,
a pure ACK, d text, f FIN, r RST, q a SYN that is also a FIN or a reset, i a FIN that is also a
reset, t text that had passed before, w a zero window, g a gap (text that was acknowledged and not
captured); large letters are the originator's, and ^ in front says that the first packet was not.
Each letter stands once for each end, but t, w and g again at the tenth, hundredth ... time. There
is no c (checksums are not verified) and no x.
"""

from typing import Final

from lastack.observe.core.ends import End
from lastack.observe.core.flow import FIN_LETTER, Flow

CLOSED: Final = "closed"
ESTABLISHED: Final = "established"
INACTIVE: Final = "inactive"
RESET: Final = "reset"
SYN_SENT: Final = "syn sent"


def conn_state(flow: Flow) -> str:
    """Return the word of conn.log's field conn_state."""
    originator, responder = roles(flow)
    mine, theirs = _word(originator, responder), _word(responder, originator)
    if theirs == RESET:
        return _reset_by_responder(originator, responder, mine)
    if mine == RESET:
        return "RSTOS0" if theirs == INACTIVE else "RSTO"
    if mine == CLOSED and theirs == CLOSED:
        return "SF"
    if mine == CLOSED:
        return "SH" if theirs == INACTIVE else "S2"
    if theirs == CLOSED:
        return "SHR" if mine == INACTIVE else "S3"
    if mine == SYN_SENT and not responder.packets:
        return "S0"
    return "S1" if mine == ESTABLISHED and theirs == ESTABLISHED else "OTH"


def history(flow: Flow) -> str:
    """Return the letters of conn.log's field history."""
    originator, _ = roles(flow)
    if originator is flow.a:
        return flow.history
    return "^" + flow.history.swapcase()


def roles(flow: Flow) -> tuple[End, End]:
    """Return who asked and who was asked: by the SYN, or by the answer to one."""
    a, b = flow.a, flow.b
    if not a.syns and (b.syns or (a.syn_acks and not b.syn_acks)):
        return b, a
    return a, b


def _word(end: End, other: End) -> str:
    """How far an end has come, in Zeek's coarser states."""
    if end.resets:
        return RESET
    if end.letters & FIN_LETTER:
        return CLOSED
    if (end.syns and other.syn_acks) or (end.syn_acks and other.packets):
        return ESTABLISHED
    return SYN_SENT if end.syns else INACTIVE


def _reset_by_responder(originator: End, responder: End, mine: str) -> str:
    if originator.syns and not responder.syn_acks and mine in (SYN_SENT, RESET):
        return "REJ"
    return "RSTRH" if mine == INACTIVE and not originator.syns else "RSTR"
