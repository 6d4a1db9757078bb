"""The steps of an evaluation, each with the seconds that it is expected to take: as the last times
on this machine, else from what is known of the encoder."""

from collections.abc import Hashable, Sequence

from core.datasets.base import Dataset
from core.encoders.base import encoders as registry
from core.services.embedding.bound import is_built
from core.services.embedding.passes import alone_each, build_seconds, build_times
from core.services.embedding.roles import protocol_named
from core.services.evaluation import health, latency, perturb, probes
from core.services.evaluation.cells import KIND
from core.services.evaluation.distortions import DISTORTIONS
from core.services.specs import IndexSpec
from core.services.steps import Inside, Steps

BUILD, TIMES = "build", "times"
LOOK_S = 0.02
"""A query whose first hits are compared by key points, or looked at a second time."""
FUSED = 3.0
"""A fusion takes so many times as long as its members alone."""
STUDY_S, STUDIED, LEAST_S = 1.0, 3000, 0.2
"""A closer look at so many pictures, and at few."""
LIBRARY_S = 2.0
"""The first look at data health of a process loads scikit-learn."""
DISTORT_S = 1e-3
"""To distort one picture."""
ROBUSTNESS, HEALTH = "robustness", "health"
STUDIES = {"probes": probes.KIND, ROBUSTNESS: perturb.KIND, HEALTH: health.KIND}
"""Kind of study -> kind of its entries in the cache."""
ONCE = ("probes", ROBUSTNESS)
"""Kinds that do not depend on the protocol: made for a dataset's first board alone."""


class Begin:
    """Begins the steps of one part of an evaluation, by their names."""

    def __init__(self, steps: Steps, part: int) -> None:
        self.steps, self.part = steps, part
        self._known: list[Hashable] = []

    def add(self, name: str, kind: str, seconds: float, first: float = 0.0) -> None:
        """A step of this part; ``first``: besides, seconds before its first count."""
        self._known.append((self.part, name))
        self.steps.add((self.part, name), kind, seconds, first)

    def __call__(self, name: str) -> Inside:
        return self.steps.begin((self.part, name))

    def over(self) -> None:
        """The part has ended, whether or not each of its steps was needed."""
        self.steps.end(*self._known)


class Ahead:
    """What is expected of the parts of an evaluation."""

    def __init__(self, steps: Steps) -> None:
        self.steps, self._parts = steps, 0
        self._times = build_times()
        self._built: set[tuple[str, str]] = set()
        self._library = latency.NETWORK_S
        self._scored = {
            (meta.get("source"), meta.get("encoder_name"), meta.get("index_name")): (
                meta["seconds"] / meta["rows"]
            )
            for meta in latency.pasts(KIND)
            if meta.get("rows")
        }

    def encoder(
        self, dataset: Dataset, encoder: str, spec: IndexSpec, protocols: Sequence[str], timed: bool
    ) -> Begin:
        """The part of one encoder: its build, the times of a search, each protocol."""
        begin = self._begin()
        if (dataset.locator, encoder) not in self._built and not is_built(dataset, encoder):
            self._built.add((dataset.locator, encoder))
            begin.add(BUILD, BUILD, build_seconds(dataset, encoder, self._times))
        if timed:
            first = latency.LOAD_S
            if hasattr(registry.get(encoder), "use_precision"):  # a network
                first, self._library = first + self._library, 0.0
            begin.add(TIMES, TIMES, latency.timing_s(encoder, self._times), first)
        slow = bool(spec.reranker) or registry.get(encoder).matches
        for name in protocols:
            kind = f"{encoder} {spec.shown}" if slow else "scores"
            begin.add(name, kind, self._scoring(dataset, encoder, spec, name, slow))
        return begin

    def timed(self, dataset: Dataset, encoder: str, times: dict) -> None:
        """What a search takes was measured a moment ago: from it follows how long the encoder will
        take for distorted pictures, where that was never timed here."""
        each = latency.alone_by(times)
        if each is not None and _last(ROBUSTNESS, dataset, encoder) is None:
            key = study(ROBUSTNESS, dataset.name, encoder, "")
            self.steps.expect(key, distorting_s(each), sure=True)

    def _scoring(
        self, dataset: Dataset, encoder: str, spec: IndexSpec, name: str, slow: bool
    ) -> float:
        protocol = protocol_named(dataset, name)
        queries = latency.queries_of(dataset, protocol)
        known = self._scored.get((dataset.locator, encoder, spec.shown))
        if known is not None:
            return known * queries
        return latency.scoring_s(dataset, encoder, protocol) + LOOK_S * queries * slow

    def fusion(
        self, dataset: Dataset, encoders: Sequence[str], protocols: Sequence[str], method: str
    ) -> Begin:
        """The part of one way of fusing encoders."""
        begin = self._begin()
        for name in protocols:
            protocol = protocol_named(dataset, name)
            alone = sum(latency.scoring_s(dataset, one, protocol) for one in encoders)
            begin.add(name, f"fused {method}", FUSED * alone)
        return begin

    def _begin(self) -> Begin:
        self._parts += 1
        return Begin(self.steps, self._parts)


def add_studies(
    steps: Steps, dataset: Dataset, encoders: Sequence[str], protocols: Sequence[str]
) -> None:
    """The closer looks that follow an evaluation: one of each kind for an encoder, and of data
    health one under each protocol."""
    times = build_times()
    first = LIBRARY_S
    if not is_built(dataset, health.FINGERPRINT):
        first += build_seconds(dataset, health.FINGERPRINT, times)
    for encoder in dict.fromkeys(encoders):
        for kind in STUDIES:
            usual = max(STUDY_S * len(dataset.items) / STUDIED, LEAST_S)
            if kind == ROBUSTNESS:
                usual = distorting_s(alone_each(registry.get(encoder), times))
            seconds = _last(kind, dataset, encoder) or usual
            for protocol in ("",) if kind in ONCE else protocols:
                key = study(kind, dataset.name, encoder, protocol)
                before, first = (first, 0.0) if kind == HEALTH else (0.0, first)
                steps.add(key, f"study {kind}", seconds, before)


def _last(kind: str, dataset: Dataset, encoder: str) -> float | None:
    """What a study took the last time; on other pictures only where their number is no matter."""
    known = [
        meta["seconds"]
        for meta in latency.pasts(STUDIES[kind])
        if meta.get("encoder_name") == encoder
        and (kind == ROBUSTNESS or meta.get("source") == dataset.locator)
    ]
    return known[-1] if known else None


def study(kind: str, dataset: str, encoder: str, protocol: str) -> Hashable:
    """The step of one study; ``protocol`` empty where it does not depend on one."""
    return ("study", kind, dataset, encoder, protocol)


def distorting_s(each: float) -> float:
    """Seconds to look at the robustness of an encoder that takes ``each`` seconds a picture."""
    rounds = sum(len(one.strengths) for one in DISTORTIONS.values())
    return perturb.SAMPLE * (DISTORT_S * rounds + each * (1 + rounds))
