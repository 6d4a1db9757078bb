"""The hostile corpus through the command line and through what the page does with an upload:
figures of what was read and refused, and everything that went wrong."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from core.cli.main import main
from core.errors import UserError
from core.images import decode
from core.services.embedding.build import build
from core.services.library import adding, library, uploads
from core.services.search import pictures
from tests.datasets.layouts import folder
from tests.reliability import corpus

HANG_S = 10
ENCODER = "tiny.16x16"
PLAIN = ("L", "RGB", "P", "1")
"""Modes that Pillow alone turns into RGB as it should be; the others are tested for themselves."""


class Figures:
    """Counts, and every file at fault with what happened. Times are the processor's, which a busy
    machine does not stretch."""

    def __init__(self) -> None:
        self.read, self.refused = Counter(), Counter()
        self.faults: list[str] = []
        self.slowest = (0.0, "")
        self.compared = 0

    def took(self, name: str, seconds: float) -> None:
        self.slowest = max(self.slowest, (seconds, name))
        if seconds > HANG_S:
            self.faults.append(f"{name}: took {seconds:.0f} s")

    def told(self) -> dict:
        files = sum(self.read.values()) + sum(self.refused.values())
        kinds = sorted({*self.read, *self.refused})
        return {
            "inputs": files,
            "kinds": {kind: [self.read[kind], self.refused[kind]] for kind in kinds},
            "compared with Pillow": self.compared,
            "slowest_s": round(self.slowest[0], 2),
            "slowest": self.slowest[1],
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "faults": self.faults,
        }


def run(home: Path, seed: int = 0, each: int = 34) -> dict:
    """Make the corpus under ``home`` (an artifacts folder of the caller's is written) and put all of
    it through; returns figures, ``faults`` of which is empty where all is well."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        return _run(home, seed, each)
    finally:
        logging.disable(logging.NOTSET)


def _run(home: Path, seed: int, each: int) -> dict:
    import timm  # noqa: F401 (no import of seconds within the first command's time)

    figures, gallery = Figures(), home / "gallery"
    folder(gallery, [f"{kind}/{number}.png" for kind in "ab" for number in range(10)])
    dataset = library.open_dataset(library.add_folder(str(gallery)))
    build(dataset, [ENCODER])
    place = home / "pictures"
    place.mkdir()
    for name, data in corpus.pictures(seed, each):
        (place / name).write_bytes(data)
        _picture(figures, place / name, data, str(gallery))
    _together(figures, place)
    ids = [item.id for item in dataset.items]
    for kind, path in corpus.others(home / "others", seed, ids):
        _other(figures, kind, path, str(gallery))
    return figures.told()


def _picture(figures: Figures, path: Path, data: bytes, gallery: str) -> None:
    """A query on the command line, then an upload as a page takes it: both read it, or neither."""
    query = ("search", "--dataset", gallery, "--encoder", ENCODER, "--query", str(path), "--json")
    read = _command(figures, path.name, *query)
    kept = _asked(figures, path.name, lambda: _shown(data))
    (figures.read if read else figures.refused)["pictures"] += 1
    if read != kept:
        figures.faults.append(f"{path.name}: the command line and the page disagree")
    if read:
        _compare(figures, path.name, data)


def _shown(data: bytes) -> None:
    token = uploads.keep(data)
    assert pictures.thumbnail_of(uploads.read(token), 112, None)[:4] == b"RIFF"


def _compare(figures: Figures, name: str, data: bytes) -> None:
    """What was read equals Pillow's upright RGB, where Pillow reads it and says what it is."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.seek(0)
            plain = image.mode in PLAIN and "transparency" not in image.info
            wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB")) if plain else None
    except Exception:
        return  # Pillow alone is stricter about ends, or knows no such turn
    if wanted is not None:
        figures.compared += 1
        if not np.array_equal(decode(data), wanted):
            figures.faults.append(f"{name}: other pixels than Pillow's")


def _together(figures: Figures, place: Path) -> None:
    """All pictures as one data set: each is encoded, or listed with its reason."""
    if not _command(
        figures, "all pictures", "build", "--dataset", str(place), "--encoders", ENCODER
    ):
        figures.faults.append("the folder of all pictures could not be built")
        return
    listed = len(library.skipped_rows(str(place)))
    items = len(library.open_dataset(str(place)).items)
    files = sum(1 for _ in place.iterdir())
    skipped = len(library.open_dataset(str(place)).skipped)
    if items + skipped != files or not 0 < listed < files:
        figures.faults.append(f"{files} files are {items} items and {skipped} skipped")


def _other(figures: Figures, kind: str, path: Path, gallery: str) -> None:
    """On the command line, and what can be uploaded as a page previews it."""
    commands = {
        "vectors": ("vectors", "--dataset", gallery, "--name", path.parent.name, "--file",
                    str(path), "--ids", str(path.with_suffix(".txt"))),
        "weights": ("import-model", "--file", str(path), "--backbone", "test_resnet", "--name",
                    f"resnet.{path.parent.name}", "--size", "64"),
    }  # fmt: skip
    wanted = commands.get(kind, ("build", "--dataset", str(path), "--encoders", ENCODER))
    read = _command(figures, path.parent.name, *wanted)
    (figures.read if read else figures.refused)[kind] += 1
    if kind == "zip":
        data = path.read_bytes()
        _asked(figures, path.parent.name, lambda: adding.preview_files([(path.name, data)]))


def _command(figures: Figures, name: str, *arguments: str) -> bool:
    """Whether a command did it; exit code 1 with a sentence is a refusal, all else a fault."""
    out, err = io.StringIO(), io.StringIO()
    before, started = signal.getsignal(signal.SIGTERM), time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    signal.signal(signal.SIGTERM, before)
    if arguments[0] != "build" or name != "all pictures":
        figures.took(name, time.process_time() - started)
    said = err.getvalue()
    if code not in (0, 1) or "Unexpected error" in said or "Traceback" in said:
        figures.faults.append(f"{name}: {code}: {said.strip()[-300:]}")
    if code == 0 and "--json" in arguments:
        json.loads(out.getvalue())
    return code == 0


def _asked(figures: Figures, name: str, call: Callable[[], object]) -> bool:
    started = time.process_time()
    try:
        call()
        return True
    except UserError:
        return False
    except Exception as error:
        figures.faults.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
        return False
    finally:
        figures.took(name, time.process_time() - started)


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1])), indent=1))
