"""Sequence number arithmetic (RFC 9293 3.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.wire import seq

numbers = st.integers(0, 2**32 - 1)
near = st.integers(0, 2**31 - 1)


@given(numbers, near)
def test_a_number_less_than_half_the_space_ahead_is_greater(a: int, n: int) -> None:
    """3.4: comparison is modulo 2**32, whatever wraps between."""
    b = seq.add(a, n)
    assert seq.le(a, b)
    assert seq.ge(b, a)
    assert seq.lt(a, b) == (n > 0) == seq.gt(b, a)
    assert seq.later(a, b) == b == seq.later(b, a)
    assert seq.diff(b, a) == n
    assert seq.diff(a, b) == -n
    assert seq.add(b, -n) == a


@given(numbers, numbers)
def test_exactly_one_of_less_equal_and_greater_holds_away_from_the_antipode(a: int, b: int) -> None:
    """3.4: at exactly 2**31 apart order means nothing; everywhere else it is total."""
    if (a - b) % 2**32 == 2**31:
        return
    assert [seq.lt(a, b), a == b, seq.gt(a, b)].count(True) == 1
    assert seq.le(a, b) == (seq.lt(a, b) or a == b)
    assert seq.ge(a, b) == (seq.gt(a, b) or a == b)


@given(numbers, numbers, st.integers(0, 2**32 - 1))
def test_between_is_a_half_open_arc(low: int, a: int, size: int) -> None:
    """3.4: low <= a < low + size, around the circle."""
    assert seq.between(a, low, seq.add(low, size)) == ((a - low) % 2**32 < size)


@pytest.mark.parametrize(
    ("a", "b", "less"),
    [(0xFFFFFFFF, 0, True), (0, 0xFFFFFFFF, False), (0x7FFFFFFF, 0x80000000, True), (5, 5, False)],
)
def test_the_wrap_is_no_edge(a: int, b: int, less: bool) -> None:
    """3.4: zero comes after 2**32 - 1."""
    assert seq.lt(a, b) is less
