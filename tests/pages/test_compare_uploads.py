"""Compare with a picture of one's own: it becomes the query, is kept, and is refused in words where
it is none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from core.services.embedding.build import build
from core.services.library import library, uploads
from tests.pages.reading import LIGHT, asked, columns, give, html, notes, param, picture
from tests.plugged import paint


def test_an_upload_becomes_the_query_and_back_returns(compare):
    app = compare()
    before = {name: [hit["id"] for hit in column["hits"]] for name, column in columns(app).items()}
    give(app, picture())
    assert param(app, "query").startswith("up:")
    assert asked(app) == "Your picture"
    assert all(hit["verdict"] is None for column in columns(app).values() for hit in column["hits"])
    assert before != {
        name: [hit["id"] for hit in column["hits"]] for name, column in columns(app).items()
    }
    app.button(key="back").click().run()
    assert param(app, "query") == "item:mug-15-0"
    assert before == {
        name: [hit["id"] for hit in column["hits"]] for name, column in columns(app).items()
    }


def test_the_link_of_an_upload_restores_it_in_another_session(compare):
    first = give(compare(), picture((20, 90, 200)))
    second = compare(query=param(first, "query"))
    assert "Not everything" not in html(second)
    assert [c["hits"][0]["id"] for c in columns(first).values()] == [
        c["hits"][0]["id"] for c in columns(second).values()
    ]


LEFT_OUT = "The query, chosen from this gallery, is left out of its own answer"


def test_a_copy_of_a_gallery_picture_is_shown_and_marked_and_a_chosen_one_is_left_out_which_is_said(
    compare,
):
    dataset = library.open_dataset("catalogue")
    data = dataset.read(dataset.items[dataset.rows["mug-15-0"]])
    app = compare()
    assert LEFT_OUT in html(app)
    assert all(
        "mug-15-0" not in [hit["id"] for hit in column["hits"]] for column in columns(app).values()
    )
    assert all(hit["file"] == "" for column in columns(app).values() for hit in column["hits"])
    give(app, data)
    assert LEFT_OUT not in html(app)
    for column in columns(app).values():
        assert [(hit["id"], hit["file"]) for hit in column["hits"] if hit["file"]] == [
            ("mug-15-0", "identical file")
        ]
        assert column["hits"][0]["id"] == "mug-15-0"


def test_a_gallery_of_one_picture_says_why_there_is_no_answer(compare, tmp_path):
    locator = library.add_folder(str(paint(tmp_path / "one", ["only.png"])))
    build(library.open_dataset(locator), LIGHT)
    app = compare(dataset=locator, query="item:only.png")
    assert [column["hits"] for column in columns(app).values()] == [[], [], []]
    assert columns(app)["hog.8x8"]["notice"] == [
        "There is no other picture",
        "This gallery holds the query alone.",
    ]


NO_PICTURES = [
    (b"", "empty"),
    (b"not a picture at all", "not a picture"),
    (b"<svg onload='alert(1)'/>", "not a picture"),
    (picture()[:60], ""),
    (picture(form="JPEG")[:200], ""),
]


@pytest.mark.parametrize(("data", "said"), NO_PICTURES)
def test_a_file_that_is_no_picture_is_refused_in_words(compare, data, said):
    app = give(compare(), data)
    assert not app.exception
    assert 'role="alert"' in notes(app)
    assert said in notes(app)
    assert param(app, "query") == "item:mug-15-0"


@pytest.mark.parametrize("size", [(1, 1), (20_000, 1), (1, 3000)])
def test_pictures_of_odd_sizes_are_answered(compare, size):
    out = io.BytesIO()
    Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(out, "PNG")
    app = give(compare(), out.getvalue())
    assert not app.exception
    assert all(column["state"] == "done" for column in columns(app).values())


def test_an_unlabelled_upload_is_kept_under_the_artifacts_and_nowhere_else(compare, artifacts):
    token = param(give(compare(), picture()), "query")[3:]
    assert uploads.read(token) == picture()
    assert [path.name for path in artifacts.rglob(token)] == [token]
