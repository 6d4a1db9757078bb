"""A build by Ray on this machine beside a local one, for docs/ray.md: pictures a second, and the same vectors.

Run it in the environment of `make test-engines`; two or three minutes on a quiet machine with two cores:

    .venv-engines/bin/python tools/engines/measure_ray.py [--pictures 2000] [--encoder tf_efficientnet_lite0.in1k] [--write]

Pictures are those of tiny_imagenet (``LOOKALIKE_DATA``), else noise. Both builds start from nothing, in turns; Ray is
started for each of its own, and its parts go to a folder, where they are opened in place. ``--write`` puts the figures
into docs/ray.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np
from PIL import Image

from core.services.embedding.shipped import vectors
from tools.engines import pages

TURNS = 2


def pictures(folder: Path, count: int) -> Path:
    """A folder of so many pictures."""
    folder.mkdir()
    data = Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data")
    real = sorted((data / "tiny_imagenet").rglob("*.JPEG"))[:count]
    for number, path in enumerate(real):
        shutil.copyfile(path, folder / f"{number:06d}.jpg")
    rng = np.random.default_rng(0)
    for number in range(len(real), count):
        noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:06d}.jpg")
    return folder


def built(home: Path, folder: Path, encoder: str, *more: str) -> tuple[float, np.ndarray]:
    """Seconds of a whole command, and the vectors that it made."""
    command = [sys.executable, "-m", "core", "build", "--dataset", str(folder), "--json"]
    env = {**os.environ, "LOOKALIKE_ARTIFACTS": str(home)}
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--encoders", encoder, *more],
        cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    spent = time.perf_counter() - started
    return spent, np.asarray(vectors(Path(json.loads(done.stdout)[0]["path"])))


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    told.add_argument("--pictures", type=int, default=2000)
    told.add_argument("--encoder", default="tf_efficientnet_lite0.in1k")
    told.add_argument("--write", action="store_true", help="put the figures into docs/ray.md")
    chosen = told.parse_args()
    rows = [
        "| local, s | pictures/s | Ray, s | pictures/s | the same vectors |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        folder = pictures(home / "pictures", chosen.pictures)
        built(
            home / "first", folder, chosen.encoder
        )  # what is chosen once a machine is chosen here
        for turn in range(TURNS):
            local, ours = built(home / f"local-{turn}", folder, chosen.encoder)
            parts = str(home / f"parts-{turn}")
            ray, theirs = built(
                home / f"ray-{turn}", folder, chosen.encoder, "--engine", "ray", "--shards", parts
            )
            same = "yes" if np.array_equal(ours, theirs) else "no"
            rates = (f"{spent:.1f} | {chosen.pictures / spent:.0f}" for spent in (local, ray))
            rows.append(f"| {' | '.join(rates)} | {same} |")
            print(rows[-1], flush=True)
    if chosen.write:
        what = f"`tools/engines/measure_ray.py`: {chosen.pictures:,} pictures, {chosen.encoder}."
        pages.write("ray.md", "ray", [what, "", *rows])


if __name__ == "__main__":
    main()
