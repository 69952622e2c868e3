"""The user timeout option's value (RFC 5482 2, 3.1): what is advertised, and what is adopted."""

from dataclasses import dataclass
from typing import Final

from lastack.units import HOUR, MINUTE, SECOND

_MINUTES: Final = 0x8000
_MOST: Final = 0x7FFF


@dataclass(frozen=True)
class UserTimeoutOption:
    """ENABLED: we advertise a user timeout, and adopt the peer's between two limits.

    Times in nanoseconds. `advertised` is ADV_UTO; the peer may then wait as long for us, and we
    for it. A peer's wish counts where `changeable` is set and no user timeout of our own is.
    """

    advertised: int
    changeable: bool = True
    least: int = 100 * SECOND
    """L_LIMIT; 100 seconds are recommended, and an RTO at least is taken anyway."""
    most: int = HOUR
    """U_LIMIT: memory is held as long for a peer that is gone."""


def encoded(timeout: int) -> int:
    """Return the 16 bits for a time: seconds, or minutes where these do not reach; never zero."""
    seconds = max(-(-timeout // SECOND), 1)
    if seconds <= _MOST:
        return seconds
    return _MINUTES | min(-(-timeout // MINUTE), _MOST)


def decoded(value: int) -> int:
    """Return the time that 16 bits tell; 0 for the value that is reserved."""
    return (value & _MOST) * (MINUTE if value & _MINUTES else SECOND)
