"""What a gallery opens with, and what is known of an encoder's build before anybody asks for an
estimate.

Nothing here opens a picture or loads a network: it reads what earlier builds and evaluations left.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from statistics import median

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.faiss_loader import threads
from core.services import saved_reports
from core.services.embedding import embed
from core.services.embedding.contents import known_hash
from core.services.embedding.encoding import MAX_WORKERS

BEST_LEARNED = "siamese.lookalike"
"""The best of our metric-learned networks, by the shipped leaderboard."""
FIRST_DATASET, FIRST_INDEX = "catalogue", "exact"
FIRST_ITEM = "mug-15-0"
"""A query of the catalogue that each of the first encoders answers in its own way."""
FIRST_ENCODERS = ("tf_efficientnet_lite0.in1k", BEST_LEARNED, "hog.8x8")
"""What the embedded gallery opens with: a pretrained network, the best one of our own, a classical
one as contrast."""
LEARNED = ("siamese", "triplet")
TIERS = ("packaged", "learned", "trained", "imported", "bundled", "pretrained")
METRIC = "mAP"
ENOUGH = 200
"""Pictures from which a build says how fast an encoder is."""
MAX_REPORTS = 8
UNKNOWN_S = 0.05
"""Seconds a picture where nothing was measured: soon corrected by what is."""


@dataclass(frozen=True, slots=True)
class BuildTimes:
    """Seconds a picture by encoder in a build, and how many pictures the last build of (source,
    encoder) held. ``here`` are the encoders of which this machine has built enough; of the others
    a report tells, perhaps of another machine. ``alone``: seconds to prepare and encode a picture
    in one process, in batches."""

    each: Mapping[str, float]
    held: Mapping[tuple[str, str], int]
    here: Set[str] = frozenset()
    alone: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, dataset: Dataset, encoder: str) -> float | None:
        """About how long a build would take that is not there yet; None where nothing is known of
        the encoder."""
        each = self.each.get(encoder)
        missing = len(dataset.items) - self.held.get((dataset.locator, encoder), 0)
        return None if each is None else each * max(missing, 1)

    def built_of(self, locator: str) -> list[str]:
        """Every encoder that a source was ever built with here, listed or not; not all of it may
        still hold."""
        return [encoder for source, encoder in self.held if source == locator]


def build_times() -> BuildTimes:
    """By the newest large build on this machine, else by the newest reports that name the
    encoder."""
    (each, alone), held, here = _measured_by_reports(), {}, set()
    known = [store.read_meta(path) or {} for path in store.folders(embed.KIND)]
    for meta in sorted(known, key=lambda meta: float(meta.get("built") or 0.0)):
        encoder, encoded, spent = (
            meta.get("encoder_name"),
            meta.get("encoded") or 0,
            meta.get("encode_s"),
        )
        if encoder is None:
            continue
        held[meta.get("source", ""), encoder] = meta.get("pictures", 0)
        if spent and encoded >= ENOUGH:
            each[encoder] = spent / encoded
            here.add(encoder)
    return BuildTimes(each, held, here, alone)


def _measured_by_reports() -> tuple[dict[str, float], dict[str, float]]:
    """Seconds a picture in builds, and of one process: by the builds of which reports tell, the
    median of several; else as when it is read and prepared by all workers at once, and encoded in
    batches."""
    built: dict[str, list[float]] = {}
    found: dict[str, float] = {}
    alone: dict[str, float] = {}
    for row in _report_rows():
        latency, name = row["latency"], row["encoder"]
        was = latency.get("build") or {}
        if was.get("encode_s") and (was.get("pictures") or 0) >= ENOUGH:
            built.setdefault(name, []).append(was["encode_s"] / was["pictures"])
        decode, prepare, encode = (
            _p50(latency, *stage)
            for stage in (("decode", "single"), ("preprocess", "single"), ("encode", "batch"))
        )
        if name in found or decode is None or prepare is None or encode is None:
            continue
        workers = min(threads(), MAX_WORKERS)
        found[name] = ((decode + prepare) / workers + encode) / 1000
        alone[name] = (prepare + encode) / 1000
    return {**found, **{name: median(seconds) for name, seconds in built.items()}}, alone


def _p50(latency: Mapping, stage: str, kind: str) -> float | None:
    return latency.get(stage, {}).get(kind, {}).get("p50")


def _report_rows() -> list[dict]:
    """Rows of the reports, the user's newest first."""
    found = []
    for name in saved_reports.listing()[:MAX_REPORTS]:
        try:
            found += saved_reports.rows(name)
        except UserError:  # deleted a moment ago
            continue
    return found


def best_first(dataset: Dataset, rows: Sequence[Mapping]) -> list[str]:
    """Names of encoders, the best for this data set first.

    Args:
        rows: encoders as :func:`core.services.library.library.encoder_row` gives them.

    By tier; those that were evaluated on this data set stand among themselves in the order of their
    mAP.
    """
    by_tier = [row["name"] for row in sorted(rows, key=_tier)]
    scores = evaluated(dataset)
    ranked = iter(
        sorted((name for name in by_tier if name in scores), key=lambda name: -scores[name])
    )
    return [next(ranked) if name in scores else name for name in by_tier]


def _tier(row: Mapping) -> tuple[int, bool]:
    learned = row["tier"] == "bundled" and row["family"] in LEARNED
    tier = "learned" if learned else row["tier"]
    return TIERS.index(tier) if tier in TIERS else len(TIERS), row["name"] != BEST_LEARNED


def evaluated(dataset: Dataset) -> dict[str, float]:
    """Encoder -> mAP under the usual protocol of the data set with exact search, from the newest
    report that holds it.

    Reports about other pictures under the same name do not count, as far as that is known without
    reading all pictures.
    """
    content, protocol = known_hash(dataset), dataset.protocol().name
    found: dict[str, float] = {}
    for row in _report_rows():
        same = row["dataset"] == dataset.name and content in (None, row["card"].get("dataset hash"))
        score = row["means"].get(METRIC)
        if same and (row["protocol"], row["index"]) == (protocol, "exact") and score is not None:
            found.setdefault(row["encoder"], score)
    return found
