"""Put embeddings of the embedded gallery among the shipped ones: ``python tools/ship_embeddings.py NAME ...``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from core import store
from core.services import embed, library, shipped
from core.services.build import build
from core.services.ready import ready_encoder


def main(names: list[str]) -> None:
    """Ship ``names`` and drop every other shipped entry."""
    home = store.shipped() / shipped.NAME
    shutil.rmtree(home, ignore_errors=True)
    dataset = library.open_dataset("catalogue")
    build(dataset, names)
    for name in names:
        path = shipped.ship(embed.find(dataset, ready_encoder(dataset, name)), name)
        print(f"{name}: {store.folder_bytes(path) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:] or ["hsv.12x4x4", "tiny.16x16", "hog.8x8"])
