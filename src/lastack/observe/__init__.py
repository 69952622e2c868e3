"""Captures and kernels: what others' connections do, in the same terms as our own."""

from lastack.observe.connection import Connection, Side, Transition, connection_of
from lastack.observe.core.flow import Flow
from lastack.observe.core.groups import Group, Groups
from lastack.observe.core.verdicts import Handshake, Teardown, Verdict, verdict_on
from lastack.observe.info import connection_info
from lastack.observe.reading import Observer, read
from lastack.observe.streams import Piece, What, stream

__all__ = [
    "Connection",
    "Flow",
    "Group",
    "Groups",
    "Handshake",
    "Observer",
    "Piece",
    "Side",
    "Teardown",
    "Transition",
    "Verdict",
    "What",
    "connection_info",
    "connection_of",
    "read",
    "stream",
    "verdict_on",
]
