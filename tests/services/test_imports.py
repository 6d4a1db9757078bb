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
from core.services.embedding.bound import is_built
from core.services.embedding.build import build
from core.services.library import imports, library, passed_over
from core.services.search.compare import compare
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
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
    answer = search(SearchRequest(Query(item_id="00004.png"), name, k=5), dataset)
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
    found = compare(
        SearchRequest(Query(item_id="00000.png"), "", k=5).each([name, "tiny.16x16"]), dataset
    )
    assert [len(one.hits) for one in found.answers] == [5, 5]


def test_a_new_picture_or_a_part_of_one_can_not_be_searched_with_them(gallery, brought):
    name = imports.import_vectors(str(gallery), "mine", str(brought))
    dataset = library.open_dataset(str(gallery))
    for query in (
        Query(data=(gallery / "00000.png").read_bytes()),
        Query(item_id="00000.png", box=(0, 0, 0.5, 0.5)),
    ):
        with pytest.raises(UserError, match="from the gallery"):
            search(SearchRequest(query, name), dataset)
    with pytest.raises(UserError, match="no picture"):
        search(SearchRequest(Query(item_id="nothing"), name), dataset)


def test_pictures_without_a_vector_are_skipped_and_vectors_without_a_picture_ignored(
    gallery, tmp_path
):
    np.save(tmp_path / "few.npy", np.eye(4, dtype=np.float32))
    (tmp_path / "few.txt").write_text("00001.png\nunknown.png\n00002.png\n00003.png")
    name = imports.import_vectors(str(gallery), "few", str(tmp_path / "few.npy"))
    dataset = library.open_dataset(str(gallery))
    assert [
        hit.id for hit in search(SearchRequest(Query(item_id="00001.png"), name), dataset).hits
    ] == ["00002.png", "00003.png"]
    rows = library.skipped_rows(dataset.locator, name)
    assert rows[0] == {"picture": "unknown.png", "reason": f"{passed_over.NO_PICTURE} ({name})"}
    assert [row["reason"] for row in rows[1:]] == 17 * ["no vector was imported for it"]
    with pytest.raises(UserError, match="no vector"):
        search(SearchRequest(Query(item_id="00000.png"), name), dataset)


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
        ids.write_text(
            {"txt": "\n".join(paths), "json": json.dumps(paths), "csv": "id\n" + "\n".join(paths)}[
                kind
            ]
        )
    name = imports.import_vectors(str(gallery), f"by-{kind}", str(file), ids and str(ids))
    assert (
        len(
            search(
                SearchRequest(Query(item_id="00000.png"), name, k=50),
                library.open_dataset(str(gallery)),
            ).hits
        )
        == 19
    )


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a b", ".hidden", "x" * 100, "a\nb", "naïve", "a:pca=2"]
)
def test_names_that_are_none_are_refused(gallery, brought, artifacts, name):
    with pytest.raises(UserError):
        imports.import_vectors(str(gallery), name, str(brought))
    assert not list(artifacts.glob("library/vectors/*"))


def test_a_taken_name_is_refused_unless_told_and_the_same_again_is_fine(gallery, brought):
    name = imports.import_vectors(str(gallery), "mine", str(brought))
    dataset = library.open_dataset(str(gallery))
    before = [
        hit.id for hit in search(SearchRequest(Query(item_id="00000.png"), name), dataset).hits
    ]
    assert imports.import_vectors(str(gallery), "mine", str(brought)) == name
    np.save(brought, np.random.default_rng(7).normal(size=(20, 9)).astype(np.float32))
    with pytest.raises(UserError, match="already"):
        imports.import_vectors(str(gallery), "mine", str(brought))
    assert [
        hit.id for hit in search(SearchRequest(Query(item_id="00000.png"), name), dataset).hits
    ] == before
    imports.import_vectors(str(gallery), "mine", str(brought), replace=True)
    assert [
        hit.id for hit in search(SearchRequest(Query(item_id="00000.png"), name), dataset).hits
    ] != before
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


def bring(folder, vectors, ids=None, name="v") -> str:
    np.save(folder / f"{name}.npy", vectors)
    (folder / f"{name}.txt").write_text("\n".join(ids or numbered(len(vectors))))
    return str(folder / f"{name}.npy")


def normal(rows: int, dim: int = 6) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(rows, dim)).astype(np.float32)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_a_vector_without_direction_is_similar_to_nothing(gallery, tmp_path, zero):
    vectors = normal(20)
    vectors[[2, 5]] = zero
    name = imports.import_vectors(str(gallery), "z", bring(tmp_path, vectors))
    dataset = library.open_dataset(str(gallery))
    hits = search(SearchRequest(Query(item_id="00000.png"), name, k=50), dataset).hits
    assert {hit.id for hit in hits} == set(numbered(20)) - {"00000.png", "00002.png", "00005.png"}
    with pytest.raises(UserError, match="no direction"):
        search(SearchRequest(Query(item_id="00002.png"), name), dataset)
    listed = {row["picture"]: row["reason"] for row in library.skipped_rows(dataset.locator, name)}
    assert listed.keys() == {"00002.png", "00005.png"}
    assert all("no direction" in reason for reason in listed.values())
    (row,) = imports.vector_rows()
    assert (row["vectors"], row["used"], row["skipped"]) == (20, 18, 2)


def test_vectors_without_any_direction_are_refused_and_leave_nothing(gallery, tmp_path, artifacts):
    with pytest.raises(UserError, match=r"None of the 20 vectors can be used.*no direction"):
        imports.import_vectors(str(gallery), "z", bring(tmp_path, np.zeros((20, 4))))
    assert not list(artifacts.glob("library/vectors/*"))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_tiny_and_huge_vectors_keep_their_direction(gallery, tmp_path, scale):
    vectors = normal(20).astype(np.float64)
    dataset = library.open_dataset(str(gallery))
    plain = imports.import_vectors(str(gallery), "plain", bring(tmp_path, vectors, name="p"))
    scaled = imports.import_vectors(
        str(gallery), "scaled", bring(tmp_path, vectors * scale, name="s")
    )
    first, second = (
        search(SearchRequest(Query(item_id="00000.png"), name), dataset).hits
        for name in (plain, scaled)
    )
    assert [hit.id for hit in first] == [hit.id for hit in second]
    np.testing.assert_allclose(
        [hit.score for hit in first], [hit.score for hit in second], atol=1e-6
    )


def test_what_can_be_used_is_counted_and_told_before_it_is_taken(gallery, tmp_path, artifacts):
    vectors = normal(20)
    vectors[:, 4] = 7.0
    vectors[3] = 0.0
    vectors[8] = vectors[9]
    file = bring(tmp_path, vectors, [*numbered(15), *(f"other-{n}" for n in range(5))])
    told = imports.check_vectors(str(gallery), file)
    assert not list(artifacts.glob("library/vectors/*"))
    assert (told.rows, told.used, len(told.skipped), told.pictures) == (20, 14, 6, 20)
    assert (
        str(told)
        == "20 vectors of 6 dimensions: 14 used, 6 passed over. 6 of 20 pictures have none."
    )
    assert {one.id: one.reason for one in told.skipped} == {
        "00003.png": passed_over.NO_DIRECTION,
        **{f"other-{n}": passed_over.NO_PICTURE for n in range(5)},
    }
    assert [one.id for one in told.remarks] == ["1 of 6 columns", "1 of 19 rows"]
    heard = []

    def hear(check):
        heard.append((check, list(artifacts.glob("library/vectors/*"))))

    imports.import_vectors(str(gallery), "half", file, told=hear)
    assert heard == [(told, [])]


def test_constant_columns_and_copies_are_told(gallery, tmp_path):
    vectors = normal(20)
    vectors[:, [1, 4]] = 7.0
    vectors[5:8] = vectors[9]
    remarks = imports.check_vectors(str(gallery), bring(tmp_path, vectors)).remarks
    assert [one.id for one in remarks] == ["2 of 6 columns", "3 of 20 rows"]
    assert imports.check_vectors(str(gallery), bring(tmp_path, normal(20))).remarks == ()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-16-le"])
def test_ids_in_any_encoding(gallery, tmp_path, encoding):
    file = bring(tmp_path, normal(20))
    (tmp_path / "v.txt").write_bytes("\r\n".join(numbered(20)).encode(encoding))
    assert imports.check_vectors(str(gallery), file).used == 20


def test_a_row_of_ids_that_can_not_be_read_shifts_no_other(gallery, tmp_path):
    file = bring(tmp_path, normal(20))
    (tmp_path / "v.txt").unlink()
    lines = [f"{name},x" for name in numbered(20)]
    lines[4] = '00004.png,"x,y'
    (tmp_path / "v.csv").write_text("id,label\n" + "\n".join(lines))
    with pytest.raises(UserError, match="line 6"):
        imports.check_vectors(str(gallery), file)


def test_removal_takes_what_was_built_too(gallery, brought, artifacts):
    name = imports.import_vectors(str(gallery), "mine", str(brought))
    search(SearchRequest(Query(item_id="00000.png"), name), library.open_dataset(str(gallery)))
    (row,) = imports.vector_rows()
    assert row == {
        "name": name,
        "source": str(gallery),
        "dim": 6,
        "vectors": 20,
        "used": 20,
        "skipped": 0,
        "passed_over": [],
    }
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
    hits = search(
        SearchRequest(Query(item_id="cafe\u0301/1.png"), name, k=2, include_self=True), dataset
    ).hits
    assert hits[0].id == "café/1.png"
    assert hits[0].path.endswith("cafe\u0301/1.png"), "the stored form is kept"
