"""Every row of the table of metrics: bounds, best and worst lists, and that moving a relevant item
up never costs."""

from __future__ import annotations

import numpy as np
import pytest

from core.metrics import table
from core.metrics.ranked import rank

NAMES = [f"{name[:-1]}5" if row.cut else name for name, row in table.TABLE.items()]


def scores_of(name: str, relevant: np.ndarray) -> np.ndarray:
    """One list a row, already in rank order. A label other than 1 marks what is not relevant, each
    its own."""
    length = relevant.shape[1]
    labels = np.where(relevant, 1, 2 + np.arange(length))
    lists = rank(
        np.broadcast_to(-np.arange(length, dtype=float), relevant.shape),
        relevant,
        top=length,
        labels=labels,
        own=np.ones(len(relevant), int),
    )
    return table.scores(lists, (name,))[name]


def random_lists(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    relevant = rng.random((200, 20)) < rng.random((200, 1)) * 0.5
    relevant[:, 3] |= ~relevant.any(axis=1)
    return relevant


@pytest.mark.parametrize("name", table.TABLE)
def test_a_row_says_what_it_is(name):
    row = table.TABLE[name]
    assert row.name == name
    assert row.cut == name.endswith("@K")
    assert all((row.label, row.about, row.function.__doc__))


@pytest.mark.parametrize("name", NAMES)
def test_values_lie_between_0_and_1(name):
    values = scores_of(name, random_lists(0))
    assert values.shape == (200,)
    assert values.dtype == np.float64
    assert ((values >= 0) & (values <= 1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_list_is_worth_1_and_the_reverse_less(name):
    best = np.zeros((1, 20), bool)
    best[0, :5] = True
    assert scores_of(name, best)[0] == pytest.approx(1.0)
    assert scores_of(name, best[:, ::-1])[0] < 0.2


@pytest.mark.parametrize("name", NAMES)
def test_moving_a_relevant_item_up_never_costs(name):
    before = random_lists(1)
    after = before.copy()
    for row in after:
        places = np.flatnonzero(~row[:-1] & row[1:])
        if len(places):
            row[[places[0], places[0] + 1]] = True, False
    assert (scores_of(name, after) >= scores_of(name, before) - 1e-12).all()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_relevant_is_not_a_zero(name):
    assert np.isnan(scores_of(name, np.zeros((1, 20), bool))).all()
