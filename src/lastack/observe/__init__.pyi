"""What `lastack.observe` offers, for type checkers: the names are loaded when first used."""

from lastack.observe.connection import Connection as Connection
from lastack.observe.connection import Side as Side
from lastack.observe.connection import Transition as Transition
from lastack.observe.connection import connection_of as connection_of
from lastack.observe.core.flow import Flow as Flow
from lastack.observe.core.groups import Group as Group
from lastack.observe.core.groups import Groups as Groups
from lastack.observe.core.verdicts import Handshake as Handshake
from lastack.observe.core.verdicts import Teardown as Teardown
from lastack.observe.core.verdicts import Verdict as Verdict
from lastack.observe.core.verdicts import verdict_on as verdict_on
from lastack.observe.info import connection_info as connection_info
from lastack.observe.reading import Observer as Observer
from lastack.observe.reading import read as read
from lastack.observe.streams import Piece as Piece
from lastack.observe.streams import What as What
from lastack.observe.streams import stream as stream
