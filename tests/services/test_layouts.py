"""How folders were understood: shown, corrected, taken back, by every way of asking."""

from __future__ import annotations

import json

import pytest

from core.errors import UserError
from core.services.embedding.build import build
from core.services.library import layouts, library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from tests.plugged import paint

NAMES = ["shop/cups/1.png", "shop/cups/2.png", "shop/plants/3.png", "home/plants/4.png"]


@pytest.fixture
def places(tmp_path):
    return str(paint(tmp_path / "places", NAMES))


def labels(locator: str) -> list[str | None]:
    return [item.label for item in library.open_dataset(locator).items]


def test_the_layout_is_shown_with_examples_and_what_else_it_could_be(places):
    told = layouts.layout_row(places)
    assert (told["layout"], told["found"], told["chosen"]) == (
        "category/instance",
        "category/instance",
        False,
    )
    assert {"category/instance", "class", "*/class", "split/class", "flat"} == set(told["choices"])
    assert {one["picture"].rpartition("/")[0] for one in told["examples"]} == {
        "shop/cups",
        "shop/plants",
        "home/plants",
    }
    assert {(one["category"], one["instance"]) for one in told["examples"]} >= {
        ("shop", "cups"),
        ("home", "home/plants"),
    }
    assert library.dataset_row(places)["layout"] == "category/instance"


def test_a_correction_reaches_labels_and_verdicts_and_costs_no_build(places):
    build(library.open_dataset(places), ["tiny.16x16"])
    layouts.choose_layout(places, "*/class")
    assert labels(places) == ["plants", "cups", "cups", "plants"]
    hits = search(
        SearchRequest(Query(item_id="shop/cups/1.png"), "tiny.16x16", k=3),
        library.open_dataset(places),
    ).hits
    assert {hit.id: hit.verdict for hit in hits}["shop/cups/2.png"] == "same"
    assert layouts.layout_row(places)["chosen"]
    layouts.choose_layout(places, layouts.FOUND)
    assert labels(places) == ["home", "shop", "shop", "shop"]


def test_what_has_no_folders_has_no_layout():
    assert layouts.layout_row("catalogue") is None
    assert library.dataset_row("catalogue")["layout"] == ""
    with pytest.raises(UserError, match="do not come from folders"):
        layouts.choose_layout("catalogue", "class")


def test_a_layout_that_is_none_changes_nothing(places):
    with pytest.raises(UserError, match="no layout"):
        layouts.choose_layout(places, "label/thing")
    assert layouts.layout_row(places)["layout"] == "category/instance"


def test_the_command_shows_and_corrects(here, places):
    code, out, _ = here("datasets", "--dataset", places)
    assert code == 0
    assert "Folders are read as category/instance" in out
    code, out, _ = here("datasets", "--dataset", places, "--layout", "*/class", "--json")
    told = json.loads(out)
    assert (told["layout"], told["labels"], told["seen"]) == ("*/class", 2, 4)
    assert {one["label"] for one in told["labels_from"]} == {"cups", "plants"}
    code, _, error = here("datasets", "--layout", "class")
    assert code == 1
    assert "--dataset" in error
