"""Congestion controllers (MAY-18): a new one is one file here and one line in `CONTROLLERS`.

A user's own is a class that is given to Config, or registered under a name.
"""

import errno
from typing import Final

from lastack.errors import error_for
from lastack.tcp.congestion.base import (
    AckSample,
    CongestionController,
    initial_window,
    must_be_whole,
)
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
_OWN: Final = ("on_ack", "on_loss", "on_timeout")
"""What a class has to have of its own; compiled, an abstract base does not see to that."""


def register(name: str, kind: type[CongestionController]) -> None:
    """Let `Config(congestion=name)` and TCP_CONGESTION mean this class from now on.

    ValueError for a name that is taken by another class, or is not 1 to 15 ASCII characters.
    """
    if not (name.isascii() and 0 < len(name) <= 15):
        raise ValueError(f"{name!r} is no name for a congestion controller")
    if CONTROLLERS.setdefault(name, kind) is not kind:
        raise ValueError(f"{name!r} is {CONTROLLERS[name].__name__} already")


def controller_class(named: str | type[object]) -> type[CongestionController]:
    """Return what Config's `congestion` means; ENOENT for an unknown name, or a class that is none
    or lacks a method."""
    if isinstance(named, str):
        if named in CONTROLLERS:
            return CONTROLLERS[named]
        raise error_for(errno.ENOENT, f"{named!r} is not one of {', '.join(CONTROLLERS)}")
    if isinstance(named, type) and issubclass(named, CongestionController):
        for method in _OWN:
            if getattr(named, method) is getattr(CongestionController, method):
                raise error_for(errno.ENOENT, f"{named.__name__} has no {method}")
        return named
    raise error_for(errno.ENOENT, f"{named!r} is no CongestionController")


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
    "must_be_whole",
    "register",
]
