"""The embeddings that come with the code are those that a build would make now."""

from __future__ import annotations

import numpy as np
import pytest

from core import store
from core.images import decode
from core.services.embedding import stored
from core.services.embedding.bound import prepared
from core.services.library import library

NAMES = [path.name for path in store.listed(store.shipped() / stored.KIND)]


def test_the_first_page_is_shipped():
    from core.services.embedding.opening import FIRST_ENCODERS

    assert set(FIRST_ENCODERS) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_embeddings_are_current(name):
    dataset = library.open_dataset("catalogue")
    encoder = prepared(dataset, name).loaded()
    assert stored.find(dataset, encoder) == store.shipped() / stored.KIND / name, (
        "stale: run make shipped"
    )
    found = stored.read(dataset, encoder)
    assert list(found.ids) == [item.id for item in dataset.items]
    rows = np.random.default_rng(0).choice(len(found.ids), 12, replace=False)
    fresh = encoder.encode([decode(dataset.read(dataset.items[row]), encoder.side) for row in rows])
    np.testing.assert_allclose(np.sum(fresh * found.vectors[rows], axis=1), 1, atol=1e-5)
