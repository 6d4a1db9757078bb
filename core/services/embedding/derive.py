"""Embeddings that need no picture: made from other embeddings, or brought by the user."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.imported import Imported
from core.errors import UserError
from core.items import taken
from core.services.embedding.embed import KIND, causes, drop_replaced, meta_of
from core.services.embedding.shards import BLOCK, key_of, write_matrix
from core.types import Embeddings, Item

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
