from __future__ import annotations

import json

import numpy as np
import pytest

from core.datasets.vectors import read_vectors
from core.errors import UserError
from tests.datasets.layouts import parquet

VECTORS = np.arange(12, dtype=np.float64).reshape(4, 3)
IDS = ("a.png", "b c.png", "d,e.png", "ü.png")


def saved(folder, vectors=VECTORS, ids=IDS, name="ids.txt"):
    np.save(folder / "v.npy", vectors)
    if name.endswith(".json"):
        (folder / name).write_text(json.dumps(ids))
    elif name.endswith(".csv"):
        (folder / name).write_text("id,x\n" + "".join(f'"{one}",1\n' for one in ids))
    elif name:
        (folder / name).write_text("".join(f"{one}\n" for one in ids))
    return folder / "v.npy"


@pytest.mark.parametrize(
    "name",
    ["ids.txt", "ids.json", "ids.csv", "v.txt", "v.json", "v.csv", "v.ids.txt", "v_ids.json"],
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", ">f4"])
def test_npy_with_ids_beside(tmp_path, name, dtype):
    ids, vectors = read_vectors(saved(tmp_path, VECTORS.astype(dtype), name=name))
    assert ids == IDS
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, VECTORS)
    assert read_vectors(tmp_path)[0] == IDS


@pytest.mark.parametrize("kind", ["list", "fixed"])
@pytest.mark.parametrize("column", ["vector", "embedding"])
def test_parquet(tmp_path, kind, column):
    import pyarrow as pa

    nested = pa.list_(pa.float32()) if kind == "list" else pa.list_(pa.float32(), 3)
    path = parquet(
        tmp_path / "v.parquet", {"id": list(IDS), column: pa.array(VECTORS.tolist(), nested)}
    )
    ids, vectors = read_vectors(path)
    assert ids == IDS
    np.testing.assert_array_equal(vectors, VECTORS)


def test_numbers_as_ids(tmp_path):
    assert read_vectors(parquet(tmp_path / "v.parquet", {"id": [7, 8], "vector": [[1.0], [2.0]]}))[
        0
    ] == ("7", "8")


@pytest.mark.parametrize(
    ("vectors", "ids", "message"),
    [
        (VECTORS, IDS[:3], "4 vectors, and there are 3 ids"),
        (VECTORS, ("a", "b", "b", "c"), "'b' more than once"),
        (VECTORS[0], IDS, "shape"),
        (VECTORS[None], IDS, "shape"),
        (np.empty((0, 3)), (), "0 vectors"),
        (np.empty((4, 0)), IDS, "of 0 dimensions"),
        (np.where(VECTORS == 5, np.nan, VECTORS), IDS, "not finite"),
        (np.where(VECTORS == 5, np.inf, VECTORS), IDS, "not finite"),
        (np.full((4, 3), 1e300), IDS, "not finite"),
        (VECTORS.astype(complex), IDS, "instead of real numbers"),
        (VECTORS.astype(str), IDS, "instead of real numbers"),
        (np.array([[print]] * 4, dtype=object), IDS, "Python objects"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_every_mismatch_has_its_message(tmp_path, vectors, ids, message):
    with pytest.raises(UserError, match=message) as caught:
        read_vectors(saved(tmp_path, vectors, ids))
    assert "Accepted" in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["a"], "x": [[1.0]]}, "has the columns id, x"),
        ({"id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "different lengths"),
        ({"id": ["a", "b"], "vector": [[1.0], None]}, "rows without one"),
        ({"id": ["a"], "vector": [[None]]}, "no number"),
        ({"id": ["a"], "vector": [["x"]]}, "no number"),
        ({"id": ["a"], "vector": [1.0]}, "type double"),
        ({"id": ["a", "a"], "vector": [[1.0], [2.0]]}, "more than once"),
        ({"id": [None], "vector": [[1.0]]}, "without an id"),
    ],
)
def test_every_mismatch_in_parquet(tmp_path, columns, message):
    with pytest.raises(UserError, match=message):
        read_vectors(parquet(tmp_path / "v.parquet", columns))


def test_different_lengths_in_different_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("core.datasets.vectors.ROWS", 2)
    with pytest.raises(UserError, match="different lengths"):
        read_vectors(
            parquet(
                tmp_path / "v.parquet",
                {"id": list("abcd"), "vector": [[1.0]] * 2 + [[1.0, 2.0]] * 2},
            )
        )


def test_no_files_and_no_ids(tmp_path):
    for path in (tmp_path, tmp_path / "gone.npy"):
        with pytest.raises(UserError):
            read_vectors(path)
    with pytest.raises(UserError, match="no file of ids"):
        read_vectors(saved(tmp_path, name=""))
    (tmp_path / "w.npy").write_bytes(b"")
    with pytest.raises(UserError, match="2 files"):
        read_vectors(tmp_path)
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(UserError, match="no file of vectors"):
        read_vectors(tmp_path / "x.txt")


@pytest.mark.parametrize("ids", ['{"a": 1}', '["a", null]', "[" * 100_000, '["a"'])
def test_json_that_is_no_list_of_words(tmp_path, ids):
    path = saved(tmp_path, name="")
    (tmp_path / "ids.json").write_text(ids)
    with pytest.raises(UserError, match="ids"):
        read_vectors(path)


def test_headers_that_lie_and_bytes_that_flip(tmp_path):
    path = saved(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"(4, 3)", b"(4**9)"))
    with pytest.raises(UserError):
        read_vectors(path)
    path.write_bytes(whole.replace(b"(4, 3), }      ", b"(99999999, 3), }"[:15]))
    with pytest.raises(UserError):
        read_vectors(path)
    for length in range(0, len(whole), 9):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError):
            read_vectors(path)
    for position in range(128):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            read_vectors(path)
        except UserError:
            continue
