"""How long work of unequal steps will still take: each step weighs its expected seconds, and what
was measured so far corrects those of the steps to come."""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, log, sqrt
from typing import Any

from core.types import Progress, Step, doing, report, tell

WINDOW_S, LINES = 20.0, 4
"""The rate is that of the last so many seconds, or of so many reports where these took longer: a
batch of a large network may take a minute."""


def rate(lines: Sequence[dict]) -> float:
    """Units a second over the last part of a log; 0 where it can't be told yet.

    Args:
        lines: with ``time`` (seconds), ``done`` and ``total``, oldest first; those without a total
            are passed over.
    """
    return _speed(_counted(lines), WINDOW_S)


def pace(lines: Sequence[dict]) -> float:
    """Units a second by which what is left of a log is told; 0 where it can't be told yet. Load
    comes and goes: the last seconds do not last, and the first are over, so it lies between the
    rate of the last part and that of all, at their geometric mean."""
    steps = _counted(lines)
    return sqrt(_speed(steps, WINDOW_S) * _speed(steps, inf))


def _counted(lines: Sequence[dict]) -> list[dict]:
    """The lines of what is counted now, without what came before it began."""
    steps = _phase([line for line in lines if line.get("total")])
    if len(steps) > 2 and steps[0]["done"] == 0:
        return steps[1:]  # before the first batch libraries load, files open, caches fill
    return steps


def _speed(steps: Sequence[dict], window: float) -> float:
    """Units a second of the last ``window`` seconds."""
    recent = [step for step in steps if steps[-1]["time"] - step["time"] <= window]
    recent = list(steps[-max(len(recent), LINES) :])
    if len(recent) < 2 or recent[-1]["time"] <= recent[0]["time"]:
        return 0.0
    return (recent[-1]["done"] - recent[0]["done"]) / (recent[-1]["time"] - recent[0]["time"])


def _phase(steps: Sequence[dict]) -> list[dict]:
    """The last steps that count the same thing by one clock: it may be set back meanwhile."""
    begun = 0
    for place, (before, step) in enumerate(pairwise(steps), 1):
        same = step["total"] == before["total"] and step["done"] >= before["done"]
        if not same or step["time"] < before["time"]:
            begun = place
    return list(steps[begun:])


KEPT = 400
"""Reports of a step that are remembered for its rate, besides the first two."""
EVERY_S = 0.05
"""One is remembered so often at most."""
TOLD = 0.1
"""From this share of a step on its own rate alone says what is left of it; before, what was
expected of it has a part in that."""
PRIOR = 0.05
"""A kind of which no more was measured than this share of all steps says little of the others."""
KIND_OFF, MACHINE_OFF = 2.5, 3.0
"""By what factor steps of one kind are usually off from what the machine makes of all kinds, and
the machine from what was expected of it: nothing was measured on it yet, or other programs run."""
FIRST = "first"
"""The kind of the seconds before a step begins to count."""
NETWORK = Step.FETCH
"""The kind of steps that wait for a network: nothing is known of it before bytes came, and it says
nothing of the machine."""
OVERRUN = 0.25
"""Of a step that takes longer than expected and says nothing, so much of its time is still left."""


@dataclass(slots=True)
class _Step:
    kind: str
    expected: float
    spent: float | None = None
    """Seconds that it took; None before its end."""
    worked: bool = False
    """Whether it had anything to do: one that was found in the cache says nothing of others."""
    sure: bool = False
    """Whether that was measured in this very run, as slow as the machine is now."""
    first: float = 0.0
    """Expected seconds before its first count: processes begin, files open, libraries load."""
    units: int = 0
    """What it is expected to count, for one that can't tell that itself."""
    start: float | None = None
    """What these seconds were, and those of all that was counted at the rate that followed."""
    counted: float | None = None


class _Within:
    """A progress of work that belongs to steps."""

    def __init__(self, steps: "Steps") -> None:
        self._steps = steps

    @property
    def what(self) -> str:
        """What is at work, in words."""
        return self._steps.what

    @what.setter
    def what(self, words: str) -> None:
        self._steps.what = words

    def doing(self, step: str) -> Progress:
        """A step that was not planned begins within these."""
        doing(self._steps.progress, step)
        return self

    def __call__(self, done: int, total: int) -> bool:
        return self._steps.passed_on(done, total)


class Named(_Within):
    """The progress of work that names its steps: those planned as (step, ``of``) are begun when it
    does."""

    def __init__(self, steps: "Steps", of: Hashable) -> None:
        super().__init__(steps)
        self._of = of

    def doing(self, step: str) -> Progress:
        """Begin a step, and return its progress; this one where it was not planned."""
        key = step, self._of
        return self._steps.begin(key) if self._steps.plans(key) else super().doing(step)


class Inside(_Within):
    """The progress of one step. Steps within it that know what is left of them say so here."""

    def __init__(self, steps: "Steps", key: Hashable) -> None:
        super().__init__(steps)
        self._key = key
        self.left: float | None = None
        self.share: float | None = None
        self.step: float | None = None
        self.silent: float | None = None
        self.at = 0.0
        """When this was said, by the clock of the steps."""

    def __call__(self, done: int, total: int) -> bool:
        return self._steps.reported(self._key, done, total)


class Steps:
    """Steps that are known beforehand, and the seconds left of all of them.

    It passes on what a step reports, or how many parts are done where ``count`` is set; a progress
    that shows ``left`` and ``share`` is given them each time, with ``step``, the seconds of them
    that are the step's at work, and ``silent``, how long that has gone on where it has counted
    nothing yet: :func:`still_left` reads them later. Steps of one ``kind`` are expected to be wrong
    by one factor, which is ``off`` from that of all kinds.
    """

    def __init__(
        self,
        progress: Progress | None,
        clock: Callable[[], float] = time.monotonic,
        off: float = KIND_OFF,
    ) -> None:
        self.progress, self.clock, self._off = progress, clock, off
        self.count: tuple[int, int] | None = None
        self._steps: dict[Hashable, _Step] = {}
        self._now: Hashable = None
        self._inside: Inside | None = None
        self._since = self._began = clock()
        self._lines: list[dict] = []
        self._share = 0.0

    @property
    def what(self) -> str:
        """What is at work, in words."""
        return getattr(self.progress, "what", "")

    @what.setter
    def what(self, words: str) -> None:
        tell(self.progress, words)

    def add(
        self, key: Hashable, kind: str, seconds: float, first: float = 0.0, units: int = 0
    ) -> None:
        """One more step, to be begun later; ``first``: besides, seconds before its first count;
        ``units``: what it counts in all, where it does not say."""
        made = _Step(kind, max(seconds, 1e-3), first=first, units=units)
        self._steps.setdefault(key, made)

    def plans(self, key: Hashable) -> bool:
        """Whether there is such a step."""
        return key in self._steps

    def expect(self, key: Hashable, seconds: float, *, sure: bool = False) -> None:
        """More is known now of a step that has not ended; nothing where there is no such step.
        ``sure``: by what was timed a moment ago, so that no factor of the machine comes on top."""
        step = self._steps.get(key)
        if step is not None and step.spent is None:
            step.expected, step.sure = max(seconds, 1e-3), sure

    def begin(self, key: Hashable) -> Inside:
        """Begin a step, which ends the one before it, and return its progress."""
        if self._inside is None or key != self._now:
            self.end()
            step = self._steps.setdefault(key, _Step(str(key), 1e-3))
            step.spent = step.counted = None
            self._now, self._since, self._lines = key, self.clock(), []
            self._inside = Inside(self, key)
            doing(self.progress, step.kind)
            self._tell()
        return self._inside

    def reported(self, key: Hashable, done: int, total: int) -> bool:
        """A step reports how far it is."""
        if key == self._now:
            step = self._steps[key]
            step.worked = True
            self._note(done if total else min(done, step.units), total or (done and step.units))
            total = total or (done and max(step.units, done))
        return self(done, total)

    def end(self, *unneeded: Hashable) -> None:
        """The step that was begun last has ended; those that are ``unneeded`` will not begin."""
        if self._now is not None:
            step = self._steps[self._now]
            step.spent = self.clock() - self._since
            step.start, step.counted = self._measured(step, step.spent)
            self._now = self._inside = None
        for key in unneeded:
            if (known := self._steps.get(key)) and known.spent is None:
                known.spent = 0.0

    def counted(self, done: int, total: int) -> None:
        """So many parts of all are done. Raises Cancelled where the progress says stop."""
        self.count = done, total
        self._tell()
        report(self.progress, done, total)

    def passed_on(self, done: int, total: int) -> bool:
        """The step at work has a count of its own, a download: how far it is remains unknown."""
        if self._now is not None:
            self._steps[self._now].worked = True
        return self(done, total)

    def __call__(self, done: int, total: int) -> bool:
        """Progress of whatever belongs to no step of its own."""
        self._tell()
        return self.progress is None or self.progress(*(self.count or (done, total)))

    def close(self) -> None:
        """All has ended: what is counted from now on are no steps of these."""
        self.end(*self._steps)
        if hasattr(self.progress, "left"):
            self.progress.left = self.progress.share = None  # type: ignore[union-attr]
            self.progress.step = self.progress.silent = None  # type: ignore[union-attr]

    def left(self) -> float:
        """Seconds until the last step ends, as far as it is known now."""
        waiting = [s for k, s in self._steps.items() if s.spent is None and k != self._now]
        return self._left_of_step() + sum(map(self._expected, waiting))

    def share(self) -> float:
        """How much of all seconds has passed, 0 to 1; it never goes back."""
        spent = self.clock() - self._began
        whole = spent + self.left()
        self._share = max(self._share, spent / whole if whole else 0.0)
        return self._share

    def _note(self, done: int, total: int) -> None:
        now = self.clock()
        again = bool(self._lines) and done < self._lines[-1]["done"]
        if self._lines and not again and now - self._lines[-1]["time"] < EVERY_S and done < total:
            return
        self._lines.append({"time": now, "done": done, "total": total})
        del self._lines[2:-KEPT]

    def _tell(self) -> None:
        shown: Any = self.progress
        if not hasattr(shown, "left"):
            return
        if self._waits() and not rate(self._lines):
            shown.left = shown.share = shown.step = shown.silent = None
            return
        shown.left, shown.share = self.left(), self.share()
        if isinstance(shown, Inside):
            shown.at = self.clock()
        within = self._inside
        if within is not None and within.left is not None:
            shown.step, shown.silent = within.step, within.silent
        else:
            shown.step = self._left_of_step()
            shown.silent = None if self._far() else self.clock() - self._since

    def _waits(self) -> bool:
        """Whether the step at work is the network's."""
        return self._now is not None and self._steps[self._now].kind == NETWORK

    def _far(self) -> float:
        """The share of the step at work, by what it reported last."""
        if self._inside is not None and self._inside.share is not None:
            return self._inside.share
        last = self._lines[-1] if self._lines else {}
        return min(last["done"] / last["total"], 1.0) if last.get("total") else 0.0

    def _measured(self, step: _Step, spent: float) -> tuple[float, float]:
        """Of the seconds that the step at work has ``spent``: those before it began to count, where
        such were expected, and those of what it has counted."""
        if not step.first:
            return 0.0, spent
        counts = [line for line in _phase(self._lines) if line["done"]]
        if len(counts) < 2 or counts[0]["done"] == counts[-1]["done"]:
            return 0.0, spent
        first, last = counts[0], counts[-1]
        each = (last["time"] - first["time"]) / (last["done"] - first["done"])
        counted = min(each * last["done"], spent)
        return spent - counted, counted

    def _left_of_step(self) -> float:
        if self._now is None:
            return 0.0
        inside, since = self._inside, self.clock()
        if inside is not None and inside.left is not None:
            return still_left(inside.left, since - inside.at, inside.step, inside.silent)
        step, far, spent = self._steps[self._now], self._far(), since - self._since
        if not far:
            return self._left_unseen(step, spent)
        guess = self._work(step) * (1 - far)
        speed = pace(self._lines)
        if not speed:
            return guess
        last = self._lines[-1]
        measured = (last["total"] - last["done"]) / speed
        measured = max(measured - (since - last["time"]), measured / 2)
        weight = 1.0 if self._waits() else min(far / TOLD, 1.0)
        return weight * measured + (1 - weight) * guess

    def _left_unseen(self, step: _Step, spent: float) -> float:
        """Of a step that has counted nothing yet."""
        work = self._work(step)
        if not step.first:
            return max(work - spent, OVERRUN * spent)
        return max(step.first * self._factor(FIRST) - spent, OVERRUN * spent) + work

    def _expected(self, step: _Step) -> float:
        """Seconds of a step that has not begun."""
        first = step.first * self._factor(FIRST) if step.first else 0.0
        return first + self._work(step)

    def _work(self, step: _Step) -> float:
        return step.expected * (1.0 if step.sure else self._factor(step.kind))

    def _factor(self, kind: str) -> float:
        """By how much steps of a kind take longer than expected: as those of it did. Where few of
        it were measured, as all kinds did: a machine that is busy delays every one of them, an
        encoder of which nothing was known only its own."""
        pairs = self._pairs()
        step, spent = self._steps.get(self._now), self.clock() - self._since
        silent = step is not None and not (step.first or step.sure or self._far())
        if step and silent and spent > step.expected * self._factor_by(step.kind, pairs):
            pairs.append((step.kind, step.expected, spent * (1 + OVERRUN)))
        return self._factor_by(kind, pairs)

    def _factor_by(self, kind: str, pairs: Sequence[tuple[str, float, float]]) -> float:
        steps = self._steps.values()
        if kind == FIRST:
            own = [step.first for step in steps if step.first]
        else:
            own = [step.expected for step in steps if step.kind == kind]
        same = [(expected, spent) for of, expected, spent in pairs if of == kind]
        prior = 1.0 if kind == NETWORK else self._in_all(pairs)
        return _ratio(same, sum(own) / max(len(own), 1) / 2, prior)

    def _in_all(self, pairs: Sequence[tuple[str, float, float]]) -> float:
        """What all kinds have in common, by the mean of their logarithms: each differs from it by a
        factor of its own as large as ``off``, and it from 1 by ``MACHINE_OFF``."""
        steps = (step for step in self._steps.values() if step.kind != NETWORK)
        little = PRIOR * sum(step.expected for step in steps)
        weights, logs = 0.0, 0.0
        for kind in {of for of, _, _ in pairs} - {NETWORK}:
            expected = sum(one for of, one, _ in pairs if of == kind)
            spent = sum(one for of, _, one in pairs if of == kind)
            weight = expected / (expected + little)
            weights += weight
            logs += weight * log(max(spent, 1e-3) / expected)
        return exp(logs / (weights + (log(self._off) / log(MACHINE_OFF)) ** 2))

    def _pairs(self) -> list[tuple[str, float, float]]:
        """Kind, expected and real seconds of what was measured; what came before the first count of
        a step is a kind of its own."""
        over = [one for one in self._steps.values() if one.counted is not None and one.worked]
        over = [one for one in over if not one.sure]
        found = [(step.kind, step.expected, step.counted or 0.0) for step in over]
        found += [(FIRST, step.first, step.start or 0.0) for step in over if step.first]
        step = self._steps.get(self._now)
        if step is not None and not step.sure and (far := self._far()) > TOLD:
            spent = self.clock() - self._since
            found.append((step.kind, step.expected * far, self._measured(step, spent)[1]))
        return found


def _ratio(pairs: Sequence[tuple[float, float]], weight: float, prior: float) -> float:
    """Seconds spent for each expected, ``prior`` counting like ``weight`` measured seconds."""
    expected = sum(pair[0] for pair in pairs)
    spent = sum(pair[1] for pair in pairs)
    return (spent + weight * prior) / (expected + weight) if expected + weight else prior


def still_left(left: float, since: float, step: float | None, silent: float | None) -> float:
    """What is left of what was said ``since`` seconds ago: a step that counts says so again soon,
    and half of what it had left is over at most; one that is ``silent`` may take longer than it
    was thought to.

    Args:
        left: seconds left of all steps, as it was said.
        step: those of them that are the step's at work; None where it was not said.
        silent: how long that step had gone on without a count; None where it counts.
    """
    step = left if step is None else step
    least = step / 2 if silent is None else OVERRUN * (silent + since)
    return left - step + max(step - since, least)
