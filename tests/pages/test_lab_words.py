"""How the Index lab says its numbers."""

from __future__ import annotations

import pytest

from pages.parts.lab import loss, one_query


@pytest.mark.parametrize(
    ("own", "exact", "said"),
    [(0.18, 7.78, "43 times faster"), (0.05, 7.85, "160 times faster"), (3.0, 2.0, "1.5 times slower"), (2.0, 2.01, "as fast")],
)
def test_how_much_faster_is_said_in_two_digits(own, exact, said):
    assert one_query.speed(own, exact) == said


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.0064, 0.0081, "-0.006 to +0.008"), (-0.0002, -0.00012, "-0.0002 to -0.0001"), (-1e-9, 0.0, "no change"),
     (-0.0021, 0.0001, "-0.002 to 0")],
)  # fmt: skip
def test_a_change_takes_as_many_digits_as_it_needs(low, high, said):
    assert loss.between(low, high) == said
