"""A faiss factory string as typed: works and keeps the contract, or fails with a sentence, and
never ends the process."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UserError
from core.indexes import factory
from core.indexes.base import indexes
from core.services.specs import index_spec
from tests.contracts.indexed import clustered

WORKS = (
    "Flat",
    "IVF16,Flat",
    "IVF16,PQ8",
    "PCA16,IVF16,SQ8",
    "HNSW16",
    "IVF16_HNSW8,SQ8",
    "ITQ32,LSHt",
    "PQ8x4fs",
    "RR32,SQfp16",
    "L2norm,Flat",
    "IVF16,RaBitQ",
    "OPQ8_16,IVF16,PQ8x4fs",
    "Pad40,SQ8",
)
"""Of a gallery of 2,000 x 32."""


@pytest.mark.parametrize("text", WORKS)
def test_what_works_keeps_the_contract(text, truth, tmp_path):
    queries, ids, _ = truth
    index = indexes.get(f"factory:{text}")
    seen = []
    index.build(clustered(), lambda done, total: seen.append(done) or True)
    assert seen[-1] == 2000
    hits = index.search(queries, 10, rerank=40)
    right = np.einsum(
        "qd,qkd->qk", queries.astype(np.float64), clustered()[hits.ids].astype(np.float64)
    )
    np.testing.assert_array_equal(hits.scores, right.astype(np.float32))
    assert np.isin(hits.ids, ids).mean() >= 0.75
    index.save(tmp_path)
    copy = indexes.get(index.name)
    copy.load(tmp_path)
    np.testing.assert_array_equal(copy.search(queries, 10, rerank=40).ids, hits.ids)
    mask = np.arange(2000) % 3 == 0
    assert mask[copy.search(queries, 5, allowed=mask).ids].all()


WRONG = (
    "",
    ",",
    "flat",
    "IVF",
    "IVF0,Flat",
    "IVF16,",
    "PQ0",
    "HNSW1",
    "IVF16",
    "PQ8+16",
    "IMI2x8,Flat",
    "IVF99999999999,Flat",
    "HNSW100000",
    "PCA999999,Flat",
    "Flat" * 50,
    "IVF16,Flat,RFlat",
    "IVF-4,Flat",
    "PQ8x16",
    "../../x",
    "IVF16,HNSW32",
    "ＰＱ8",
    "LSQ8x8",
    "PQ\x008",
    "IVF16_HNSW1,Flat",
    "IVF16_HNSW0,Flat",
    "IVF16_HNSW100000000,Flat",
    "PCA16,IVF16_HNSW1,SQ8",
    "PQ16x8fs",
    "PQ16x6fs",
    "IVF16,LSH",
    "PCA48_16,Flat",
)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_factory_string_is_refused_before_faiss_sees_it(text, monkeypatch):
    monkeypatch.setattr(factory, "faiss", lambda: 1 / 0)
    with pytest.raises(UserError):
        indexes.get(f"factory:{text}")


@pytest.mark.parametrize(
    ("text", "rows", "said"),
    [
        ("IVF64,PQ8", 200, "needs 256"),
        ("IVF500,Flat", 200, "needs 500"),
        ("PQ7", 300, "These do: 1, 2, 4, 8"),
        ("PCA64,Flat", 300, "have 32"),
        ("OPQ5_32,PQ8", 300, "divide"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_with_the_number_needed(text, rows, said):
    with pytest.raises(UserError, match=said):
        indexes.get(f"factory:{text}").build(clustered(rows))


def test_blanks_say_nothing():
    assert indexes.get("factory: IVF16, Flat ").name == "factory:IVF16,Flat"


def test_absurd_memory_and_time_are_refused_by_their_estimate():
    with pytest.raises(UserError, match="GB"):
        indexes.get("factory:HNSW512").fits(2_000_000, 2048)
    with pytest.raises(UserError, match="hours"):
        indexes.get("factory:IVF65536,Flat").fits(1_000_000, 1024)


def test_it_is_named_in_lists_of_indexes_with_its_commas_and_knobs():
    spec = index_spec("factory:IVF64,PQ16,nprobe=4")
    assert (spec.name, spec.search["nprobe"], spec.exact) == ("factory:IVF64,PQ16", 4, False)
    assert spec.text == "factory:IVF64,PQ16,nprobe=4"
    assert index_spec("factory:IVF64,PQ16").causes() != index_spec("factory:IVF64,PQ8").causes()
