"""What half precision changes in what an encoder finds: each form of this machine against fp32, on
whole searches.

    LOOKALIKE_DATA=folder/of/photographs python tools/measure_precision.py [--dataset FOLDER]
    [--pictures N] [name ...]

Every picture is prepared once and goes through the network in every form. Queries are those of the
usual protocol of the data set (clothing: test), and search its gallery (train), exactly.
``overlap@10`` is the share of the first ten hits that stay; ``--pictures`` takes so many of the
gallery and as many of the queries at most, for a first look. Nothing is kept.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np

from core.datasets.base import Dataset
from core.datasets.paths import open_dataset
from core.encoders import precision
from core.encoders.base import encoders, unit_rows
from core.encoders.network import Network
from core.encoders.precision import FP32
from core.encoders.timm_models import PACKAGES
from core.metrics import stream
from core.services.embedding.encoding import feed
from core.services.embedding.roles import roles_of
from core.services.hardware import busy, hardware
from core.training.settings import expanded
from core.types import Item

K = 10
METRICS = ("mAP", "hit@1", "precision@10")


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    told.add_argument("names", nargs="*", help="networks (default: the packaged ones)")
    told.add_argument(
        "--dataset",
        default="$LOOKALIKE_DATA/clothing",
        help="(default: clothing in LOOKALIKE_DATA)",
    )
    told.add_argument(
        "--pictures", type=int, default=0, help="of the gallery, and of the queries (default: all)"
    )
    options = told.parse_args()
    dataset = open_dataset(expanded(options.dataset))
    items = chosen(dataset, options.pictures)
    print(f"{hardware()}; programs that want each core: {busy()}\n")
    print(
        "| encoder | form | overlap@10 with fp32 | mAP | difference | hit@1 | P@10 | pictures/s |\n"
        + 8 * "|---"
        + "|"
    )
    for name in options.names or PACKAGES:
        for line in compared(dataset, items, encoders.get(name)):
            print(line, flush=True)
    return 0


def chosen(dataset: Dataset, most: int) -> list[Item]:
    """Gallery and queries of the usual protocol; evenly spread where only some are wanted."""
    protocol = dataset.protocol()
    parts = [
        [item for item in dataset.items if inside(item)]
        for inside in (protocol.in_gallery, protocol.is_query)
    ]
    parts = [
        [part[at] for at in np.unique(np.linspace(0, len(part) - 1, most or len(part)).astype(int))]
        for part in parts
    ]
    return list({item.id: item for part in parts for item in part}.values())


def compared(dataset: Dataset, items: list[Item], encoder: Network) -> list[str]:
    """One line of a Markdown table for each form."""
    kept, vectors, seconds = encoded(dataset, items, encoder)
    roles = roles_of(kept, dataset.protocol())
    whole, lines = None, []
    for form, rows in vectors.items():
        judged = stream.evaluate(stream.blocks(rows, roles, K), METRICS)
        tops = [set(top.tolist()) for block in stream.blocks(rows, roles, K) for top in block.top]
        means = {name: float(judged.scores[name][judged.relevant > 0].mean()) for name in METRICS}
        whole = whole or (tops, means)
        overlap = np.mean([len(one & other) / K for one, other in zip(whole[0], tops, strict=True)])
        figures = [
            f"{overlap:.4f}",
            f"{means['mAP']:.4f}",
            f"{means['mAP'] - whole[1]['mAP']:+.5f}",
            f"{means['hit@1']:.4f}",
            f"{means['precision@10']:.4f}",
            f"{len(kept) / seconds[form]:.1f}",
        ]
        lines.append(f"| `{encoder.name}` | {form} | " + " | ".join(figures) + " |")
    return lines


def encoded(
    dataset: Dataset, items: list[Item], encoder: Network
) -> tuple[list[Item], dict[str, np.ndarray], dict[str, float]]:
    """The items that could be read, form -> their unit vectors (n, dim), and form -> seconds in the
    network."""
    encoder.use_precision(FP32)
    models = {
        form: precision.converted(copy.deepcopy(encoder.model), form)
        for form in (FP32, *precision.offered())
    }
    kept: list[Item] = []
    rows: dict[str, list[np.ndarray]] = {form: [] for form in models}
    seconds = dict.fromkeys(models, 0.0)
    for batch in feed(dataset, items, [encoder], encoder.batch):
        arrays = [one.array(0) for one in batch if one.array(0) is not None]
        kept += [one.item for one in batch if one.array(0) is not None]
        for form, model in models.items():
            began = time.perf_counter()
            rows[form].append(encoder.run(arrays, model, form))
            seconds[form] += time.perf_counter() - began
    return kept, {form: unit_rows(np.concatenate(parts)) for form, parts in rows.items()}, seconds


if __name__ == "__main__":
    raise SystemExit(main())
