"""Builds: from a dataset and encoder names to embeddings and an index, everything from the cache
where it exists."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder, encoders
from core.encoders.imported import Imported
from core.errors import UserError
from core.indexes.base import indexes
from core.items import taken
from core.services.embedding import crops, embed, estimate, galleries, points, usual
from core.services.embedding.bound import bound, fit_units, is_ahead, prepared, sample
from core.services.embedding.embed import KIND, causes, drop_replaced, meta_of
from core.services.embedding.shards import BLOCK, key_of, write_matrix
from core.services.hosting import limits
from core.services.specs import index_spec
from core.types import Embeddings, Item, Progress


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave: rows and pictures passed over, how many were encoded now, and the seconds
    that it took; ``spent_s``: stage -> seconds of work of all threads or processes together, where
    pictures were encoded now."""

    dataset: str
    encoder: str
    index: str
    pictures: int
    skipped: int
    encoded: int
    seconds: float
    path: Path
    spent_s: dict[str, float] = field(default_factory=dict)


def build(
    dataset: Dataset,
    names: Sequence[str],
    index: str = "exact",
    progress: Progress | None = None,
    elsewhere: embed.Elsewhere | None = None,
    **knobs: float,
) -> list[Built]:
    """Embed ``dataset`` by each encoder (one pass over the pictures for all of them), then build
    ``index`` over its gallery. ``progress`` counts pictures (those that encoders are fitted on
    first among them), then vectors. ``elsewhere``: other machines encode, or have encoded.

    A set that can be downloaded is downloaded first.

    Raises:
        UserError: an unknown name, weights that can't be had, pictures that can't be used.
        Cancelled: ``progress`` said stop; finished parts are kept.
    """
    started = time.perf_counter()
    spec = index_spec(index)
    knobs = {**spec.build, **knobs}
    indexes.get(spec.name).fingerprint(
        **knobs
    )  # a wrong name is told now and not after hours of encoding
    for name in names:
        encoders.get(name)
    if not names:
        raise UserError("No encoder was named.", f"Known: {', '.join(encoders.names())}.")
    if dataset.state().kind == "download":
        dataset.download(progress)
    check_disk(dataset, names)
    if elsewhere is not None:
        _build_bases(dataset, names, progress, elsewhere)
    passes = _Passes(progress, dataset, names)
    made = [prepared(dataset, name, passes.fitting).encoder for name in names]
    made = list(
        {encoder.name: encoder for encoder in made}.values()
    )  # one encoder may have been spelt in two ways
    crops.remember(encoder.name for encoder in made)
    if any(encoder.matches for encoder in made):
        points.build(dataset, progress)
    own = [encoder for encoder in made if _own(encoder)]
    encoded = embed.embed(dataset, own, passes.encoding, elsewhere)
    return [
        _result(dataset, encoder, spec.name, encoded.get(encoder.name, 0), started, knobs, progress)
        for encoder in made
    ]


class _Passes:
    """Pictures that encoders are fitted on, and then those that are encoded, as one count: so the
    time left holds for both."""

    def __init__(self, progress: Progress | None, dataset: Dataset, names: Sequence[str]) -> None:
        self.progress, self.begun, self.last = progress, 0, 0
        ahead = sum(is_ahead(dataset, encoders.get(name)) for name in dict.fromkeys(names))
        self.each = fit_units(len(sample(dataset))) if ahead else 0
        self.fits = self.each * ahead
        self.whole = self.fits + len(dataset.items)

    def fitting(self, done: int, total: int) -> bool:
        """Progress of a fit; of what is fetched before, by itself."""
        if not self.fits or total != self.each:
            return self.progress is None or self.progress(done, total)
        if done < self.last:  # the next encoder's
            self.begun = min(self.begun + self.each, self.fits - self.each)
        self.last = done
        return self.progress is None or self.progress(self.begun + done, self.whole)

    def encoding(self, done: int, total: int) -> bool:
        """Progress of the pass over the pictures."""
        return self.progress is None or self.progress(self.fits + done, self.fits + total)


def _build_bases(
    dataset: Dataset, names: Sequence[str], progress: Progress | None, elsewhere: embed.Elsewhere
) -> None:
    """The vectors that encoders of vectors are fitted on; else they would be made here."""
    found: list[str] = []
    for name in names:
        while (base := encoders.get(name).base) is not None:
            found.insert(0, name := base)
    for name in dict.fromkeys(found):
        encoder = prepared(dataset, name, progress).encoder
        if _own(encoder):
            embed.embed(dataset, [encoder], progress, elsewhere)


def check_disk(dataset: Dataset, names: Sequence[str]) -> None:
    """Refuse what the disk can't hold, or the room of a visitor, before any picture is read. Raises
    UserError with the bytes needed and free."""
    store.make_folder(store.root())
    needed = sum(estimate.disk_bytes(dataset, encoders.get(name)) for name in names)
    if needed:
        limits.check_room(needed)
        store.check_space(store.root(), needed + (64 << 20))


def is_built(dataset: Dataset, name: str) -> bool:
    """Whether a search needs no build first."""
    try:
        encoder = bound(dataset, name).encoder
        if encoder.matches and not points.are_built(dataset):
            return False
        return encoder.state().kind == "ready" and embed.find(dataset, encoder) is not None
    except UserError:
        return False


def lacks_index(dataset: Dataset, name: str, index: str) -> bool:
    """Whether a search by ``index`` through an encoder that is built would have to build the index
    first, and that takes a while.

    What can't be built at all is not lacking: the search says what is wrong with it.
    """
    try:
        spec = index_spec(index)
        made = indexes.get(spec.name)
        if made.exact or made.state().kind != "ready":
            return False
        encoder = bound(dataset, name).encoder
        if encoder.matches:
            return False
        rows = len(dataset.items)
        made.fits(rows, encoder.dim, **spec.build)
        instant = galleries.is_instant(made, rows, encoder.dim, spec.build)
        return not instant and not galleries.is_built(dataset, encoder, spec.name, **spec.build)
    except UserError:
        return False


def _own(encoder: Encoder) -> bool:
    return encoder.base is None and encoder.tier != "imported"


def _result(
    dataset: Dataset,
    encoder: Encoder,
    index: str,
    encoded: int,
    started: float,
    knobs: dict,
    progress: Progress | None,
) -> Built:
    path = embed.find(dataset, encoder) or _derived(dataset, encoder)
    _, rows = galleries.gallery_index(dataset, encoder, index, progress, objects=True, **knobs)
    galleries.follow(dataset, encoder, progress)
    if not encoder.matches:
        usual.keep(dataset, encoder, embed.read(dataset, encoder), rows, progress)
    meta = store.read_meta(path) or {}
    seconds = time.perf_counter() - started
    return Built(
        dataset.name,
        encoder.name,
        index,
        meta["pictures"],
        meta["skipped"],
        encoded,
        seconds,
        path,
        meta.get("spent_s", {}) if encoded else {},
    )


def _derived(dataset: Dataset, encoder: Encoder) -> Path:
    """The embeddings' folder of an encoder whose vectors follow from others."""
    if isinstance(encoder, Imported):
        return attach(dataset, encoder)
    base = prepared(dataset, str(encoder.base)).encoder
    embed.embed(dataset, [base])
    return derive(dataset, encoder, embed.read(dataset, base))


NO_VECTOR = "no vector was imported for it"
NO_DIRECTION = "its vector has no direction: every number in it is zero"


def derive(dataset: Dataset, encoder: Any, base: Embeddings) -> Path:
    """Embeddings of an encoder that transforms the finished vectors of another, a block at a time;
    no picture is read."""

    def write(folder: Path) -> dict:
        starts = range(0, len(base.ids), BLOCK)
        blocks = (
            encoder.transform(np.asarray(base.vectors[start : start + BLOCK])) for start in starts
        )
        write_matrix(folder / "vectors.npy", (len(base.ids), encoder.dim), blocks)
        rows = [dataset.items[dataset.rows[id]] for id in base.ids]
        missing = {key_of(dataset.items[dataset.rows[one.id]]): one.reason for one in base.skipped}
        _note_rows(folder, rows, missing)
        return meta_of(dataset, encoder, len(base.ids), len(base.skipped), 0)

    path = store.get_or_build(KIND, causes(dataset, encoder), write)
    drop_replaced(dataset, encoder)
    return path


def attach(dataset: Dataset, encoder: Imported) -> Path:
    """Embeddings from a user's own vectors, matched to the dataset's items by id; pictures without
    one, and those whose vector has no direction, are passed over.

    Raises:
        UserError: they belong to another dataset, or no id matches.
    """
    if encoder.source != dataset.locator:
        raise UserError(
            f"{encoder.name} are vectors for {encoder.source}, not for"
            f" {dataset.title or dataset.name}.",
            fix="Bring vectors for this dataset under another name.",
        )

    def write(folder: Path) -> dict:
        ids, vectors = encoder.lookup()
        row_of = {ids[row]: int(row) for row in np.flatnonzero(vectors.any(axis=1))}
        rows = np.array([row_of.get(id, -1) for id in dataset.ids], np.int64)
        kept = taken(dataset.items, np.flatnonzero(rows >= 0))
        if not len(kept):
            raise UserError(
                f"No vector of {encoder.name} has a direction and belongs to a picture of"
                f" {dataset.title or dataset.name}.",
                f"Its ids look like {dataset.items[0].id!r}; yours like {ids[0]!r}.",
            )
        there, known = rows[rows >= 0], set(ids)
        starts = range(0, len(there), BLOCK)
        blocks = (encoder.unit(vectors[there[start : start + BLOCK]]) for start in starts)
        write_matrix(folder / "vectors.npy", (len(there), encoder.dim), blocks)
        missing = {
            key_of(item): NO_DIRECTION if item.id in known else NO_VECTOR
            for item in taken(dataset.items, np.flatnonzero(rows < 0))
        }
        _note_rows(folder, kept, missing)
        return meta_of(dataset, encoder, len(kept), len(missing), 0)

    path = store.get_or_build(KIND, causes(dataset, encoder), write)
    drop_replaced(dataset, encoder)
    return path


def _note_rows(folder: Path, rows: Sequence[Item], skipped: dict[str, str]) -> None:
    """Say whose the rows are, and what has none."""
    (folder / "ids.json").write_text(json.dumps([item.id for item in rows]))
    (folder / "keys.json").write_text(json.dumps([key_of(item) for item in rows]))
    (folder / "skipped.json").write_text(json.dumps(skipped))
