"""Arithmetic of sequence numbers, modulo 2**32 (RFC 9293 3.4).

The only place where two sequence numbers are compared or subtracted:

        a                b
    ----|----------------|---->      lt(a, b) is true, diff(b, a) is the distance

holds while the two are less than 2**31 apart.
"""


def add(a: int, n: int) -> int:
    """Return the sequence number n octets after a (n may be negative)."""
    return (a + n) & 0xFFFFFFFF


def diff(a: int, b: int) -> int:
    """Return how far a is after b: from -2**31 to 2**31 - 1."""
    return ((a - b + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def lt(a: int, b: int) -> bool:
    """Return whether a comes before b."""
    return ((a - b) & 0xFFFFFFFF) >= 0x80000000


def le(a: int, b: int) -> bool:
    """Return whether a comes before b or is b."""
    return ((b - a) & 0xFFFFFFFF) < 0x80000000


def gt(a: int, b: int) -> bool:
    """Return whether a comes after b."""
    return ((b - a) & 0xFFFFFFFF) >= 0x80000000


def ge(a: int, b: int) -> bool:
    """Return whether a comes after b or is b."""
    return ((a - b) & 0xFFFFFFFF) < 0x80000000


def later(a: int, b: int) -> int:
    """Return the later of two sequence numbers."""
    return a if ge(a, b) else b


def between(a: int, low: int, high: int) -> bool:
    """Return whether low <= a < high."""
    return ((a - low) & 0xFFFFFFFF) < ((high - low) & 0xFFFFFFFF)
