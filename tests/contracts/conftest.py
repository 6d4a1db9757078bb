"""Every index over the same vectors, and what it should answer."""

from __future__ import annotations

import numpy as np
import pytest

from core.indexes.base import indexes
from tests.contracts.indexed import DIM, brute, clustered, unit


@pytest.fixture(scope="session")
def built():
    """Every index over the same vectors, built once."""
    made = {}

    def get(name: str):
        if name not in made:
            made[name] = indexes.get(name)
            made[name].build(clustered())
        return made[name]

    return get


@pytest.fixture(scope="session")
def truth():
    queries = unit(clustered()[:40] + 0.05 * np.random.default_rng(1).standard_normal((40, DIM)))
    return queries, *brute(clustered(), queries, 10)
