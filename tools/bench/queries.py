"""One query through six networks, warm, against their forward passes alone.

    python tools/bench/queries.py [--queries 24]

``compare`` is what a page or the command asks: bytes of a picture that was not seen before, decoded
and resized once for those who want the same, encoded by one network after the other, searched
exactly, hits made. ``forwards`` is the sum of the same networks on what was prepared already. Both
sides take turns, query by query; the ratio is of medians, by the clock, with that of CPU time
beside it. A second run asks three classical encoders.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import core.faiss_loader  # noqa: F401  before numpy: it says how numpy's threads wait

# isort: split
import numpy as np
from PIL import Image

from core.services.hardware import busy, hardware
from core.services.library import library
from core.services.search import serving
from core.services.search.compare import compare
from core.services.search.request import Query, SearchRequest
from core.services.search.subject import Picture
from tools.bench.ratios import Row

TITLE = "One query through several encoders"
NETWORKS = (
    "tf_efficientnet_lite0.in1k",
    "siamese.lookalike",
    "triplet.lookalike",
    "resnet.lookalike",
    "vgg.lookalike",
    "vit.lookalike",
)
"""All shipped: two pairs of them take pictures of one size."""
CLASSICAL = ("hog.8x8", "hsv.12x4x4", "tiny.16x16")
QUERIES, WARM, K = 24, 3, 10
MOST, CLASSICAL_MS = 1.15, 300.0
Times = tuple[np.ndarray, np.ndarray, dict[str, float]]


def pictures(count: int) -> list[bytes]:
    """JPEG files of the catalogue's pictures, as people bring them; no two are equal."""
    dataset, made = library.open_dataset("catalogue"), []
    for row in np.linspace(0, len(dataset.items) - 1, count).astype(int):
        image = Image.open(io.BytesIO(dataset.read(dataset.items[row]))).convert("RGB")
        out = io.BytesIO()
        image.resize((640, 480)).save(out, "JPEG", quality=90)
        made.append(out.getvalue())
    return made


def measured(names: tuple[str, ...], count: int) -> Times:
    """(clock ms, CPU ms) of the comparison and of the forwards, each as a median (2,), and stage
    -> mean ms over all encoders."""
    dataset = library.open_dataset("catalogue")
    engines = [serving.engine(dataset, name) for name in names]
    whole, alone, stages = [], [], {}
    for number, data in enumerate(pictures(WARM + count)):
        requests = [SearchRequest(Query(data=data, name="q"), name, "exact", K) for name in names]
        began = time.perf_counter(), time.process_time()
        answers = compare(requests, dataset).answers
        spent = time.perf_counter() - began[0], time.process_time() - began[1]
        ready = [Picture(data, None).prepared(one.encoder)[0] for one in engines]
        began = time.perf_counter(), time.process_time()
        for one, array in zip(engines, ready, strict=True):
            one.encoder.encode_prepared([array])
        forwards = time.perf_counter() - began[0], time.process_time() - began[1]
        if number < WARM:
            continue
        whole.append(spent)
        alone.append(forwards)
        for answer in answers:
            for stage, ms in answer.timing_ms.items():
                stages[stage] = stages.get(stage, 0.0) + ms / count
    return 1000 * np.median(whole, axis=0), 1000 * np.median(alone, axis=0), stages


def in_peace(names: tuple[str, ...], count: int) -> Times:
    """:func:`measured` with an artifacts folder of its own; the shipped vectors are searched."""
    before = os.environ.get("LOOKALIKE_ARTIFACTS")
    with tempfile.TemporaryDirectory() as home:
        os.environ["LOOKALIKE_ARTIFACTS"] = home
        try:
            return measured(names, count)
        finally:
            os.environ.pop("LOOKALIKE_ARTIFACTS")
            if before is not None:
                os.environ["LOOKALIKE_ARTIFACTS"] = before


def told(whole: np.ndarray, alone: np.ndarray, stages: dict[str, float]) -> str:
    parts = ", ".join(f"{stage} {ms:.1f}" for stage, ms in stages.items() if stage != "decode")
    return (
        f"{whole[0]:.0f} ms, {alone[0]:.0f} ms; by CPU time {whole[1] / alone[1]:.2f};"
        f" stages in ms, all encoders: {parts}"
    )


def rows() -> Iterator[Row]:
    whole, alone, stages = in_peace(NETWORKS, QUERIES)
    yield Row(
        f"{len(NETWORKS)} networks: whole answer / forward passes",
        float(whole[0] / alone[0]),
        goal=MOST,
        at_most=True,
        told=told(whole, alone, stages),
    )
    whole, _, stages = in_peace(CLASSICAL, QUERIES)
    yield Row(
        f"{len(CLASSICAL)} classical encoders: whole answer",
        float(whole[0]),
        goal=CLASSICAL_MS,
        at_most=True,
        unit="ms",
        told=", ".join(f"{stage} {ms:.1f} ms" for stage, ms in stages.items() if stage != "decode"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--queries", type=int, default=QUERIES, help=f"(default: {QUERIES})")
    count = parser.parse_args().queries
    print(f"{hardware()}; programs that want each core: {busy()}")
    for names in (NETWORKS, CLASSICAL):
        whole, alone, stages = in_peace(names, count)
        print(f"{', '.join(names)}\n  whole, forwards: {told(whole, alone, stages)}")


if __name__ == "__main__":
    main()
