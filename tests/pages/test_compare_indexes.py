"""Compare: every index there is stands in its list, answers once it is built, and is never built by
the page itself."""

from __future__ import annotations

import functools

import pytest

from core import store
from core.indexes.base import Index, indexes
from core.services import jobs
from core.services.embedding import galleries
from core.services.embedding.build import build
from core.services.library import library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from pages.parts import caches
from tests.pages.reading import columns, param, press
from tests.plugged import wait_for

NAMES = indexes.names()
ENCODER = "hsv.12x4x4"
QUERY = "item:mug-15-0"
LEAST = {"minhash": 1}
"""Hits of an index that answers only what it met; every other one gives all that were asked for."""


@pytest.fixture
def board(open_page):
    """The column of the one encoder under an index, and the page."""

    def opened(index: str, **more: str):
        app = open_page("compare", **{"encoders": ENCODER, "query": QUERY, "index": index, **more})
        assert not app.exception
        assert param(app, "index") == index
        return columns(app)[ENCODER], app

    return opened


@pytest.fixture
def in_the_page(monkeypatch):
    """The names of the indexes that this process builds."""
    made, real = [], Index.build

    def noted(self, *given, **knobs):
        made.append(self.name)
        return real(self, *given, **knobs)

    monkeypatch.setattr(Index, "build", noted)
    return made


@functools.cache
def exact() -> frozenset[str]:
    """The nearest pictures by a search that approximates nothing."""
    query = Query(item_id=QUERY.removeprefix("item:"))
    found = search(SearchRequest(query, ENCODER, k=10), library.open_dataset("catalogue"))
    return frozenset(hit.id for hit in found.hits)


@pytest.mark.parametrize("name", NAMES)
def test_every_index_is_offered_and_answers(board, name):
    if indexes.get(name).state().kind != "ready":
        pytest.skip(f"{name} is optional and not installed here")
    build(library.open_dataset("catalogue"), [ENCODER], name)
    column, app = board(name)
    offered = app.selectbox(key="keep_index").options
    assert len(offered) == len(NAMES)
    assert any(indexes.get(name).title in option for option in offered)
    assert column["state"] == "done"
    hits = column["hits"]
    assert len(hits) >= LEAST.get(name, 10)
    assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))
    assert QUERY.removeprefix("item:") not in [hit["id"] for hit in hits]
    if indexes.get(name).score == "cosine":
        assert exact() & {hit["id"] for hit in hits}, (
            "an approximation finds something of what is there"
        )


@pytest.mark.parametrize(
    "index", ["hamming:rerank=4", "factory:IVF16,SQ8", "hnsw:M=16,efSearch=32"]
)
def test_an_index_of_a_link_that_is_not_built_is_kept_offered_and_not_built(
    board, in_the_page, index
):
    column, app = board(index)
    assert app.session_state["keep_index"] == index
    assert column["state"] == "unbuilt"
    assert index in column["headline"]
    assert column["message"] == "2,720 vectors to index"
    assert column["actions"] == [["build", "Build the index"]]
    assert (in_the_page, jobs.listing()) == ([], [])


def test_an_index_with_knobs_that_takes_no_time_answers_at_once(board):
    column, app = board("sq8:rerank=4")
    assert app.session_state["keep_index"] == "sq8:rerank=4"
    assert column["state"] == "done"
    assert jobs.listing() == []


def test_a_job_builds_the_index_and_then_the_column_answers(
    board, in_the_page, pictures, monkeypatch
):
    monkeypatch.setattr(galleries, "TINY", 0)
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), ["tiny.16x16"])
    in_the_page.clear()
    where = {
        "dataset": locator,
        "encoders": f"tiny.16x16,{ENCODER}",
        "query": "item:cold/0.png",
        "k": "3",
    }
    shown, app = board("hnsw:M=8", **where)
    assert shown["headline"] == "Not built for pictures yet", "its vectors come first"
    assert columns(app)["tiny.16x16"]["headline"] == "The index hnsw:M=8 is not built yet"
    press(app, "build:tiny.16x16")
    job = jobs.listing()[0]
    assert job.arguments[-2:] == ("--index", "hnsw:M=8")
    wait_for(lambda: not jobs.status(job.id).active, seconds=300)
    ended = jobs.status(job.id)
    assert (ended.state, ended.done, ended.total) == ("done", 12, 12), (
        "the vectors of the index are counted"
    )
    caches.forget()
    column = columns(app.run())["tiny.16x16"]
    assert (column["state"], len(column["hits"])) == ("done", 3)
    assert "hnsw" not in in_the_page


def test_an_index_that_can_not_be_built_says_why_and_offers_nothing(board, pictures, in_the_page):
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), [ENCODER])
    column, _ = board("pq", dataset=locator, query="item:cold/0.png")
    assert column["state"] == "failed"
    assert "256" in column["message"]
    assert not any(entry.meta.get("index_name") == "pq" for entry in store.entries("indexes"))


def test_another_index_is_asked_while_one_is_built(board, monkeypatch):
    at_work = jobs.JobStatus(
        "20260101-000000-000000",
        "Build",
        ("build", "--dataset", "catalogue", "--encoders", ENCODER, "--index", "pq"),
        "running",
        10,
        2720,
        0.0,
        None,
        "",
        0.0,
        0.0,
    )
    monkeypatch.setattr(jobs, "listing", lambda active_only=False: [at_work])
    column, _ = board("pq")
    assert (column["state"], column["progress"]) == ("busy", 10 / 2720)
    assert board("exact")[0]["state"] == "done"
