"""``evaluate`` and ``report``: how good encoders are, and what was found, for people and for other programs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.cli.output import Progress, command, emit, table
from core.errors import UserError
from core.services import library, report_files, reports, studies
from core.services.evaluate import evaluate
from core.services.leaderboard import Leaderboard, boards, leaderboard, method, metrics_of, pairs_of
from core.services.naming import split_names

METRICS = ("mAP", "hit@1", "precision@10")


def add_commands(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands, "evaluate", _evaluate, "Judge encoders and indexes on data sets, with intervals and ranks.",
        "--datasets catalogue --encoders hsv.12x4x4,hog.8x8",
        "--datasets catalogue,~/Pictures --encoders ready --indexes exact,hnsw:efSearch=64 --json",
    )  # fmt: skip
    made.add_argument("--datasets", required=True, metavar="NAMES", help="names or paths, separated by commas")
    made.add_argument("--encoders", default="ready", metavar="NAMES", help="names, or 'ready': those that need no download")
    made.add_argument("--indexes", default="exact", metavar="NAMES", help="with knobs as hnsw:efSearch=64 (default: exact)")
    made.add_argument("--protocols", default="", metavar="NAMES", help="names, or by:ATTRIBUTE; default: every full protocol")
    made.add_argument("--metric", help="what the printed ranks are by (default: mAP, or hit@1 with approximate indexes)")
    made.add_argument("--name", default="latest", help="what the report is called (default: latest)")
    made.add_argument("--out", metavar="FOLDER", help="where to write it (default: the artifacts folder)")
    made.add_argument("--small", action="store_true", help="keep fewer per-query scores, in half precision")
    made.add_argument("--studies", action="store_true", help="add probes, robustness and data health, for the Metrics page")
    made.add_argument("--no-latency", action="store_true", help="measure no times")
    made.add_argument("--log", help=argparse.SUPPRESS)
    _add_report(commands)


def _add_report(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands, "report", _report, "Show a saved report, or write it for other programs.",
        "--name leaderboard", "--name leaderboard --csv", "--name latest --latex catalogue/instance",
        "--name leaderboard --scores catalogue/instance",
        "--trec-run catalogue --encoder hog.8x8 > run.txt", "--trec-qrels catalogue --encoder hog.8x8 > qrels.txt",
    )  # fmt: skip
    made.add_argument("--name", help="a report; without, all are listed")
    made.add_argument("--metric", help="what the ranks are by")
    made.add_argument("--csv", action="store_true", help="every figure as CSV")
    made.add_argument("--latex", metavar="DATASET/PROTOCOL", help="one board as a LaTeX table")
    made.add_argument("--scores", metavar="DATASET/PROTOCOL", help="every query's scores on one board as CSV")
    made.add_argument("--trec-run", metavar="DATASET", help="ranked lists of --encoder in the form of trec_eval")
    made.add_argument("--trec-qrels", metavar="DATASET", help="what is relevant, in the form of trec_eval")
    made.add_argument("--encoder", help="for the TREC forms")
    made.add_argument("--protocol", help="for the TREC forms (default: the data set's usual one)")


def _evaluate(options: argparse.Namespace) -> None:
    datasets = [library.open_dataset(name) for name in split_names(options.datasets)]
    wanted = split_names(options.encoders)
    if wanted == ["ready"]:
        wanted = [row["name"] for row in library.encoder_rows() if row["state"] == "ready"]
    progress = Progress("judging", options.log)
    try:
        report = evaluate(options.name, datasets, wanted, split_names(options.indexes), split_names(options.protocols), progress,
                          timed=not options.no_latency)  # fmt: skip
        folder = report.save(Path(options.out).expanduser() if options.out else None, small=options.small)
        if options.studies:
            studies.make(folder, report, datasets, progress=Progress("studying", options.log))
    except BaseException as error:
        progress.end("failed" if isinstance(error, UserError) else "cancelled", str(error))
        raise
    progress.end("done", f"saved as {folder.name}" + (f"; {len(report.left_out)} left out" if report.left_out else ""))
    for line in report.left_out:
        print(f"Left out: {line}", file=sys.stderr)
    if options.json:
        return emit(_json(report, options.metric))
    for board in _boards(report, options.metric):
        _print(board)


def _report(options: argparse.Namespace) -> None:
    if options.trec_run or options.trec_qrels:
        return _trec(options)
    if not options.name:
        rows = [{"name": name} for name in reports.listing()]
        return emit(rows) if options.json else table(rows, ["name"])
    report = reports.Report.load(reports.find(options.name))
    if options.csv:
        sys.stdout.write(report_files.csv(report))
    elif options.latex:
        dataset, _, protocol = options.latex.rpartition("/")
        sys.stdout.write(report_files.latex(report, dataset, protocol))
    elif options.scores:
        dataset, _, protocol = options.scores.rpartition("/")
        sys.stdout.write(report_files.scores_csv(report, dataset, protocol))
    elif options.json:
        emit(_json(report, options.metric))
    else:
        for board in _boards(report, options.metric):
            _print(board)


def _trec(options: argparse.Namespace) -> None:
    if not options.encoder:
        raise UserError("A TREC file needs an encoder.", fix="Add --encoder NAME.")
    made = report_files.trec_run if options.trec_run else report_files.trec_qrels
    for line in made(library.open_dataset(options.trec_run or options.trec_qrels), options.encoder, options.protocol):
        sys.stdout.write(line)


def _boards(report: reports.Report, metric: str | None) -> list[tuple[str, str, Leaderboard | UserError]]:
    found, metric = [], metric or next(iter(metrics_of(report)), "mAP")
    for dataset, protocol in boards(report):
        try:
            found.append((dataset, protocol, leaderboard(report, dataset, protocol, metric)))
        except UserError as error:
            found.append((dataset, protocol, error))
    return found


def _print(found: tuple[str, str, Leaderboard | UserError]) -> None:
    dataset, protocol, board = found
    print(f"\n{dataset} / {protocol}")
    if isinstance(board, UserError):
        print(board)
        return
    rows = [{"rank": s.rank, "encoder": s.encoder, "index": s.index, board.metric: f"{s.mean:.4f}",
             "95 %": f"{s.low:.3f} to {s.high:.3f}", "by class": f"{s.class_mean:.4f}"} for s in board.standings]  # fmt: skip
    table(rows, ["rank", "encoder", "index", board.metric, "95 %", "by class"])
    more = f"; {board.unjudged} without anything relevant are left out" if board.unjudged else ""
    print(f"{board.queries} queries in {board.clusters} independent groups{more}.", end="")
    print(f" Differences under {board.smallest:.3f} can't be shown." if len(board.standings) > 1 else "")


def _json(report: reports.Report, metric: str | None) -> dict:
    frame = report.to_frame()
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    shown = [_board_json(*found) for found in _boards(report, metric)]
    cards = [cell.card for cell in report.cells]
    return {"name": report.name, "rows": rows, "leaderboards": shown, "left_out": list(report.left_out), "cards": cards}


def _board_json(dataset: str, protocol: str, board: Leaderboard | UserError) -> dict:
    head = {"dataset": dataset, "protocol": protocol}
    if isinstance(board, UserError):
        return head | {"standings": [], "why": str(board)}
    smallest = board.smallest if board.smallest != float("inf") else None
    return head | {"metric": board.metric, "queries": board.queries, "unjudged": board.unjudged, "clusters": board.clusters,
                   "smallest_difference": smallest, "statistics": method(board),
                   "standings": list(board.standings), "pairs": pairs_of(board)}  # fmt: skip
