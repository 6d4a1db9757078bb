"""How the Index lab says its numbers."""

from __future__ import annotations

import pytest

from pages.parts.lab import loss


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.0064, 0.0081, "-0.006 to +0.008"), (-0.0002, -0.00012, "-0.0002 to -0.0001"), (-1e-9, 0.0, "no change"),
     (-0.0021, 0.0001, "-0.002 to 0")],
)  # fmt: skip
def test_a_change_takes_as_many_digits_as_it_needs(low, high, said):
    assert loss.between(low, high) == said
