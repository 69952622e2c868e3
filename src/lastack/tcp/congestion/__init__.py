"""Congestion controllers (MAY-18): a new one is one file here and one line in `CONTROLLERS`.

A user's own is a class that is given to Config, or registered under a name.
"""

import errno
from typing import Final

from lastack.errors import error_for
from lastack.tcp.congestion.base import AckSample, CongestionController, initial_window
from lastack.tcp.congestion.bbr import Bbr
from lastack.tcp.congestion.cubic import Cubic
from lastack.tcp.congestion.dctcp import Dctcp
from lastack.tcp.congestion.newreno import NewReno

CONTROLLERS: Final[dict[str, type[CongestionController]]] = {
    "newreno": NewReno,
    "reno": NewReno,
    "cubic": Cubic,
    "bbr": Bbr,
    "dctcp": Dctcp,
}


def register(name: str, kind: type[CongestionController]) -> None:
    """Let `Config(congestion=name)` and TCP_CONGESTION mean this class from now on.

    ValueError for a name that is taken by another class, or is not 1 to 15 ASCII characters.
    """
    if not (name.isascii() and 0 < len(name) <= 15):
        raise ValueError(f"{name!r} is no name for a congestion controller")
    if CONTROLLERS.setdefault(name, kind) is not kind:
        raise ValueError(f"{name!r} is {CONTROLLERS[name].__name__} already")


def controller_class(named: str | type[object]) -> type[CongestionController]:
    """Return what Config's `congestion` means; ENOENT for an unknown name or another class."""
    if isinstance(named, str):
        if named in CONTROLLERS:
            return CONTROLLERS[named]
        raise error_for(errno.ENOENT, f"{named!r} is not one of {', '.join(CONTROLLERS)}")
    if issubclass(named, CongestionController):
        return named
    raise error_for(errno.ENOENT, f"{named.__name__} is no CongestionController")


__all__ = [
    "CONTROLLERS",
    "AckSample",
    "Bbr",
    "CongestionController",
    "Cubic",
    "Dctcp",
    "NewReno",
    "controller_class",
    "initial_window",
    "register",
]
