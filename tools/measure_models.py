"""Measure the packaged encoders, every shipped model and its untrained twin; write cards, report
and its table.

    LOOKALIKE_DATA=folder/of/photographs python tools/measure_models.py [--threads 2] [--classical]
    [name ...]

With names only these encoders are measured, and their rows replaced; the others stay as they were.
Embeddings come from the cache where they exist. Writes ``artifacts/models/*/card.json`` and
``artifacts/reports/encoders.json`` and ``encoders.md``; ``make readme`` puts the table into
README.md. What bf16 changes: ``tools/measure_precision.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core import store
from core.datasets.base import Dataset
from core.datasets.paths import open_dataset
from core.encoders.base import Encoder, encoders
from core.encoders.timm_models import PACKAGES
from core.encoders.trained import CARD, UNTRAINED, Untrained, read_card
from core.services.embedding import embed
from core.services.embedding.bound import prepared
from core.services.evaluation import crossing, seen
from core.services.training.effect import per_query
from core.training.settings import expanded

PHOTO = "photo to catalogue"
SETS = (
    ("clothing", "$LOOKALIKE_DATA/clothing", "class"),
    ("cats_dogs", "$LOOKALIKE_DATA/cats_dogs", "class"),
    ("eth80 instance", "$LOOKALIKE_DATA/eth80", "instance-every-4"),
    ("eth80 category", "$LOOKALIKE_DATA/eth80", "category-every-4"),
    ("catalogue instance", "catalogue", "instance"),
    ("catalogue category", "catalogue", "category"),
    (PHOTO, "photo-to-catalogue", "cross-domain"),
)
QUERIES = {"photo-to-catalogue": ("$LOOKALIKE_DATA/tiny_imagenet", "$LOOKALIKE_DATA/clothing")}
"""Join -> where the data sets of its queries lie."""
CLASSICAL = ("hsv.12x4x4", "tiny.16x16", "hog.8x8")
PACKAGED = tuple(PACKAGES)
METRICS = ("mAP", "hit@1", "precision@10")
SHOWN = {PHOTO: ("hit@1",)}
"""What of a set stands in the table, where it is not every metric."""


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("names", nargs="*")
    told.add_argument("--threads", type=int, default=0)
    told.add_argument(
        "--classical", action="store_true", help="measure the classical encoders again too"
    )
    options = told.parse_args()
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    wanted = options.names or [*(CLASSICAL if options.classical else ()), *PACKAGED, *shipped()]
    cards = {name: read_card(folder(name)) for name in wanted if (folder(name) / CARD).exists()}
    twins = {
        card["network"]["backbone"]: Untrained({**card, "name": card["network"]["backbone"]})
        for card in cards.values()
    }
    for name in cards:
        seen.remember(folder(name))
    figures = measure([*map(encoders.get, wanted), *twins.values()])
    for name, card in cards.items():
        note = {
            "protocol": "exact cosine search; see docs/training.md",
            "date": time.strftime("%Y-%m-%d"),
        }
        measured = {
            "metrics": {**note, **figures[name]},
            "untrained": figures[twins[card["network"]["backbone"]].name],
        }
        store.write_text(
            folder(name) / CARD, json.dumps({**read_card(folder(name)), **measured}, indent=1)
        )
    write_report(figures)
    return 0


def folder(name: str) -> Path:
    """Where a model that comes with the code lies."""
    return store.shipped() / "models" / name


def shipped() -> list[str]:
    home = store.shipped() / "models"
    return sorted(path.name for path in home.iterdir() if path.name.endswith(".lookalike"))


def opened(locator: str) -> Dataset:
    """One of :data:`SETS`."""
    if locator not in QUERIES:
        return open_dataset(expanded(locator))
    join = crossing.table(locator)
    return crossing.joined(
        [open_dataset(expanded(one)) for one in QUERIES[locator]], open_dataset(join.gallery), join
    )


def measure(tried: list[Encoder]) -> dict[str, dict]:
    """{encoder: {set: {metric: mean, queries, seen}}}; the pictures of each set are decoded once
    for all encoders."""
    figures: dict[str, dict] = {encoder.name: {} for encoder in tried}
    for title, locator, protocol in SETS:
        dataset = opened(locator)
        ready = [
            encoder if isinstance(encoder, Untrained) else prepared(dataset, encoder.name).loaded()
            for encoder in tried
        ]
        embed.embed(dataset, ready)
        for encoder in ready:
            figures[encoder.name][title] = figures_of(dataset, encoder, protocol)
            print(f"{title}: {encoder.name} {figures[encoder.name][title]}", flush=True)
    return figures


def figures_of(dataset: Dataset, encoder: Encoder, protocol: str) -> dict:
    """Means over the judged queries, how many these are, and whether the encoder has seen them in
    training."""
    found = per_query(dataset, encoder, protocol, METRICS)
    means = {name: round(float(found.scores[name].mean()), 4) for name in METRICS}
    return {**means, "queries": len(found.ids), "seen": seen.seen(encoder, dataset).kind}


def write_report(figures: dict[str, dict]) -> None:
    home = store.shipped() / "reports"
    held = home / "encoders.json"
    before = json.loads(held.read_text()) if held.exists() else {}
    cards = [read_card(folder(name)) for name in shipped()]
    wanted = [
        *CLASSICAL,
        *PACKAGED,
        *shipped(),
        *dict.fromkeys(card["network"]["backbone"] + UNTRAINED for card in cards),
    ]
    known = {**before, **figures}
    merged = {name: known[name] for name in wanted if name in known}
    store.write_text(held, json.dumps(merged, indent=1) + "\n")
    store.write_text(home / "encoders.md", table(merged))


def table(measured: dict[str, dict]) -> str:
    """The figures as Markdown; a set that an encoder was not measured on stays empty."""
    lines = [
        "| encoder | " + " | ".join(title for title, _, _ in SETS) + " |",
        "|---|" + "---|" * len(SETS),
    ]
    for name, sets in measured.items():
        lines.append(
            f"| `{name}` | "
            + " | ".join(cell(title, sets.get(title)) for title, _, _ in SETS)
            + " |"
        )
    head = (
        f"mAP / hit@1 / P@10, exact cosine search; {PHOTO}: hit@1 (the first hit is of the right"
        " category)."
    )
    saw = any(one.get("seen") == seen.ALL for sets in measured.values() for one in sets.values())
    foot = (
        "\n\n† Queries among them were seen in training: Tiny ImageNet's pictures come from"
        " ImageNet."
        if saw
        else ""
    )
    return f"{head}\n\n" + "\n".join(lines) + foot + "\n"


def cell(title: str, means: dict | None) -> str:
    if means is None:
        return ""
    said = " / ".join(f"{means[name]:.3f}".lstrip("0") for name in SHOWN.get(title, METRICS))
    return said + (" †" if means.get("seen") == seen.ALL else "")


if __name__ == "__main__":
    raise SystemExit(main())
