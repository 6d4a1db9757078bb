"""Measure how far maps of explanations are right: the deletion test on true hits of the embedded
gallery, encoder by encoder, method by method.

``python tools/measure_explanations.py [--encoders NAMES] [--pairs 100] [--missing] [--dry]``: for
each of so many queries, spread evenly, its best hit of the same product. The table goes into
docs/explanations.md, between its marks; a row is replaced where its encoder is measured again, and
with ``--missing`` only rows are measured that the table lacks or has of fewer pairs, so that a
stopped run goes on.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from core.services.explaining.explain import Query, explain, methods
from core.services.library import library
from core.services.search.request import SearchRequest
from core.services.search.serving import engine, search

PAGE = Path(__file__).parent.parent / "docs" / "explanations.md"
BEGIN, END = "<!-- deletion table: begin -->", "<!-- deletion table: end -->"
HEAD = (
    "| encoder | method | pairs | marked fifth | random fifth | difference, 95 % interval | marked"
    " above random | processor time |\n|---|---|---|---|---|---|---|---|"
)
DATASET, NEAR, MOST_HITS = "catalogue", 50, 1000
MOST_QUERIES = 400
"""About so many are searched with, to find pairs."""
RESAMPLES = 2000


def main() -> None:
    """Measure, print, and write the page."""
    options = _options()
    dataset = library.open_dataset(DATASET)
    names = options.encoders.split(",") if options.encoders else offline()
    for name in names:
        ways = [
            one.name
            for one in methods(engine(dataset, name).encoder)
            if wanted(name, one.name, options)
        ]
        pairs = true_pairs(dataset, name, options.pairs) if ways else []
        for way in ways:
            line = row(name, way, measured(dataset, name, way, pairs))
            print(line, flush=True)
            if not options.dry:
                write(name, way, line)


def wanted(encoder: str, method: str, options: argparse.Namespace) -> bool:
    """Whether this row is to be measured."""
    if options.methods and method not in options.methods.split(","):
        return False
    known = re.search(f"^{re.escape(start(encoder, method))} ([0-9]+) ", PAGE.read_text(), re.M)
    return not (options.missing and known and int(known[1]) >= options.pairs)


def start(encoder: str, method: str) -> str:
    """How a row begins."""
    return f"| `{encoder}` | {method} |"


def _options() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--encoders", default="", help="with commas; default: all that work offline")
    made.add_argument("--methods", default="", help="with commas; default: all")
    made.add_argument("--pairs", type=int, default=100)
    made.add_argument(
        "--missing",
        action="store_true",
        help="only rows that the table lacks or has of fewer pairs",
    )
    made.add_argument("--dry", action="store_true", help="print only")
    return made.parse_args()


def offline() -> list[str]:
    """Every bundled and packaged encoder."""
    return [
        row["name"]
        for row in library.encoder_rows()
        if row["tier"] in ("bundled", "packaged") and row["state"] == "ready"
    ]


def true_pairs(dataset, encoder: str, wanted: int) -> list[tuple[str, str]]:
    """(query, hit) ids: of each query the best hit of the same product. Those that stand among the
    first ``NEAR`` hits, spread evenly over the queries; where these are too few, the ones that
    stand nearest to the top."""
    found = _true(dataset, encoder, NEAR)
    if len(found) < wanted:
        found = sorted(_true(dataset, encoder, MOST_HITS))[:wanted]
    kept = np.linspace(0, len(found) - 1, min(wanted, len(found))).astype(int)
    return [found[place][1:] for place in kept]


def _true(dataset, encoder: str, depth: int) -> list[tuple[int, str, str]]:
    """(rank, query, hit): of each query the best hit of the same product among the first few."""
    protocol = dataset.protocol()
    queries = [item.id for item in dataset.items if protocol.is_query(item)]
    found = []
    for query in queries[:: max(1, len(queries) // MOST_QUERIES)]:
        hits = search(SearchRequest(Query(item_id=query), encoder, k=depth), dataset).hits
        hit = next((hit for hit in hits if hit.verdict == "same"), None)
        if hit is not None:
            found.append((hit.rank, query, hit.id))
    return found


def measured(dataset, encoder: str, method: str, pairs) -> np.ndarray:
    """(n, 3): fall for the marked fifth, mean fall for random ones, milliseconds of processor time;
    pairs whose map marks nothing are left out."""
    rows = []
    for query, hit in pairs:
        started = time.process_time()
        made = explain(Query(item_id=query), dataset, encoder, hit, method)
        spent = 1000 * (time.process_time() - started)
        if made.deletion is not None:
            rows.append((made.deletion.marked, made.deletion.random, spent))
    return np.array(rows).reshape(-1, 3)


def row(encoder: str, method: str, rows: np.ndarray) -> str:
    """A line of the table."""
    if not len(rows):
        return f"{start(encoder, method)} 0 | | | | | |"
    apart = rows[:, 0] - rows[:, 1]
    draw = np.random.default_rng(0).integers(0, len(apart), (RESAMPLES, len(apart)))
    low, high = np.percentile(apart[draw].mean(axis=1), (2.5, 97.5))
    verdict = "" if low > 0 else " (chance)"
    return (
        f"{start(encoder, method)} {len(rows)} | {rows[:, 0].mean():.3f} |"
        f" {rows[:, 1].mean():.3f} | {apart.mean():+.3f} [{low:+.3f}, {high:+.3f}]{verdict} |"
        f" {100 * (apart > 0).mean():.0f} % | {median(rows[:, 2]):.0f} ms |"
    )


def write(encoder: str, method: str, line: str) -> None:
    """Put a line into the page's table, in place of the one of the same encoder and method."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    kept = [one for one in table.strip().splitlines()[2:] if one.strip()]
    mark = start(encoder, method)
    if any(one.startswith(mark) for one in kept):
        kept = [line if one.startswith(mark) else one for one in kept]
    else:
        ours = [at for at, one in enumerate(kept, 1) if one.startswith(f"| `{encoder}` |")]
        kept.insert(ours[-1] if ours else len(kept), line)
    PAGE.write_text(f"{before}{BEGIN}\n{HEAD}\n" + "\n".join(kept) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
