"""The parts of training on their own: splits, batches, schedules, metrics of pairs."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.training.batches import epoch_batches, quotas
from core.training.schedule import FLOOR, rate
from core.training.settings import override, read_recipe
from core.training.sources import Source, split
from core.training.validate import _joined, map_at_r, pair_threshold


def source(counts: dict[int, int], name: str = "s") -> Source:
    labels = np.repeat(list(counts), list(counts.values()))
    rows = np.arange(len(labels))
    classes = tuple(map(str, counts))
    return Source(
        name,
        name,
        "label",
        classes,
        np.zeros((len(rows), 1, 1, 3), np.uint8),
        labels,
        rows,
        rows[:0],
        "",
    )


def test_a_split_leaves_two_pictures_and_more_on_each_side():
    labels = np.repeat([0, 1, 2, 3], [2, 4, 10, 100])
    train, held = split(labels, [None] * len(labels), 0.2, 0)
    assert not set(train) & set(held)
    assert len(train) + len(held) == len(labels)
    assert Counter(labels[held].tolist()) == {1: 2, 2: 2, 3: 20}
    assert min(Counter(labels[train].tolist()).values()) >= 2


def test_a_split_by_instance_keeps_objects_whole():
    labels, groups = np.repeat([0, 1], 50), [f"object {row // 5}" for row in range(100)]
    train, held = split(labels, groups, 0.2, 0)
    assert len(held) == 20
    assert not {groups[row] for row in train} & {groups[row] for row in held}
    same = np.repeat(np.arange(20), 5)
    train, held = split(same, groups, 0.1, 0)
    assert len(set(same[held])) == 2
    assert len(split(same, groups, 0.0, 0)[1]) == 0


def test_no_more_is_kept_back_than_validation_needs():
    assert len(split(np.repeat(np.arange(200), 250), [None] * 50_000, 0.1, 0)[1]) <= 2000


def test_a_batch_holds_k_pictures_of_each_class():
    sources = [source({0: 30, 1: 30, 2: 30, 3: 3}), source({0: 20, 1: 20})]
    settings = override(read_recipe("triplet"), {"batch": 24, "per_class": 4, "shares": (2.0, 1.0)})
    assert quotas(sources, settings) == [16, 8]
    for step in epoch_batches(sources, settings, 3):
        assert set(Counter(sources[0].labels[step[0]].tolist()).values()) == {4}
        assert set(Counter(sources[1].labels[step[1]].tolist()).values()) == {4}


def test_an_epoch_shows_every_picture_once_and_no_epoch_is_like_another():
    sources = [source({0: 32, 1: 32})]
    settings = override(read_recipe("classify"), {"batch": 16})
    first, second = (
        np.concatenate([rows for step in epoch_batches(sources, settings, e) for rows in step])
        for e in (0, 1)
    )
    assert sorted(first) == sorted(second) == list(range(64))
    assert list(first) != list(second)
    again = np.concatenate([rows for step in epoch_batches(sources, settings, 0) for rows in step])
    assert np.array_equal(first, again)


def test_the_learning_rate_rises_then_falls():
    rates = [rate(step, 100, 0.1) for step in range(100)]
    assert rates[9] == 1.0 == max(rates)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert FLOOR <= rates[-1] < 0.02


def test_map_at_r_is_the_librarys():
    import torch
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    rng = np.random.default_rng(0)
    vectors, labels = rng.standard_normal((60, 8)), rng.integers(0, 5, 60)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    name = "mean_average_precision_at_r"
    judge = AccuracyCalculator(
        (name,),
        k="max_bin_count",
        knn_func=CustomKNN(CosineSimilarity()),
        device=torch.device("cpu"),
    )
    theirs = judge.get_accuracy(torch.from_numpy(vectors), torch.from_numpy(labels))[name]
    assert map_at_r(vectors, labels) == pytest.approx(theirs)


def test_map_at_r_of_a_hand_checked_list():
    """Class 0 has three members: from the first, hits at 1 and 3 of the list, R = 2: 1/2 * 1 =
    .5"""
    angles = np.radians([0, 10, 20, 30, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = np.array([0, 0, 1, 0, 1])
    # from 0: 10 (hit), 20 | from 10: 0 (hit; the tie with 20 goes to the first), 20 | from 30: 20,
    # 10 (hit at 2) from 20 (R = 1): 10 | from 180 (R = 1): 30
    assert map_at_r(vectors, labels) == pytest.approx((0.5 + 0.5 + 0.25 + 0 + 0) / 5, abs=1e-9)


def test_only_the_first_rows_ask_where_learned_pictures_are_searched_too():
    vectors, labels = (
        np.stack([np.cos(a := np.radians([0, 1, 50, 2])), np.sin(a)], axis=1),
        np.array([0, 1, 0, 0]),
    )
    # the first: 1 (wrong), 2 (right at 2), R = 2: 1/2 * 1/2
    assert map_at_r(vectors, labels, 1) == pytest.approx(0.25)
    found = source({0: 20, 1: 20})
    found = replace(found, train=np.arange(8, 40), validation=np.arange(8))
    assert sorted(_joined(found)) == list(range(8, 40))
    assert np.array_equal(_joined(found), _joined(found))
    many = source({0: 500, 1: 500})
    assert len(_joined(replace(many, train=np.arange(300, 1000), validation=np.arange(300)))) == 100
    assert len(_joined(replace(many, train=np.arange(600, 1000), validation=np.arange(600)))) == 0


def test_the_threshold_of_pairs_lies_between_equal_and_different():
    angles = np.radians([0, 2, 4, 60, 63])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    at = pair_threshold(vectors, np.array([0, 0, 0, 1, 1]))
    assert 2 * np.sin(np.radians(2)) <= at < 2 * np.sin(np.radians(28))
    assert pair_threshold(vectors, np.zeros(5, int)) is None


def test_training_leaves_the_search_of_faiss_as_it_is():
    """pytorch-metric-learning replaces it in the whole process unless it is kept from that."""
    code = (
        "import numpy as np\n"
        "from core.indexes.base import indexes\n"
        "from core.training import losses\n"
        "losses.leave_faiss_alone()\n"
        "import pytorch_metric_learning.losses\n"
        "vectors = np.eye(64, dtype=np.float32)\n"
        "index = indexes.get('hnsw'); index.build(vectors)\n"
        "assert index.search(vectors[:1], 3, efSearch=64).ids[0, 0] == 0\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
