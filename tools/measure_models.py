"""Measure every shipped model and its untrained twin on four sets (``--classical``: others too); write cards and report.

    LOOKALIKE_DATA=folder/of/photographs python tools/measure_models.py [--threads 2] [name ...]

Embeddings come from the cache where they exist. Writes ``artifacts/models/*/card.json`` and
``artifacts/reports/encoders.json`` and ``encoders.md``.
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
from core.datasets.paths import open_dataset
from core.encoders.base import encoders
from core.encoders.trained import UNTRAINED, Untrained, read_card
from core.services import embed
from core.services.effect import per_query
from core.training.export import update_card
from core.training.settings import expanded

SETS = (
    ("clothing", "$LOOKALIKE_DATA/clothing", "class"), ("cats_dogs", "$LOOKALIKE_DATA/cats_dogs", "class"),
    ("eth80 instance", "$LOOKALIKE_DATA/eth80", "instance-every-4"),
    ("eth80 category", "$LOOKALIKE_DATA/eth80", "category-every-4"),
    ("catalogue instance", "catalogue", "instance"), ("catalogue category", "catalogue", "category"),
)  # fmt: skip
CLASSICAL = ("hsv.12x4x4", "tiny.16x16", "hog.8x8")
METRICS = ("mAP", "hit@1", "precision@10")


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("names", nargs="*")
    told.add_argument("--threads", type=int, default=0)
    told.add_argument("--classical", action="store_true", help="measure the classical encoders again too")
    options = told.parse_args()
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    models = [name for name in options.names or shipped() if (store.shipped() / "models" / name / "card.json").exists()]
    cards = {name: read_card(store.shipped() / "models" / name) for name in models}
    twins = {card["network"]["backbone"]: Untrained({**card, "name": card["network"]["backbone"]}) for card in cards.values()}
    classical = [encoders.get(name) for name in CLASSICAL if options.classical]
    figures = measure([*classical, *(encoders.get(name) for name in models), *twins.values()])
    for name, card in cards.items():
        note = {"protocol": "exact cosine search; see docs/training.md", "date": time.strftime("%Y-%m-%d")}
        twin = twins[card["network"]["backbone"]].name
        update_card(name, metrics={**note, **figures[name]}, untrained=figures[twin])
    write_report(figures)
    return 0


def shipped() -> list[str]:
    home = store.shipped() / "models"
    return sorted(path.name for path in home.iterdir() if path.name.endswith(".lookalike"))


def measure(tried: list) -> dict[str, dict]:
    """{encoder: {set: {metric: mean}}}; the pictures of each set are decoded once for all encoders."""
    figures: dict[str, dict] = {encoder.name: {} for encoder in tried}
    for encoder in tried:
        encoder.load()
    for title, locator, protocol in SETS:
        dataset = open_dataset(expanded(locator))
        embed.embed(dataset, tried)
        for encoder in tried:
            found = per_query(dataset, encoder, protocol, METRICS)
            means = {name: round(float(found.scores[name].mean()), 4) for name in METRICS}
            figures[encoder.name][title] = {**means, "queries": len(found.ids)}
    return figures


def write_report(figures: dict[str, dict]) -> None:
    folder = store.shipped() / "reports"
    held = folder / "encoders.json"
    before = json.loads(held.read_text()) if held.exists() else {}
    cards = [read_card(store.shipped() / "models" / name) for name in shipped()]
    wanted = [*CLASSICAL, *shipped(), *dict.fromkeys(card["network"]["backbone"] + UNTRAINED for card in cards)]
    merged = {name: {**before, **figures}[name] for name in wanted if name in {**before, **figures}}
    store.write_text(held, json.dumps(merged, indent=1) + "\n")
    lines = ["| encoder | " + " | ".join(title for title, _, _ in SETS) + " |", "|---|" + "---|" * len(SETS)]
    for name, sets in merged.items():
        lines.append(f"| `{name}` | " + " | ".join(cell(sets[title]) for title, _, _ in SETS) + " |")
    store.write_text(folder / "encoders.md", "mAP / hit@1 / P@10, exact cosine search.\n\n" + "\n".join(lines) + "\n")


def cell(means: dict) -> str:
    return " / ".join(f"{means[name]:.3f}".lstrip("0") for name in METRICS)


if __name__ == "__main__":
    raise SystemExit(main())
