"""Congestion controllers: a new one is one file here and one line in `CONTROLLERS`."""

from typing import Final

from lastack.tcp.congestion.base import AckSample, CongestionController, initial_window
from lastack.tcp.congestion.newreno import NewReno

CONTROLLERS: Final[dict[str, type[CongestionController]]] = {"newreno": NewReno, "reno": NewReno}

__all__ = ["CONTROLLERS", "AckSample", "CongestionController", "NewReno", "initial_window"]
