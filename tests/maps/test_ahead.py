"""The time left of maps, whose steps are named as they begin."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.services.maps.ahead import Ahead
from core.types import Step, doing


class Shown(SimpleNamespace):
    def __call__(self, done: int, total: int) -> bool:
        self.told.append((done, total))
        return True


@pytest.mark.parametrize("slower", [1.0, 8.0])
def test_time_left_holds_through_what_is_counted_and_what_is_not(slower):
    """Two UMAPs of 3,000 points on a machine that may be slower than was expected."""
    now, progress = [0.0], Shown(left=None, share=None, step=None, silent=None, what="", told=[])
    ahead = Ahead(progress)
    ahead.steps.clock, ahead.steps._began = lambda: now[0], 0.0
    for key in "ab":
        ahead.map(key, "umap", 3000, 3000)
    whole, seen = ahead.steps.left() * slower, []
    expected = {key: step.expected for key, step in ahead.steps._steps.items()}

    def spend(seconds: float) -> None:
        for _ in range(5):
            now[0] += seconds * slower / 5
            seen.append((whole - now[0], ahead.steps.left()))

    for key in "ab":
        making = ahead.making(key)
        for part, then in (
            (Step.NEAR, Step.GRAPH),
            (Step.ROUNDS, None),
            (Step.LISTS, None),
            (Step.MEASURE, Step.END),
        ):
            counting = doing(making, part)
            for done in range(10):
                counting(done, 10)
                spend(expected[part, key] / 10)
            counting(10, 10)
            if then:
                doing(making, then)
                spend(expected[then, key])
    told = [(left, said) for left, said in seen if whole / 30 < left < whole * 0.9]
    assert len(told) > 100
    good = [left / 2 <= said <= left * 2 for left, said in told]
    assert sum(good) >= 0.9 * len(good)
    counts = [done for done, _ in progress.told]
    assert counts == sorted(counts)
    assert counts[-1] > 950, "in thousandths of the time, over both maps"


def test_what_was_not_expected_is_passed_on():
    progress = Shown(left=None, share=None, step=None, silent=None, what="", told=[])
    assert Ahead(progress).making("other")(3, 9)
    assert progress.told == [(3, 9)]
