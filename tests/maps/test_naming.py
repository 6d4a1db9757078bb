"""Clusters are called by what most of their pictures are."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from core.services.maps.colours import named_clusters


def test_a_cluster_has_the_name_and_the_share_of_its_most_frequent_class():
    clusters = np.array([0] * 10 + [1] * 4 + [2] * 5 + [-1])
    positions = np.arange(40, dtype=np.float32).reshape(20, 2)
    codes = np.array([1] * 9 + [0] + [-1] * 4 + [0, 1, 2, 3, 4] + [2])
    found = named_clusters(
        SimpleNamespace(clusters=clusters, positions=positions), codes, list("abcde")
    )
    assert [cluster.words for cluster in found] == ["b 90 %", "", "mixed"]
    assert [cluster.size for cluster in found] == [10, 4, 5]
    assert found[0].place == tuple(np.median(positions[:10], axis=0))


def test_a_map_without_clusters_has_no_names():
    empty = SimpleNamespace(clusters=np.full(3, -1), positions=np.zeros((3, 2)))
    assert named_clusters(empty, np.zeros(3, int), ["a"]) == []
