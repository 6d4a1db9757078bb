"""Recall against latency for indexes on the user's own vectors: a point for each setting, kept once
measured.

The settings of an index that are worth measuring are the values that its knobs declare.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.indexes.base import Away, Index, Knob, indexes
from core.services.embedding import galleries, stored
from core.services.embedding.bound import with_vectors
from core.services.index_lab import measure, point
from core.services.index_lab.ahead import Ahead, Known
from core.services.index_lab.measure import measured
from core.services.index_lab.point import KIND, Point
from core.services.index_lab.space import (
    QUERIES,
    Space,
    answers,
    causes,
    check_k,
    checked_size,
    free_bytes,
    need,
    open_space,
)
from core.services.specs import IndexSpec, index_spec, split_names
from core.services.steps import Steps
from core.types import Cost, Hits, Progress, report


def grid(index: str, *, full: bool = False) -> tuple[IndexSpec, ...]:
    """Settings along each search knob at the default build; ``full`` adds those along each build
    knob.

    A search knob that is no question of effort (how many answers are wanted at most) stays at its
    default.

    Raises:
        UserError: no such index.
    """
    made = indexes.get(index)
    builds = along(made.build_knobs) if full else [{}]
    effort = {name: knob for name, knob in made.search_knobs.items() if knob.more}
    return tuple(_spec(index, made, build | search) for build in builds for search in along(effort))


def settings(wanted: Sequence[str], *, full: bool = False) -> tuple[IndexSpec, ...]:
    """The settings of indexes by name, or of one setting as ``hnsw:efSearch=64``; where none is
    named, of all that can be used here and rank by cosine.

    Raises:
        UserError: unknown index or knob, or a value out of its range.
    """
    found: dict[tuple, IndexSpec] = {}
    for text in wanted or usual():
        for spec in [index_spec(text)] if "=" in text else grid(text.strip(), full=full):
            found.setdefault((spec.name, *spec.build.items(), *spec.search.items()), spec)
    return tuple(found.values())


def usual() -> list[str]:
    """Indexes that can be used here and answer by cosine: of others recall says nothing."""
    made = {name: indexes.get(name) for name in indexes.names()}
    return [
        name
        for name, index in made.items()
        if index.state().kind == "ready" and index.score == "cosine"
    ]


def written(wanted: Sequence[str]) -> str:
    """Indexes in one line, as :func:`split` reads it."""
    return ";".join(wanted) if any("," in text for text in wanted) else ",".join(wanted)


def split(text: str) -> list[str]:
    """``a,b:knob=1,c`` or ``a;factory:IVF64,PQ16`` -> its parts."""
    if ";" in text:
        return [part.strip() for part in text.split(";") if part.strip()]
    return split_names(text)


def along(knobs: Mapping[str, Knob]) -> list[dict[str, float]]:
    """Each knob's values in turn, the others at their defaults; rising, each combination once."""
    lines = [
        {name: value}
        for name, knob in knobs.items()
        for value in sorted({knob.default, *knob.values})
    ]
    defaults = {name: knob.default for name, knob in knobs.items()}
    found = {tuple((defaults | line).items()): line for line in lines}
    return [{name: value for name, value in key if value != defaults[name]} for key in found] or [
        {}
    ]


def _spec(name: str, index: Index, given: Mapping[str, float]) -> IndexSpec:
    shown = ",".join(f"{knob}={value:g}" for knob, value in given.items())
    return index_spec(f"{name}{',' if ':' in name else ':'}{shown}" if shown else name)


__all__ = ["KIND", "Plan", "Point", "curves", "grid", "job_arguments", "plan"]
GROW_S = 30e-6
"""Seconds to draw one synthetic vector, and for fitting them once (measured on 2 cores)."""
FIT_S = 60.0
BASIS = (
    "small builds on a sample, or what the same build took before, grown to the size; expect it"
    " within a factor of three"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured, before it is: ``settings`` in order, ``found`` those that are there
    already, ``refused`` (setting -> why it can't hold this gallery). ``seconds`` for what is left
    (None = unknown) and its ``basis`` in words; ``ram_bytes`` needed at the most, ``free_bytes``
    that are free (None = unknown)."""

    dataset: str
    encoder: str
    k: int
    size: int
    settings: tuple[IndexSpec, ...]
    found: tuple[Point, ...]
    refused: Mapping[str, str]
    seconds: float | None
    basis: str
    ram_bytes: int
    free_bytes: int | None

    @property
    def left(self) -> int:
        """Settings still to be measured."""
        return len(self.settings) - len(self.found) - len(self.refused)


def plan(
    dataset: Dataset,
    encoder: str,
    indexes: Sequence[str] = (),
    k: int = 10,
    size: int = 0,
    *,
    full: bool = False,
    timed: bool = True,
    again: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """What :func:`curves` would do with the same arguments, what is there already, and what the
    rest takes.

    Args:
        indexes: names, or with knobs as ``hnsw:efSearch=64`` (that one setting); empty = all.
        size: vectors in the gallery; 0 = the user's own alone, more = enlarged with synthetic ones.
        timed: estimate seconds and memory (the first time a few builds on a sample: seconds); False
            = only what is found.
        again: as if nothing were there yet.
        progress: counts builds that are estimated.

    Raises:
        UserError: unknown index or knob, embeddings not built, size out of range.
        Cancelled: ``progress`` said stop.
    """
    lab = _Lab(dataset, encoder, indexes, k, size, full)
    known = {} if again else lab.known
    refused = {text: one for text, one in known.items() if isinstance(one, str)}
    refused |= {spec.text: why for spec in lab.specs if (why := lab.unfit(spec))}
    seconds, ram = None, 0
    if timed:
        left = [s for s in lab.specs if s.text not in known and s.text not in refused]
        seconds, ram = lab.estimate(left, progress)
    return Plan(
        dataset.name,
        encoder,
        k,
        lab.size,
        lab.specs,
        () if again else tuple(lab.points.values()),
        refused,
        seconds,
        BASIS if timed else "",
        ram,
        free_bytes(),
    )


def curves(
    dataset: Dataset,
    encoder: str,
    indexes: Sequence[str] = (),
    k: int = 10,
    size: int = 0,
    progress: Progress | None = None,
    *,
    full: bool = False,
    again: bool = False,
) -> Iterator[Point]:
    """Measure, and give each point as soon as it is there; what was measured before comes from the
    store, or with ``again`` gives way to what is measured now.

    ``progress`` counts settings. Stopped, the points so far are kept, and the same call goes on
    from there (with ``again``: from the first; those not reached stay as they were). What can't
    hold this gallery is passed over; :func:`plan` says why afterwards.

    Raises:
        UserError: as :func:`plan`, or memory that does not suffice (with the number needed).
        Cancelled: ``progress`` said stop.
    """
    lab = _Lab(dataset, encoder, indexes, k, size, full)
    groups = [list(group) for _, group in groupby(lab.specs, key=_build)]
    known = {} if again else lab.points
    fresh = [[spec for spec in group if spec.text not in known] for group in groups]
    done, total = 0, len(lab.specs)
    steps = lab.expect(fresh, progress)
    steps.counted(done, total)
    for group, specs in zip(groups, fresh, strict=True):
        made = lab.measure(specs)
        for spec in group:
            one = known.get(spec.text) or next(made)
            done += 1
            steps.counted(done, total)
            if isinstance(one, Point):
                yield one
        lab.ahead.over(specs)
    steps.close()


class _Lab:
    """The settings of a run and the gallery that they are measured on. Its space, with the exact
    answers, is opened when the first setting needs it.

    ``known``: setting -> its point, or why there can be none; ``points`` of these the points.
    """

    ahead: Ahead

    def __init__(
        self, dataset: Dataset, encoder: str, named: Sequence[str], k: int, size: int, full: bool
    ) -> None:
        check_k(k)
        self.dataset, self.encoder, self.k = dataset, encoder, k
        self.specs = settings(named, full=full)
        self.ready = with_vectors(dataset, encoder).encoder
        found = stored.read(dataset, self.ready)
        self.vectors = found.vectors
        self.rows = galleries.gallery_rows(dataset, found, dataset.protocol())
        self.real, self.size = len(self.rows), checked_size(size, len(self.rows))
        self.grown = self.size > self.real
        about = causes(dataset, self.ready, QUERIES, self.size if self.grown else 0)
        there = {spec.text: point.find(about, spec, k) for spec in self.specs}
        self.known = {text: one for text, one in there.items() if one is not None}
        self.points = {text: one for text, one in there.items() if isinstance(one, Point)}
        self._space: Space | None = None

    def unfit(self, spec: IndexSpec) -> str:
        """Why the gallery can't be indexed so, whatever its vectors; empty where it can."""
        try:
            indexes.get(spec.name).fits(self.size, self.ready.dim, **spec.build)
        except UserError as error:
            return error.plain
        return ""

    def estimate(self, left: Sequence[IndexSpec], progress: Progress | None) -> tuple[float, int]:
        """Seconds and bytes of measuring what is ``left``; a build that was measured before, here
        or on the machine that the results came from, is not tried."""
        before = {
            (one.index, *one.build.items()): measure.measured_before(
                one, kept=self._is_kept(one.index, one.build)
            )
            for one in self.points.values()
        }
        seconds, most, size = 0.0, 0, self.size
        sample = self.vectors[self.rows[: max(measure.SAMPLES)]]
        groups = [(build, list(group)) for build, group in groupby(left, key=_build)]
        report(progress, 0, len(groups))
        for done, (build, specs) in enumerate(groups, start=1):
            try:
                tried = before.get(build) or measure.pilot(specs[0], sample, size)
            except Away:  # it went away since it was asked whether it can hold the gallery
                continue
            seconds += tried.build_seconds(size) + len(specs) * tried.point_seconds(size, QUERIES)
            most = max(most, tried.ram_bytes(size))
            report(progress, done, len(groups))
        if left and self.grown:
            seconds += GROW_S * size + (FIT_S if self.real > measure.SAMPLES[-1] else FIT_S / 5)
        return seconds, most + (4 * size * sample.shape[1] if self.grown else 0)

    def expect(self, groups: Sequence[Sequence[IndexSpec]], progress: Progress | None) -> Steps:
        """The steps of measuring groups of settings, each group with one build."""
        shape = (self.size, self.ready.dim)
        known = Known(
            shape,
            list(self.points.values()),
            point.everywhere(),
            lambda spec: measure.known_pilot(spec, shape[1], self.size),
            lambda spec: self._is_kept(spec.name, spec.build),
        )
        self.ahead = Ahead(progress, [one for one in groups if one], known, QUERIES)
        return self.ahead.steps

    def _is_kept(self, index: str, build: Mapping[str, float]) -> bool:
        return not self.grown and galleries.is_built(self.dataset, self.ready, index, **build)

    def measure(self, specs: Sequence[IndexSpec]) -> Iterator[Point | str]:
        """One point, or reason why there is none, for each setting; all share one build."""
        if not specs:
            return
        space, truth = self._opened()
        source = self.dataset.owned(
            self.encoder, embeddings=store.key(stored.causes(self.dataset, self.ready))
        )
        built: tuple[Index, Cost] | str
        found: Point | str
        try:
            built = self._built(space, specs[0])
        except Away as error:  # it may answer the next time: nothing is kept
            yield from [error.plain] * len(specs)
            return
        except UserError as error:
            built = str(error)
        for spec in specs:
            if isinstance(built, str):
                found = built
            else:
                found = measured(space, spec, *built, truth, self.k, self.ahead.measuring(spec))
            point.keep(space.causes, spec, self.k, found, source)
            yield found

    def _opened(self) -> tuple[Space, Hits]:
        if self._space is None:
            self._space = open_space(
                self.dataset, self.encoder, QUERIES, self.size, self.ahead.opening()
            )
            exact = indexes.get("exact")
            exact.build(np.asarray(self._space.vectors))
            self._truth = answers(exact, self._space, self.k, {})
        return self._space, self._truth

    def _built(self, space: Space, spec: IndexSpec) -> tuple[Index, Cost]:
        """The index over the space: from the store where the vectors are the user's own."""
        progress = self.ahead.building(spec)
        if not self.grown:
            index, _ = galleries.gallery_index(
                self.dataset, self.ready, spec.name, progress, **spec.build
            )
            return index, index.cost()
        pilot = measure.pilot(spec, space.vectors[: max(measure.SAMPLES)], space.size)
        need(
            pilot.ram_bytes(space.size),
            f"{spec.name} over {space.size:,} vectors",
            "Choose a smaller size.",
        )
        index = indexes.get(spec.name)
        index.build(space.vectors, progress, **spec.build)
        return index, index.cost()


def job_arguments(
    dataset: Dataset,
    encoder: str,
    indexes: Sequence[str] = (),
    k: int = 10,
    size: int = 0,
    *,
    full: bool = False,
    again: bool = False,
) -> list[str]:
    """What ``jobs.start`` is given; the page polls :func:`plan` (``timed=False``) for points."""
    given = ["tune", "--dataset", dataset.locator, "--encoder", encoder, "-k", str(k)]
    given += ["--indexes", written(indexes)] if indexes else []
    given += ["--size", str(size)] if size else []
    return given + (["--full"] if full else []) + (["--again"] if again else [])


def _build(spec: IndexSpec) -> tuple:
    return spec.name, *spec.build.items()
