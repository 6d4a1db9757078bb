"""Everything that a reader sees is used or passed over with a reason, for inputs that a seeded
generator makes.

``ODD_INPUTS=2000`` tries as many seeds instead of the usual few.
"""

from __future__ import annotations

import os

import pytest

from core.datasets.base import Dataset
from core.datasets.manifest import Manifest
from core.datasets.parquet import Parquet
from core.datasets.zipped import Zip
from core.services.library import imports, library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from tests.datasets.odd_inputs import Written, odd_parquet, odd_table, odd_vectors, odd_zip
from tests.plugged import numbered, paint

SEEDS = range(int(os.environ.get("ODD_INPUTS", "40")))


def check_sum(dataset: Dataset, written: Written) -> None:
    """seen = used + passed over, in the data set and in what the page and the command line list."""
    assert len(dataset.items) + len(dataset.skipped) == written.seen
    assert all(one.reason for one in dataset.skipped)
    assert all(one.id and one.text for one in dataset.remarks)
    row = library.dataset_row(dataset.locator)
    assert (row["seen"], row["pictures"], row["skipped"]) == (
        written.seen,
        len(dataset.items),
        len(dataset.skipped),
    )
    listed = library.skipped_rows(dataset.locator)
    assert sorted(one["reason"] for one in listed) == sorted(one.reason for one in dataset.skipped)
    assert [one["remark"] for one in row["remarks"]] == [one.text for one in dataset.remarks]
    assert all(dataset.read(item) for item in dataset.items)


@pytest.mark.parametrize("seed", SEEDS)
def test_zips(tmp_path, artifacts, seed):
    written = odd_zip(tmp_path / "z.zip", seed)
    dataset = Zip(written.path)
    assert {item.id: item.label for item in dataset.items} == written.labels
    check_sum(dataset, written)


@pytest.mark.parametrize("seed", SEEDS)
def test_tables(tmp_path, artifacts, seed):
    written = odd_table(tmp_path / "t.csv", seed)
    dataset = Manifest(written.path)
    assert {item.id: item.label or "" for item in dataset.items} == written.labels
    check_sum(dataset, written)


@pytest.mark.parametrize("seed", SEEDS)
def test_parquet(tmp_path, artifacts, seed):
    written = odd_parquet(tmp_path / "set", seed)
    dataset = Parquet(written.path)
    assert len(dataset.items) == len(written.labels)
    check_sum(dataset, written)


@pytest.mark.parametrize("seed", SEEDS)
def test_vectors(tmp_path, artifacts, seed):
    ids = numbered(8)
    gallery = str(paint(tmp_path / "gallery", ids))
    written = odd_vectors(tmp_path / "v.npy", ids, seed)
    told = imports.check_vectors(gallery, str(written.path))
    assert told.rows == written.seen == told.used + len(told.skipped)
    name = imports.import_vectors(gallery, "v", str(written.path))
    (row,) = imports.vector_rows()
    assert (row["vectors"], row["used"], row["skipped"]) == (
        told.rows,
        told.used,
        len(told.skipped),
    )
    assert row["passed_over"] == [{"id": one.id, "reason": one.reason} for one in told.skipped]
    first, *others = written.labels
    hits = search(
        SearchRequest(Query(item_id=first), name, k=20), library.open_dataset(gallery)
    ).hits
    assert {hit.id for hit in hits} == set(others)
