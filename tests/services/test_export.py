"""The table and the picture of a comparison."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.errors import UserError
from core.services.embedding.build import build
from core.services.library.library import open_dataset
from core.services.search import export
from core.services.search.request import Mix, Query, SearchRequest, Weights
from core.services.search.result import SearchResult
from core.services.search.serving import search


@pytest.fixture
def compared(pictures):
    dataset = open_dataset(str(pictures))
    names = ["hsv.12x4x4", "tiny.16x16"]
    build(dataset, names)
    item = dataset.items[0]
    return (
        dataset,
        item.id,
        [
            search(SearchRequest(Query(item_id=item.id), name, "exact", 4), dataset)
            for name in names
        ],
    )


def test_the_table_has_a_row_for_each_hit_and_reads_back(compared):
    _, item_id, answers = compared
    rows = list(
        csv.DictReader(io.StringIO(export.to_csv(answers, f"item:{item_id}").decode("utf-8-sig")))
    )
    assert [(row["encoder"], int(row["rank"]), row["id"]) for row in rows] == [
        (answer.encoder, hit.rank, hit.id) for answer in answers for hit in answer.hits
    ]
    assert {row["query"] for row in rows} == {f"item:{item_id}"}
    scores = [hit.score for answer in answers for hit in answer.hits]
    assert [float(row["score"]) for row in rows] == pytest.approx(scores, abs=1e-5)


def test_the_table_and_the_picture_say_what_is_an_identical_file(pictures):
    dataset, name = open_dataset(str(pictures)), "tiny.16x16"
    build(dataset, [name])
    data = dataset.read(dataset.items[0])
    answers = [search(SearchRequest(Query(data=data), name, "exact", 3), dataset)]
    rows = list(csv.DictReader(io.StringIO(export.to_csv(answers, "upload").decode("utf-8-sig"))))
    assert [row["file"] for row in rows] == ["identical file", "", ""]
    plain = [
        replace(answers[0], hits=tuple(replace(hit, identical=False) for hit in answers[0].hits))
    ]
    drawn = [
        np.asarray(Image.open(io.BytesIO(export.to_png(dataset, one, ["Tiny"], data=data))))
        for one in (answers, plain)
    ]
    changed = np.flatnonzero((drawn[0] != drawn[1]).any(axis=(1, 2)))
    top = export.EDGE + export.HEAD
    assert changed.size
    assert top < changed.min() <= changed.max() < top + export.TILE // 2, (
        "beside the first hit alone"
    )


def test_the_table_says_which_part_was_searched(compared):
    _, item_id, answers = compared
    for where, part in (
        ((), "all"),
        (("label=mug|cup", "split=train"), "label=mug|cup; split=train"),
    ):
        rows = csv.DictReader(
            io.StringIO(export.to_csv(answers, item_id, where).decode("utf-8-sig"))
        )
        assert {row["part"] for row in rows} == {part}


def test_the_table_says_what_was_asked_with_beside_the_query(compared):
    _, item_id, answers = compared
    mix = Mix([Query(item_id="a"), Query(item_id="b")], [Query(name="c.png")], "red")
    some = [replace(answer, mix=mix, least=True, threshold=0.5) for answer in answers]
    said = (
        "more like a, b; less like c.png; the words “red”; the least similar; scores of at most 0.5"
    )
    for given, words in ((answers, ""), (some, said)):
        rows = csv.DictReader(io.StringIO(export.to_csv(given, item_id).decode("utf-8-sig")))
        assert {row["asked"] for row in rows} == {words}
    assert (
        "without the picture" in replace(answers[0], mix=Mix(text="x", weights=Weights(0))).beside
    )


def test_the_table_and_the_picture_say_which_part_of_the_query_was_searched_with(compared):
    dataset, item_id, answers = compared
    box = (0.1, 0.25, 0.52346, 1.0)
    some = [replace(answer, box=box) for answer in answers]
    for given, said in ((answers, ""), (some, "0.1,0.25,0.5235,1")):
        rows = csv.DictReader(io.StringIO(export.to_csv(given, item_id).decode("utf-8-sig")))
        assert {row["box"] for row in rows} == {said}
    drawn = [export.to_png(dataset, given, ["HSV", "Tiny"], item_id) for given in (answers, some)]
    pixels = [np.asarray(Image.open(io.BytesIO(one)).convert("RGB"), int) for one in drawn]
    foot = pixels[0].shape[0] - export.EDGE - 4
    rows, columns = np.nonzero((pixels[0] != pixels[1]).any(axis=2)[:foot])
    high = export.TILE * 48 / 64  # of pictures of 64 x 48
    top = export.EDGE + export.HEAD + (export.TILE - high) / 2
    assert [rows.min(), rows.max()] == pytest.approx([top + 0.25 * high, top + high], abs=2.5)
    assert [columns.min(), columns.max()] == pytest.approx(
        [export.EDGE + edge * export.TILE for edge in (0.1, 0.5235)], abs=2.5
    )


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_a_name_is_never_a_formula(compared, name):
    _, _, answers = compared
    assert (
        export.to_csv(answers, name).decode("utf-8-sig").splitlines()[1].lstrip('"').startswith("'")
    )


def test_the_picture_shows_query_and_hits(compared):
    dataset, item_id, answers = compared
    with Image.open(
        io.BytesIO(
            export.to_png(dataset, answers, ["HSV", "Tiny \u202e <b> " + "x" * 300], item_id)
        )
    ) as image:
        assert image.width == 2 * export.EDGE + 3 * export.TILE + 2 * export.GAP
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    left = export.EDGE + export.TILE + export.GAP
    query = pixels[export.EDGE + export.HEAD + 60 :, export.EDGE : export.EDGE + export.TILE]
    hits = pixels[export.EDGE + export.HEAD :, left : left + export.TILE // 2]
    for part in (query, hits):
        assert (np.abs(part - np.array([250, 250, 247])).sum(axis=2) > 60).mean() > 0.2


def test_the_picture_says_which_part_was_searched(compared):
    dataset, item_id, answers = compared
    assert (
        export.part_words(("label=mug|cup", "split=train"))
        == "only label mug or cup and split train · "
    )
    assert export.part_words(()) == ""
    whole = export.to_png(dataset, answers, ["HSV", "Tiny"], item_id)
    part = export.to_png(dataset, answers, ["HSV", "Tiny"], item_id, where=("label=mug",))
    with Image.open(io.BytesIO(whole)) as one, Image.open(io.BytesIO(part)) as other:
        rows = np.flatnonzero((np.asarray(one) != np.asarray(other)).any(axis=(1, 2)))
        assert rows.size, "the part is said"
        assert rows.min() >= one.height - export.EDGE - 4, "at the foot, and nothing else differs"


def test_nothing_to_show_is_said(compared):
    dataset, item_id, answers = compared
    empty = SearchResult(answers[0].dataset, answers[0].encoder, "exact", 4, (), {})
    with pytest.raises(UserError, match="no answer to export"):
        export.to_png(dataset, [empty], ["HSV"], item_id)
