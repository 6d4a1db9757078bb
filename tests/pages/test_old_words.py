"""A browser sends the words that it shows; where an encoder's state has changed since, they still
mean that encoder."""

from __future__ import annotations

import pytest

from pages.parts.encoder_names import meant
from pages.parts.library import place
from tests.pages.reading import columns, notes, param

CHOSEN = [
    "HOG · builds in about 3 s",
    "resnet50.tv_in1k",
    "ResNet-50",
    "vgg19.tv_in1k · download 575 MB",
]
NAMES = ["hog.8x8", "resnet50.tv_in1k", "vgg19.tv_in1k"]


def test_titles_and_names_with_an_old_state_are_understood():
    assert meant(CHOSEN) == NAMES
    assert meant(["no such encoder"]) == ["no such encoder"]
    assert meant(["hog", "tiny image · ready"]) == ["hog.8x8", "tiny.16x16"]


@pytest.mark.parametrize("page", ["compare", "map"])
def test_a_choice_outlives_a_change_of_its_words(open_page, page):
    app = open_page(page)
    app.session_state["keep_encoders"] = CHOSEN
    app.run()
    assert list(app.session_state["keep_encoders"]) == NAMES
    assert param(app, "encoders") == ",".join(NAMES)
    assert "no encoder named" not in notes(app)
    if page == "compare":
        assert list(columns(app)) == NAMES


def test_a_choice_to_build_outlives_it_too(open_page):
    app = open_page("library", set="catalogue", view=place.ENCODERS)
    app.session_state["keep_build_encoders"] = ["Tiny image · not built", "nothing.of_this_name"]
    app.run()
    assert list(app.session_state["keep_build_encoders"]) == ["tiny.16x16"]
