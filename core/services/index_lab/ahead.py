"""The steps of a run of the lab, each with the seconds that it is expected to take: one for each
build of an index, one for each setting that is measured of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.indexes.base import indexes
from core.services.index_lab.measure import Pilot, point_seconds
from core.services.index_lab.point import Point
from core.services.specs import IndexSpec
from core.services.steps import Inside, Steps
from core.types import Progress

OPEN, BUILD, POINT = "open", "build", "point"
OPEN_S = 0.3
"""Vectors are read, and the exact answers found."""
QUERY_S, VALUE_S = 5e-5, 4e-10
"""Seconds of a query of which nothing tells, and for each number that exact search would compare;
its index takes as long to build as all queries."""
OFF = 1.5
"""By what factor indexes are off from what the machine makes of all of them: points tell well."""
KEEP_S = 0.03
"""An index, or a point, is written; and a point's answers are scored."""
SEARCH_GROWTH = 0.5
"""A query takes so much longer, as a power, where there is more to compare: between a graph, which
hardly feels it, and all of it."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Expected seconds: to build the index of a setting, of one query alone, and in a batch."""

    build: float
    one: float
    many: float


class Known:
    """What is known of indexes over ``size`` vectors of ``dim`` numbers: points of this very space,
    else pilots, else points of another space, grown to this one."""

    def __init__(
        self,
        shape: tuple[int, int],
        own: Sequence[Point] = (),
        others: Sequence[Point] = (),
        pilot: Callable[[IndexSpec], Pilot | None] = lambda spec: None,
        kept: Callable[[IndexSpec], bool] = lambda spec: False,
    ) -> None:
        self.shape, self._pilot, self._kept = shape, pilot, kept
        self._own = {_setting(one.index, one.build, one.search): one for one in own}
        self._others = _nearest(others, shape)

    def costs(self, spec: IndexSpec) -> Costs:
        """Of one setting. An index that is kept is not built again."""
        key = _setting(spec.name, spec.build, spec.search)
        point, other = self._own.get(key), self._others.get(key)
        if point is not None:
            found = Costs(point.build_s, point.p50 / 1000, point.batch_p50 / 1000)
        elif (pilot := self._pilot(spec)) and pilot.sizes:
            found = self._tried(spec, pilot, other)
        elif other is not None:
            found = self._grown(other)
        else:
            each = QUERY_S + VALUE_S * self.shape[0] * self.shape[1]
            found = Costs(each * 200, each, each)
        return Costs(0.0, found.one, found.many) if self._kept(spec) else found

    def _tried(self, spec: IndexSpec, pilot: Pilot, other: Point | None) -> Costs:
        """A pilot asks by the default knobs: what others cost beside these, another space tells."""
        each = pilot.search_seconds(self.shape[0])
        defaults = {name: one.default for name, one in indexes.get(spec.name).search_knobs.items()}
        usual = self._others.get(_setting(spec.name, spec.build, defaults))
        if other is None or usual is None or not usual.p50:
            return Costs(pilot.build_seconds(self.shape[0]), each, each)
        one, many = other.p50 / usual.p50, other.batch_p50 / usual.p50
        return Costs(pilot.build_seconds(self.shape[0]), each * one, each * many)

    def _grown(self, point: Point) -> Costs:
        more = self.shape[0] * self.shape[1] / (point.size * point.dim)
        slower = more**SEARCH_GROWTH / 1000
        return Costs(point.build_s * more, point.p50 * slower, point.batch_p50 * slower)


def _setting(index: str, build: Mapping[str, float], search: Mapping[str, float]) -> tuple:
    return index, tuple(sorted(build.items())), tuple(sorted(search.items()))


def _nearest(points: Iterable[Point], shape: tuple[int, int]) -> dict[tuple, Point]:
    """Setting -> the point whose space is most like one of this shape; of equals the last."""

    def off(point: Point) -> float:
        more = point.size * point.dim / max(shape[0] * shape[1], 1)
        return max(more, 1 / more)

    ordered = sorted(points, key=off, reverse=True)
    return {_setting(one.index, one.build, one.search): one for one in ordered}


class Ahead:
    """What the settings of a run cost: groups of them that share one build."""

    def __init__(
        self,
        progress: Progress | None,
        groups: Sequence[Sequence[IndexSpec]],
        known: Known,
        queries: int,
    ) -> None:
        self.steps = Steps(progress, off=OFF)
        self.steps.add(OPEN, OPEN, OPEN_S)
        for specs in groups:
            name, build_s = specs[0].name, known.costs(specs[0]).build
            self.steps.add((BUILD, specs[0].text), f"{BUILD} {name}", build_s + KEEP_S)
            for spec in specs:
                costs = known.costs(spec)
                seconds = point_seconds(costs.one, costs.many, queries) + KEEP_S
                self.steps.add((POINT, spec.text), f"{POINT} {name}", seconds)

    def opening(self) -> Inside:
        """Progress of what all settings share."""
        return self.steps.begin(OPEN)

    def building(self, spec: IndexSpec) -> Inside:
        """Progress of a build."""
        return self._after(BUILD, spec)

    def measuring(self, spec: IndexSpec) -> Inside:
        """Progress of one setting."""
        return self._after(POINT, spec)

    def over(self, specs: Sequence[IndexSpec]) -> None:
        """These settings need nothing more: they are measured, or can't be."""
        names = [spec.text for spec in specs]
        self.steps.end(*((BUILD, name) for name in names[:1]), *((POINT, name) for name in names))

    def _after(self, kind: str, spec: IndexSpec) -> Inside:
        self.steps.end(OPEN)
        inside = self.steps.begin((kind, spec.text))
        inside(0, 0)
        return inside
