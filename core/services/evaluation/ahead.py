"""The steps of an evaluation, each with the seconds that it is expected to take: as the last times
on this machine, else from what is known of the encoder."""

from collections.abc import Hashable, Sequence

from core.datasets.base import Dataset
from core.encoders.base import encoders as registry
from core.services.embedding.bound import is_built
from core.services.embedding.passes import build_times
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
STUDY_S = 1.0
STUDIES = {"probes": probes.KIND, "robustness": perturb.KIND, "health": health.KIND}
"""Kind of study -> kind of its entries in the cache."""


class Begin:
    """Begins the steps of one part of an evaluation, by their names."""

    def __init__(self, steps: Steps, part: int) -> None:
        self.steps, self.part = steps, part
        self._known: list[Hashable] = []

    def add(self, name: str, kind: str, seconds: float) -> None:
        """A step of this part."""
        self._known.append((self.part, name))
        self.steps.add((self.part, name), kind, seconds)

    def __call__(self, name: str) -> Inside:
        return self.steps.begin((self.part, name))

    def over(self) -> None:
        """The part has ended, whether or not each of its steps was needed."""
        self.steps.end(*self._known)


class Ahead:
    """What is expected of the parts of an evaluation."""

    def __init__(self, steps: Steps) -> None:
        self.steps, self._parts = steps, 0
        self._each = build_times().each
        self._built: set[tuple[str, str]] = set()
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
        begin, each = self._begin(), self._each.get(encoder, latency.UNKNOWN_S)
        if (dataset.locator, encoder) not in self._built and not is_built(dataset, encoder):
            self._built.add((dataset.locator, encoder))
            begin.add(BUILD, BUILD, each * len(dataset.items))
        if timed:
            begin.add(TIMES, TIMES, latency.LOAD_S + latency.timing_s(encoder, each))
        slow = bool(spec.reranker) or registry.get(encoder).matches
        for name in protocols:
            kind = f"{encoder} {spec.shown}" if slow else "scores"
            begin.add(name, kind, self._scoring(dataset, encoder, spec, name, slow))
        return begin

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


def add_studies(steps: Steps, datasets: Sequence[Dataset], encoders: Sequence[str]) -> None:
    """The closer looks that follow an evaluation, as far as they are known before it: one of each
    kind for an encoder and a data set."""
    each, past = build_times().each, {kind: latency.pasts(STUDIES[kind]) for kind in STUDIES}
    for dataset in datasets:
        for encoder in dict.fromkeys(encoders):
            for kind, metas in past.items():
                known = [m["seconds"] for m in metas if m.get("encoder_name") == encoder]
                usual = _study_s(kind, each.get(encoder, latency.UNKNOWN_S))
                seconds = sum(known) / len(known) if known else usual
                steps.add(study(kind, dataset.name, encoder), f"study {kind}", seconds)


def study(kind: str, dataset: str, encoder: str) -> Hashable:
    """The step of one study."""
    return ("study", kind, dataset, encoder)


def _study_s(kind: str, each: float) -> float:
    if kind != "robustness":
        return STUDY_S
    rounds = 1 + sum(len(one.strengths) for one in DISTORTIONS.values())
    return STUDY_S + each * perturb.SAMPLE * rounds
