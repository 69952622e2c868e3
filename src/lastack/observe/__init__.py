"""Captures and kernels: what others' connections do, in the same terms as our own.

The names are found here and loaded when first used.
"""

from typing import Final

from lastack.lazy import first_use

_HOMES: Final[dict[str, str]] = {
    "Connection": "lastack.observe.connection",
    "Flow": "lastack.observe.core.flow",
    "Group": "lastack.observe.core.groups",
    "Groups": "lastack.observe.core.groups",
    "Handshake": "lastack.observe.core.verdicts",
    "Observer": "lastack.observe.reading",
    "Piece": "lastack.observe.streams",
    "Side": "lastack.observe.connection",
    "Teardown": "lastack.observe.core.verdicts",
    "Transition": "lastack.observe.connection",
    "Verdict": "lastack.observe.core.verdicts",
    "What": "lastack.observe.streams",
    "connection_info": "lastack.observe.info",
    "connection_of": "lastack.observe.connection",
    "read": "lastack.observe.reading",
    "stream": "lastack.observe.streams",
    "verdict_on": "lastack.observe.core.verdicts",
}

__all__ = [
    "Connection",
    "Flow",
    "Group",
    "Groups",
    "Handshake",
    "Observer",
    "Piece",
    "Side",
    "Teardown",
    "Transition",
    "Verdict",
    "What",
    "connection_info",
    "connection_of",
    "read",
    "stream",
    "verdict_on",
]


def __getattr__(name: str) -> object:
    return first_use(name, _HOMES, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
