"""Small datasets in every layout that is read, made of real encoded pictures that differ from one
another."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

FOLDERS = {
    "flat": ("a.png", "b.jpg", "c.webp"),
    "class": ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"),
    "split_class": (
        "train/cat/1.png",
        "train/dog/1.png",
        "test/cat/1.png",
        "test/dog/1.png",
        "validation/cat/1.png",
    ),
    "nested": (
        "cup/cup-01/1.png",
        "cup/cup-01/2.png",
        "cup/cup-02/1.png",
        "dog/dog-01/1.png",
        "dog/dog-01/2.png",
    ),
    "split_nested": (
        "train/cup/c1/1.png",
        "train/cup/c1/2.png",
        "test/cup/c1/3.png",
        "test/cup/c2/4.png",
    ),
}


def picture(seed: int | str, side: int = 12, kind: str = "PNG") -> bytes:
    """The bytes of a picture of its own for every seed."""
    pixels = np.random.default_rng(abs(hash_of(seed))).integers(0, 256, (side, side, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def hash_of(seed: int | str) -> int:
    return (
        seed
        if isinstance(seed, int)
        else int.from_bytes(seed.encode("utf-8", "surrogateescape"), "big") % (1 << 61)
    )


def kind_of(name: str) -> str:
    return {"jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}.get(
        name.rpartition(".")[2].lower(), "PNG"
    )


def folder(root: Path, names) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(name, kind=kind_of(name)))
    return root


def zipped(path: Path, names, around: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(around + name, picture(name, kind=kind_of(name)))
    return path


def manifest(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    for row in rows:
        folder(path.parent, [row["path"]])
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def parquet(path: Path, columns: dict, features: dict | None = None, rows_a_group: int = 3) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features is not None:
        told = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": told})
    pq.write_table(table, path, row_group_size=rows_a_group)
    return path


def hub_parquet(root: Path) -> Path:
    """As the Hugging Face hub writes it: structs of bytes and path, labels as numbers whose names
    stand in the metadata."""
    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": ["cat", "dog"]},
    }
    for name, count in {
        "train-00000-of-00002": 5,
        "train-00001-of-00002": 4,
        "test-00000-of-00001": 3,
    }.items():
        images = [{"bytes": picture(f"{name}{row}"), "path": f"{row}.png"} for row in range(count)]
        parquet(
            root / f"{name}.parquet",
            {"image": images, "label": [row % 2 for row in range(count)]},
            features,
        )
    return root


def every_path_layout(root: Path) -> dict[str, Path]:
    made = {
        f"folder_{name}": folder(root / f"folder_{name}", names) for name, names in FOLDERS.items()
    }
    made |= {
        f"zip_{name}": zipped(root / f"zip_{name}.zip", names, "all/")
        for name, names in FOLDERS.items()
    }
    rows = [
        {"path": f"p/{i}.png", "label": f"l{i % 2}", "split": ("train", "test")[i // 2], "size": i}
        for i in range(4)
    ]
    made["manifest"] = manifest(root / "csv" / "items.csv", rows)
    made["parquet_hub"] = hub_parquet(root / "hub")
    plain = {
        "image": [picture(f"plain{i}") for i in range(7)],
        "label": [f"l{i % 2}" for i in range(7)],
    }
    made["parquet_file"] = parquet(root / "plain.parquet", plain)
    return made


def peak_memory(code: str) -> float:
    """Peak resident MB of a new process that runs ``code``. (``ru_maxrss`` would count what its
    parent once used.)"""
    code += (
        "\nprint(next(line for line in open('/proc/self/status') if"
        " line.startswith('VmHWM')).split()[1])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    return int(told) / 1024
