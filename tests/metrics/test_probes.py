"""Lift: known truth on made vectors, chance on random ones, and what the catalogue's own factors
say."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UserError
from core.services.embedding.build import build
from core.services.evaluation import probes
from core.services.library import library
from core.types import Item


def made_items(count: int = 400) -> list[Item]:
    rng = np.random.default_rng(0)
    return [
        Item(
            f"{i:04d}",
            "",
            category=f"c{i % 5}",
            label=f"c{i % 5}",
            instance=f"o{i // 4}",
            attributes=attributes(rng),
        )
        for i in range(count)
    ]


def attributes(rng: np.random.Generator) -> dict[str, object]:
    return {
        "shade": str(rng.integers(0, 4)),
        "size": float(rng.random()),
        "colours": (str(rng.integers(0, 3)), "x"),
    }


def lifts(vectors: np.ndarray, items: list[Item]) -> dict[str, probes.Probe]:
    return {
        row.factor: row for row in probes._probe(vectors, items, probes.factors(items), 10, None)
    }


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_factors_are_kinds_that_pictures_share():
    known = probes.factors(made_items())
    assert set(known) == {
        "instance",
        "category",
        "shade",
        "main colour",
    }  # label repeats category, size is a measure


def test_random_vectors_lift_nothing():
    items = made_items()
    for row in lifts(unit(np.random.default_rng(1).standard_normal((400, 16))), items).values():
        assert row.low <= 1.0 <= row.high * 1.02, row


def test_vectors_that_hold_one_factor_lift_that_factor_alone():
    items = made_items()
    rng = np.random.default_rng(2)
    shade = np.array([int(item.attributes["shade"]) for item in items])
    found = lifts(unit(np.eye(4)[shade] + rng.normal(0, 0.01, (400, 4))), items)
    assert found["shade"].observed == 1.0
    assert found["shade"].lift == pytest.approx(1 / found["shade"].expected)
    assert found["shade"].low > 3
    assert found["category"].low <= 1 <= found["category"].high


def test_own_object_counts_for_instance_alone():
    """Vectors that know only the object: instance is lifted, and nothing else through it."""
    items = made_items()
    rng = np.random.default_rng(3)
    objects = rng.standard_normal((100, 32))
    found = lifts(unit(objects[np.arange(400) // 4] + rng.normal(0, 0.01, (400, 32))), items)
    assert found["instance"].observed == pytest.approx(0.3)  # three others of ten places
    assert 0.85 < found["shade"].lift < 1.15


def test_expected_is_the_share_among_the_others():
    items = [Item(str(i), "", label="a" if i < 6 else "b") for i in range(10)]
    found = lifts(unit(np.random.default_rng(0).standard_normal((10, 3))), items)
    assert found["label"].expected == pytest.approx((6 * 5 / 9 + 4 * 3 / 9) / 10)


def test_the_catalogue_by_what_its_encoders_look_at():
    dataset = library.open_dataset("catalogue")
    build(dataset, ["hsv.12x4x4", "tiny.16x16"])
    colour = {row.factor: row for row in probes.probe(dataset, "hsv.12x4x4")}
    shape = {row.factor: row for row in probes.probe(dataset, "tiny.16x16")}
    assert colour["environment"].lift > shape["environment"].lift
    assert shape["category"].low > colour["category"].high
    assert {"main colour", "main material", "pattern", "view", "light"} <= set(colour)
    assert probes.probe(dataset, "tiny.16x16") == list(shape.values())


def test_a_set_that_says_nothing_is_told_why(tmp_path, pictures):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in pictures.rglob("*.png"):
        path.rename(flat / f"{path.parent.name}{path.name}")
    dataset = library.open_dataset(str(flat), fresh=True)
    build(dataset, ["tiny.16x16"])
    with pytest.raises(UserError, match="Nothing is known"):
        probes.probe(dataset, "tiny.16x16")
