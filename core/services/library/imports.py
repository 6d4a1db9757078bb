"""Vectors that a user brings, kept beside the library, so that other models can be compared."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.datasets.names import nfc
from core.datasets.vectors import read_vectors, remarks_on
from core.encoders.base import encoders
from core.encoders.imported import PREFIX, Imported, home
from core.errors import UserError
from core.services.embedding.build import build
from core.services.hosting import limits
from core.services.library import library, passed_over
from core.types import Remark, Skipped

MAX_NAME = 60
COPIES = 3
"""Vectors that were brought lie on disk so often: as they came, as embeddings, as an index."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a file of vectors holds for a dataset: ``rows`` = ``used`` + ``skipped``."""

    dim: int
    rows: int
    used: int
    skipped: tuple[Skipped, ...]
    pictures: int
    remarks: tuple[Remark, ...]

    def __str__(self) -> str:
        told = (
            f"{self.rows:,} vectors of {self.dim:,} dimensions: {self.used:,} used,"
            f" {len(self.skipped):,} passed over."
        )
        bare = self.pictures - self.used
        return told + (f" {bare:,} of {self.pictures:,} pictures have none." if bare else "")


def check_vectors(dataset_locator: str, vectors_path: str, ids_path: str | None = None) -> Check:
    """Read vectors for the pictures of a dataset and count what can be used; nothing is kept.

    Raises:
        UserError: files that can't be read, or nothing in them that can be used.
    """
    dataset = library.open_dataset(dataset_locator, fresh=True)
    return _read(dataset, vectors_path, ids_path)[2]


def import_vectors(
    dataset_locator: str,
    name: str,
    vectors_path: str,
    ids_path: str | None = None,
    *,
    replace: bool = False,
    told: Callable[[Check], None] | None = None,
) -> str:
    """Take vectors for the pictures of a dataset; returns the name of the encoder that they become,
    built.

    Ids are item ids, or the paths of items. Bringing the same again changes nothing. ``told`` is
    called with what was counted before anything is kept.

    Raises:
        UserError: a name that is none or is taken (unless ``replace``), files that can't be read,
            no id that matches, no vector with a direction. Nothing is kept then.
    """
    folder, dataset = home() / _name(name), library.open_dataset(dataset_locator, fresh=True)
    ids, vectors, check = _read(dataset, vectors_path, ids_path)
    if told is not None:
        told(check)
    noted = {
        "source": dataset.locator,
        "dim": vectors.shape[1],
        "sha256": _digest(ids, vectors),
        "title": name,
    }
    with store.lock(f"vectors-{folder.name}"):
        old = store.read_meta(folder)
        same = old is not None and {key: old.get(key) for key in noted} == noted
        if old is not None and not replace and not same:
            raise UserError(
                f"There are vectors named {name!r} already.",
                fix="Choose another name, or say to replace them.",
            )
        if not same or store.faults(folder):
            _keep(folder, ids, vectors, noted)
            _drop_built(folder.name)
    build(dataset, [PREFIX + folder.name])
    return PREFIX + folder.name


Upload = tuple[str, bytes]
"""Name and content of a file from a browser."""


def check_upload(dataset_locator: str, vectors: Upload, ids: Upload | None = None) -> Check:
    """:func:`check_vectors` of files from a browser. Raises UserError."""
    with _kept_for_a_moment(vectors, ids) as (path, ids_path):
        return check_vectors(dataset_locator, path, ids_path)


def import_upload(
    dataset_locator: str, name: str, vectors: Upload, ids: Upload | None = None
) -> str:
    """:func:`import_vectors` of files from a browser. Raises UserError."""
    with _kept_for_a_moment(vectors, ids) as (path, ids_path):
        return import_vectors(dataset_locator, name, path, ids_path)


@contextmanager
def _kept_for_a_moment(vectors: Upload, ids: Upload | None) -> Iterator[tuple[str, str | None]]:
    """Paths of uploaded files while they are read; errors speak of those that were chosen."""
    size = len(vectors[1]) + len(ids[1] if ids else b"")
    limits.check_zip(size)
    limits.check_room(COPIES * size)
    home = store.cache("imports")
    given = [("vectors", vectors), *([("ids", ids)] if ids else [])]
    with store.writing(home):
        store.make_folder(home)
        store.check_space(store.root(), sum(len(data) for _, (_, data) in given) + (64 << 20))
        with tempfile.TemporaryDirectory(dir=home) as folder:
            paths = [
                (Path(folder, f"{what}{PurePath(name).suffix.lower()[:12]}"), name, data)
                for what, (name, data) in given
            ]
            for path, _, data in paths:
                path.write_bytes(data)
            try:
                yield str(paths[0][0]), str(paths[1][0]) if ids else None
            except UserError as error:
                words = [error.given, error.allowed, error.fix]
                for path, name, _ in paths:
                    words = [one.replace(str(path), name).replace(path.name, name) for one in words]
                raise UserError(*words) from error


def _read(
    dataset: Dataset, vectors_path: str, ids_path: str | None
) -> tuple[list[str], np.ndarray, Check]:
    given, vectors = read_vectors(vectors_path, ids_path)
    ids = _as_item_ids(dataset, given)
    directed = vectors.any(axis=1)
    zeros = {ids[row] for row in np.flatnonzero(~directed)}
    skipped = passed_over.vectors(dataset, ids, zeros)
    if len(skipped) == len(ids):
        raise UserError(
            f"None of the {len(ids)} vectors can be used.",
            f"The first: {skipped[0].id}: {skipped[0].reason}.",
            "Make them again where all numbers are zero.",
        )
    check = Check(
        vectors.shape[1],
        len(ids),
        len(ids) - len(skipped),
        skipped,
        len(dataset.items),
        remarks_on(vectors if directed.all() else vectors[directed]),
    )
    return ids, vectors, check


def remove_vectors(name: str) -> None:
    """Forget brought vectors (``NAME`` or ``imported.NAME``) and what was built from them; the
    user's files stay.

    Raises:
        UserError: there are none of this name.
    """
    name = name.removeprefix(PREFIX)
    known = [one.removeprefix(PREFIX) for one in encoders.names() if one.startswith(PREFIX)]
    if name not in known:
        raise UserError(
            f"There are no vectors named {name!r}.", f"There are: {', '.join(known) or 'none'}."
        )
    with store.lock(f"vectors-{name}"), store.writing(home()):
        shutil.rmtree(home() / name)
        _drop_built(name)


def vector_rows() -> list[dict]:
    """Brought vectors: name, source (the dataset's locator), dim, and how many vectors were seen,
    used and passed over (None where the dataset is gone), with ``passed_over`` as rows of id and
    reason."""
    return [
        {"name": one.name, "source": one.source, "dim": one.dim, **_counts(one)}
        for one in passed_over.brought()
    ]


def _counts(encoder: Imported) -> dict:
    ids = encoder.ids()
    try:
        skipped = passed_over.vectors(library.open_dataset(encoder.source), ids, encoder.zero_ids())
    except UserError:
        return {"vectors": len(ids), "used": None, "skipped": None, "passed_over": []}
    listed = [{"id": one.id, "reason": one.reason} for one in skipped]
    return {
        "vectors": len(ids),
        "used": len(ids) - len(skipped),
        "skipped": len(skipped),
        "passed_over": listed,
    }


def _name(name: str) -> str:
    if len(name) > MAX_NAME:
        raise UserError(
            f"The name {name[:MAX_NAME]!r}... is too long.", f"At most {MAX_NAME} characters."
        )
    return store.safe(name)


def _as_item_ids(dataset: Dataset, ids: Sequence[str]) -> list[str]:
    """Ids as of items; paths become ids. Raises UserError: none known."""
    known, found = set(dataset.ids), [nfc(id) for id in ids]
    if not known.issuperset(found):
        by_path = {item.path: item.id for item in dataset.items}
        pairs = zip(ids, found, strict=True)
        found = [form if form in known else by_path.get(id, id) for id, form in pairs]
    if known.isdisjoint(found):
        raise UserError(
            f"None of the {len(ids)} ids is a picture of {dataset.title or dataset.name}.",
            f"Its ids look like {dataset.items[0].id!r}; yours like {ids[0]!r}.",
        )
    if len(set(found)) < len(found):
        raise UserError(
            "Two of the vectors are for the same picture.", fix="Give each picture one vector."
        )
    return found


def _digest(ids: Sequence[str], vectors: np.ndarray) -> str:
    hasher = hashlib.sha256(json.dumps(list(ids)).encode())
    hasher.update(np.ascontiguousarray(vectors).data)
    return hasher.hexdigest()


def _keep(folder: Path, ids: Sequence[str], vectors: np.ndarray, noted: dict) -> None:
    store.check_space(store.root(), 3 * vectors.nbytes + (64 << 20))
    with store.new_folder(folder) as new:
        np.save(new / "vectors.npy", vectors)
        (new / "ids.json").write_text(json.dumps(list(ids)))
        store.write_meta(new, noted)


def _drop_built(name: str) -> None:
    """Delete what was built from vectors of this name, for whatever dataset."""
    for entry in store.entries():
        if entry.meta.get("encoder_name") == PREFIX + name:
            store.delete(entry.kind, entry.key)
