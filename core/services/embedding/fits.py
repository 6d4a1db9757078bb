"""What some encoders learn from the gallery before they can encode: a codebook, a whitening.

A fit belongs to a source and an encoder and is kept while the gallery grows or shrinks, so that new
pictures cost only themselves; when the gallery has halved or doubled it is made again. Its numbers
are part of the encoder's fingerprint.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.services.embedding import shipped
from core.services.embedding.feed import feed, gone
from core.types import Item, Progress, report

KIND = "fits"
SAMPLE = 600
"""Pictures that a fit looks at: a fixed pseudo-random choice from the gallery."""


def fit_causes(dataset: Dataset, encoder: Encoder) -> dict:
    return {"source": dataset.locator, "encoder": encoder.fingerprint()}


def known_fit(dataset: Dataset, encoder: Encoder) -> dict[str, np.ndarray] | None:
    """The arrays of an earlier fit that still suits this gallery, or None."""
    key = store.key(fit_causes(dataset, encoder))
    path = store.find(KIND, key) or shipped.find_fit(key, encoder.name)
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


def remember_fit(dataset: Dataset, encoder: Encoder, arrays: dict[str, np.ndarray]) -> None:
    """Keep a fit, in place of an older one."""
    causes = fit_causes(dataset, encoder)
    store.delete(KIND, store.key(causes))

    def write(folder: Path) -> dict:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        noted = {
            "source": dataset.locator,
            "dataset_name": dataset.name,
            "encoder_name": encoder.name,
        }
        return {**noted, "pictures": len(dataset.items)}

    store.get_or_build(KIND, causes, write)


def sample_items(items: Sequence[Item], count: int = SAMPLE) -> list[Item]:
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
) -> dict[str, np.ndarray]:
    """Fit on prepared pictures of the gallery. ``progress`` counts them, and the fit itself as a
    quarter as many."""
    chosen = sample(dataset)
    prepared: list[np.ndarray] = []
    seen = 0
    for batch in feed(dataset, chosen, [encoder], encoder.batch):
        prepared += [array for one in batch if (array := one.array(0)) is not None]
        if absent := sum(one.absent for one in batch):
            raise gone(dataset, absent)
        seen += len(batch)
        report(progress, seen, fit_units(len(chosen)))
    if not prepared:
        raise UserError(
            f"No picture of {dataset.title or dataset.name} can be used, so {encoder.name} can't be"
            " fitted."
        )

    def fitting(done: int, total: int) -> bool:
        whole = fit_units(len(chosen))
        at = len(chosen) + (whole - len(chosen)) * done / max(total, 1)
        return progress is None or progress(round(at), whole)

    return encoder.fit(prepared, fitting)


def fit_units(pictures: int) -> int:
    """What a fit on so many pictures counts in its progress: they, and a quarter as many."""
    return pictures + pictures // 4


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a folder. Raises ValueError and the like where one is unreadable, or there is
    none."""
    found = {file.stem: np.load(file) for file in sorted(path.glob("*.npy"))}
    if not found:
        raise ValueError("there is no array")
    return found
