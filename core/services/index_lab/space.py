"""The vectors that a lab works on: a gallery, and queries over it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.items import coded, json_list
from core.services.embedding import embed, galleries
from core.services.embedding.bound import with_vectors
from core.services.embedding.roles import roles_of
from core.services.index_lab import enlarge, memory
from core.types import Progress

KIND = "kernels"
QUERIES = 200
"""So many queries are asked, evenly spread over those of the usual protocol."""
MOST = 1_000_000
VERSION = 1


@dataclass(frozen=True, slots=True)
class Space:
    """``vectors`` float32 (n, dim) unit rows, of which the first ``real`` are the user's own;
    ``rows`` (real,) the embedding row of each. ``queries`` float32 (q, dim) and ``asked`` (q,)
    their embedding rows; ``own`` (q,) the gallery row that is the query itself, -1 = none: it is
    never counted as a hit. ``causes`` is what all of it follows from."""

    dataset: str
    encoder: str
    vectors: np.ndarray
    rows: np.ndarray
    queries: np.ndarray
    asked: np.ndarray
    own: np.ndarray
    causes: dict

    @property
    def size(self) -> int:
        return len(self.vectors)

    @property
    def real(self) -> int:
        return len(self.rows)


def open_space(
    dataset: Dataset,
    encoder: str,
    queries: int = QUERIES,
    size: int = 0,
    progress: Progress | None = None,
) -> Space:
    """The gallery of the usual protocol, enlarged to ``size`` vectors (0 = as it is; see
    :mod:`core.services.index_lab.enlarge`).

    Raises:
        UserError: the embeddings are not built, ``size`` is out of range, or memory does not
            suffice (with the number needed).
    """
    ready = with_vectors(dataset, encoder).encoder
    found, protocol = embed.read(dataset, ready), dataset.protocol()
    rows = galleries.gallery_rows(dataset, found, protocol)
    asked = roles_of(embed.item_rows(dataset, found), protocol).queries
    if not len(rows) or not len(asked):
        raise UserError(
            f"{dataset.title or dataset.name} has no pictures to search, or none to search with."
        )
    size = checked_size(size, len(rows))
    asked = asked[np.linspace(0, len(asked) - 1, min(len(asked), queries)).astype(int)]
    vectors = found.vectors if len(rows) == len(found.ids) else found.vectors[rows]
    if size > len(rows):
        wanted = 4 * size * found.vectors.shape[1]
        memory.need(wanted, f"A gallery of {size:,} vectors", "Choose a smaller size.")
        vectors = enlarge.enlarge(
            np.asarray(vectors), kernel(dataset, ready, vectors, progress)[0], size, progress
        )
    place = np.full(len(found.ids), -1, np.int64)
    place[rows] = np.arange(len(rows))
    return Space(
        dataset.name,
        encoder,
        vectors,
        rows,
        np.ascontiguousarray(found.vectors[asked]),
        asked,
        place[asked],
        causes(dataset, ready, queries, size if size > len(rows) else 0),
    )


def checked_size(size: int, real: int) -> int:
    """How many vectors the gallery will have.

    Raises:
        UserError: fewer than there are, more than ``MOST``, or too few real ones to compare, or to
            be enlarged.
    """
    if real < 2:
        raise UserError(
            "The gallery has one picture, or none, to search.",
            "At least 2 are needed to compare what is found.",
        )
    if size in (0, real):
        return real
    if not real < size <= max(MOST, real):
        raise UserError(
            f"A gallery of {size:,} vectors was asked for.",
            f"It has {real:,}, and can be enlarged to {MOST:,}.",
        )
    enlarge.check_enough(real)
    return size


def causes(dataset: Dataset, encoder: Encoder, queries: int = QUERIES, size: int = 0) -> dict:
    """What a space follows from; ``size`` 0 = not enlarged."""
    protocol = dataset.protocol()
    splits = (
        store.digest_of(json_list(coded(dataset.items, "split")))
        if protocol.gallery or protocol.queries
        else ""
    )
    grown = {"size": size, "enlarge": enlarge.VERSION} if size else {}
    return {
        **embed.causes(dataset, encoder),
        "gallery": list(protocol.gallery),
        "asking": list(protocol.queries),
        "every": protocol.every,
        "splits": splits,
        "queries": queries,
        "space": VERSION,
        **grown,
    }


def likeness_of(
    dataset: Dataset, encoder: str, progress: Progress | None = None
) -> enlarge.Likeness:
    """How like its real vectors the synthetic ones of a gallery are; measured once.

    Raises:
        UserError: the embeddings are not built, or are too few.
    """
    ready = with_vectors(dataset, encoder).encoder
    found = embed.read(dataset, ready)
    return kernel(
        dataset,
        ready,
        found.vectors[galleries.gallery_rows(dataset, found, dataset.protocol())],
        progress,
    )[1]


def kernel(
    dataset: Dataset, encoder: Encoder, vectors: np.ndarray, progress: Progress | None = None
) -> tuple[enlarge.Kernel, enlarge.Likeness]:
    """What the synthetic vectors of a gallery are drawn with; fitted once."""

    def write(folder: Path) -> dict:
        made, like = enlarge.fit(vectors, progress)
        np.save(folder / "near.npy", made.near.astype(np.int32))
        (folder / "kernel.json").write_text(
            json.dumps({"width": made.width, "likeness": asdict(like)})
        )
        return {
            "source": dataset.locator,
            "dataset_name": dataset.name,
            "encoder_name": encoder.name,
            "index_name": "larger",
        }

    return store.kept(
        KIND, {**causes(dataset, encoder), "enlarge": enlarge.VERSION}, write, _kernel, progress
    )


def _kernel(path: Path) -> tuple[enlarge.Kernel, enlarge.Likeness]:
    noted = json.loads((path / "kernel.json").read_text())
    like = enlarge.Likeness(
        tuple(tuple(row) for row in noted["likeness"]["rows"]), noted["likeness"]["alike"]
    )
    near = np.load(path / "near.npy").astype(np.int64)
    if near.ndim != 2:
        raise ValueError(f"neighbours of shape {near.shape}")
    return enlarge.Kernel(near, noted["width"]), like
