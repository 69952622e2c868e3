"""What `import lastack` offers, for type checkers: the names are loaded when first used."""

from typing import Final

from lastack.aio import Host as Host
from lastack.aio import open_connection as open_connection
from lastack.aio import start_server as start_server
from lastack.driver import Driver as Driver
from lastack.errors import LastackError as LastackError
from lastack.stack.routes import Interface as Interface
from lastack.stack.stack import Stack as Stack
from lastack.tcp.config import Config as Config
from lastack.tcp.config import preset as preset
from lastack.tcp.congestion import AckSample as AckSample
from lastack.tcp.congestion import CongestionController as CongestionController
from lastack.tcp.connection import Connection as Connection
from lastack.tcp.info import ConnectionInfo as ConnectionInfo
from lastack.tcp.states import State as State
from lastack.wire.address import Endpoint as Endpoint
from lastack.wire.segment import Segment as Segment
from lastack.wire.stop import Stop as Stop

__version__: Final[str]
COMPILED: Final[bool]
