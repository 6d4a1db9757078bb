"""One query: what is left out, which copies are marked, what is refused, what a hit means, and what
stays in memory."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image

from core.errors import UserError
from core.images import decode_file
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.library import library
from core.services.library.imports import import_vectors
from core.services.search import serving
from core.services.search.request import Query, SearchRequest
from core.services.search.result import verdict
from core.services.search.serving import query_from_file
from core.types import Item
from tests.plugged import numbered, paint


def opened(folder):
    dataset = library.open_dataset(str(folder), fresh=True)
    build(dataset, ["counting.test"])
    return dataset


def ids(answer) -> list[str]:
    return [hit.id for hit in answer.hits]


@pytest.fixture
def dataset(counting, gallery):
    return opened(gallery)


def test_hits_are_those_of_plain_cosine(dataset, gallery):
    answer = serving.search(
        SearchRequest(Query(item_id="00004.png"), "counting.test", k=5), dataset
    )
    encoder = prepared(dataset, "counting.test").loaded()
    names = [item.id for item in dataset.items]
    vectors = encoder.encode([decode_file(gallery / name) for name in names])
    scores = vectors @ vectors[4]
    order = [row for row in np.argsort(-scores, kind="stable") if row != 4][:5]
    assert ids(answer) == [names[row] for row in order]
    np.testing.assert_allclose([hit.score for hit in answer.hits], scores[order], rtol=1e-5)
    assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4, 5]
    assert set(answer.timing_ms) == {"decode", "preprocess", "encode", "search"}


def test_a_picture_of_the_gallery_never_finds_itself_unless_asked(dataset):
    for item in dataset.items:
        query = Query(item_id=item.id)
        answer = serving.search(SearchRequest(query, "counting.test", k=20), dataset)
        assert item.id not in ids(answer)
        assert (len(answer.hits), answer.left_out, answer.searched) == (19, item.id, 19)
        assert answer.remarks == (f"Left out: {item.id}, the query itself.",)
    answer = serving.search(SearchRequest(query, "counting.test", k=3, include_self=True), dataset)
    assert answer.hits[0].id == item.id
    assert answer.hits[0].score == pytest.approx(1.0)


def marked(answer) -> list[str]:
    return [hit.id for hit in answer.hits if hit.identical]


def test_a_file_brought_from_elsewhere_finds_its_copies_and_they_are_marked(dataset, gallery):
    data = (gallery / "00002.png").read_bytes()
    answer = serving.search(SearchRequest(Query(data=data), "counting.test", k=5), dataset)
    assert (ids(answer)[0], marked(answer)) == ("00002.png", ["00002.png"])
    assert (answer.left_out, answer.remarks, answer.searched) == (None, (), 20)
    again = io.BytesIO()
    Image.open(gallery / "00002.png").save(again, "PNG", compress_level=1)
    assert again.getvalue() != data
    answer = serving.search(
        SearchRequest(Query(data=again.getvalue()), "counting.test", k=5), dataset
    )
    assert (ids(answer)[0], marked(answer)) == ("00002.png", []), (
        "the same picture in another file is no identical file"
    )


def copied(gallery, count: int) -> list[str]:
    """Copies of 00002.png in the gallery; their names and its."""
    names = [f"copy-{number:02d}.png" for number in range(count)]
    for name in names:
        (gallery / name).write_bytes((gallery / "00002.png").read_bytes())
    return ["00002.png", *names]


@pytest.mark.parametrize("index", ["exact", "lsh", "hnsw", "knn_graph"])
def test_however_many_copies_there_are_all_are_shown(counting, gallery, index):
    names = copied(gallery, 30)
    dataset = opened(gallery)
    brought = serving.search(
        SearchRequest(Query(data=(gallery / names[0]).read_bytes()), "counting.test", index, 40),
        dataset,
    )
    assert (sorted(ids(brought)[:31]), sorted(marked(brought)), len(brought.hits)) == (
        names,
        names,
        40,
    )
    chosen = serving.search(
        SearchRequest(Query(item_id="copy-07.png"), "counting.test", index, 40), dataset
    )
    others = [name for name in names if name != "copy-07.png"]
    assert (sorted(marked(chosen)), chosen.left_out) == (others, "copy-07.png")
    assert "copy-07.png" not in ids(chosen)


def test_a_part_of_a_picture_is_searched_and_the_picture_itself_is_marked(counting, gallery):
    whole = Image.open(gallery / "00003.png")
    whole.crop((12, 12, 24, 24)).save(gallery / "corner.png")
    dataset = opened(gallery)
    box = (0.5, 0.5, 1.0, 1.0)
    answer = serving.search(
        SearchRequest(Query(item_id="00003.png", box=box), "counting.test", k=20), dataset
    )
    assert answer.hits[0].id == "corner.png"
    assert answer.hits[0].score == pytest.approx(1.0)
    assert (answer.left_out, marked(answer)) == ("00003.png", [])
    brought = serving.search(
        SearchRequest(
            Query(data=(gallery / "00003.png").read_bytes(), box=box), "counting.test", k=21
        ),
        dataset,
    )
    assert marked(brought) == ["00003.png"]
    assert [name for name in ids(brought) if name != "00003.png"] == ids(answer)


def test_a_copy_that_can_not_be_read_any_more_is_an_answer_without_a_mark(dataset, gallery):
    data = (gallery / "00002.png").read_bytes()
    (gallery / "00002.png").unlink()
    answer = serving.search(SearchRequest(Query(data=data), "counting.test", k=5), dataset)
    assert (ids(answer)[0], marked(answer)) == ("00002.png", [])


def test_own_vectors_mark_copies_too(counting, gallery, tmp_path):
    names = copied(gallery, 2)
    dataset = opened(gallery)
    rows = np.random.default_rng(0).normal(size=(22, 4)).astype(np.float32)
    rows[[2, 20, 21]] = rows[2]
    np.save(tmp_path / "mine.npy", rows)
    (tmp_path / "mine.txt").write_text("\n".join([*numbered(20), *names[1:]]))
    imported = import_vectors(
        dataset.locator, "mine", str(tmp_path / "mine.npy"), str(tmp_path / "mine.txt")
    )
    answer = serving.search(SearchRequest(Query(item_id=names[0]), imported, k=5), dataset)
    assert (sorted(marked(answer)), answer.left_out) == (names[1:], names[0])


def test_a_gallery_of_one_picture_says_that_there_is_no_other(counting, tmp_path):
    folder = paint(tmp_path / "one", ["only.png"])
    dataset = opened(folder)
    answer = serving.search(SearchRequest(Query(item_id="only.png"), "counting.test"), dataset)
    assert (answer.hits, answer.left_out, answer.searched) == ((), "only.png", 0)
    assert answer.notice == ("There is no other picture", "This gallery holds the query alone.")
    brought = serving.search(
        SearchRequest(Query(data=(folder / "only.png").read_bytes()), "counting.test"), dataset
    )
    assert (marked(brought), brought.remarks) == (["only.png"], ())


def test_a_part_of_the_gallery_that_holds_the_query_alone_says_so(counting, tmp_path):
    dataset = opened(paint(tmp_path / "set", ["a/1.png", "b/2.png", "b/3.png"]))
    answer = serving.search(
        SearchRequest(Query(item_id="a/1.png"), "counting.test", where=["label=a"]), dataset
    )
    assert answer.notice == (
        "There is no other picture",
        "This part of the gallery holds the query alone.",
    )
    other = serving.search(
        SearchRequest(Query(item_id="a/1.png"), "counting.test", where=["label=b"]), dataset
    )
    assert (len(other.hits), other.left_out, other.remarks) == (2, None, ()), (
        "it is not of the part: nothing was left out"
    )


def test_an_index_that_reaches_a_part_alone_says_how_much(counting, tmp_path):
    dataset = opened(paint(tmp_path / "many", numbered(160)))
    answer = serving.search(
        SearchRequest(
            Query(item_id="00000.png"), "counting.test", "ivf_flat:nlist=4,nprobe=1", 159
        ),
        dataset,
    )
    assert 0 < len(answer.hits) < 159
    assert answer.remarks[1].startswith(
        f"{len(answer.hits)} of 159 pictures were found. The index ivf_flat:nlist=4,nprobe=1 "
    )


@pytest.mark.parametrize("box", [(0.1, 0.1, float("nan"), 1), (0, 0, float("inf"), 1), (0.1, 0.2)])
def test_a_forged_box_is_refused(dataset, box):
    with pytest.raises(UserError, match="box"):
        serving.search(SearchRequest(Query(item_id="00003.png", box=box), "counting.test"), dataset)


@pytest.mark.parametrize(
    "box", [(-5, -5, 9, 9), (1, 1, 0, 0), (0.5, 0.5, 0.5, 0.5), (1.0, 1.0, 1.0, 1.0)]
)
def test_an_odd_box_is_brought_inside(dataset, box):
    assert (
        len(
            serving.search(
                SearchRequest(Query(item_id="00003.png", box=box), "counting.test"), dataset
            ).hits
        )
        == 10
    )


def test_k_may_be_larger_than_the_gallery(dataset):
    assert (
        len(
            serving.search(
                SearchRequest(Query(item_id="00000.png"), "counting.test", k=1000), dataset
            ).hits
        )
        == 19
    )


@pytest.mark.parametrize("k", [0, -1, 10**9])
def test_k_out_of_range_is_refused(dataset, k):
    with pytest.raises(UserError, match="from 1 to 1000"):
        serving.search(SearchRequest(Query(item_id="00000.png"), "counting.test", k=k), dataset)


@pytest.mark.parametrize(
    "name",
    ["00000", "../../etc/passwd", "", "<script>alert(1)</script>", "a\nb", "\u202egnp", "x" * 5000],
)
def test_an_unknown_or_forged_item_is_refused(dataset, name):
    with pytest.raises(UserError, match="no picture") as told:
        serving.search(SearchRequest(Query(item_id=name), "counting.test"), dataset)
    assert len(str(told.value)) < 500


def test_an_unknown_item_gets_a_suggestion(dataset):
    with pytest.raises(UserError, match=r"Did you mean .*00004\.png"):
        query_from_file(dataset, "id:00004.pgn")


@pytest.mark.parametrize(
    "name",
    ["countin.test", "../x", "", "imported.../../x", "counting.test:", "counting.test:pca=3x"],
)
def test_an_unknown_or_forged_encoder_is_refused(dataset, name):
    with pytest.raises(UserError):
        serving.search(SearchRequest(Query(item_id="00000.png"), name), dataset)


def test_without_a_picture_or_with_a_broken_one_the_query_is_refused(dataset):
    for query in (Query(), Query(data=b""), Query(data=b"no picture")):
        with pytest.raises(UserError):
            serving.search(SearchRequest(query, "counting.test"), dataset)


def test_a_query_that_can_not_be_decoded_any_more_is_refused(dataset, gallery):
    (gallery / "00001.png").write_bytes(b"gone bad")
    with pytest.raises(UserError):
        serving.search(SearchRequest(Query(item_id="00001.png"), "counting.test"), dataset)
    (gallery / "00001.png").unlink()
    with pytest.raises(UserError, match="can't be read"):
        serving.search(SearchRequest(Query(item_id="00001.png"), "counting.test"), dataset)


def test_what_is_not_built_is_said_with_the_command_that_builds_it(counting, gallery):
    dataset = library.open_dataset(str(gallery))
    with pytest.raises(
        UserError, match=r"python -m core build --dataset .*gallery.* --encoders counting\.test"
    ):
        serving.search(SearchRequest(Query(item_id="00000.png"), "counting.test"), dataset)


def test_files_of_the_dataset_are_recognised_however_they_are_spelt(
    dataset, gallery, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(gallery)
    for spelling in (
        str(gallery / "00001.png"),
        "gallery/00001.png",
        "./gallery/../gallery/00001.png",
        str(link / "00001.png"),
    ):
        assert query_from_file(dataset, spelling).item_id == "00001.png", spelling
    assert query_from_file(dataset, "id:00001.png").item_id == "00001.png"
    other = paint(tmp_path / "elsewhere", ["00001.png"], seed=5)
    found = query_from_file(dataset, str(other / "00001.png"))
    assert (found.item_id, found.name) == (None, "00001.png")
    assert found.data == (other / "00001.png").read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_query_that_never_ends_is_refused(dataset, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (str(tmp_path / "pipe.png"), "/dev/zero"):
        with pytest.raises(UserError, match="no ordinary file"):
            query_from_file(dataset, path)


@pytest.mark.parametrize("path", ["missing.png", "id:missing", ".", "a" * 400 + ".png"])
def test_a_query_file_that_is_none_is_refused(dataset, path):
    with pytest.raises(UserError):
        query_from_file(dataset, path)


def test_only_the_gallery_is_searched_where_there_are_splits(counting, tmp_path):
    folder = paint(
        tmp_path / "set",
        [f"train/a/{n}" for n in numbered(8)] + [f"test/a/{n}" for n in numbered(4, start=50)],
    )
    dataset = opened(folder)
    answer = serving.search(
        SearchRequest(Query(item_id="test/a/00050.png"), "counting.test", k=100), dataset
    )
    assert {hit.split for hit in answer.hits} == {"train"}
    assert (len(answer.hits), answer.left_out, answer.searched) == (8, None, 8)
    assert answer.hits[0].verdict == "same"


SAME = {"instance": "cup-1", "category": "cup"}
KIN = {"instance": "cup-2", "category": "cup"}
OTHER = {"instance": "dog-1", "category": "dog"}


@pytest.mark.parametrize(
    ("query", "hit", "expected"),
    [
        (SAME, SAME, "same"),
        (SAME, KIN, "category"),
        (SAME, OTHER, "other"),
        ({"instance": "a"}, {"instance": "b"}, "other"),
        ({"instance": "a"}, {"instance": "a"}, "same"),
        ({"label": "x"}, {"label": "x"}, "same"),
        ({"label": "x"}, {"label": "y"}, "other"),
        ({"label": "x"}, {}, None),
        ({}, {"label": "x"}, None),
        ({}, {}, None),
        (None, {"label": "x"}, None),
        ({"label": "x", "instance": "a"}, {"label": "x"}, "same"),
    ],
)
def test_verdicts(query, hit, expected):
    own = None if query is None else Item("q", "q", **query)
    assert verdict(own, Item("h", "h", **hit)) == expected


def test_an_engine_is_kept_while_nothing_changes_and_made_anew_when_something_does(
    dataset, gallery
):
    first = serving.engine(dataset, "counting.test")
    assert serving.engine(dataset, "counting.test") is first
    assert serving.engine(library.open_dataset(str(gallery), fresh=True), "counting.test") is first
    paint(gallery, ["new.png"])
    changed = opened(gallery)
    assert serving.engine(changed, "counting.test") is not first
    assert (
        len(
            serving.search(
                SearchRequest(Query(item_id="00000.png"), "counting.test", k=100), changed
            ).hits
        )
        == 20
    )


def test_labels_that_changed_without_their_pictures_are_seen(counting, gallery):
    csv = gallery / "list.csv"
    rows = [f"{name},{'ab'[place % 2]}" for place, name in enumerate(numbered(20))]
    csv.write_text("path,label\n" + "\n".join(rows))
    query = Query(item_id="00000.png")
    assert {
        hit.verdict
        for hit in serving.search(SearchRequest(query, "counting.test", k=19), opened(csv)).hits
    } == {"same", "other"}
    csv.write_text("path,label\n" + "\n".join(f"{name},a" for name in numbered(20)))
    assert {
        hit.verdict
        for hit in serving.search(SearchRequest(query, "counting.test", k=19), opened(csv)).hits
    } == {"same"}


def test_a_deleted_cache_is_not_answered_from_memory(dataset):
    serving.search(SearchRequest(Query(item_id="00000.png"), "counting.test"), dataset)
    for row in library.cache_rows():
        library.delete_cache(row["kind"], row["key"])
    with pytest.raises(UserError, match="no embeddings"):
        serving.search(SearchRequest(Query(item_id="00000.png"), "counting.test"), dataset)


def test_no_more_engines_are_held_than_allowed(counting, tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "MAX_ENGINES", 2)
    for number in range(4):
        dataset = opened(paint(tmp_path / f"set-{number}", numbered(3)))
        serving.search(SearchRequest(Query(item_id="00000.png"), "counting.test"), dataset)
    assert len(serving._engines) == 2
