"""The steps of a run of the lab, each with the seconds that it is expected to take: one for each
build of an index, one for each setting that is measured of it."""

from collections.abc import Sequence

from core.services.index_lab.measure import Pilot
from core.services.specs import IndexSpec
from core.services.steps import Inside, Steps
from core.types import Progress

OPEN, BUILD, POINT = "open", "build", "point"
OPEN_S = 1.0
"""Vectors are read, and the exact answers found."""
QUERY_S, VALUE_S = 5e-5, 4e-10
"""Seconds of a query of which no pilot tells, and for each number that exact search would compare;
its index takes as long to build as all queries."""


class Ahead:
    """What the settings of a run cost: groups that share a build, with what is known of it."""

    def __init__(
        self,
        progress: Progress | None,
        groups: Sequence[tuple[Sequence[IndexSpec], Pilot | None]],
        shape: tuple[int, int],
        queries: int,
    ) -> None:
        self.steps, size = Steps(progress), shape[0]
        each = QUERY_S + VALUE_S * size * shape[1]
        unknown = Pilot((size,), (queries * each,), (each,), (0,))
        self.steps.add(OPEN, OPEN, OPEN_S)
        for specs, pilot in groups:
            known = pilot if pilot is not None and pilot.sizes else unknown
            name, build_s = specs[0].name, known.build_seconds(size)
            self.steps.add((BUILD, specs[0].text), f"{BUILD} {name}", build_s)
            seconds = known.point_seconds(size, queries)
            for spec in specs:
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
