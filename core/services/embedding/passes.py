"""What a build does in turn, each with the seconds that it is expected to take: fits with the
pictures that they look at, vectors that others follow from, and the pass over the pictures.

How fast an encoder is, earlier builds and reports tell; nothing here opens a picture or loads a
network.
"""

from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from core import store
from core.datasets.base import Dataset
from core.device import team, threads
from core.encoders import precision
from core.encoders.base import Encoder, encoders
from core.errors import UserError
from core.services import saved_reports
from core.services.embedding import embed, points, stored
from core.services.embedding.bound import COMPILED, SAMPLE, WORTH, bound, is_ahead, sample
from core.services.embedding.encoding import MAX_WORKERS
from core.services.steps import Named, Steps
from core.types import Progress, Step
from core.weights import graphs

ENOUGH = 200
"""Pictures from which a build says how fast an encoder is."""
UNKNOWN_S = 0.05
"""Seconds a picture where nothing was measured: soon corrected by what is."""
LOAD_S, COMPILE_S, TRIAL_S = 2.0, 4.0, 10.0
"""To load a network, to compile one where none was compiled here before, and to try number formats
of one that was not."""
TRIAL = 8.0
"""A picture of the trial of number formats takes so many times what its graph takes on one core: it
is prepared, and encoded in each of them, some by torch."""
ALONE = 2.0
"""A picture takes one process about so many times its share of a build, which has all cores."""
BEGIN_S = 1.5
"""Before the first pictures of a pass come back: worker processes begin, each with its imports."""
END_S = 0.3
"""The index of an encoder, and what is usual in it."""
FIT_SHARE = 0.25
"""A fit takes such a share of what its pictures took, where none was measured."""
FETCH_BYTES_S = 5e6
"""Bytes a second of a network before any came."""
POINTS, ENCODE, END = "key points", "encode", "end"
PICTURES = "pictures"
"""The kind of all steps that read pictures and encode them."""


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
    known = [store.read_meta(path) or {} for path in store.folders(stored.KIND)]
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
    found: dict[str, list[float]] = {}
    alone: dict[str, list[float]] = {}
    for row in saved_reports.newest_rows():
        latency, name = row["latency"], row["encoder"]
        was = latency.get("build") or {}
        if was.get("encode_s") and (was.get("pictures") or 0) >= ENOUGH:
            built.setdefault(name, []).append(was["encode_s"] / was["pictures"])
        decode, prepare, encode = (
            _p50(latency, *stage)
            for stage in (("decode", "single"), ("preprocess", "single"), ("encode", "batch"))
        )
        if decode is None or prepare is None or encode is None:
            continue
        workers = min(threads(), MAX_WORKERS)
        found.setdefault(name, []).append(((decode + prepare) / workers + encode) / 1000)
        alone.setdefault(name, []).append((prepare + encode) / 1000)
    return _medians(found | built), _medians(alone)


def _medians(known: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: median(seconds) for name, seconds in known.items()}


def _p50(latency: Mapping, stage: str, kind: str) -> float | None:
    return latency.get(stage, {}).get(kind, {}).get("p50")


class Passes:
    """The steps of a build, told to its progress."""

    def __init__(self, progress: Progress | None, dataset: Dataset, names: Sequence[str]) -> None:
        self.steps = Steps(progress)
        self._fits: dict[str, list[Hashable]] = {}
        self._own: dict[str, tuple[int, float]] = {}
        """Encoder -> pictures that it has to encode in the pass over them, seconds for each."""
        if progress is not None:
            self._plan(dataset, list(dict.fromkeys(names)))

    def _plan(self, dataset: Dataset, names: list[str]) -> None:
        times = build_times()
        for name in names:
            encoder = encoders.get(name)
            self._fits[name] = []
            if size := _to_fetch(encoder):
                self._add(name, Step.FETCH, Step.FETCH, size / FETCH_BYTES_S, units=size)
            self._add(name, Step.LOAD, Step.LOAD, _loading(dataset, encoder))
            each = seconds_each(encoder, times)
            self._add(name, Step.FORM, Step.FORM, _trial_seconds(dataset, encoder))
            if encoder.base is not None:
                base = encoders.get(encoder.base)
                seconds = _pending(dataset, base) * seconds_each(base, times)
                self._add(name, Step.BASE, PICTURES, seconds, BEGIN_S)
            elif is_ahead(dataset, encoder):
                look = len(sample(dataset)) * each
                self._add(name, Step.LOOK, f"{PICTURES} {name}", look, BEGIN_S)
                self._add(name, Step.FIT, f"fit {name}", fit_seconds(name) or FIT_SHARE * look)
                self._own[name] = len(dataset.items), each
            elif encoder.tier != "imported":
                self._own[name] = _pending(dataset, encoder), each
        if any(encoders.get(name).matches for name in names) and not points.are_built(dataset):
            seconds = len(dataset.items) * UNKNOWN_S
            self.steps.add(POINTS, POINTS, seconds, BEGIN_S)
        if seconds := self._encoding():
            one = f"{PICTURES} {next(iter(self._own))}"
            self.steps.add(ENCODE, one if len(self._own) == 1 else PICTURES, seconds, BEGIN_S)
        self.steps.add(END, END, END_S * len(names))

    def _encoding(self) -> float:
        return sum(count * each for count, each in self._own.values())

    def _add(
        self, name: str, step: Step, kind: str, seconds: float, first: float = 0.0, units: int = 0
    ) -> None:
        if seconds:
            self._fits[name].append((step, name))
            self.steps.add((step, name), kind, seconds, first, units)

    def fitting(self, name: str) -> Progress:
        """Progress of what readies an encoder: a download, a fit, vectors that it follows from."""
        if mine := self._fits.get(name):
            self.steps.begin(mine[0])
        return _Fitting(self, name)

    def ready(self, name: str) -> None:
        """Nothing has to be done any more before this encoder can encode."""
        self.steps.end(*self._fits.get(name, ()))
        self._as_compiled(name)

    def choosing(self, name: str) -> None:
        """The trial of number formats begins: what it takes, the compiled network tells."""
        self._as_compiled(name)
        self.steps.expect((Step.FORM, name), _tried(encoders.get(name)))

    def _as_compiled(self, name: str) -> None:
        """Expect of an encoder what its first pictures took when it was compiled."""
        if name in self._own and (each := _compiled_each(encoders.get(name))):
            self._own[name] = self._own[name][0], each
            self.steps.expect(ENCODE, self._encoding())

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


class _Fitting(Named):
    """A progress that says which step of an encoder it is of."""

    def __init__(self, passes: Passes, name: str) -> None:
        super().__init__(passes.steps, name)
        self._passes, self._name = passes, name

    def doing(self, step: str) -> Progress:
        if step == Step.FORM:
            self._passes.choosing(self._name)
        return super().doing(step)


def build_seconds(dataset: Dataset, name: str, times: BuildTimes) -> float:
    """Expected seconds of a build of one encoder of which nothing is there."""
    encoder = encoders.get(name)
    base = encoders.get(encoder.base) if encoder.base else encoder
    fetch = _to_fetch(base) / FETCH_BYTES_S
    encode = _pending(dataset, base) * seconds_each(base, times)
    return fetch + _loading(dataset, base) + BEGIN_S + encode


def seconds_each(encoder: Encoder, times: BuildTimes) -> float:
    """Expected seconds of a picture: as an earlier build here took, else as this network took for
    its first pictures when it was compiled here, else as a report says, else as its family."""
    name = encoder.name
    known = times.each.get(name) if name in times.here else None
    return known or _compiled_each(encoder) or times.each.get(name) or _family_each(encoder, times)


def _family_each(encoder: Encoder, times: BuildTimes) -> float:
    """Seconds of a picture that encoders of this family take, the median of those known."""
    here = set(encoders.names()) & times.each.keys()
    alike = [times.each[name] for name in here if encoders.get(name).family == encoder.family]
    return median(alike) if alike else UNKNOWN_S


def alone_each(encoder: Encoder, times: BuildTimes) -> float:
    """Expected seconds to prepare and encode a picture in one process, in batches."""
    network: Any = encoder
    compiled = network.graph_seconds() if hasattr(encoder, "graph_seconds") else None
    known = compiled or times.alone.get(encoder.name)
    return known or ALONE * times.each.get(encoder.name, UNKNOWN_S)


def _compiled_each(encoder: Encoder) -> float | None:
    """Seconds of a picture by the graph of a network, where it was compiled here: with one in work
    on each core."""
    network: Any = encoder
    seconds = network.graph_seconds() if hasattr(encoder, "graph_seconds") else None
    return seconds and seconds / team()


def _pending(dataset: Dataset, encoder: Encoder) -> int:
    if encoder.state().kind != "ready":
        return len(dataset.items)
    try:
        return embed.pending(dataset, bound(dataset, encoder.name).encoder)
    except UserError:  # it has to be fitted first
        return len(dataset.items)


def _to_fetch(encoder: Encoder) -> int:
    """Bytes of weights that are not here; 0 where they are, or nobody knows."""
    state = encoder.state()
    return state.bytes if state.kind == "download" else 0


def _loading(dataset: Dataset, encoder: Encoder) -> float:
    """Expected seconds until a network can encode; 0 of what is none, or has nothing to encode."""
    network: Any = encoder
    count = _pending(dataset, encoder) if hasattr(encoder, "use_precision") else 0
    if not count:
        return 0.0
    compiles = count >= COMPILED and hasattr(encoder, "find_graph") and not network.find_graph()
    return LOAD_S + (_compiling() if compiles else 0.0)


def _trial_seconds(dataset: Dataset, encoder: Encoder) -> float:
    """Expected seconds of the trial of number formats, 0 without one."""
    network: Any = encoder
    if len(dataset.items) < WORTH or not hasattr(encoder, "use_precision"):
        return 0.0
    if precision.forced() or precision.found(network) or not _pending(dataset, encoder):
        return 0.0
    return _tried(encoder) if precision.offered() else 0.0


def _tried(encoder: Encoder) -> float:
    """The same of a trial that there will be."""
    each = _compiled_each(encoder)
    return SAMPLE * each * team() * TRIAL if each else TRIAL_S


def _compiling() -> float:
    """Seconds that compiling a network took here."""
    known = [(store.read_meta(path) or {}).get("seconds") for path in store.folders(graphs.KIND)]
    return median(seconds for seconds in known if seconds) if any(known) else COMPILE_S


def fit_seconds(name: str) -> float | None:
    """How long the last fit of an encoder took on this machine without the pictures that it looks
    at; None where none was measured."""
    known = [store.read_meta(path) or {} for path in store.folders(stored.FITS)]
    mine = [meta for meta in known if meta.get("encoder_name") == name and meta.get("fit_s")]
    return max(mine, key=lambda meta: meta.get("built", 0.0))["fit_s"] if mine else None
