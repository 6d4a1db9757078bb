"""Compare: every index there is stands in its list, and answers."""

from __future__ import annotations

import pytest

from core.indexes.base import indexes
from tests.pages.reading import columns, param

NAMES = indexes.names()
QUERY = "item:mug-15-0"
LEAST = {"minhash": 1}
"""Hits of an index that answers only what it met; every other one gives all that were asked for."""


def answer(open_page, index: str) -> list[dict]:
    app = open_page("compare", encoders="hsv.12x4x4", index=index, query=QUERY)
    assert not app.exception
    assert param(app, "index") == index
    offered = app.selectbox(key="keep_index").options
    assert len(offered) == len(NAMES)
    assert any(indexes.get(index).title in option for option in offered)
    column = columns(app)["hsv.12x4x4"]
    assert column["state"] == "done"
    return column["hits"]


@pytest.mark.parametrize("name", NAMES)
def test_every_index_is_offered_and_answers(open_page, name):
    if indexes.get(name).state().kind != "ready":
        pytest.skip(f"{name} is optional and not installed here")
    hits = answer(open_page, name)
    assert len(hits) >= LEAST.get(name, 10)
    assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))
    assert QUERY.removeprefix("item:") not in [hit["id"] for hit in hits]
    if indexes.get(name).score == "cosine":
        exact = [hit["id"] for hit in answer(open_page, "exact")]
        assert set(exact) & {hit["id"] for hit in hits}, "an approximation finds something of what is there"
