"""Each stage against the full exact search: nothing lost first, every loss counted once, losses
that are losses."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UserError
from core.services.index_lab import stage_run
from core.services.index_lab.stage_run import Chain
from core.services.index_lab.waterfall import waterfall
from core.services.library import library
from tests.lab.conftest import ENCODER

ROUGH = Chain(pca=16, code="pq", index="ivf_flat:nprobe=1", rerank=4)


@pytest.mark.parametrize("chain", [ROUGH, Chain(pca=0, code="float16", index="hnsw", rerank=0)])
def test_every_loss_is_counted_once(catalogue, chain):
    found = waterfall(catalogue, ENCODER, chain)
    full = found.stages[0]
    assert (full.name, full.recall, full.lost_count, full.won_back, full.low) == (
        "full",
        1.0,
        0,
        0,
        None,
    )
    missing = 0
    for stage in found.stages:
        missing += stage.lost_count - stage.won_back
        assert stage.recall == pytest.approx(1 - missing / (10 * found.queries), abs=1e-6)
        assert set(stage.quality) == {"mAP@100", "precision@10"}
        assert len(stage.lost) == min(stage.lost_count, 24)
        assert all(1 <= loss.rank <= 10 and loss.query != loss.lost for loss in stage.lost)
    assert waterfall(catalogue, ENCODER, chain) == found


def test_a_rough_chain_loses_and_wins_back(catalogue):
    found = waterfall(catalogue, ENCODER, ROUGH)
    names = [stage.name for stage in found.stages]
    assert names == ["full", "pca", "pq", "index", "rerank"]
    by = dict(zip(names, found.stages, strict=True))
    assert by["pca"].recall > by["pq"].recall > by["index"].recall < by["rerank"].recall
    assert by["rerank"].won_back > 0
    assert (
        by["rerank"].lost_count == 0
    )  # comparing candidates exactly can't lose one that was shown before
    assert by["full"].bytes == 4 * 192
    assert by["pca"].bytes == 4 * 16
    assert by["pq"].bytes == 2
    assert "recall@10 falls from" in found.sentence


def test_what_the_bytes_leave_out_is_said(catalogue):
    chain = Chain(pca=0, code="int8", index="hnsw", rerank=4)
    by = {stage.name: stage for stage in waterfall(catalogue, ENCODER, chain).stages}
    assert by["index"].bytes < 4 * 192 + 8 * 32
    assert "as if it kept the codes" in by["index"].about
    assert by["rerank"].bytes == by["index"].bytes
    assert "768 more bytes for each picture, on disk and not counted" in by["rerank"].about
    plain = waterfall(
        catalogue, ENCODER, Chain(pca=0, code="float32", index="hnsw", rerank=4)
    ).stages
    assert ("codes" in plain[1].about, "more bytes" in plain[2].about) == (False, False)
    coded = waterfall(
        catalogue, ENCODER, Chain(pca=0, code="float32", index="sq8", rerank=4)
    ).stages
    assert ("codes of its own" in coded[1].about, "more bytes" in coded[2].about) == (True, True)


def test_three_digits_show_a_difference():
    assert stage_run._moved(0.09612, 0.09587) == "goes from 0.0961 (full vectors) to 0.0959"
    assert stage_run._moved(0.09612, 0.09613) == "stays at 0.0961"


def test_an_exact_chain_loses_nothing(catalogue):
    found = waterfall(catalogue, ENCODER, Chain(pca=192, code="float32", index="exact", rerank=2))
    assert [stage.recall for stage in found.stages] == [1.0, 1.0, 1.0]
    assert found.stages[-1].quality == pytest.approx(dict(found.stages[0].quality), abs=1e-6)
    assert found.sentence == "No stage misses any of the true 10 nearest."


def test_quality_is_that_of_the_report(catalogue):
    """The first stage is exact search, so its precision is what the evaluation says of the same
    queries."""
    from core.services.embedding.roles import protocol_named
    from core.services.evaluation.cells import cell
    from core.services.index_lab.space import open_space
    from core.services.specs import EXACT

    asked = open_space(catalogue, ENCODER).asked
    judged = cell(catalogue, ENCODER, protocol_named(catalogue), EXACT)
    wanted = {catalogue.items[row].id for row in asked}
    use = np.isin(judged.queries, sorted(wanted))
    found = waterfall(catalogue, ENCODER, Chain(0, "float32", 0, "exact", 0))
    assert use.sum() == found.queries
    assert found.stages[0].quality["precision@10"] == pytest.approx(
        judged.scores["precision@10"][use].mean(), abs=1e-6
    )


def test_without_labels_there_is_recall_alone(tmp_path, counting_gallery):
    dataset = library.open_dataset(str(counting_gallery))
    found = waterfall(dataset, ENCODER, Chain(pca=2, code="int8", index="exact", rerank=0), k=3)
    assert all(stage.quality == {} and stage.low is None for stage in found.stages)
    assert found.judged == 0
    assert all(loss.relevant is None for stage in found.stages for loss in stage.lost)


@pytest.mark.parametrize(
    ("code", "closeness"), [("float32", 1e-7), ("float16", 1e-3), ("int8", 2e-2), ("pq", 0.6)]
)
def test_codes_come_back_as_the_vectors_nearly(code, closeness):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((600, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    change, size = stage_run.coder(vectors, code)
    made = change(vectors)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert np.abs(made - vectors).max() < closeness
    assert size == {"float32": 128, "float16": 64, "int8": 32, "pq": 4}[code]


@pytest.mark.parametrize(
    "chain",
    [
        Chain(pca=193),
        Chain(pca=-1),
        Chain(code="int4"),
        Chain(code="pq", pq_bytes=7),
        Chain(index="nothing"),
        Chain(rerank=1000),
    ],
)
def test_nonsense_is_refused(catalogue, chain):
    with pytest.raises(UserError):
        waterfall(catalogue, ENCODER, chain)
