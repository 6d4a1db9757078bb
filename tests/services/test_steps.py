"""The seconds left of work of unequal steps, played by a clock of its own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.errors import Cancelled
from core.services.steps import Steps, still_left

Played = tuple[str, float, float, int]
"""Kind, expected seconds, real seconds, reports: 0 where the step says nothing until its end."""


class Shown:
    """A progress that shows what is left, and remembers it."""

    def __init__(self) -> None:
        self.left: float | None = None
        self.share: float | None = None
        self.step: float | None = None
        self.silent: float | None = None
        self.what = ""
        self.told: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> bool:
        self.told.append((done, total))
        return True


def played(work: Sequence[Played]) -> list[tuple[float, float, float, float]]:
    """(seconds passed, really left, said to be left, share) at every report, and every tenth of a
    step that says nothing."""
    now, shown = [1000.0], Shown()
    steps = Steps(shown, clock=lambda: now[0])
    for place, (kind, expected, _, _) in enumerate(work):
        steps.add(place, kind, expected)
    whole, seen = sum(real for _, _, real, _ in work), []
    for place, (_, _, real, reports) in enumerate(work):
        inside, begun = steps.begin(place), now[0]
        inside(0, reports)
        for tick in range(1, (reports or 10) + 1):
            now[0] = begun + real * tick / (reports or 10)
            if reports:
                inside(tick, reports)
            passed = now[0] - 1000.0
            seen.append((passed, whole - passed, steps.left(), steps.share()))
    steps.close()
    assert steps.left() == 0
    return seen


def of_encoders(seconds: Sequence[float], wrong: float, times: float = 1.0) -> list[Played]:
    """An evaluation of encoders that cost so many seconds to build, all expected to be so much
    quicker or slower than they are; the times of a search by another factor."""
    work: list[Played] = []
    for cost in seconds:
        work += [
            ("build", cost / wrong, cost, 40),
            ("times", 4.0 / times, 4.0, 0),
            ("scores", 0.5, 0.6, 3),
            ("scores", 0.5, 0.4, 3),
        ]
    return work


WORK: dict[str, list[Played]] = {
    "as expected": of_encoders([1, 2, 40, 3, 60, 5], 1.0),
    "slower than expected": of_encoders([4, 8, 40, 6, 30, 5], 3.0),
    "quicker than expected": of_encoders([4, 8, 40, 6, 30, 5], 1 / 3),
    "one kind alone slower": of_encoders([6, 9, 20, 6, 30, 5], 1.0, 3.0),
    "one kind alone ten times slower": of_encoders([60, 9, 20, 6, 30, 5], 10.0),
    "the longest first": of_encoders([90, 2, 3, 2, 1, 1], 2.0),
    "a fit longer than its pictures": [
        ("pictures", 8.0, 20.0, 20),
        ("fit", 60.0, 90.0, 12),
        ("pictures", 30.0, 75.0, 60),
        ("end", 0.3, 0.5, 0),
    ],
    "studies after it": [
        *of_encoders([2, 3, 10], 1.5),
        *[("study robustness", 20.0, 30.0, 13)] * 3,
        *[("study health", 1.0, 1.2, 2)] * 3,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", WORK)
def test_after_the_first_tenth_it_is_right_within_a_factor_of_two(name):
    work = WORK[name]
    whole, told = sum(real for _, _, real, _ in work), 0
    for passed, left, said, _ in played(work):
        if passed < whole / 10 or left < whole / 50:  # the end is over before it is read
            continue
        assert left / 2 <= said <= left * 2, (passed, left, said)
        told += 1
    assert told >= 20


@pytest.mark.parametrize("name", WORK)
def test_the_share_is_one_of_seconds_and_never_goes_back(name):
    seen = played(WORK[name])
    shares = [share for *_, share in seen]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.02)
    whole = seen[-1][0]
    middle = min(seen, key=lambda one: abs(one[0] - whole / 2))
    assert 0.3 < middle[3] < 0.7


def test_what_was_found_in_the_cache_says_nothing_of_what_was_not():
    now = [0.0]
    steps = Steps(None, clock=lambda: now[0])
    for place in range(6):
        steps.add(place, "times", 10.0)
    for place in range(3):
        steps.begin(place)
        now[0] += 0.01  # it reports nothing: there was nothing to do
    steps.begin(3)
    assert steps.left() == pytest.approx(30.0, rel=0.01)
    steps.end(3, 4)
    assert steps.left() == pytest.approx(10.0, rel=0.2), (
        "a step that is not needed is not waited for"
    )


def test_steps_within_a_step_say_what_is_left_of_it():
    now, shown = [0.0], Shown()
    outer = Steps(shown, clock=lambda: now[0])
    outer.add("build", "build", 25.0)
    outer.add("times", "times", 7.0)
    outer.counted(0, 2)
    inner = Steps(outer.begin("build"), clock=lambda: now[0])
    inner.add("look", "pictures", 10.0)
    inner.add("encode", "pictures", 30.0)
    inside = inner.begin("look")
    inside.what = "Fitting"
    for done in range(1, 11):
        now[0] += 1.0
        inside(done, 10)
    assert shown.what == "Fitting"
    assert shown.told[-1] == (0, 2), "parts are counted, not what each of them counts"
    assert shown.left is not None
    assert 30 <= shown.left <= 46
    inner.close()
    outer.close()
    assert shown.left is None, "what follows is counted by its own rate"


SWINGS = {
    "umap": [
        0.5, 0.6, 0.7, 0.5, 0.8, 0.6, 0.6, 0.8, 0.8, 0.7, 0.7, 1.2, 0.9, 1.3, 1.4, 1.0, 1.0, 1.0,
        1.0, 0.9, 0.9, 1.4, 1.1, 1.0, 0.9, 0.8, 1.0, 0.8, 0.8, 1.0, 0.9, 1.3, 0.9, 0.9, 1.1, 1.5,
        3.5, 1.7, 2.2, 2.6, 1.4, 0.5, 0.9, 1.1, 0.8, 1.1, 0.5, 0.6, 0.4, 0.5,
    ],
    "aligned": [
        0.9, 1.3, 0.6, 0.7, 0.7, 1.1, 1.0, 1.3, 1.6, 0.8, 0.8, 0.7, 0.5, 0.5, 0.6, 0.6, 0.5, 0.5,
        0.5, 0.6, 0.6, 0.5, 0.6, 2.0, 1.9, 1.3, 1.6, 1.4, 1.5, 1.1, 3.5, 2.6, 1.6, 1.4, 1.1, 0.8,
        0.8, 0.8, 0.6, 0.6, 0.5, 1.0, 0.9, 0.6, 1.4, 1.2, 0.6, 0.6, 0.6, 0.5,
    ],
}  # fmt: skip
"""Seconds of ten rounds each of two maps of the gallery, while other programs came and went."""


@pytest.mark.parametrize("name", SWINGS)
def test_what_is_left_follows_a_load_that_swings(name):
    """By the last seconds alone 84 and 86 % of these are right."""
    now, whole, good = [0.0], sum(SWINGS[name]), []
    steps = Steps(None, clock=lambda: now[0])
    steps.add("rounds", "rounds", 3.0)
    inside = steps.begin("rounds")
    for tens, seconds in enumerate(SWINGS[name]):
        for unit in range(1, 11):
            now[0] += seconds / 10
            inside(10 * tens + unit, 500)
        if whole / 10 < now[0] < whole - 1.0:
            good.append(0.5 <= steps.left() / (whole - now[0]) <= 2.0)
    assert len(good) > 35
    assert sum(good) >= 0.9 * len(good)


def test_of_what_is_counted_often_the_beginning_is_remembered():
    """A thousand counts in the first half, ten times as quick as in the other."""
    now = [0.0]
    steps = Steps(None, clock=lambda: now[0])
    steps.add("rounds", "rounds", 100.0)
    inside = steps.begin("rounds")
    for done in range(1, 1501):
        now[0] += 0.06 if done <= 1000 else 0.6
        inside(done, 2000)
    assert 500 * 0.06 < steps.left() < 500 * 0.6, "neither pace is that of all"
    assert len(steps._lines) <= 402


def test_a_stop_is_heard_in_every_step():
    steps = Steps(lambda done, total: done < 1)
    steps.add("one", "one", 1.0)
    steps.counted(0, 2)
    assert steps.begin("one")(5, 9)
    with pytest.raises(Cancelled):
        steps.counted(1, 2)


def test_what_comes_before_the_first_count_says_nothing_of_the_rest():
    now, shown = [0.0], Shown()
    steps = Steps(shown, clock=lambda: now[0])
    steps.add("look", "pictures", 10.0, first=1.0)
    steps.add("encode", "pictures", 40.0, first=1.0)
    inside = steps.begin("look")
    now[0] += 9.0  # worker processes begin, slowly
    for done in range(1, 11):
        now[0] += 1.0
        inside(done, 10)
    steps.begin("encode")
    assert 40 <= steps.left() <= 60, "only the next start takes longer, not each picture"


def test_a_step_that_says_nothing_may_take_longer_than_it_was_thought_to():
    """A log has no line while a network is compiled: its readers know what was expected."""
    now, shown = [0.0], Shown()
    steps = Steps(shown, clock=lambda: now[0])
    steps.add("load", "load", 12.0)
    steps.add("encode", "pictures", 30.0)
    steps.begin("load")(0, 0)
    assert shown.left is not None
    told = shown.left, shown.step, shown.silent
    assert told == (42.0, 12.0, 0.0)
    assert still_left(told[0], 8.0, *told[1:]) == pytest.approx(34.0)
    assert still_left(told[0], 40.0, *told[1:]) == pytest.approx(30.0 + 10.0)
    assert still_left(20.0, 30.0, 4.0, None) == pytest.approx(16.0 + 2.0), "one that counts"


def test_what_is_known_better_meanwhile_counts():
    now = [0.0]
    steps = Steps(None, clock=lambda: now[0])
    steps.add("encode", "pictures", 30.0)
    steps.expect("encode", 12.0)
    steps.expect("robustness", 50.0)  # no such step was planned
    assert steps.left() == pytest.approx(12.0)


def test_what_was_timed_in_this_run_is_as_slow_as_the_machine_already():
    now = [0.0]
    steps = Steps(None, clock=lambda: now[0])
    steps.add("times", "times", 2.0)
    steps.add("robustness", "study", 20.0)
    inside = steps.begin("times")
    now[0] += 8.0
    inside(1, 1)
    steps.end()
    assert steps.left() > 30.0, "all kinds are expected to take longer"
    steps.expect("robustness", 80.0, sure=True)
    assert steps.left() == pytest.approx(80.0)
