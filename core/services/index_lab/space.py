"""The vectors that a lab works on: a gallery, and queries over it.

What an index answers to many queries is scored by the vectors alone. How much memory is free is
asked before, and too little refused.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.indexes.base import Index
from core.metrics import table
from core.neighbours import rank, rows_without_own
from core.services.embedding import galleries, stored
from core.services.embedding.bound import with_vectors
from core.services.embedding.roles import roles_of
from core.services.index_lab import enlarge
from core.types import Hits, Progress

SHARE = 0.9
"""So much of what is free may be taken."""
GROUP = Path("/sys/fs/cgroup")


def free_bytes() -> int | None:
    """Bytes that this process may still take, of machine or container; None: unknown."""
    known = [value for value in (_machine(), _group()) if value is not None]
    return min(known) if known else None


def need(wanted: int, what: str, fix: str) -> None:
    """Raises UserError: ``what`` needs more than ``SHARE`` of the free memory."""
    free = free_bytes()
    if free is not None and wanted > SHARE * free:
        raise UserError(
            f"{what} needs about {wanted / 1e9:.1f} GB of memory.",
            f"{free / 1e9:.1f} GB are free.",
            fix,
        )


def _machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(
            int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")
        )
    except (OSError, ValueError, StopIteration):
        return None


def _group() -> int | None:
    try:
        return max(
            0,
            int((GROUP / "memory.max").read_text())
            - int((GROUP / "memory.current").read_text())
            + _reclaimable(),
        )
    except (OSError, ValueError):  # no such group, or "max": no limit
        return None


def _reclaimable() -> int:
    """Cached files count as taken until somebody needs the room."""
    lines = (GROUP / "memory.stat").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)


KIND = "kernels"
QUERIES = 200
"""So many queries are asked, evenly spread over those of the usual protocol."""
MOST, MOST_K = 1_000_000, 100
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
    found, protocol = stored.read(dataset, ready), dataset.protocol()
    rows = galleries.gallery_rows(dataset, found, protocol)
    asked = roles_of(stored.item_rows(dataset, found), protocol).queries
    if not len(rows) or not len(asked):
        raise UserError(
            f"{dataset.title or dataset.name} has no pictures to search, or none to search with."
        )
    size = checked_size(size, len(rows))
    asked = asked[np.linspace(0, len(asked) - 1, min(len(asked), queries)).astype(int)]
    vectors = found.vectors if len(rows) == len(found.ids) else found.vectors[rows]
    if size > len(rows):
        wanted = 4 * size * found.vectors.shape[1]
        need(wanted, f"A gallery of {size:,} vectors", "Choose a smaller size.")
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


def check_k(k: int) -> None:
    """Raises UserError: not a number of hits that a lab compares."""
    if not 1 <= k <= MOST_K:
        raise UserError(f"k = {k} was asked for.", f"k is 1 to {MOST_K}.")


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
    splits = galleries.split_digest(dataset) if protocol.gallery or protocol.queries else ""
    grown = {"size": size, "enlarge": enlarge.VERSION} if size else {}
    return {
        **stored.causes(dataset, encoder),
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
    found = stored.read(dataset, ready)
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
        return dataset.owned(encoder.name, index="larger")

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


STEP = 256


def answers(index: Index, space: Space, k: int, knobs: Mapping[str, Any]) -> Hits:
    """The ``k`` best of each query other than itself. A score is the cosine of the space's own
    vectors, so that answers of any index, which may score by codes or bits, can be compared."""
    wanted = depth(space, k)
    found = [
        index.search(space.queries[at : at + STEP], wanted, **knobs).ids
        for at in range(0, len(space.queries), STEP)
    ]
    return scored(space, rows_without_own(np.concatenate(found), space.own, k))


def depth(space: Space, k: int) -> int:
    """How many hits are asked for to have ``k`` besides the query."""
    return min(k + int((space.own >= 0).any()), space.size)


def scored(space: Space, ids: np.ndarray) -> Hits:
    """Rows (q, k) as hits in the one order: by exact cosine, ties by id."""
    return rank(space.queries, space.vectors.__getitem__, ids, ids.shape[1])


def recall(found: Hits, truth: Hits) -> np.ndarray:
    """Share of the exact top k that was found, float64 (q,); equals of the exact k-th count."""
    return table.index_recall(found.scores, truth.scores)
