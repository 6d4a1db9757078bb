"""Compare in a part of the gallery: chosen on the page, kept in the link, told in words."""

from __future__ import annotations

import pytest

from core.services.library import library
from pages.parts import given, part
from tests.pages.reading import columns, html, param

EVERY = 2720


def kinds(app) -> set[str]:
    dataset = library.open_dataset("catalogue")
    return {
        dataset.items[dataset.rows[hit["id"]]].category
        for one in columns(app).values()
        for hit in one["hits"]
    }


def remaining(*categories: str) -> int:
    return sum(item.category in categories for item in library.open_dataset("catalogue").items)


def test_a_part_is_chosen_searched_and_left_again(open_page):
    app = open_page("compare")
    assert "where" not in app.query_params
    assert f"nearest of {EVERY:,}" in html(app)
    assert "remain." not in html(app)
    app.selectbox(key=part.FIELD).set_value("category").run()
    assert "where" not in app.query_params, "no value, no filter"
    app.multiselect(key=part.VALUES).set_value(["ring", "sneaker"]).run()
    assert not app.exception
    assert param(app, "where") == "category=ring|sneaker"
    assert kinds(app) <= {"ring", "sneaker"}
    assert {len(column["hits"]) for column in columns(app).values()} == {10}
    assert f"{remaining('ring', 'sneaker'):,} of {EVERY:,} pictures remain." in html(app)
    assert f"nearest of {remaining('ring', 'sneaker'):,}" in html(app)
    app.selectbox(key=part.FIELD).set_value(part.WHOLE).run()
    assert "where" not in app.query_params
    assert "mug" in kinds(app)


def test_a_link_restores_the_part(open_page):
    app = open_page("compare", where="category=ring", query="item:mug-15-0", index="sq8:rerank=4")
    assert "Not everything" not in html(app)
    assert (app.session_state[part.FIELD], app.session_state[part.VALUES]) == ("category", ["ring"])
    assert param(app, "where") == "category=ring"
    assert kinds(app) == {"ring"}
    assert app.multiselect(key=part.VALUES).value == ["ring"]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("category=unicorn", None),
        ("nonsense", None),
        ("=", None),
        ("<b>=1", None),
        ("x" * 5000, None),
        ("category=", None),
        ("category=ring|unicorn|ring", "category=ring"),
    ],
)
def test_a_forged_part_gives_a_remark(open_page, where, kept):
    app = open_page("compare", encoders="hsv.12x4x4", where=where)
    assert not app.exception
    assert "Not all of the part" in html(app)
    assert (param(app, "where") if "where" in app.query_params else None) == kept
    assert all(column["state"] == "done" for column in columns(app).values())


def test_another_gallery_is_searched_as_a_whole(open_page, pictures):
    other = library.add_folder(str(pictures))
    app = open_page("compare", encoders="hsv.12x4x4", where="category=ring")
    app.selectbox(key="keep_dataset").set_value(other).run()
    assert not app.exception
    assert (param(app, "dataset"), "where" in app.query_params) == (given.link_name(other), False)
    assert app.selectbox(key=part.FIELD).options == ["The whole gallery", "Label"]


def test_the_index_lab_and_the_map_keep_the_part_in_their_links(open_page):
    for page in ("index_lab", "map"):
        app = open_page(page, encoders="hsv.12x4x4", where="category=ring")
        assert not app.exception
        assert param(app, "where") == "category=ring"


def test_a_part_smaller_than_k_is_answered_to_its_end(open_page):
    known = library.open_dataset("catalogue").items[0]
    views = [
        item for item in library.open_dataset("catalogue").items if item.instance == known.instance
    ]
    app = open_page("compare", query=f"item:{known.id}", where=f"instance={known.instance}", k="20")
    assert {len(column["hits"]) for column in columns(app).values()} == {len(views) - 1}
    assert f"{len(views)} of {EVERY:,} pictures remain." in html(app)
