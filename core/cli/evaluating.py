"""``evaluate``: how good encoders are; a report for people and for other programs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from core import fusion
from core.cli.options import LOG, command
from core.cli.output import Progress, aside, emit, table
from core.errors import UserError
from core.metrics.table import DEFAULT
from core.registry import UnknownName
from core.services.embedding.roles import CROSS_DOMAIN
from core.services.evaluation import ahead, crossing, gains, reports, studies
from core.services.evaluation.evaluate import evaluate, protocols_of
from core.services.evaluation.leaderboard import (
    Leaderboard,
    boards,
    cells_of,
    classes_of,
    leaderboard,
    means_of,
    method,
    metrics_of,
    nothing_to_evaluate,
    pairs_of,
    seen_in_words,
)
from core.services.library import library
from core.services.library.library import Dataset
from core.services.search import looking
from core.services.specs import split_names, weights_of
from core.services.steps import Steps

METRICS = ("mAP", "hit@1", "precision@10")


@command(f"""evaluate
    Evaluate encoders and indexes on data sets, with intervals and ranks.

    --datasets NAMES   names or paths, separated by commas [=]
    --queries NAMES    cross-domain: data sets whose queries search the gallery of another [=]
    --gallery NAME     the data set that is searched (default: what --join names) [=]
    --join NAME        which class is which: a CSV with the columns query_class,gallery_class, or
                       {", ".join(crossing.names())} (default: {crossing.SAME}) [=]
    --encoders NAMES   names, or 'ready': those that need no download [= ready]
    --indexes NAMES    with knobs as hnsw:efSearch=64 [default: exact]
    --protocols NAMES  names, or by:ATTRIBUTE; default: every full protocol [=]
    --crop DETECTOR    ask with the main box that this detector finds in each query; for galleries
                       of crops too, name encoders as NAME@DETECTOR [=]
    --rerank NAMES     also with the first hits in a new order:
                       {", ".join(looking.reranker_names()[1:])} [=]
    --fuse NAMES       also all encoders as one: {", ".join(fusion.METHODS)} [=]
    --fuse-weights W,W  of the fused encoders, or 'learned' on one half of the queries for the
                       other [=]
    --metric METRIC    what the printed ranks are by (default: mAP; hit@1 with approximate indexes
                       and cross-domain)
    --name NAME        what the report is called [default: latest]
    --out FOLDER       where to write it (default: the artifacts folder)
    --small            keep fewer per-query scores, in half precision
    --studies          add shared factors, robustness and data health
    --no-latency       measure no times
    {LOG}

    examples:
    evaluate --datasets catalogue --encoders hsv.12x4x4,hog.8x8
    evaluate --datasets catalogue,~/Pictures --encoders ready \
      --indexes exact,hnsw:efSearch=64 --json
    evaluate --datasets catalogue --encoders hog.8x8,hog.8x8@saliency --crop saliency
    evaluate --datasets catalogue --encoders hog.8x8,hsv.12x4x4 --rerank geometric,diffusion \
      --fuse rrf --fuse-weights learned
    evaluate --queries ~/Pictures/tiny_imagenet,~/Pictures/clothing --gallery catalogue \
      --join photo-to-catalogue --encoders hog.8x8
""")
def _evaluate(options: argparse.Namespace) -> None:
    _check_metric(options.metric, DEFAULT)
    progress = Progress("evaluating", options.log)
    with progress.ending():
        report, folder = _made(options, progress)
    made = len({cell.encoder for cell in report.cells})
    left = f"; {len(report.left_out)} left out" if report.left_out else ""
    progress.end("done", f"{made} encoder{'' if made == 1 else 's'} evaluated{left}.")
    aside(f"Saved as {folder.name}.")
    for line in report.left_out:
        aside(f"Left out: {line}")
    if options.json:
        return emit(report_json(report, options.metric))
    print_report(report, options.metric)


def _made(options: argparse.Namespace, progress: Progress) -> tuple[reports.Report, Path]:
    """The report that is asked for, and the folder that it was saved in."""
    datasets = _datasets(options)
    wanted = split_names(options.encoders)
    if wanted == ["ready"]:
        wanted = [row["name"] for row in library.encoder_rows() if row["state"] == "ready"]
    steps = Steps(progress)
    if options.studies:
        for dataset in datasets:
            named = protocols_of(dataset, split_names(options.protocols), options.crop)
            ahead.add_studies(steps, dataset, wanted, named)
    report = evaluate(
        options.name,
        datasets,
        wanted,
        split_names(options.indexes),
        split_names(options.protocols),
        steps,
        timed=not options.no_latency,
        crop=options.crop,
        rerank=split_names(options.rerank),
        fuse=split_names(options.fuse),
        weights=weights_of(options.fuse_weights),
    )
    if not any(cell.evaluated.any() for cell in report.cells):
        raise nothing_to_evaluate(report.cells[0])  # before it takes the place of another report
    to = Path(options.out).expanduser() if options.out else None
    folder = report.save(to, small=options.small)
    if options.studies:
        steps.what = "Closer looks"
        studies.make(folder, report, datasets, progress=steps)
    steps.close()
    return report, folder


def _datasets(options: argparse.Namespace) -> list[Dataset]:
    """What is evaluated: the named data sets, and the cross-domain one. Raises UserError: none."""
    named = [library.open_dataset(name) for name in split_names(options.datasets)]
    datasets = list({one.locator: one for one in named}.values())
    queries = split_names(options.queries)
    if queries or options.gallery or options.join:
        datasets.append(crossing.opened(queries, options.gallery, options.join))
    if not datasets:
        raise UserError(
            "No data set was named.",
            "--datasets NAMES, or --queries NAMES --gallery NAME for cross-domain.",
        )
    return datasets


def _check_metric(name: str | None, known: Sequence[str]) -> None:
    """Raises UnknownName."""
    if name and name not in known:
        raise UnknownName("metric", name, list(known))


def _boards(
    report: reports.Report, metric: str | None
) -> list[tuple[str, str, Leaderboard | UserError]]:
    found: list[tuple[str, str, Leaderboard | UserError]] = []
    known = metrics_of(report)
    _check_metric(metric, known)
    usual = next(iter(known), "mAP")
    for dataset, protocol in boards(report):
        crossed = protocol.startswith(CROSS_DOMAIN) and "hit@1" in known
        by = metric or ("hit@1" if crossed else usual)
        try:
            found.append((dataset, protocol, leaderboard(report, dataset, protocol, by)))
        except UserError as error:
            found.append((dataset, protocol, error))
    return found


def _print_gains(report: reports.Report, metric: str) -> None:
    """Each re-ranker beside the same search without, each fusion beside its best member."""
    found = gains.gains_or_none(report, metric)
    if not found:
        return
    print(f"\nGain in {metric} by a second look")
    rows = [
        {
            "on": f"{one.dataset} / {one.protocol}",
            "encoder": one.encoder,
            "by": one.title,
            "gain": f"{one.gain:+.4f}",
            "95 %": f"{one.low:+.3f} to {one.high:+.3f}",
            "verdict": one.verdict,
            "hurts": ", ".join(f"{name} {drop:+.2f}" for name, drop, _ in one.hurt),
        }
        for one in found
    ]
    table(rows)


def print_report(report: reports.Report, metric: str | None) -> None:
    for dataset, protocol, board in _boards(report, metric):
        print(f"\n{dataset} / {protocol}")
        if isinstance(board, UserError):
            print(board)
        else:
            _print_board(report, dataset, protocol, board)
    if any(cell.looks_twice for cell in report.cells):
        _print_gains(report, metric or "mAP")


def _print_board(report: reports.Report, dataset: str, protocol: str, board: Leaderboard) -> None:
    cells = {(cell.encoder, cell.index): cell for cell in cells_of(report, dataset, protocol)}
    others = [name for name in METRICS if name != board.metric and name in metrics_of(report)]
    beside = {name: means_of(report, dataset, protocol, name) for name in others}
    rows = [
        {
            "rank": s.rank,
            "encoder": s.encoder,
            "index": s.index,
            board.metric: f"{s.mean:.4f}",
            "95 %": f"{s.low:.3f} to {s.high:.3f}",
            "by class": f"{s.class_mean:.4f}",
            **{name: f"{means[s.encoder, s.index]:.4f}" for name, means in beside.items()},
            "seen": cells[s.encoder, s.index].card.get("seen", ""),
        }
        for s in board.standings
    ]
    table(rows, ["rank", "encoder", "index", board.metric, "95 %", "by class", *others, "seen"])
    more = f"; {board.unjudged} without any relevant picture left out" if board.unjudged else ""
    several = len(board.standings) > 1
    least = f" Differences under {board.smallest:.3f} can't be detected." if several else ""
    print(f"{board.queries} queries in {board.clusters} independent groups{more}.{least}")
    for words, names in seen_in_words(cells.values()).items():
        print(f"Seen by {', '.join(names)}: {words}.")
    if protocol == CROSS_DOMAIN:
        _print_classes(report, dataset, board)


def _print_classes(report: reports.Report, dataset: str, board: Leaderboard) -> None:
    """What is joined, and every class by itself."""
    cells = cells_of(report, dataset, CROSS_DOMAIN)
    print(f"Joined: {next(cell.card.get('joined classes', '') for cell in cells)}.\n")
    rows = []
    for one in classes_of(report, dataset, CROSS_DOMAIN, board.metric):
        means = {
            f"{row['encoder']} {row['index']}".removesuffix(" exact"): f"{row['mean']:.4f}"
            for row in one["means"]
        }
        rows.append({f"{board.metric} of": one["class"], "queries": one["queries"], **means})
    table(rows)


def report_json(report: reports.Report, metric: str | None) -> dict:
    frame = report.to_frame()
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    shown = [_board_json(report, *found) for found in _boards(report, metric)]
    cards = [cell.card for cell in report.cells]
    return {
        "gains": gains.gain_rows(gains.gains_or_none(report, metric or "mAP")),
        "name": report.name,
        "rows": rows,
        "leaderboards": shown,
        "left_out": list(report.left_out),
        "cards": cards,
    }


def _board_json(
    report: reports.Report, dataset: str, protocol: str, board: Leaderboard | UserError
) -> dict:
    head = {"dataset": dataset, "protocol": protocol}
    if isinstance(board, UserError):
        return head | {"standings": [], "why": str(board)}
    smallest = board.smallest if board.smallest != float("inf") else None
    return head | {
        "metric": board.metric,
        "queries": board.queries,
        "unjudged": board.unjudged,
        "clusters": board.clusters,
        "smallest_difference": smallest,
        "statistics": method(board),
        "standings": list(board.standings),
        "pairs": pairs_of(board),
        "seen": [
            {
                "encoder": cell.encoder,
                "index": cell.index,
                "seen": cell.card.get("seen", ""),
                "in_words": cell.card.get("seen in words", ""),
            }
            for cell in cells_of(report, dataset, protocol)
        ],
        "classes": classes_of(report, dataset, protocol, board.metric),
    }
