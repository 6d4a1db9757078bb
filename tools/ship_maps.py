"""Make the maps of the embedded gallery that are shipped with the code: the Map page then opens without a job.

Run it after ``tools/ship_embeddings.py``: a map belongs to its embeddings. Every shipped encoder gets its PCA, t-SNE and UMAP,
and its UMAP aligned to each other one, so that any of them can be chosen in any order.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from itertools import permutations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from core import store
from core.services import atlas, library, maps, shipped_maps
from core.services.maps import Wanted

DATASET = "catalogue"


def wanted() -> list[Wanted]:
    """Every map worth shipping, with the usual parameters."""
    names = sorted(path.name for path in (store.shipped() / "embeddings").iterdir() if path.is_dir())
    alone = [Wanted(name, projection) for projection in ("umap", "pca", "tsne") for name in names]
    usual = {name: setting.default for name, setting in maps.settings_of("aligned").items()}
    return [*(_usual(one) for one in alone), *(Wanted(a, "aligned", b, usual) for b, a in permutations(names, 2))]


def _usual(one: Wanted) -> Wanted:
    return Wanted(one.encoder, one.projection, "", {name: s.default for name, s in maps.settings_of(one.projection).items()})


def main() -> None:
    dataset, keep = library.open_dataset(DATASET), set()
    for one in wanted():
        path = maps.build(dataset, one)
        keep.add(maps.shipped_name(one))
        if path.parent.name != shipped_maps.NAME or store.root() / "cache" in path.parents:
            shipped_maps.ship(path, maps.shipped_name(one))
        size = store.folder_bytes(store.shipped() / shipped_maps.NAME / maps.shipped_name(one))
        print(f"{maps.shipped_name(one)}: {size / 1e3:.0f} kB", flush=True)
    atlas.get(dataset)
    causes = atlas.causes(dataset)
    if (path := store.find(maps.KIND, store.key(causes))) is not None:
        shipped_maps.ship(path, "atlas")
    for path in (store.shipped() / shipped_maps.NAME).iterdir():
        if path.name not in {*keep, "atlas"}:
            shutil.rmtree(path)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LOOKALIKE_ARTIFACTS"] = folder
        main()
