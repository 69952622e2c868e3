"""The shape of what is said about a state, the same in every language."""

from typing import NamedTuple


class About(NamedTuple):
    """One state explained: what it means, what ends it, who must act, and what to look for."""

    meaning: str
    ends: str
    actor: str
    arrival: str
    many: str
    timers: str
    section: str
