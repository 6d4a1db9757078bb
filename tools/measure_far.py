"""How often an answer is called far, by three definitions of what is usual, for docs/measured.md.
Builds what is missing.

LOOKALIKE_DATA=path/to/photographs python tools/measure_far.py tf_efficientnet_lite0.in1k
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet

sys.path.insert(0, str(Path(__file__).parent.parent))

from core.images import decode
from core.services.embedding import stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.embedding.roles import codes
from core.services.embedding.usual import usual_score
from core.services.library import library

HELD = {
    "backpack",
    "beer bottle",
    "pop bottle",
    "pill bottle",
    "beach wagon",
    "convertible",
    "limousine",
    "sports car",
    "rocking chair",
    "lampshade",
    "sunglasses",
    "teapot",
    "comic book",
}
"""Classes of Tiny ImageNet that the catalogue holds."""
UNCLEAR = {
    "water jug",
    "police van",
    "moving van",
    "stopwatch",
    "magnetic compass",
    "sandal",
    "espresso",
    "dining table",
    "desk",
    "beaker",
    "hourglass",
    "go-kart",
}
"""Classes that are much like one of its categories, or are often shown with one: counted
nowhere."""


def photographs(data: Path) -> dict[str, list[bytes]]:
    """Name -> pictures; ``held`` ones show what the catalogue holds."""
    table = parquet.read_table(
        data / "tiny_imagenet" / "validation.parquet", columns=["image", "name"]
    ).to_pylist()
    tiny: dict[str, list[bytes]] = {}
    for row in table:
        image = row["image"]
        tiny.setdefault(row["name"], []).append(
            image["bytes"] if isinstance(image, dict) else image
        )
    clothes = sorted(
        path for path in (data / "clothing" / "test").iterdir() if path.name != "shoes"
    )
    return {
        "tiny_imagenet, held": [one for name in sorted(HELD) for one in tiny[name][:8]],
        "tiny_imagenet, not held": [
            one for name in sorted(tiny.keys() - HELD - UNCLEAR) for one in tiny[name][:8]
        ],
        "clothing, shoes (held)": files(data / "clothing" / "test" / "shoes"),
        "clothing, not held": [one for folder in clothes for one in files(folder)[:10]],
        "cats_dogs, not held": files(data / "cats_dogs" / "test")[::12],
    }


def files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


def main(names: list[str]) -> None:
    dataset, pictures = (
        library.open_dataset("catalogue"),
        photographs(Path(os.environ["LOOKALIKE_DATA"])),
    )
    build(dataset, names)
    for name in names:
        encoder = prepared(dataset, name).loaded()
        found = stored.read(dataset, encoder)
        vectors, items = np.asarray(found.vectors), stored.item_rows(dataset, found)
        rows, test = np.arange(len(items)), np.array([item.split == "test" for item in items])
        best = {title: _best(encoder, many, vectors) for title, many in pictures.items()}
        own = vectors @ vectors.T
        np.fill_diagonal(own, -np.inf)
        best["catalogue, test products"] = own[test].max(axis=1)
        print(name, {title: len(scores) for title, scores in best.items()})
        for title, field in (
            ("another picture", None),
            ("another product", "instance"),
            ("another category", "category"),
        ):
            line = usual_score(
                vectors, rows, codes([item.value(field) if field else None for item in items])
            )
            shares = "  ".join(
                f"{told} {np.mean(scores < line):.1%}" for told, scores in best.items()
            )
            print(f"  nearest of {title}, 1st percentile {line:.3f}: {shares}")


def _best(encoder, many: list[bytes], vectors: np.ndarray) -> np.ndarray:
    prepared = [encoder.prepare(decode(data, encoder.side)) for data in many]
    parts = [
        encoder.encode_prepared(prepared[start : start + 32])
        for start in range(0, len(prepared), 32)
    ]
    return (np.concatenate(parts) @ vectors.T).max(axis=1)


if __name__ == "__main__":
    main(sys.argv[1:] or ["tf_efficientnet_lite0.in1k"])
