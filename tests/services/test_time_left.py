"""The time left of a job, against the time that was really left: builds with their recorded rates,
played again by a clock of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.services import jobs

LINE_S = 0.25
"""A log gets a line so often at most, as core.cli.output.Progress writes it."""
Batches = list[tuple[int, float]]
"""Pictures of each batch, and the seconds that it took."""

RECORDED: Batches = list(zip(
    [64] * 24 + [52, 52],
    [6.4, 2.6, 2.9, 3.1, 4.2, 3.0, 3.4, 3.3, 3.9, 3.8, 4.2, 4.3, 4.3, 4.5, 7.0, 9.7, 9.5, 11.4, 5.5,
     6.5, 7.0, 7.1, 3.8, 3.7, 3.0, 2.3], strict=True))  # fmt: skip
"""vgg.lookalike over 1,640 photographs of ETH-80 while seven other programs came and went."""
STEADY: Batches = [(32, 0.4)] * 80
SLOW_FIRST: Batches = [(16, 6.0), *[(16, 0.35)] * 90]
"""The first batch loads the network and its library."""
SLOWING: Batches = [(16, 0.3 * (1 + 2 * place / 120)) for place in range(120)]
"""Pictures grow and the machine heats up: a third of the first rate at the end."""
HURRYING: Batches = [(16, 0.9 / (1 + 2 * place / 120)) for place in range(120)]
LUMPY: Batches = [(64, (0.2, 0.2, 0.2, 1.8)[place % 4]) for place in range(60)]
"""Every fourth batch waits for the workers that read."""
HUGE: Batches = [(8, 45.0 + 10 * (place % 3)) for place in range(40)]
"""A large network on a small machine: batches that take longer than any window."""
FITTED: Batches = [
    *[(32, 0.5)] * 18, (24, 0.6), (75, 4.0), (75, 4.5), *[(32, 0.55)] * 62,
]  # fmt: skip
"""600 pictures to fit on, the fit itself in two steps, then 2,000 pictures."""


def played(batches: Batches, jump: tuple[int, float] = (-1, 0.0)) -> Iterator[tuple[list, float]]:
    """The log after each of its lines, and the seconds really left then; ``jump``: before which
    batch a clock is set by how much."""
    total, whole = sum(n for n, _ in batches), sum(s for _, s in batches)
    wall, spent, done = 1_000_000.0, 0.0, 0
    lines = [{"time": wall, "done": 0, "total": total}]
    written = 0.0
    for place, (pictures, seconds) in enumerate(batches):
        wall += seconds + (jump[1] if place == jump[0] else 0.0)
        spent, done = spent + seconds, done + pictures
        if spent - written >= LINE_S or done == total:
            written = spent
            lines.append({"time": wall, "done": done, "total": total})
            yield lines, whole - spent


@pytest.mark.parametrize(
    "batches",
    [RECORDED, STEADY, SLOW_FIRST, SLOWING, HURRYING, LUMPY, HUGE, FITTED],
    ids=["recorded", "steady", "slow first", "slowing", "hurrying", "lumpy", "huge", "fitted"],
)
def test_after_the_first_tenth_it_is_right_within_a_factor_of_two(batches):
    shortest = max(seconds for _, seconds in batches)
    told = 0
    for lines, left in played(batches):
        done, total = lines[-1]["done"], lines[-1]["total"]
        if done < total / 10 or left <= shortest:  # the last batch is over before it is read
            continue
        said = (total - done) / jobs.rate(lines)
        assert left / 2 <= said <= left * 2, (done, total, said, left)
        told += 1
    assert told >= 15


def test_a_clock_that_is_set_is_soon_forgotten():
    for by in (-3600.0, 3600.0):
        seen = [(list(lines), left) for lines, left in played(STEADY, jump=(30, by))]
        for lines, _ in seen:
            assert jobs.rate(lines) >= 0
        lines, left = seen[-20]
        said = (lines[-1]["total"] - lines[-1]["done"]) / jobs.rate(lines)
        assert left / 2 <= said <= left * 2


def test_a_rate_is_none_before_it_can_be_told_and_of_another_phase():
    assert jobs.rate([]) == 0
    assert jobs.rate([{"time": 1.0, "done": 0, "total": 9}]) == 0
    assert jobs.rate([{"time": 1.0, "message": "Starting"}]) == 0
    phases = [
        {"time": 1.0, "done": 0, "total": 100},
        {"time": 2.0, "done": 100, "total": 100},
        {"time": 3.0, "done": 0, "total": 1000},
    ]
    assert jobs.rate(phases) == 0
