"""TCP you can see, run, rehearse and prove.

The public names are found here and loaded when first used. Start reading in `lastack.tcp.states`.
`COMPILED` says whether the lower floors run as machine code (mypyc) or interpreted.
"""

from typing import Final

from lastack.lazy import first_use
from lastack.wire import seq as _seq

__version__ = "0.1.0"

COMPILED: Final[bool] = not str(_seq.__file__).endswith(".py")

_HOMES: Final[dict[str, str]] = {
    "AckSample": "lastack.tcp.congestion",
    "Config": "lastack.tcp.config",
    "CongestionController": "lastack.tcp.congestion",
    "Connection": "lastack.tcp.connection",
    "ConnectionInfo": "lastack.tcp.info",
    "Driver": "lastack.driver",
    "Endpoint": "lastack.wire.address",
    "Host": "lastack.aio",
    "Interface": "lastack.stack.routes",
    "LastackError": "lastack.errors",
    "Segment": "lastack.wire.segment",
    "Stack": "lastack.stack.stack",
    "State": "lastack.tcp.states",
    "Stop": "lastack.wire.stop",
    "open_connection": "lastack.aio",
    "preset": "lastack.tcp.config",
    "start_server": "lastack.aio",
}

__all__ = [
    "COMPILED",
    "AckSample",
    "Config",
    "CongestionController",
    "Connection",
    "ConnectionInfo",
    "Driver",
    "Endpoint",
    "Host",
    "Interface",
    "LastackError",
    "Segment",
    "Stack",
    "State",
    "Stop",
    "__version__",
    "open_connection",
    "preset",
    "start_server",
]


def __getattr__(name: str) -> object:
    return first_use(name, _HOMES, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
