"""What re-ranking and fusion are worth, for docs/reranking.md and the view of Metrics.

    LOOKALIKE_DATA=path/to/photographs python tools/measure_reranking.py --write

Every re-ranker beside the same search without, and every fusion beside its best member, on queries
taken evenly over each set; what is finished comes from the cache, so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.datasets.base import Dataset
from core.rerankers.base import NONE, rerankers
from core.services.embedding import build
from core.services.evaluation.cells import Cell, cell
from core.services.evaluation.fused import fused_cell
from core.services.evaluation.gains import FILE, Gain, gain_rows, gains
from core.services.evaluation.reports import Report
from core.services.library import library
from core.services.specs import EXACT, LEARNED

PAGE, DATA = ROOT / "docs" / "reranking.md", ROOT / "artifacts" / FILE
BEGIN = "<!-- reranking:begin (written by tools/measure_reranking.py) -->"
END = "<!-- reranking:end -->"
ENCODERS = ("tf_efficientnet_lite0.in1k", "sift.vlad32", "hog.8x8", "hsv.12x4x4")
FUSIONS = (
    ("rrf", ()),
    ("combsum", ()),
    ("combmnz", ()),
    ("rrf", LEARNED),
    ("combsum", LEARNED),
    ("combmnz", LEARNED),
)
MAX_QUERIES = 1100
"""Queries of a set, taken evenly where it has more: all of catalogue and clothing. Each set then
takes less than 20 minutes of two cores, most of them SIFT matching."""
FIGURES = ("mAP", "hit@1")


def opened(names: list[str]) -> list[Dataset]:
    home = Path(os.environ.get("LOOKALIKE_DATA", ""))
    return [
        library.open_dataset(name if name == "catalogue" else str(home / name)) for name in names
    ]


def cells(dataset: Dataset, encoders: list[str]) -> list[Cell]:
    """Each encoder alone and re-ranked, SIFT matching, and all encoders fused."""
    usual = dataset.protocol()
    asked = sum(usual.is_query(item) for item in dataset.items)
    protocol = replace(usual, every=max(1, -(-asked // MAX_QUERIES)))
    wanted = [*encoders, "sift.match"]
    build.build(dataset, wanted)
    made = []
    for encoder, name in product(encoders, rerankers.names()):
        spec = EXACT if name == NONE else replace(EXACT, reranker=name)
        made.append(told(cell(dataset, encoder, protocol, spec)))
    made.append(told(cell(dataset, "sift.match", protocol, EXACT)))
    for method, weights in FUSIONS:
        made.append(told(fused_cell(dataset, encoders, protocol, method, weights)))
    return made


def told(made: Cell) -> Cell:
    means = made.means()
    figures = ", ".join(f"{name} {means[name]:.3f}" for name in FIGURES)
    print(f"{made.dataset} {made.encoder} {made.index}: {figures}", flush=True)
    return made


def sampled(datasets: list[Dataset], report: Report) -> str:
    """How many of each set's queries were asked, in a sentence."""
    told = []
    for dataset in datasets:
        usual = dataset.protocol()
        every = sum(usual.is_query(item) for item in dataset.items)
        asked = next(len(cell.queries) for cell in report.cells if cell.dataset == dataset.name)
        share = "all" if asked == every else f"of {every:,}, evenly"
        told.append(f"{dataset.name} {asked:,} ({share})")
    return f"Queries: {', '.join(told)}."


def table(report: Report) -> str:
    """Both tables as Markdown."""
    lines = ["| set | encoder | re-ranker | queries | mAP | gain | hit@1 gain | where it hurts |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    first = {(g.dataset, g.encoder, g.way): g for g in gains(report, "hit@1")}
    every = gains(report, "mAP")
    for one in [gain for gain in every if not gain.against]:
        other = first[one.dataset, one.encoder, one.way]
        lines.append(
            f"| {one.dataset} | `{one.encoder}` | {one.title} | {one.queries} |"
            f" {one.before:.3f} → {one.mean:.3f} | {shown(one)} | {shown(other)} | {hurt(one)} |"
        )
    lines += ["", "| set | fusion | best member | mAP | gain | hit@1 gain | weights |"]
    lines.append("|---|---|---|---|---|---|---|")
    weights = {(c.dataset, c.encoder): c.card.get("weights", "") for c in report.cells}
    for one in [gain for gain in every if gain.against]:
        other = first[one.dataset, one.encoder, one.way]
        lines.append(
            f"| {one.dataset} | {one.title} | `{one.against}` | {one.before:.3f} → {one.mean:.3f} |"
            f" {shown(one)} | {shown(other)} | {weights[one.dataset, one.encoder]} |"
        )
    lines += ["", *matching(report)]
    return "\n".join(lines)


def matching(report: Report) -> list[str]:
    lines = [
        "| set | `sift.match` mAP | hit@1 | `sift.vlad32` mAP | hit@1 |",
        "|---|---|---|---|---|",
    ]
    known = {(c.dataset, c.encoder): c.means() for c in report.cells if c.index == EXACT.text}
    for dataset in dict.fromkeys(one.dataset for one in report.cells):
        pair = [known[dataset, name] for name in ("sift.match", "sift.vlad32")]
        lines.append(
            f"| {dataset} | " + " | ".join(f"{m[f]:.3f}" for m in pair for f in FIGURES) + " |"
        )
    return lines


def shown(gain: Gain) -> str:
    """The gain with its interval, in bold where the interval leaves zero out."""
    words = f"{gain.gain:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
    return words if gain.verdict == "no difference" else f"**{words}**"


def hurt(gain: Gain) -> str:
    return ", ".join(f"{name} {difference:+.2f}" for name, difference, _ in gain.hurt)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--datasets", nargs="+", default=["catalogue", "clothing", "eth80"])
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS))
    parser.add_argument("--write", action="store_true", help="into docs and artifacts/reports")
    options = parser.parse_args()
    datasets = opened(options.datasets)
    made = [one for dataset in datasets for one in cells(dataset, options.encoders)]
    report = Report.of("reranking", made)
    told = f"{sampled(datasets, report)}\n\n{table(report)}"
    if options.write:
        rows = [{"metric": m, **row} for m in FIGURES for row in gain_rows(gains(report, m))]
        DATA.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
        text = re.sub(
            f"{re.escape(BEGIN)}.*?{re.escape(END)}",
            lambda _: f"{BEGIN}\n{told}\n{END}",
            PAGE.read_text(),
            flags=re.DOTALL,
        )
        PAGE.write_text(text)
    print(told)


if __name__ == "__main__":
    main()
