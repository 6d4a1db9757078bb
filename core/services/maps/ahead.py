"""The steps of maps, each with the seconds that it is expected to take."""

from collections.abc import Hashable, Sequence

from core.datasets.base import Dataset
from core.projections import quality
from core.projections.base import projections
from core.services.embedding.passes import build_seconds, build_times
from core.services.steps import Inside, Named, Steps
from core.types import Progress, Step

LIBRARY_S = 2.5
"""The first UMAP of a process loads its library."""
NEAR_S, LISTS_S, MEASURE_S = 3e-8, 2e-8, 4e-8
"""Seconds of each pair of points: the nearest of all, once more to measure, the ranks of all."""
GRAPH_S, ROUND_S, TSNE_S, END_S = 1e-5, 2e-6, 3e-3, 5e-5
"""Seconds of each point: the graph of a UMAP, a round over it, all of a t-SNE, what is kept."""
PICTURE_S = 2e-3
"""A small picture on the sheet."""
ROUNDS, FEW, ROUNDS_MANY = 500, 10_000, 200
"""Rounds that a UMAP chooses, and above so many points."""
OFF = 1.5
"""By what factor one part is off from what the machine makes of all."""
BUILD, ATLAS, PLACED = "build", "atlas", "placed"


class Ahead:
    """What is expected of maps that are made in turn."""

    def __init__(self, progress: Progress | None) -> None:
        self.steps = _Thousandths(progress, off=OFF)
        self._library = LIBRARY_S
        self._maps: dict[Hashable, list[Hashable]] = {}

    def build(self, dataset: Dataset, encoders: Sequence[str]) -> None:
        """Vectors that are missing are made first."""
        times = build_times()
        seconds = sum(build_seconds(dataset, name, times) for name in encoders)
        self.steps.add(BUILD, BUILD, seconds)

    def map(
        self, key: Hashable, projection: str, count: int, fitted: int, epochs: float = 0
    ) -> None:
        """One map of ``count`` points, ``fitted`` of which are arranged and the others placed among
        them."""
        parts = {Step.FIT: TSNE_S * fitted if projection == "tsne" else 0.0}
        if "epochs" in projections.get(projection).settings:
            rounds = epochs or (ROUNDS if fitted <= FEW else ROUNDS_MANY)
            graph, self._library = GRAPH_S * fitted + self._library, 0.0
            parts = {Step.NEAR: NEAR_S * fitted**2, Step.GRAPH: graph}
            parts[Step.ROUNDS] = ROUND_S * fitted * rounds
        if fitted < count:
            parts[Step.SETTLE] = NEAR_S * fitted * count
        measured = count if count <= quality.ALL_UP_TO else min(quality.SAMPLE, count)
        listed = count if count <= quality.LISTS_UP_TO else measured
        parts |= {Step.LISTS: LISTS_S * listed * count, Step.MEASURE: MEASURE_S * measured * count}
        parts[Step.END] = END_S * count
        self._maps[key] = [(step, key) for step in parts]
        for step, seconds in parts.items():
            self.steps.add((step, key), step, seconds)

    def atlas(self, count: int) -> None:
        """The sheet of small pictures."""
        self.steps.add(ATLAS, ATLAS, PICTURE_S * count)

    def begin(self, key: Hashable) -> Inside:
        """Begin what is not a map: ``BUILD`` or ``ATLAS``."""
        return self.steps.begin(key)

    def making(self, key: Hashable) -> "Making":
        """Progress of one map; a plain one where it was not expected."""
        return Making(self, key, self._maps.get(key, ()))


class Making(Named):
    """The progress of one map."""

    def __init__(self, ahead: Ahead, key: Hashable, parts: Sequence[Hashable]) -> None:
        super().__init__(ahead.steps, key)
        self.ahead, self._parts = ahead, parts

    def placed(self, new: int, count: int) -> Progress:
        """New points alone are placed on a map that is there: none of its steps is needed."""
        steps = self.ahead.steps
        steps.end(*self._parts)
        steps.add(PLACED, PLACED, (LISTS_S + MEASURE_S) * new * count + END_S * count)
        return steps.begin(PLACED)


class _Thousandths(Steps):
    """Counts thousandths of the time, over all maps: what their parts count differs."""

    def __call__(self, done: int, total: int) -> bool:
        if self.left():
            self.count = round(1000 * self.share()), 1000
        return super().__call__(done, total)
