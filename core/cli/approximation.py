"""``waterfall``, ``missed`` and ``buckets``: approximation loss, missed neighbours, and why."""

import argparse
import math
import os
from typing import Any

from core.cli.building import ready
from core.cli.options import DATASET, ENCODER, LOG, PICTURE, PROTOCOL, K, command
from core.cli.output import Progress, emit, held, say, table
from core.datasets.base import Dataset
from core.errors import UserError
from core.services.index_lab.buckets import METHODS, Buckets, buckets
from core.services.index_lab.view import query_view
from core.services.index_lab.waterfall import CODES, Chain, Stage, Waterfall, most_pca, waterfall
from core.services.library import library
from core.services.search.request import Query, item_of
from core.services.search.result import IDENTICAL
from core.services.search.serving import query_from_file

HASHED: dict[str, dict[str, Any]] = {"lsh": {"bits": 64, "threshold": 0.4, "hash_dim": 64}}
"""What bands of bits begin with: no index has them. The others begin as their indexes do."""
ROWS = 8
"""Bits in a band of lsh."""
DIGITS = 6
"""So many decimals of a mean are kept."""
USUAL = Chain()
SHARED = f"{DATASET}\n{ENCODER}\n{K}"


@command(f"""waterfall
    Approximation loss by stage: full vectors, PCA, quantisation, index, re-ranking.

    {SHARED}
    --pca PCA         dimensions after PCA; 0 = none (default: {USUAL.pca}, or as many as there are)
                      [int]
    --code {{{",".join(CODES)}}}  quantisation (default: {USUAL.code}, which is SQ8)
                      [= {USUAL.code}]
    --pq-bytes PQ_BYTES  bytes of a PQ code; 0 = by the dimension [int, = 0]
    --index INDEX     index over the codes; exact = none [default: {USUAL.index}]
    --rerank RERANK   candidates for each hit, compared by full vectors; 0 = none
                      [int, = {USUAL.rerank}]
    {PROTOCOL}
    {LOG}

    examples:
    waterfall --dataset catalogue --encoder hog.8x8
    waterfall --dataset catalogue --encoder hog.8x8 --pca 32 --code pq --index ivf_flat:nprobe=4
    waterfall --dataset ~/Pictures --encoder tiny.16x16 --pca 0 --code float16 --rerank 0 --json
""")
def _waterfall(options: argparse.Namespace) -> None:
    progress = Progress("stages", options.log)
    with progress.ending():
        dataset = ready(options.dataset, [options.encoder])
        usual = min(USUAL.pca, most_pca(dataset, options.encoder))
        pca = usual if options.pca is None else options.pca
        chain = Chain(pca, options.code, options.pq_bytes, options.index, options.rerank)
        found = waterfall(dataset, options.encoder, chain, options.k, options.protocol, progress)
    progress.end("done", found.sentence)
    if options.json:
        return emit(found)
    _show_stages(found)


def _show_stages(found: Waterfall) -> None:
    rows = [
        {
            "stage": one.title,
            f"recall@{found.k}": f"{one.recall:.4f}",
            **{m: f"{v:#.3g}" for m, v in one.quality.items()},
            **{f"{m.partition('@')[0]} change, 95 %": _change(one) for m in list(one.quality)[:1]},
            "bytes": f"{one.bytes:.0f}",
            "ms": f"{one.ms:.3g}",
            "newly missed": one.lost_count,
            "recovered": one.won_back,
        }
        for one in found.stages
    ]
    table(rows)
    print()
    for one in found.stages:
        print(f"{one.title}: {one.about}")
    print()
    print(
        f"{found.queries} queries, {found.judged} of them evaluated by {found.protocol};"
        f" {found.size:,} pictures."
    )
    print(found.sentence)


def _change(stage: Stage) -> str:
    """The interval of the difference to the stage before."""
    if stage.low is None or stage.high is None:
        return ""
    low, high = _signed(stage.low), _signed(stage.high)
    return "no change" if low == high == "0" else f"{low} to {high}"


def _signed(value: float) -> str:
    """Two digits that count, wherever they stand: ``-0.00034``; 0 where that is too little."""
    if abs(value) < 0.5 * 10.0**-DIGITS:
        return "0"
    return f"{value:+.{min(DIGITS, max(0, 1 - math.floor(math.log10(abs(value)))))}f}"


def _asked(dataset: Dataset, text: str) -> Query:
    """A picture file, ``id:NAME``, or the bare id of a picture."""
    if text in dataset.rows or not (
        text.startswith("id:") or os.path.exists(text) or os.sep in text
    ):
        return Query(item_id=item_of(dataset, text).id, name=text)
    return query_from_file(dataset, text)


@command(f"""missed ghosts
    One query through an index and through exact search: found, missed and extra hits.

    {SHARED}
    {PICTURE} [required]
    --index INDEX  with knobs [default: hnsw:efSearch=16]

    examples:
    missed --dataset catalogue --encoder hog.8x8 --query id:mug-15-0 --index sq8:rerank=1
    missed --dataset catalogue --encoder hog.8x8 --query photo.jpg --index lsh:bits=64,rerank=1
""")
def _missed(options: argparse.Namespace) -> None:
    dataset = ready(options.dataset, [options.encoder])
    asked = _asked(dataset, options.query)
    query = asked.item_id or asked.name
    found = query_view(dataset, options.encoder, options.index, query, options.k, data=asked.data)
    if options.json:
        return emit(found)
    rows = [
        {
            "rank": one.rank or "-",
            "exact rank": one.true_rank or "-",
            "state": {"ghost": "missed"}.get(one.state, one.state),
            "score": f"{one.score:.4f}",
            "label": one.label,
            "file": IDENTICAL if one.identical else "",
            "id": one.id,
        }
        for one in found.merged
    ]
    table(rows, ["rank", "exact rank", "state", "score", "label", *held(rows, "file"), "id"])
    if found.left_out is not None:
        say(f"Left out: {found.left_out}, the query itself.")
    times = f"{found.p50:.3g} ms (exact {found.exact_p50:.3g} ms)"
    print(f"{found.text}: recall {found.recall:.2f}, {times}, {len(found.ghosts)} missed")


@command(f"""buckets
    Which bits and bands of a query and other pictures collide, and how probable that was.

    {SHARED}
    --query id:NAME        a picture of the dataset [required]
    --method {{{",".join(METHODS)}}} [= lsh]
    --bits BITS            bits, or permutations of minhash (default: {HASHED["lsh"]["bits"]}; for
                           minhash that of the index) [int]
    --rows ROWS            bits in a band of lsh (default: {ROWS}) [int]
    --threshold THRESHOLD  similarity from which pairs should collide (default:
                           {HASHED["lsh"]["threshold"]:g}; for minhash that of the index) [float]
    --hash-dim HASH_DIM    bits that minhash makes a set of (default: that of the index) [int]

    examples:
    buckets --dataset catalogue --encoder hog.8x8 --query id:mug-15-0
    buckets --dataset catalogue --encoder hog.8x8 --query id:mug-15-0 --method minhash --bits 64 \
      --threshold .5
""")
def _buckets(options: argparse.Namespace) -> None:
    dataset = ready(options.dataset, [options.encoder])
    asked = _asked(dataset, options.query)
    if asked.item_id is None:
        raise UserError(
            f"{options.query} is no picture of {dataset.title or dataset.name}.",
            "Buckets hold those alone.",
        )
    other = "hash_dim" if options.method == "lsh" else "rows"
    if getattr(options, other) is not None:
        name = f"--{other.replace('_', '-')}"
        raise UserError(f"{name} was given.", f"{options.method} has none.", "Leave it out.")
    asking = {"rows": ROWS, **_usual(options.method)}
    asking |= {name: value for name in asking if (value := getattr(options, name)) is not None}
    found = buckets(
        dataset, options.encoder, options.method, asked.item_id, hits=options.k, **asking
    )
    if options.json:
        return emit(found)
    _show_buckets(found)


def _usual(method: str) -> dict[str, Any]:
    """What hashing begins with: the defaults of its index where it has one."""
    if method in HASHED:
        return HASHED[method]
    row = library.get_index_row(method)
    knobs = {**row["build_knobs"], **row["search_knobs"]}
    named = {"bits": "num_perm", "threshold": "threshold", "hash_dim": "hash_dim"}
    return {name: knobs[knob]["default"] for name, knob in named.items()}


def _show_buckets(found: Buckets) -> None:
    apart = found.method != "lsh"  # random planes hash the cosine itself
    rows = [
        {
            **({"similarity": f"{p.similarity:.3f}"} if apart else {}),
            "cosine": f"{p.cosine:.3f}",
            "equal": f"{int(p.equal.sum())} of {found.bits}",
            "bands": f"{int(p.bands.sum())} of {found.bands}",
            "collision probability, %": f"{100 * p.expected:.1f}",
            "collides": "yes" if p.met else "no",
            "label": p.label,
            "id": p.id,
        }
        for p in found.pairs
    ]
    table(rows)
    print(f"\n{found.bands} bands of {found.rows}: {found.formula}")
    print(
        f"Pairs of similarity {found.threshold:g} collide with {found.at_threshold:.1%}; steepest"
        f" at {found.steepest:.2f}."
    )
    print(
        f"The query collides with {found.shares:.1%} of the gallery. Source: {found.source}."
        f" {found.about}"
    )
    bins = [
        {"similarity": f"{at:.3f}", "collided, %": f"{100 * share:.1f}", "pairs": pairs}
        for at, share, pairs in found.measured
    ]
    table(bins, ["similarity", "collided, %", "pairs"])
