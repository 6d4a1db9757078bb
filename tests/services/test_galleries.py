"""An index in the cache that can't be read is built again, whatever its damage."""

from __future__ import annotations

import pytest

from core import store
from core.services.embedding import build, galleries
from core.services.embedding.bound import prepared
from core.services.library import library


@pytest.mark.parametrize("index", ["exact", "flat", "hnsw"])
@pytest.mark.parametrize("damage", ["emptied", "garbled"])
def test_a_damaged_index_is_built_again(pictures, index, damage):
    dataset = library.open_dataset(str(pictures))
    build.build(dataset, ["tiny.16x16"], index)
    (entry,) = store.entries(galleries.KIND)
    for file in (file for file in entry.path.iterdir() if file.name != store.META):
        size = file.stat().st_size
        file.write_bytes(b"" if damage == "emptied" else b"\xff" * size)
    encoder = prepared(dataset, "tiny.16x16").loaded()
    fresh, rows = galleries.gallery_index(dataset, encoder, index)
    assert fresh.size == len(rows) == len(dataset.items)
