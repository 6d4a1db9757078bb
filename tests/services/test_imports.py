"""Vectors that a user brings."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import store
from core.encoders.base import encoders
from core.errors import UserError
from core.services import imports, library
from core.services.build import build, is_built
from core.services.compare import compare
from core.services.search import Query, search
from tests.plugged import numbered, paint


@pytest.fixture
def brought(gallery, tmp_path):
    """A .npy of random vectors with ids beside it, one for each picture."""
    vectors = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    np.save(tmp_path / "mine.npy", vectors)
    (tmp_path / "mine.txt").write_text("\n".join(numbered(20)))
    return tmp_path / "mine.npy"


def test_brought_vectors_search_the_gallery(gallery, brought):
    name = imports.import_vectors(str(gallery), "mine", str(brought))
    assert name == "imported.mine"
    assert name in encoders.names()
    dataset = library.open_dataset(str(gallery))
    assert is_built(dataset, name)
    answer = search(Query(item_id="00004.png"), dataset, name, k=5)
    vectors = np.load(brought)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = unit @ unit[4]
    order = [row for row in np.argsort(-scores) if row != 4][:5]
    assert [hit.id for hit in answer.hits] == [numbered(20)[row] for row in order]
    np.testing.assert_allclose([hit.score for hit in answer.hits], scores[order], rtol=1e-5)


def test_they_are_compared_with_encoders_of_ours(gallery, brought):
    name = imports.import_vectors(str(gallery), "mine", str(brought))
    dataset = library.open_dataset(str(gallery))
    build(dataset, ["tiny.16x16"])
    found = compare(Query(item_id="00000.png"), dataset, [name, "tiny.16x16"], k=5)
    assert [len(one.hits) for one in found.answers] == [5, 5]


def test_a_new_picture_or_a_part_of_one_can_not_be_searched_with_them(gallery, brought):
    name = imports.import_vectors(str(gallery), "mine", str(brought))
    dataset = library.open_dataset(str(gallery))
    for query in (Query(data=(gallery / "00000.png").read_bytes()), Query(item_id="00000.png", box=(0, 0, 0.5, 0.5))):
        with pytest.raises(UserError, match="from the gallery"):
            search(query, dataset, name)
    with pytest.raises(UserError, match="no picture"):
        search(Query(item_id="nothing"), dataset, name)


def test_pictures_without_a_vector_are_skipped_and_vectors_without_a_picture_ignored(gallery, tmp_path):
    np.save(tmp_path / "few.npy", np.eye(4, dtype=np.float32))
    (tmp_path / "few.txt").write_text("00001.png\nunknown.png\n00002.png\n00003.png")
    name = imports.import_vectors(str(gallery), "few", str(tmp_path / "few.npy"))
    dataset = library.open_dataset(str(gallery))
    assert [hit.id for hit in search(Query(item_id="00001.png"), dataset, name).hits] == ["00002.png", "00003.png"]
    rows = library.skipped_rows(dataset.locator, name)
    assert len(rows) == 17
    assert rows[0]["reason"] == "no vector was imported for it"
    with pytest.raises(UserError, match="no vector"):
        search(Query(item_id="00000.png"), dataset, name)


@pytest.mark.parametrize("kind", ["txt", "json", "csv", "parquet"])
def test_ids_in_any_accepted_form_and_paths_as_ids(gallery, tmp_path, kind):
    vectors = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    paths = [str(gallery / name) for name in numbered(20)]
    file, ids = tmp_path / "v.npy", tmp_path / "elsewhere" / f"names.{kind}"
    ids.parent.mkdir()
    if kind == "parquet":
        file, ids = tmp_path / "v.parquet", None
        pq.write_table(pa.table({"id": paths, "vector": list(vectors)}), file)
    else:
        np.save(file, vectors)
        ids.write_text({"txt": "\n".join(paths), "json": json.dumps(paths), "csv": "id\n" + "\n".join(paths)}[kind])
    name = imports.import_vectors(str(gallery), f"by-{kind}", str(file), ids and str(ids))
    assert len(search(Query(item_id="00000.png"), library.open_dataset(str(gallery)), name, k=50).hits) == 19


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a b", ".hidden", "x" * 100, "a\nb", "naïve", "a:pca=2"])
def test_names_that_are_none_are_refused(gallery, brought, artifacts, name):
    with pytest.raises(UserError):
        imports.import_vectors(str(gallery), name, str(brought))
    assert not list(artifacts.glob("library/vectors/*"))


def test_a_taken_name_is_refused_unless_told_and_the_same_again_is_fine(gallery, brought):
    name = imports.import_vectors(str(gallery), "mine", str(brought))
    dataset = library.open_dataset(str(gallery))
    before = [hit.id for hit in search(Query(item_id="00000.png"), dataset, name).hits]
    assert imports.import_vectors(str(gallery), "mine", str(brought)) == name
    np.save(brought, np.random.default_rng(7).normal(size=(20, 9)).astype(np.float32))
    with pytest.raises(UserError, match="already"):
        imports.import_vectors(str(gallery), "mine", str(brought))
    assert [hit.id for hit in search(Query(item_id="00000.png"), dataset, name).hits] == before
    imports.import_vectors(str(gallery), "mine", str(brought), replace=True)
    assert [hit.id for hit in search(Query(item_id="00000.png"), dataset, name).hits] != before
    assert encoders.get(name).dim == 9
    assert len(store.entries("embeddings")) == 1


def test_vectors_that_match_nothing_leave_nothing(gallery, brought, artifacts):
    (brought.parent / "mine.txt").write_text("\n".join(f"other-{n}" for n in range(20)))
    with pytest.raises(UserError, match=r"look like '00000\.png'; yours like 'other-0'"):
        imports.import_vectors(str(gallery), "mine", str(brought))
    assert not list(artifacts.glob("library/vectors/*"))


def test_vectors_of_one_dataset_are_not_taken_for_another(gallery, brought, tmp_path):
    name = imports.import_vectors(str(gallery), "mine", str(brought))
    other = library.open_dataset(str(paint(tmp_path / "other", numbered(20), seed=3)))
    with pytest.raises(UserError, match="not for"):
        build(other, [name])


def test_removal_takes_what_was_built_too(gallery, brought, artifacts):
    name = imports.import_vectors(str(gallery), "mine", str(brought))
    search(Query(item_id="00000.png"), library.open_dataset(str(gallery)), name)
    assert imports.vector_rows() == [{"name": name, "source": str(gallery), "dim": 6}]
    imports.remove_vectors("imported.mine")
    assert imports.vector_rows() == store.entries() == []
    assert name not in encoders.names()
    assert brought.exists()
    for forged in ("mine", "", "..", "../../x"):
        with pytest.raises(UserError, match="no vectors"):
            imports.remove_vectors(forged)


def test_ids_in_another_unicode_form_are_the_same_pictures(tmp_path):
    paint(tmp_path / "set", ["cafe\u0301/1.png", "tea/2.png"])
    np.save(tmp_path / "mine.npy", np.eye(2, 3, dtype=np.float32))
    (tmp_path / "mine.txt").write_text("café/1.png\ntea/2.png", "utf-8")
    name = imports.import_vectors(str(tmp_path / "set"), "mine", str(tmp_path / "mine.npy"))
    dataset = library.open_dataset(str(tmp_path / "set"))
    hits = search(Query(item_id="cafe\u0301/1.png"), dataset, name, k=2, include_self=True).hits
    assert hits[0].id == "café/1.png"
    assert hits[0].path.endswith("cafe\u0301/1.png"), "the stored form is kept"
