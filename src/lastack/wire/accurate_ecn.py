"""The AccECN options (RFC 9768 3.2.3): how many octets have come with each codepoint, 24 bits each.

    kind 172 (order 0): ECT(0), CE, ECT(1)        kind 174 (order 1): ECT(1), CE, ECT(0)

Fields at the end may be left out.
"""

from typing import Final

from lastack.wire.segment import ACCURATE_ECN_0 as ORDER_0
from lastack.wire.segment import ACCURATE_ECN_1 as ORDER_1

MISSING: Final = -1
_MASK: Final = 0xFFFFFF
_FIELD: Final = 3


def encode(ect0: int, ce: int, ect1: int, fields: int, order_1: bool) -> bytes:
    """Return the option with so many fields (0 to 3), the counters' low 24 bits in them."""
    counts = (ect1, ce, ect0) if order_1 else (ect0, ce, ect1)
    option = bytes((ORDER_1 if order_1 else ORDER_0, 2 + _FIELD * fields))
    for count in counts[:fields]:
        option += (count & _MASK).to_bytes(_FIELD, "big")
    return option


def find(options: bytes) -> tuple[int, int, int] | None:
    """Return the fields ECT(0), CE and ECT(1), MISSING ones among them; None without the option.

    Of an odd length count the fields that are whole (3.2.3).
    """
    at = 0
    end = len(options)
    while at + 1 < end:
        kind = options[at]
        if kind == 1:
            at += 1
            continue
        size = options[at + 1]
        if kind == 0 or size < 2 or at + size > end:
            return None
        if kind in (ORDER_0, ORDER_1):
            first, ce, last = [_field(options, at + 2 + _FIELD * i, at + size) for i in range(3)]
            return (first, ce, last) if kind == ORDER_0 else (last, ce, first)
        at += size
    return None


def _field(options: bytes, start: int, end: int) -> int:
    if start + _FIELD > end:
        return MISSING
    return int.from_bytes(options[start : start + _FIELD], "big")
