"""Train the detector ``objects`` from its recipe: composites of the catalogue's training products
and training photographs.

    LOOKALIKE_DATA=path/to/photographs python tools/train_objects.py

Maps of the backbone and a checkpoint of each epoch lie in ``runs/objects`` of the artifacts folder:
a run that was stopped goes on. The detector is written to ``models/objects.detector`` there;
``LOOKALIKE_ARTIFACTS`` names another folder than the project's own.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch

from core import store
from core.datasets.paths import open_dataset
from core.detectors.nets.objects import BACKBONE, Head
from core.training import objects

GROUNDS = ("clothing", "cats_dogs", "tiny_imagenet")


def card(told: dict) -> dict:
    return {
        "name": "objects",
        "title": "Objects (ours)",
        "about": "A head of ours over EfficientNet-Lite0: finds things in cluttered pictures.",
        "backbone": BACKBONE.requirement,
        "backbone_sha256": BACKBONE.sha256,
        "data": [
            {
                "name": "catalogue",
                "part": "training products: pictures, and cut-outs that were pasted",
            },
            *(
                {"name": name, "part": "train: photographs that were pasted into"}
                for name in GROUNDS
            ),
        ],
        "validation": {key: told[key] for key in ("IoU", "above .5")}
        | {"note": "composites of training products and photographs that were kept back"},
        "licence": "CC0 for the head; the backbone as its package",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    usual = objects.Settings()
    parser.add_argument("--composites", type=int, default=usual.composites)
    parser.add_argument("--epochs", type=int, default=usual.epochs)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = objects.Settings(composites=options.composites, epochs=options.epochs)
    folder = store.root() / "runs" / "objects"
    home = Path(os.environ["LOOKALIKE_DATA"])

    def say(text: str) -> None:
        print(text, flush=True)

    @cache
    def material() -> tuple[objects.Material, objects.Material]:
        photographs = [open_dataset(str(home / name)) for name in GROUNDS]
        return objects.material(open_dataset("catalogue"), photographs, settings, say)

    checked = objects.maps(
        folder / "validation", lambda: material()[1], settings.validation, settings, say
    )
    given = objects.maps(
        folder / "learned", lambda: material()[0], settings.composites, settings, say
    )
    material.cache_clear()
    torch.manual_seed(settings.seed)
    head = Head()
    told = objects.train(head, given, checked, settings, folder, say)
    objects.write(head, store.root() / "models" / "objects.detector", card(told), settings)


if __name__ == "__main__":
    main()
