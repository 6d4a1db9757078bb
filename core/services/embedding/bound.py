"""From a name to an encoder that can encode for a given dataset: loaded, fitted, at the right
precision.

What some encoders learn from the gallery before they can encode (a codebook, a whitening) belongs
to a source and an encoder. Such a fit is kept while the gallery grows or shrinks, so that new
pictures cost only themselves; when the gallery has halved or doubled it is made again. Its numbers
are part of the encoder's fingerprint.
"""

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders import precision, trial
from core.encoders.base import Encoder, encoders
from core.errors import UserError
from core.items import among
from core.services.embedding import crops, embed, points, stored
from core.services.embedding.encoding import feed, gone, prepare_one
from core.services.hosting import limits
from core.types import Embeddings, Item, Progress, Step, doing, report, saying

__all__ = ["Bound", "NoVectors", "bound", "crops", "gallery_vectors", "prepared", "with_vectors"]
# crops: names of the form NAME@DETECTOR are found from now on
_loaded: WeakValueDictionary[str, Encoder] = WeakValueDictionary()
_loading: dict[str, threading.Lock] = {}
WORTH = 1000
"""From this many pictures to encode a measurement pays for itself."""
COMPILED = 256
"""From this many pictures left to encode the seconds that compiling takes pay for themselves."""
SAMPLE = 256
"""Pictures that number formats are tried on."""
FIT_SAMPLE = 600
"""Pictures that a fit looks at: a fixed pseudo-random choice from the gallery."""


def fit_causes(dataset: Dataset, encoder: Encoder) -> dict:
    return {"source": dataset.locator, "encoder": encoder.fingerprint()}


def known_fit(dataset: Dataset, encoder: Encoder) -> dict[str, np.ndarray] | None:
    """The arrays of an earlier fit that still suits this gallery, or None."""
    key = store.key(fit_causes(dataset, encoder))
    path = store.find(stored.FITS, key) or store.came(stored.FITS, encoder.name, key)
    meta = store.read_meta(path) if path else None
    if (
        path is None
        or meta is None
        or not 0.5 < len(dataset.items) / max(meta.get("pictures", 0), 1) < 2
    ):
        return None
    try:
        return read_arrays(path)
    except store.UNREADABLE as error:
        store.drop(path, error)
        return known_fit(dataset, encoder)


def remember_fit(
    dataset: Dataset, encoder: Encoder, arrays: dict[str, np.ndarray], seconds: float
) -> None:
    """Keep a fit, in place of an older one, and the ``seconds`` that it took."""
    causes = fit_causes(dataset, encoder)
    store.delete(stored.FITS, store.key(causes))

    def write(folder: Path) -> dict:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        return dataset.owned(encoder.name, pictures=len(dataset.items), fit_s=round(seconds, 3))

    store.get_or_build(stored.FITS, causes, write)


def sample_items(items: Sequence[Item], count: int = FIT_SAMPLE) -> list[Item]:
    """A choice of items that does not depend on their order and hardly changes when some come or
    go."""

    def draw(item: Item) -> bytes:
        return hashlib.blake2b(item.id.encode("utf-8", "surrogatepass"), digest_size=8).digest()

    return sorted(items, key=draw)[:count]


def sample(dataset: Dataset) -> list[Item]:
    """The pictures of the gallery that a fit looks at."""
    protocol = dataset.protocol()
    return sample_items([item for item in dataset.items if protocol.in_gallery(item)])


def is_ahead(dataset: Dataset, encoder: Encoder) -> bool:
    """Whether a build has to fit the encoder on pictures first."""
    own = encoder.base is None and not encoder.fitted
    return own and encoder.state().kind == "ready" and known_fit(dataset, encoder) is None


def fit_on_pictures(
    dataset: Dataset, encoder: Encoder, progress: Progress | None = None
) -> tuple[dict[str, np.ndarray], float]:
    """Fit on prepared pictures of the gallery; and the seconds of the fit itself. ``progress``
    counts the pictures, then what the fit counts."""
    chosen, looking = sample(dataset), doing(progress, Step.LOOK)
    prepared: list[np.ndarray] = []
    seen = 0
    for batch in feed(dataset, chosen, [encoder], encoder.batch):
        prepared += [array for one in batch if (array := one.array(0)) is not None]
        if absent := sum(one.absent for one in batch):
            raise gone(dataset, absent)
        seen += len(batch)
        report(looking, seen, len(chosen))
    if not prepared:
        raise UserError(
            f"No picture of {dataset.title or dataset.name} can be used, so {encoder.name} can't be"
            " fitted."
        )
    started = time.perf_counter()
    arrays = encoder.fit(prepared, doing(progress, Step.FIT))
    return arrays, time.perf_counter() - started


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a folder. Raises ValueError and the like where one is unreadable, or there is
    none."""
    found = {file.stem: np.load(file) for file in sorted(path.glob("*.npy"))}
    if not found:
        raise ValueError("there is no array")
    return found


@dataclass(frozen=True, slots=True)
class Bound:
    """An encoder as it serves one data set: fitted, in its number format, with the place of its
    vectors."""

    dataset: Dataset
    encoder: Encoder
    """Fit to be asked what it is (name, ``dim``, fingerprint); it may have no weights in memory."""

    @property
    def path(self) -> Path | None:
        """The folder of its vectors for this data set, or None where they are not built."""
        return stored.find(self.dataset, self.encoder)

    def vectors(self) -> Embeddings:
        """Its vectors for this data set, memory-mapped. Raises UserError where they are not
        built."""
        return stored.read(self.dataset, self.encoder)

    def loaded(self, progress: Progress | None = None) -> Any:
        """The encoder with its weights in memory, shared with all who hold one like it. Raises
        UserError where they can't be read."""
        return _resolved(self.dataset, self.encoder.name, progress, build=False, load=True)


def bound(dataset: Dataset, name: str) -> Bound:
    """The encoder ``name`` as it was built for ``dataset``: for whatever only searches or reads.

    Raises:
        UserError: an unknown name, or one that has to be fitted and is not.
    """
    return Bound(dataset, _resolved(dataset, name, None, build=False, load=False))


def is_built(dataset: Dataset, name: str) -> bool:
    """Whether a search needs no build first. Asking is no use of what is built."""
    try:
        with store.looking():
            encoder = bound(dataset, name).encoder
            if encoder.matches and not points.are_built(dataset):
                return False
            return encoder.state().kind == "ready" and stored.find(dataset, encoder) is not None
    except UserError:
        return False


class NoVectors(UserError):
    """An encoder that compares key points was asked for vectors."""

    def __reduce__(self) -> tuple:
        return UserError, (self.given, self.allowed, self.fix)


def with_vectors(dataset: Dataset, name: str) -> Bound:
    """:func:`bound` for what is worked out of vectors: maps, indexes, studies.

    Raises:
        UserError: as there.
        NoVectors: an encoder that compares key points.
    """
    made = bound(dataset, name)
    if made.encoder.matches:
        raise NoVectors(
            f"{name} compares key points: it has no vectors to look at.",
            fix=f"Choose {made.encoder.base}, which gathers them into vectors.",
        )
    return made


def prepared(dataset: Dataset, name: str, progress: Progress | None = None) -> Bound:
    """The encoder ``name``, made able to encode ``dataset``: weights downloaded, precision
    measured, fitted on the gallery where that is not done yet. For builds.

    Raises:
        UserError: an unknown name, or weights that can't be had.
    """
    return Bound(dataset, _resolved(dataset, name, progress, build=True, load=False))


def _resolved(
    dataset: Dataset, name: str, progress: Progress | None, *, build: bool, load: bool
) -> Encoder:
    """``build``: what is missing is made or fetched; otherwise it is an error."""
    encoder: Any = encoders.get(name)
    dataset = dataset.home
    if encoder.base is not None:
        base = _resolved(dataset, encoder.base, progress, build=build, load=load)
        encoder = encoder.with_base(base)
    else:
        encoder = _own(dataset, encoder, progress, build, load)
    if encoder.fitted:
        return encoder
    arrays = known_fit(dataset, encoder)
    if arrays is None and not build:
        raise stored.not_built(dataset, name)
    return encoder.with_fit(_fit(dataset, encoder, progress) if arrays is None else arrays)


def _own(
    dataset: Dataset, encoder: Encoder, progress: Progress | None, build: bool, load: bool
) -> Encoder:
    """An encoder that looks at pictures itself: downloaded, in its number format, loaded; not yet
    fitted."""
    if build and encoder.state().kind != "ready":
        _load(
            encoder, progress
        )  # before it is here nothing is known of the weights, the fingerprint included
    _choose_format(dataset, encoder, progress, may_measure=build)
    return _shared(encoder, progress) if load else encoder


def _shared(encoder: Encoder, progress: Progress | None) -> Encoder:
    """This encoder loaded, or the one like it that somebody in this process holds already: weights
    are large."""
    key = store.fingerprint(encoder.fingerprint())
    with _loading.setdefault(key, threading.Lock()):  # one that loads for seconds holds up no other
        known = _loaded.get(key)
        if known is None:
            _load(encoder, progress)
            _loaded[key] = known = encoder
        return known


def _load(encoder: Encoder, progress: Progress | None) -> None:
    if encoder.state().kind == "download":
        limits.require_download(encoder.title or encoder.name)
    with saying(progress, f"Loading {encoder.title or encoder.name}"):
        encoder.load(progress)


def _fit(dataset: Dataset, encoder: Encoder, progress: Progress | None) -> dict[str, np.ndarray]:
    """Fit and keep; two builders that need the same fit make it once."""
    with store.lock(f"fitting-{store.key(fit_causes(dataset, encoder))}", progress):
        arrays = known_fit(dataset, encoder)
        if arrays is None:
            arrays, seconds = _fitted(dataset, encoder, progress)
            remember_fit(dataset, encoder, arrays, seconds)
        return arrays


def _fitted(
    dataset: Dataset, encoder: Encoder, progress: Progress | None
) -> tuple[dict[str, np.ndarray], float]:
    """The arrays of a fit, and the seconds that it took without reading and encoding pictures."""
    if encoder.base is None:
        _load(encoder, progress)
        with saying(progress, f"Fitting {encoder.title or encoder.name}"):
            return fit_on_pictures(dataset, encoder, progress)
    base = prepared(dataset, encoder.base, progress).encoder
    embed.embed(dataset, [base], doing(progress, Step.BASE))
    started = time.perf_counter()
    arrays = encoder.fit(gallery_vectors(dataset, base), progress)
    return arrays, time.perf_counter() - started


def gallery_vectors(dataset: Dataset, encoder: Encoder) -> np.ndarray:
    """The rows of the embeddings that the dataset's usual protocol searches, float32 (n, dim)."""
    found, protocol = stored.read(dataset, encoder), dataset.protocol()
    keep = np.flatnonzero(among(stored.item_rows(dataset, found), protocol.gallery))
    return found.vectors if len(keep) == len(found.ids) else found.vectors[keep]


def _choose_format(
    dataset: Dataset, encoder: Encoder, progress: Progress | None = None, *, may_measure: bool
) -> None:
    """Set the format of an encoder that has a choice; others are left alone."""
    forced = bool(os.environ.get(precision.ENV))
    if not hasattr(encoder, "use_precision") or stored.find(dataset, encoder) is not None:
        return
    built = None if forced else _built_form(dataset, encoder, by_parts=may_measure)
    if built is not None:
        encoder.use_precision(built)
    if may_measure and embed.pending(dataset, encoder) >= COMPILED:
        encoder.compile(progress)
    if not forced and built is None and may_measure and len(dataset.items) >= WORTH:
        words = f"Choosing the number format of {encoder.title or encoder.name}"
        with saying(doing(progress, Step.FORM), words):
            _measure(dataset, encoder, progress)


def _built_form(dataset: Dataset, encoder: Any, *, by_parts: bool) -> str | None:
    """The format in which this dataset is built, or (``by_parts``) has been begun; the decided one
    first."""
    decided = encoder.form
    try:
        for form in dict.fromkeys((decided, *precision.KNOWN)):
            encoder.form = form
            if stored.find(dataset, encoder) is not None:
                return form
            if by_parts and embed.pending(dataset, encoder) < len(dataset.items):
                return form
        return None
    finally:
        encoder.form = decided


def _measure(dataset: Dataset, encoder: Encoder, progress: Progress | None) -> None:
    protocol = dataset.protocol()
    sample = sample_items([item for item in dataset.items if protocol.in_gallery(item)], SAMPLE)
    usable = []
    for item in sample:
        report(progress, 0, 0)
        array = prepare_one(dataset, item, [encoder]).array(0)
        if array is not None:
            usable.append((array, item.value(protocol.relevant)))
    labels = [label for _, label in usable]
    known = labels if all(label is not None for label in labels) else None
    trial.decide(encoder, [array for array, _ in usable], known)
