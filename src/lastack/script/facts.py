"""TCP_INFO: the octets of Linux's `struct tcp_info` as the `tcpi_*` values of snippets."""

import struct
from typing import Final

from lastack.stack.tcp_info import FIELDS, LAYOUT

_NOT_KEPT: Final = frozenset(
    (
        "last_ack_sent", "accecn_fail_mode", "accecn_opt_seen",
    )
)  # fmt: skip
KEPT: Final = frozenset(name for name, _ in FIELDS if name not in _NOT_KEPT)
"""What a stack of ours fills in; the rest is 0 there, which is no fact."""
_ALL: Final = frozenset(name for name, _ in FIELDS)


def facts_of(octets: bytes, kept: frozenset[str] = _ALL) -> dict[str, int]:
    """Return the values by name (`tcpi_state` ...), but for those that are not among `kept`.

    A shorter structure, as older kernels have it, gives fewer.
    """
    whole = octets[: LAYOUT.size].ljust(LAYOUT.size, b"\0")
    found: dict[str, int] = {}
    at = 0
    for (name, form), value in zip(FIELDS, LAYOUT.unpack(whole), strict=True):
        at += struct.calcsize("=" + form)
        if at <= len(octets) and name in kept:
            found[f"tcpi_{name}"] = value
    return found
