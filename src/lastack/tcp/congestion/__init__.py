"""Congestion controllers: a new one is one file here and one line in `CONTROLLERS`."""

from typing import Final

from lastack.tcp.congestion.base import AckSample, CongestionController, initial_window
from lastack.tcp.congestion.cubic import Cubic
from lastack.tcp.congestion.dctcp import Dctcp
from lastack.tcp.congestion.newreno import NewReno

CONTROLLERS: Final[dict[str, type[CongestionController]]] = {
    "newreno": NewReno,
    "reno": NewReno,
    "cubic": Cubic,
    "dctcp": Dctcp,
}

__all__ = ["CONTROLLERS", "AckSample", "CongestionController", "Cubic", "Dctcp", "NewReno"]
__all__ += ["initial_window"]
