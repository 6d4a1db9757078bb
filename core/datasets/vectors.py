"""Vectors of another program: ``.npy`` with ids beside it, or Parquet with both in each row."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np

from core.datasets.names import real, shown
from core.datasets.tables import decoded, read_bytes, read_table
from core.errors import UserError
from core.types import Remark

ACCEPTED = (
    "A .npy of shape (n, dim) with ids beside it (ids.txt, ids.json or ids.csv, or the same name"
    " with that ending), or Parquet with the columns 'id' and 'vector' (a list of numbers)."
)
ID_ENDINGS = (".txt", ".json", ".csv")
VECTOR_COLUMNS = ("vector", "embedding", "embeddings", "vectors")
ID_COLUMNS = ("id", "ids", "image_id", "path", "file", "file_name")
MAX_DIM = 65_536
ROWS = 65_536


def read_vectors(
    path: Path | str, ids_path: Path | str | None = None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Ids (n) and float32 vectors (n, dim), as given: not scaled to unit length, every number
    finite.

    Args:
        path: a ``.npy`` or Parquet file, or a folder that holds exactly one of them.
        ids_path: the ids of a ``.npy``, where they do not lie beside it.

    Raises:
        UserError: nothing there, ids missing, wrong in number or repeated, vectors of different
            lengths, not numbers, not finite, or Python objects (which are never unpickled).
    """
    file = _the_file(os.path.abspath(real(os.path.expanduser(os.fspath(path)))))
    ids, vectors = (
        _from_npy(file, ids_path) if file.lower().endswith(".npy") else _from_parquet(file)
    )
    _check(file, ids, vectors)
    return tuple(ids), np.ascontiguousarray(vectors, dtype=np.float32)


def remarks_on(vectors: np.ndarray) -> tuple[Remark, ...]:
    """What is odd in vectors (n, dim) before they are taken: columns and rows that say nothing."""
    rows, dim = vectors.shape
    if rows < 2:
        return ()
    constant = int((vectors.min(axis=0) == vectors.max(axis=0)).sum())
    different = {hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in vectors}
    copies = rows - len(different)
    found = []
    if constant:
        found.append(
            Remark(
                f"{constant:,} of {dim:,} columns",
                "have the same value in every row: they tell no pictures apart",
            )
        )
    if copies:
        found.append(
            Remark(
                f"{copies:,} of {rows:,} rows",
                "are exact copies of another row: their pictures look identical",
            )
        )
    return tuple(found)


def _the_file(path: str) -> str:
    if os.path.isdir(path):
        names = [name for name in sorted(os.listdir(path)) if _is_vectors(name)]
        if len(names) != 1:
            raise _wrong(path, f"holds {len(names)} files of vectors instead of one")
        return os.path.join(path, names[0])
    if not os.path.isfile(path):
        raise _wrong(path, "is not there")
    if not _is_vectors(path):
        raise _wrong(path, "is no file of vectors")
    return path


def _is_vectors(name: str) -> bool:
    return name.lower().endswith((".npy", ".parquet", ".pq")) and not os.path.basename(
        name
    ).startswith(".")


def _from_npy(file: str, ids_path: Path | str | None = None) -> tuple[list[str], np.ndarray]:
    try:
        vectors = np.load(file, mmap_mode="r", allow_pickle=False)
    except (
        Exception
    ) as error:  # numpy reads the header with Python's own parser, which raises nearly anything
        what = (
            "holds Python objects instead of numbers"
            if "pickle" in str(error).lower()
            else f"can't be read ({error})"
        )
        raise _wrong(file, what) from error
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2:
        raise _wrong(file, f"has the shape {getattr(vectors, 'shape', '?')} instead of (n, dim)")
    return (
        _read_ids(
            _beside(file) if ids_path is None else real(os.path.expanduser(os.fspath(ids_path)))
        ),
        vectors,
    )


def _beside(file: str) -> str:
    stem = file.rpartition(".")[0]
    folder = os.path.dirname(file)
    places = [
        base + end
        for base in (f"{stem}.ids", f"{stem}_ids", stem, os.path.join(folder, "ids"))
        for end in ID_ENDINGS
    ]
    beside = next((place for place in places if os.path.isfile(place)), None)
    if beside is None:
        raise _wrong(file, "has no file of ids beside it")
    return beside


def _read_ids(beside: str) -> list[str]:
    if beside.endswith(".csv"):
        return _ids_of_csv(beside)
    try:
        # an id that was read wrongly is no picture's, and listed as such
        text, _ = decoded(read_bytes(beside))
        if beside.endswith(".json"):
            return _ids_of_json(beside, json.loads(text))
        return [
            line
            for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            if line.strip()
        ]
    except (ValueError, RecursionError) as error:
        raise _wrong(beside, f"can't be read as ids ({error})") from error


def _ids_of_csv(file: str) -> list[str]:
    table = read_table(file)
    column = next((name for name in ID_COLUMNS if name in table.header), None)
    if column is None:
        raise _wrong(file, f"has no column {' or '.join(ID_COLUMNS)}")
    if table.skipped:  # a row that is left out would give all vectors behind it to other pictures
        raise _wrong(
            file, f"has a row that can't be read: {table.skipped[0].id}: {table.skipped[0].reason}"
        )
    return [row[column] for _, row in table.rows]


def _ids_of_json(file: str, told: object) -> list[str]:
    if not isinstance(told, list) or not all(isinstance(one, str | int) for one in told):
        raise _wrong(file, "is no JSON list of words")
    return [str(one) for one in told]


def _from_parquet(file: str) -> tuple[list[str], np.ndarray]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(file)
        names = parquet.schema_arrow.names
        id_column = next((name for name in ID_COLUMNS if name in names), None)
        column = next((name for name in VECTOR_COLUMNS if name in names), None)
        if id_column is None or column is None:
            raise _wrong(file, f"has the columns {', '.join(names)}")
        ids: list[str] = []
        blocks: list[np.ndarray] = []
        for batch in parquet.iter_batches(ROWS, columns=[id_column, column]):
            if batch.column(id_column).null_count:
                raise _wrong(file, "has rows without an id")
            ids += [str(one) for one in batch.column(id_column).to_pylist()]
            blocks.append(
                _block(file, batch.column(column), blocks[0].shape[1] if blocks else None)
            )
    except (OSError, pa.ArrowException) as error:
        raise _wrong(file, f"can't be read ({error})") from error
    return ids, np.concatenate(blocks) if blocks else np.empty((0, 0), np.float32)


def _block(file: str, column, dim: int | None) -> np.ndarray:
    """A column of lists of numbers -> (rows, dim)."""
    import pyarrow as pa

    nested = (
        pa.types.is_list(column.type)
        or pa.types.is_large_list(column.type)
        or pa.types.is_fixed_size_list(column.type)
    )
    if not nested or column.null_count:
        raise _wrong(file, f"has vectors of type {column.type}, or rows without one")
    flat = column.flatten()
    lengths = {len(one) for one in column}
    if len(lengths) != 1 or (dim is not None and lengths != {dim}):
        raise _wrong(
            file,
            "has vectors of different lengths"
            f" ({', '.join(map(str, sorted(lengths | {dim or 0} - {0})[:5]))})",
        )
    if flat.null_count or not (pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type)):
        raise _wrong(file, "has vectors with something in them that is no number")
    return flat.to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(column), -1)


def _check(file: str, ids: list[str], vectors: np.ndarray) -> None:
    if vectors.dtype.kind not in "fiu":
        raise _wrong(file, f"holds {vectors.dtype} instead of real numbers")
    rows, dim = vectors.shape
    if not rows or not 0 < dim <= MAX_DIM:
        raise _wrong(file, f"holds {rows} vectors of {dim} dimensions (at most {MAX_DIM} are read)")
    if len(ids) != rows:
        raise _wrong(file, f"holds {rows} vectors, and there are {len(ids)} ids")
    if len(set(ids)) != rows:
        twice = Counter(ids).most_common(1)[0][0]
        raise _wrong(file, f"has the id {twice!r} more than once")
    for start in range(0, rows, ROWS):
        fine = np.isfinite(np.asarray(vectors[start : start + ROWS], dtype=np.float32)).all(axis=1)
        if not fine.all():
            first = start + int(np.argmin(fine))
            raise _wrong(
                file,
                "holds numbers that are not finite (NaN or infinite), first in the vector of"
                f" {ids[first]!r}",
            )


def _wrong(path: str, what: str) -> UserError:
    return UserError(f"{shown(path)!r} {what}.", f"Accepted: {ACCEPTED}")
