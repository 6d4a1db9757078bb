"""A gallery of any size for measuring: Parquet with one small picture in every row, and vectors of
384 numbers for it.

Up to as many rows as there are real vectors these are real: ``tiny.16x16`` of tiny_imagenet's
50,000 training pictures (``LOOKALIKE_DATA``), else of the embedded gallery, in their first 384
principal components. Beyond that each further row is synthetic: a real vector, drawn at random, plus
normal noise of half its length, with the label of the real one. What is measured on synthetic rows
says so.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.device import team  # before numpy: it says how numpy's threads wait

# isort: split
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from core.services.embedding import build
from core.services.embedding.bound import bound
from core.services.library import library

DIM, NOISE = 384, 0.5
REAL = 50_000
ENCODER = "tiny.16x16"
ROWS = 50_000
__all__ = ["DIM", "Real", "blocks", "gallery", "ready", "real", "team"]


@dataclass(frozen=True)
class Real:
    """Unit rows float32 (n, 384), their labels, and whose they are."""

    vectors: np.ndarray
    labels: tuple[str, ...]
    source: str


def real() -> Real:
    """The real vectors; the first time they are encoded, which takes seconds."""
    home = Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data")
    there = home / "tiny_imagenet"
    dataset = library.open_dataset(str(there) if there.is_dir() else "catalogue")
    build.build(dataset, [ENCODER])
    found = bound(dataset, ENCODER).vectors()
    rows = np.flatnonzero([item.split != "validation" for item in dataset.items])[:REAL]
    rows = np.random.default_rng(0).permutation(rows)
    raw = np.asarray(found.vectors)[rows]
    middle = raw - raw.mean(axis=0)
    _, axes = np.linalg.eigh(middle.T @ middle)
    kept = middle @ axes[:, ::-1][:, :DIM]
    labels = tuple(str(dataset.items[int(row)].label) for row in rows)
    return Real(_unit(kept), labels, dataset.name)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def blocks(base: Real, size: int) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Unit rows and their labels in blocks of ``ROWS``; the same for the same size."""
    for start in range(0, size, ROWS):
        rng = np.random.default_rng(start)
        count = min(ROWS, size - start)
        kept = np.arange(start, min(start + count, len(base.vectors)))
        parents = np.append(kept, rng.integers(0, len(base.vectors), count - len(kept)))
        made = base.vectors[parents]
        noise = rng.standard_normal((count - len(kept), DIM), dtype=np.float32)
        made[len(kept) :] += noise * np.float32(NOISE / np.sqrt(DIM))
        yield _unit(made), [base.labels[int(row)] for row in parents]


def gallery(base: Real, size: int, folder: Path) -> None:
    """Write ``pictures/``, ``vectors.npy`` and ``ids.txt`` into a folder."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    about = {"real": min(size, len(base.vectors)), "source": f"{ENCODER} of {base.source}"}
    (folder / "about.json").write_text(json.dumps(about))
    one = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(one, "PNG")
    shape = {"descr": "<f4", "fortran_order": False, "shape": (size, DIM)}
    with open(folder / "vectors.npy", "wb") as file, open(folder / "ids.txt", "w") as named:
        np.lib.format.write_array_header_1_0(file, shape)
        for number, (vectors, labels) in enumerate(blocks(base, size)):
            file.write(vectors.tobytes())
            name = f"part-{number:05d}"
            named.writelines(f"{name}/{row:06d}\n" for row in range(len(labels)))
            columns = {"image": pa.array([one.getvalue()] * len(labels)), "label": labels}
            pq.write_table(pa.table(columns), pictures / f"{name}.parquet", row_group_size=4096)


def ready(folder: Path, size: int) -> Path:
    """A folder with a gallery of that size, made where it is not there."""
    home = folder / f"{size}"
    if not (home / "ids.txt").is_file():
        gallery(real(), size, home)
    return home
