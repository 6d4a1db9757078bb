"""Judging an encoder by a protocol: against a loop written out here, and against figures measured
elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UserError
from core.services.embedding import stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.embedding.roles import protocol_named
from core.services.evaluation import latency
from core.services.evaluation.ahead import TIMES, Ahead
from core.services.evaluation.cells import cell
from core.services.library import library
from core.services.specs import EXACT
from core.services.steps import Steps
from tests.plugged import paint


def by_hand(items, vectors, protocol) -> dict:
    """The definitions, one query and one rank at a time."""
    gallery = [row for row, item in enumerate(items) if protocol.in_gallery(item)]
    asking = sorted(
        (row for row, item in enumerate(items) if protocol.is_query(item)),
        key=lambda row: items[row].id,
    )
    table = []
    for query in asking[:: protocol.every]:
        own = items[query]
        ranked = []
        for row in gallery:
            ignored = protocol.ignore and own.value(protocol.ignore) is not None
            if row == query or (
                ignored and items[row].value(protocol.ignore) == own.value(protocol.ignore)
            ):
                continue
            wanted = own.value(protocol.relevant)
            good = wanted is not None and items[row].value(protocol.relevant) == wanted
            ranked.append((-float(vectors[query] @ vectors[row]), row, good))
        right = [good for _, _, good in sorted(ranked)]
        if any(right):
            precision = [sum(right[: n + 1]) / (n + 1) for n in range(len(right)) if right[n]]
            table.append((sum(precision) / sum(right), float(right[0]), sum(right[:10]) / 10))
    return {
        "queries": len(asking[:: protocol.every]),
        "unjudged": len(asking[:: protocol.every]) - len(table),
        **dict(zip(("mAP", "hit@1", "precision@10"), np.mean(table, axis=0), strict=True)),
    }


def judged_by(dataset, encoder: str, protocol: str | None = None) -> dict:
    """Means over the evaluated queries by exact search, and how many were asked and left out."""
    made = cell(dataset, encoder, protocol_named(dataset, protocol), EXACT)
    counts = {"queries": len(made.queries), "unjudged": int((~made.evaluated).sum())}
    return counts | made.means()


@pytest.fixture
def objects(counting, tmp_path):
    """3 categories x 3 objects x 4 views, and a category with a single picture."""
    views = [
        f"{kind}/{kind}-{n}/{view}.png"
        for kind in ("cup", "dog", "toy")
        for n in range(3)
        for view in range(4)
    ]
    dataset = library.open_dataset(str(paint(tmp_path / "objects", [*views, "odd/odd-1/0.png"])))
    build(dataset, ["counting.test"])
    return dataset


@pytest.mark.parametrize("name", ["instance", "category", "instance-every-4", "category-every-4"])
def test_figures_are_those_of_the_definitions(objects, name):
    found = stored.read(objects, prepared(objects, "counting.test").loaded())
    expected = by_hand(objects.items, found.vectors, objects.protocol(name))
    judged = judged_by(objects, "counting.test", name)
    assert judged.keys() >= expected.keys()
    assert {key: judged[key] for key in expected} == pytest.approx(expected)
    if not name.endswith("4"):
        assert judged["unjudged"] == 1, "the single picture has nothing to find"


def test_splits_are_kept_apart(counting, tmp_path):
    names = [
        f"{split}/{label}/{n}.png"
        for split, count in (("train", 6), ("test", 3))
        for label in "ab"
        for n in range(count)
    ]
    dataset = library.open_dataset(str(paint(tmp_path / "set", names)))
    build(dataset, ["counting.test"])
    found = stored.read(dataset, prepared(dataset, "counting.test").loaded())
    expected = by_hand(dataset.items, found.vectors, dataset.protocol())
    judged = judged_by(dataset, "counting.test")
    assert {key: judged[key] for key in expected} == pytest.approx(expected)
    assert judged["queries"] == 6


def test_without_labels_nothing_is_judged(counting, gallery):
    dataset = library.open_dataset(str(gallery))
    build(dataset, ["counting.test"])
    judged = judged_by(dataset, "counting.test")
    assert (judged["queries"], judged["unjudged"], judged["mAP"]) == (20, 20, None)


def test_what_is_not_built_or_known_is_refused(counting, gallery):
    dataset = library.open_dataset(str(gallery))
    with pytest.raises(UserError, match="no embeddings"):
        judged_by(dataset, "counting.test")
    build(dataset, ["counting.test"])
    with pytest.raises(UserError, match="no protocol"):
        judged_by(dataset, "counting.test", "revisited")


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        # tests/metrics/test_evaluation.py judges the histogram on other photographs
        pytest.param("hsv.12x4x4", (0.131, 0.145, 0.148), marks=pytest.mark.slow),
        ("tiny.16x16", (0.163, 0.352, 0.302)),
    ],
)
def test_baselines_on_real_photographs(photographs, encoder, expected):
    dataset = library.open_dataset(str(photographs / "clothing"))
    build(dataset, [encoder])
    judged = judged_by(dataset, encoder)
    assert judged["queries"] == 372
    assert (judged["mAP"], judged["hit@1"], judged["precision@10"]) == pytest.approx(
        expected, abs=0.01
    )


def test_the_library_of_networks_is_waited_for_once(tmp_path):
    """A short evaluation told twice its seconds: each encoder was expected to load it."""
    dataset = library.open_dataset(str(paint(tmp_path / "set", ["a/1.png", "b/2.png"])))
    steps = Steps(None)
    ahead, before = Ahead(steps), {}
    for name in ("tiny.16x16", "resnet.lookalike", "vit.lookalike"):
        ahead.encoder(dataset, name, EXACT, [], True)
        first = sum(step.first for step in steps._steps.values() if step.kind == TIMES)
        before[name] = first - sum(before.values())
    least, network = latency.LOAD_S, latency.LOAD_S + latency.NETWORK_S
    assert list(before.values()) == pytest.approx([least, network, least])
