"""What a build does in turn, each with the seconds that it is expected to take: fits with the
pictures that they look at, vectors that others follow from, and the pass over the pictures.

How fast an encoder is, earlier builds and reports tell; nothing here opens a picture or loads a
network.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder, encoders
from core.errors import UserError
from core.faiss_loader import threads
from core.services import saved_reports
from core.services.embedding import embed, points
from core.services.embedding.bound import COMPILED, FITS, bound, fit_units, is_ahead, sample
from core.services.embedding.encoding import MAX_WORKERS
from core.services.steps import Inside, Steps
from core.types import Progress
from core.weights import graphs

ENOUGH = 200
"""Pictures from which a build says how fast an encoder is."""
UNKNOWN_S = 0.05
"""Seconds a picture where nothing was measured: soon corrected by what is."""
LOAD_S, COMPILE_S = 2.0, 10.0
"""To load a network, and to compile one where none was compiled here before."""
END_S = 0.3
"""The index of an encoder, and what is usual in it."""
LOAD, LOOK, FIT, BASE = "load", "look", "fit", "base"
POINTS, ENCODE, END = "key points", "encode", "end"
PICTURES = "pictures"
"""The kind of all steps that read pictures and encode them."""


@dataclass(frozen=True, slots=True)
class BuildTimes:
    """Seconds a picture by encoder, and how many pictures the last build of (source, encoder)
    held."""

    each: Mapping[str, float]
    held: Mapping[tuple[str, str], int]

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
    """By the newest large build on this machine, else by the latencies of the newest report that
    names the encoder."""
    each, held = _measured_by_reports(), {}
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
    return BuildTimes(each, held)


def _measured_by_reports() -> dict[str, float]:
    """Seconds a picture: read and prepared by all workers at once, encoded in batches."""
    found: dict[str, float] = {}
    for row in saved_reports.newest_rows():
        decode, prepare, encode = (
            _p50(row["latency"], *stage)
            for stage in (("decode", "single"), ("preprocess", "single"), ("encode", "batch"))
        )
        if row["encoder"] in found or decode is None or prepare is None or encode is None:
            continue
        workers = min(threads(), MAX_WORKERS)
        found[row["encoder"]] = ((decode + prepare) / workers + encode) / 1000
    return found


def _p50(latency: Mapping, stage: str, kind: str) -> float | None:
    return latency.get(stage, {}).get(kind, {}).get("p50")


class Passes:
    """The steps of a build, told to its progress."""

    def __init__(self, progress: Progress | None, dataset: Dataset, names: Sequence[str]) -> None:
        self.steps = Steps(progress)
        self._looked = self._units = 0
        self._fits: dict[str, list[Hashable]] = {}
        if progress is not None:
            self._plan(dataset, list(dict.fromkeys(names)))

    def _plan(self, dataset: Dataset, names: list[str]) -> None:
        each = build_times().each
        own, total = 0.0, len(dataset.items)
        for name in names:
            encoder = encoders.get(name)
            seconds = each.get(name, UNKNOWN_S)
            self._fits[name] = []
            self._add(name, LOAD, LOAD, _loading(dataset, encoder))
            if encoder.base is not None:
                self._add(name, BASE, PICTURES, _seconds(dataset, encoder.base, each))
            elif is_ahead(dataset, encoder):
                self._looked = self._looked or len(sample(dataset))
                self._units = fit_units(self._looked)
                self._add(name, LOOK, PICTURES, self._looked * seconds)
                shape = (self._units - self._looked) * seconds
                self._add(name, FIT, f"fit {name}", fit_seconds(name) or shape)
                own += total * seconds
            elif encoder.tier != "imported":
                own += _seconds(dataset, name, each)
        if any(encoders.get(name).matches for name in names) and not points.are_built(dataset):
            self.steps.add(POINTS, POINTS, total * UNKNOWN_S)
        if own:
            self.steps.add(ENCODE, PICTURES, own)
        self.steps.add(END, END, END_S * len(names))

    def _add(self, name: str, step: str, kind: str, seconds: float) -> None:
        if seconds:
            self._fits[name].append((step, name))
            self.steps.add((step, name), kind, seconds)

    def fitting(self, name: str) -> Progress:
        """Progress of what readies an encoder: a download, a fit, vectors that it follows from."""
        if (LOAD, name) in self._fits.get(name, ()):
            self.steps.begin((LOAD, name))
        return _Fitting(self, name)

    def ready(self, name: str) -> None:
        """Nothing has to be done any more before this encoder can encode."""
        self.steps.end(*self._fits.get(name, ()))

    def pointing(self) -> Progress:
        """Progress of finding key points."""
        return self.steps.begin(POINTS)

    def encoding(self) -> Progress:
        """Progress of the pass over the pictures."""
        return self.steps.begin(ENCODE)

    def ending(self) -> Progress:
        """Progress of what follows it."""
        self.steps.end(POINTS, ENCODE)
        return self.steps.begin(END)

    def step_of(self, name: str, done: int, total: int) -> tuple[Hashable, int, int] | None:
        """Which step of an encoder counts so, and how far it is; None where it is none of them."""
        mine = self._fits.get(name, ())
        if not total:
            return None
        if (LOOK, name) in mine and total == self._units:
            rest = done - self._looked
            if rest <= 0:
                return (LOOK, name), done, self._looked
            return (FIT, name), rest, total - self._looked
        return ((BASE, name), done, total) if (BASE, name) in mine else None


class _Fitting:
    """A progress that says which step of an encoder it is of."""

    def __init__(self, passes: Passes, name: str) -> None:
        self.passes, self.name = passes, name
        self._inside: dict[Hashable, Inside] = {}

    @property
    def what(self) -> str:
        return self.passes.steps.what

    @what.setter
    def what(self, words: str) -> None:
        self.passes.steps.what = words

    def __call__(self, done: int, total: int) -> bool:
        found = self.passes.step_of(self.name, done, total)
        if found is None:
            return self.passes.steps.passed_on(done, total)
        key, done, total = found
        if key not in self._inside:
            self._inside[key] = self.passes.steps.begin(key)
        return self._inside[key](done, total)


def _seconds(dataset: Dataset, name: str, each: Mapping[str, float]) -> float:
    """Expected seconds of the pictures that an encoder has still to encode."""
    return _pending(dataset, encoders.get(name)) * each.get(name, UNKNOWN_S)


def _pending(dataset: Dataset, encoder: Encoder) -> int:
    if encoder.state().kind != "ready":
        return len(dataset.items)
    try:
        return embed.pending(dataset, bound(dataset, encoder.name).encoder)
    except UserError:  # it has to be fitted first
        return len(dataset.items)


def _loading(dataset: Dataset, encoder: Encoder) -> float:
    """Expected seconds until a network can encode; 0 of what is none, or has nothing to encode."""
    network: Any = encoder
    count = _pending(dataset, encoder) if hasattr(encoder, "use_precision") else 0
    if not count:
        return 0.0
    compiles = count >= COMPILED and hasattr(encoder, "find_graph") and not network.find_graph()
    return LOAD_S + (_compiling() if compiles else 0.0)


def _compiling() -> float:
    """Seconds that compiling a network took here."""
    known = [(store.read_meta(path) or {}).get("seconds") for path in store.folders(graphs.KIND)]
    return median(seconds for seconds in known if seconds) if any(known) else COMPILE_S


def fit_seconds(name: str) -> float | None:
    """How long the last fit of an encoder took on this machine without the pictures that it looks
    at; None where none was measured."""
    known = [store.read_meta(path) or {} for path in store.folders(FITS)]
    mine = [meta for meta in known if meta.get("encoder_name") == name and meta.get("fit_s")]
    return max(mine, key=lambda meta: meta.get("built", 0.0))["fit_s"] if mine else None
