"""Units of time: every time in lastack is a whole number of nanoseconds."""

from typing import Final

NS: Final = 1
US: Final = 1_000
MS: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60_000_000_000
HOUR: Final = 3_600_000_000_000

NEVER: Final = 1 << 61
"""A deadline that never comes (73 years after the epoch of whatever clock the caller uses)."""
