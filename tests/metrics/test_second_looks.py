"""Re-ranked and fused searches in an evaluation, against the searches of a person and against
definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core import fusion
from core.errors import UserError
from core.rerankers.base import rerankers
from core.services.embedding.build import build
from core.services.evaluation.cells import cell
from core.services.evaluation.evaluate import evaluate
from core.services.evaluation.fused import fused_cell, fused_order
from core.services.evaluation.gains import gain_rows, gains, measured
from core.services.evaluation.reports import Report
from core.services.library import library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from core.services.specs import EXACT, index_and_reranker, index_spec, members_of

PAIR = ("tiny.16x16", "hsv.12x4x4")


@pytest.fixture
def classes(tmp_path):
    """Five classes of six pictures: hues of their own with noise in them."""
    rng = np.random.default_rng(0)
    for label in range(5):
        for number in range(6):
            colour = np.array([40 * label + 20, 200 - 35 * label, 90]) + rng.integers(-45, 45, 3)
            pixels = colour + rng.integers(-40, 40, (24, 24, 3))
            path = tmp_path / "set" / f"class{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    dataset = library.open_dataset(str(tmp_path / "set"))
    build(dataset, PAIR)
    return dataset


@pytest.mark.parametrize("name", [one for one in rerankers.names() if one != "none"])
def test_an_evaluation_scores_the_lists_that_a_person_sees(classes, name):
    made = cell(classes, "tiny.16x16", classes.protocol(), replace(EXACT, reranker=name))
    for at in (0, 7, 29):
        id = str(made.queries[at])
        request = SearchRequest(Query(item_id=id), "tiny.16x16", k=29, reranker=name)
        hits = search(request, classes).hits
        right = np.array([hit.label == classes.items[classes.rows[id]].label for hit in hits])
        ranks = np.flatnonzero(right) + 1
        precision = (np.arange(1, len(ranks) + 1) / ranks).mean()
        assert made.scores["mAP"][at] == pytest.approx(precision, abs=1e-6)
    assert made.index == f"exact + {name}"
    assert rerankers.get(name).title in made.card["re-ranking"]


def test_an_index_can_be_reranked_too(classes):
    spec = replace(index_spec("hnsw"), reranker="k-reciprocal")
    made = cell(classes, "tiny.16x16", classes.protocol(), spec)
    exact = cell(classes, "tiny.16x16", classes.protocol(), replace(EXACT, reranker="k-reciprocal"))
    np.testing.assert_allclose(made.scores["hit@1"], exact.scores["hit@1"])
    assert made.index == "hnsw + k-reciprocal"
    assert index_and_reranker(made.index) == ("hnsw", "k-reciprocal")
    assert index_and_reranker("exact") == ("exact", "")


def test_gains_are_paired_with_the_same_search(classes):
    report = evaluate(
        "r", [classes], PAIR, timed=False, rerank=["alpha-qe"], fuse=["rrf", "combsum"]
    )
    found = gains(report, "mAP")
    assert [one.way for one in found] == ["alpha-qe", "alpha-qe", "rrf", "combsum"]
    cells = {(one.encoder, one.index): one for one in report.cells}
    first = found[0]
    after, before = (
        cells["tiny.16x16", index].scores["mAP"] for index in ("exact + alpha-qe", "exact")
    )
    assert first.gain == pytest.approx(float((after - before).mean()))
    assert first.low <= first.gain <= first.high
    assert (first.helped, first.harmed) == (
        int((after > before).sum()),
        int((after < before).sum()),
    )
    best = max(PAIR, key=lambda name: cells[name, "exact"].means()["mAP"])
    assert [one.against for one in found] == ["", "", best, best]
    rows = gain_rows(found)
    assert rows[2]["against"] == best
    assert {row["verdict"] for row in rows} <= {"better", "worse", "no difference"}
    loaded = Report.load(report.save())
    assert [one.way for one in gains(loaded, "mAP")] == [one.way for one in found]


def test_where_a_reranker_hurts_is_named(classes):
    plain = cell(classes, "tiny.16x16", classes.protocol(), EXACT)
    worse = dict(plain.scores)
    worse["mAP"] = np.where(
        plain.groups == "class2", plain.scores["mAP"] - 0.5, plain.scores["mAP"]
    )
    report = Report.of("r", [plain, replace(plain, index="exact + diffusion", scores=worse)])
    (found,) = gains(report, "mAP")
    assert found.hurt == (("class2", pytest.approx(-0.5), 6),)
    assert found.harmed == 6
    assert found.gain == pytest.approx(-0.1)


def test_a_fused_cell_ranks_by_the_definition(classes):
    made = fused_cell(classes, PAIR, classes.protocol(), "rrf")
    assert made.encoder == "rrf(tiny.16x16+hsv.12x4x4)"
    assert members_of(made.encoder) == PAIR
    assert made.card["weights"] == "0.5 : 0.5"
    id = str(made.queries[4])
    value: dict[str, float] = {}
    for name in PAIR:
        hits = search(SearchRequest(Query(item_id=id), name, k=29), classes).hits
        for hit in hits:
            value[hit.id] = value.get(hit.id, 0.0) + 0.5 / (60 + hit.rank)
    order = sorted(value, key=lambda one: (-round(value[one], 12), one))
    label = classes.items[classes.rows[id]].label
    right = [classes.items[classes.rows[one]].label == label for one in order]
    assert made.scores["hit@1"][4] == float(right[0])
    ranks = np.flatnonzero(right) + 1
    precision = (np.arange(1, len(ranks) + 1) / ranks).mean()
    assert made.scores["mAP"][4] == pytest.approx(precision, abs=0.08), "ties fall by scores first"


@pytest.mark.parametrize("method", fusion.METHODS)
def test_the_weight_of_one_encoder_alone_is_that_encoder(classes, method):
    made = fused_cell(classes, PAIR, classes.protocol(), method, (0, 2))
    alone = cell(classes, "hsv.12x4x4", classes.protocol(), EXACT)
    np.testing.assert_allclose(made.scores["mAP"], alone.scores["mAP"], atol=1e-9)


def test_what_no_list_holds_follows_by_its_scores():
    ranks, scores = np.array([[1, 0, 0, 2]]), np.array([[0.9, 0.1, 0.5, 0.8]])
    values = fused_order(ranks, scores, np.ones(1), fusion.rrf)
    assert np.argsort(-values).tolist() == [0, 3, 2, 1]


def test_learned_weights_are_those_of_the_other_half(classes):
    """An encoder whose vectors are noise gets no weight beside a good one, on either half."""
    made = fused_cell(classes, PAIR, classes.protocol(), "combsum", "learned")
    assert made.encoder == "combsum-learned(tiny.16x16+hsv.12x4x4)"
    assert members_of(made.encoder) == PAIR
    halves = made.card["weights"].split(" and ")
    assert 1 <= len(halves) <= 2
    for half in halves:
        assert sum(float(one) for one in half.split(" : ")) == pytest.approx(1)
    again = fused_cell(classes, PAIR, classes.protocol(), "combsum", "learned")
    np.testing.assert_array_equal(made.scores["mAP"], again.scores["mAP"])


def test_what_can_not_be_evaluated_is_told_before_anything_is(classes):
    with pytest.raises(UserError, match="sum to zero"):
        evaluate("r", [classes], PAIR, timed=False, fuse=["rrf"], weights=(0, 0))
    with pytest.raises(UserError, match="no fusion"):
        evaluate("r", [classes], PAIR, timed=False, fuse=["borda"])
    with pytest.raises(UserError, match="no re-ranker"):
        evaluate("r", [classes], PAIR, timed=False, rerank=["best"])
    with pytest.raises(UserError, match="two encoders"):
        fused_cell(classes, PAIR[:1], classes.protocol(), "rrf")
    with pytest.raises(UserError, match="crops"):
        fused_cell(classes, PAIR, replace(classes.protocol(), crop="saliency"), "rrf")


def test_names_that_are_no_fusion_have_no_members():
    assert members_of("hog.8x8") == ()
    assert members_of("best(hog.8x8+tiny.16x16)") == ()
    assert members_of("combmnz(0.7*hog.8x8+0.3*a:pca=8)") == ("hog.8x8", "a:pca=8")


def test_what_came_with_the_code_can_be_read():
    rows = measured()
    assert {row["dataset"] for row in rows} >= {"catalogue"}
    assert all(row["low"] <= row["gain"] <= row["high"] for row in rows)
    assert {row["metric"] for row in rows} == {"mAP", "hit@1"}
