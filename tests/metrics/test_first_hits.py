"""The lists that are shown are the lists that were judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import UserError
from core.services.embedding.build import build
from core.services.evaluation.cells import cell
from core.services.evaluation.fused import first_hits, fused_cell
from core.services.evaluation.leaderboard import separate, worst
from core.services.evaluation.reports import Report
from core.services.library import library
from core.services.specs import LEARNED, fused_name, index_spec

ENCODER = "hsv.12x4x4"


@pytest.fixture
def dataset():
    """The embedded gallery: its category protocol ignores the query's own product."""
    made = library.open_dataset("catalogue")
    build(made, [ENCODER])
    return made


@pytest.mark.parametrize("protocol", ["instance", "category"])
def test_what_is_shown_gives_the_figures_of_the_report(dataset, protocol):
    judged = cell(dataset, ENCODER, dataset.protocol(protocol), index_spec("exact"))
    places = np.arange(0, len(judged.queries), 40)
    asked = judged.queries[places].tolist()
    found = first_hits(dataset, ENCODER, protocol, asked, 10)
    assert set(found) == set(asked)
    for place, id in zip(places, asked, strict=True):
        begun, item = found[id], dataset.items[dataset.rows[id]]
        assert len(begun.hits) == 10
        assert np.mean([right for _, right in begun.hits]) == pytest.approx(
            judged.scores["precision@10"][place]
        )
        assert 1 / begun.first == pytest.approx(judged.scores["MRR"][place])
        shown = [dataset.items[dataset.rows[hit]] for hit, _ in begun.hits]
        assert id not in [one.id for one in shown]
        assert [right for _, right in begun.hits] == [
            getattr(one, protocol) == getattr(item, protocol) for one in shown
        ]
        assert protocol == "instance" or all(one.instance != item.instance for one in shown)


@pytest.mark.parametrize("weights", [(), (2.0, 1.0)])
def test_the_hits_of_a_fusion_are_those_that_were_judged(dataset, weights):
    members = (ENCODER, "tiny.16x16")
    build(dataset, members)
    protocol = replace(dataset.protocol("instance"), every=100)
    judged = fused_cell(dataset, members, protocol, "combsum", weights)
    found = first_hits(dataset, judged.encoder, "instance", judged.queries.tolist(), 10)
    assert list(found) == judged.queries.tolist()
    for place, begun in enumerate(found.values()):
        right = np.mean([right for _, right in begun.hits])
        assert right == pytest.approx(judged.scores["precision@10"][place])
        assert 1 / begun.first == pytest.approx(judged.scores["MRR"][place])


def test_a_fusion_that_learned_its_weights_says_why_its_hits_are_not_shown(dataset):
    name = fused_name("rrf", (ENCODER, "hog.8x8"), LEARNED)
    with pytest.raises(UserError, match="were learned"):
        first_hits(dataset, name, "instance", [], 10)


def test_what_is_no_query_is_left_out_and_what_is_not_built_is_said(dataset, pictures):
    training = next(item.id for item in dataset.items if item.split == "train")
    assert first_hits(dataset, ENCODER, "instance", [training, "nobody"], 5) == {}
    with pytest.raises(UserError, match="no embeddings"):
        first_hits(library.open_dataset(str(pictures)), ENCODER, None, ["warm/0.png"], 5)
    with pytest.raises(UserError, match="no protocol"):
        first_hits(dataset, ENCODER, "nonsense", [training], 5)


def test_separating_and_worst_queries_of_one_class(dataset):
    build(dataset, [ENCODER, "hog.8x8"])
    cells = [
        cell(dataset, name, dataset.protocol("instance"), index_spec("exact"))
        for name in (ENCODER, "hog.8x8")
    ]
    report, group = Report.of("two", cells), "vase"
    found = separate(report, "catalogue", "instance", ENCODER, "hog.8x8", group=group)
    assert (
        found.wins + found.ties + found.losses
        == len(found.ids)
        == int((cells[0].groups == group).sum())
    )
    assert all(dataset.items[dataset.rows[id]].category == group for id in found.ids)
    assert all(
        id.startswith(group)
        for id, _ in worst(report, "catalogue", "instance", ENCODER, group=group)
    )
    with pytest.raises(UserError, match="No query is of the class"):
        separate(report, "catalogue", "instance", ENCODER, "hog.8x8", group="spaceship")
