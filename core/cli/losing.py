"""``waterfall``, ``ghosts`` and ``buckets``: where approximation loses, what it loses, and why."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.cli.output import Progress, command, emit, table
from core.cli.tuning import ready
from core.services.lab.buckets import METHODS, Buckets, buckets
from core.services.lab.view import query_view
from core.services.lab.waterfall import CODES, Chain, Waterfall, waterfall


def add_commands(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands, "waterfall", _waterfall, "How much each stage loses: full vectors, PCA, codes, index, re-ranking.",
        "--dataset catalogue --encoder hog.8x8",
        "--dataset catalogue --encoder hog.8x8 --pca 32 --code pq --index ivf_flat:nprobe=4",
        "--dataset ~/Pictures --encoder tiny.16x16 --pca 0 --code float16 --rerank 0 --json",
    )  # fmt: skip
    _shared(made)
    usual = Chain()
    made.add_argument("--pca", type=int, default=usual.pca, help=f"numbers that are kept; 0 = all (default: {usual.pca})")
    made.add_argument("--code", choices=CODES, default=usual.code, help=f"how a number is kept (default: {usual.code})")
    made.add_argument("--pq-bytes", type=int, default=0, help="bytes of a PQ code; 0 = by the dimension")
    made.add_argument("--index", default=usual.index, help=f"index over the codes; exact = none (default: {usual.index})")
    made.add_argument(
        "--rerank", type=int, default=usual.rerank, help="candidates for each hit, compared by full vectors; 0 = none"
    )
    made.add_argument("--protocol", help="default: the data set's usual one")
    made.add_argument("--log", help=argparse.SUPPRESS)
    _add_ghosts(commands)
    _add_buckets(commands)


def _add_ghosts(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands, "ghosts", _ghosts, "One query through an index and through exact search: found, lost, and wrong extras.",
        "--dataset catalogue --encoder hog.8x8 --query mug-15-0 --index sq8:rerank=1",
    )  # fmt: skip
    _shared(made)
    made.add_argument("--query", required=True, metavar="ID", help="id of a picture")
    made.add_argument("--index", default="hnsw:efSearch=16", help="with knobs (default: hnsw:efSearch=16)")


def _add_buckets(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands, "buckets", _buckets, "Which bits and bands of a query and other pictures collide, and how probable that was.",
        "--dataset catalogue --encoder hog.8x8 --query mug-15-0",
        "--dataset catalogue --encoder hog.8x8 --query mug-15-0 --method minhash --bits 128 --threshold .5",
    )  # fmt: skip
    _shared(made)
    made.add_argument("--query", required=True, metavar="ID", help="id of a picture")
    made.add_argument("--method", choices=METHODS, default="lsh")
    made.add_argument("--bits", type=int, default=64, help="bits, or permutations of minhash (default: 64)")
    made.add_argument("--rows", type=int, default=8, help="bits in a band of lsh (default: 8)")
    made.add_argument("--threshold", type=float, default=0.5, help="similarity from which pairs should meet (default: .5)")
    made.add_argument("--hash-dim", type=int, default=64, help="bits that minhash makes a set of (default: 64)")


def _shared(made: argparse.ArgumentParser) -> None:
    made.add_argument("--dataset", required=True, metavar="PATH_OR_NAME")
    made.add_argument("--encoder", required=True, metavar="NAME")
    made.add_argument("-k", type=int, default=10, help="hits that count (default: 10)")


def _waterfall(options: argparse.Namespace) -> None:
    chain = Chain(options.pca, options.code, options.pq_bytes, options.index, options.rerank)
    progress = Progress("stages", options.log)
    with progress.ending():
        found = waterfall(ready(options.dataset, options.encoder), options.encoder, chain, options.k, options.protocol, progress)
    progress.end("done", found.sentence)
    if options.json:
        return emit(found)
    _show_stages(found)


def _show_stages(found: Waterfall) -> None:
    rows = [
        {
            "stage": one.title, f"recall@{found.k}": f"{one.recall:.4f}", **{m: f"{v:.4f}" for m, v in one.quality.items()},
            "change, 95 %": "" if one.low is None else f"{one.low:+.4f} to {one.high:+.4f}", "bytes": f"{one.bytes:.0f}",
            "ms": f"{one.ms:.3g}", "lost": one.lost_count, "won back": one.won_back,
        }
        for one in found.stages
    ]  # fmt: skip
    table(rows, list(rows[0]))
    print(f"{found.queries} queries, {found.judged} of them judged by {found.protocol}; {found.size:,} pictures.")
    print(found.sentence)


def _ghosts(options: argparse.Namespace) -> None:
    found = query_view(ready(options.dataset, options.encoder), options.encoder, options.index, options.query, options.k)
    if options.json:
        return emit(found)
    rows = [{"place": one.rank or "-", "belongs at": one.true_rank or "-", "state": one.state, "score": f"{one.score:.4f}",
             "label": one.label, "id": one.id} for one in found.merged]  # fmt: skip
    table(rows, ["place", "belongs at", "state", "score", "label", "id"])
    print(
        f"{found.text}: recall {found.recall:.2f}, {found.p50:.3g} ms (exact {found.exact_p50:.3g} ms), {len(found.ghosts)} lost"
    )


def _buckets(options: argparse.Namespace) -> None:
    dataset = ready(options.dataset, options.encoder)
    found = buckets(dataset, options.encoder, options.method, options.query, bits=options.bits, rows=options.rows,
                    threshold=options.threshold, hash_dim=options.hash_dim, hits=options.k)  # fmt: skip
    if options.json:
        return emit(_plain(found))
    rows = [{"similarity": f"{p.similarity:.3f}", "cosine": f"{p.cosine:.3f}", "equal": f"{int(p.equal.sum())} of {found.bits}",
             "bands": f"{int(p.bands.sum())} of {found.bands}", "expected to meet": f"{p.expected:.2f}",
             "met": "yes" if p.met else "no", "label": p.label, "id": p.id} for p in found.pairs]  # fmt: skip
    table(rows, list(rows[0]))
    print(f"\n{found.bands} bands of {found.rows}: {found.formula}")
    print(f"At a similarity of {found.threshold:g} a pair meets with {found.at_threshold:.2f}; steepest at {found.steepest:.2f}.")
    print(f"The query meets {found.shares:.1%} of the gallery. Source: {found.source}. {found.about}")
    rows = [{"similarity": f"{at:.3f}", "met": f"{share:.3f}", "pairs": pairs} for at, share, pairs in found.measured]
    table(rows, ["similarity", "met", "pairs"])


def _plain(found: Buckets) -> dict:
    """Arrays as lists."""
    made = asdict(found)
    made |= {name: made[name].tolist() for name in ("code", "similarity", "probability")}
    pairs = [
        {**pair, "equal": pair["equal"].astype(int).tolist(), "bands": pair["bands"].astype(int).tolist()}
        for pair in made["pairs"]
    ]
    return {**made, "code": [int(value) for value in made["code"]], "pairs": pairs}
