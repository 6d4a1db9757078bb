"""``report``: what was found, for other programs and as one file that works without a network."""

import argparse
import sys
from pathlib import Path

from core import store
from core.cli import mapping, searching
from core.cli.evaluating import print_report, report_json
from core.cli.options import command, declare
from core.cli.output import emit, show, writing
from core.errors import UserError
from core.services.evaluation import report_files, reports
from core.services.library import library
from core.services.sharing import talks
from core.services.sharing.comparison import comparison_page
from core.services.sharing.scenes import talk_page
from core.services.sharing.standings import leaderboard_page
from core.services.sharing.training import effect_page

PAGES = """
    --compare     HTML of a comparison: --dataset --encoders --query
    --evaluate    HTML of the leaderboards of the report --name
    --map         HTML of maps: --dataset --encoders
    --talk FILE   HTML of a talk: the JSON file that Export talk writes
    --effect RUN  HTML of what a training run changed
"""

FILE = """
    --out FILE        the HTML file to write
    --encoders NAMES  separated by commas
    --projection PROJECTION  of --map [default: aligned]
"""


def _pages(made: argparse.ArgumentParser) -> None:
    declare(made.add_mutually_exclusive_group(), PAGES)
    declare(made, FILE)
    searching.add_query(made, required=False)
    made.set_defaults(set=[], log=None, colour="", redraw=False)


@command(
    """report
    Show a saved report, write it for other programs, or put a view into one HTML file.

    --name NAME          a report; without, all are listed
    --metric METRIC      what the ranks are by
    --csv                every figure as CSV
    --latex DATASET/PROTOCOL     one board as a LaTeX table
    --markdown DATASET/PROTOCOL  one board as a Markdown table
    --scores DATASET/PROTOCOL    every query's scores on one board as CSV
    --trec-run DATASET   ranked lists of --encoder in the form of trec_eval
    --trec-qrels DATASET  what is relevant, in the form of trec_eval
    --encoder ENCODER    for the TREC forms
    --protocol PROTOCOL  for the TREC forms (default: the data set's usual one)

    examples:
    report --name leaderboard
    report --name leaderboard --csv
    report --name latest --latex catalogue/instance
    report --name leaderboard --scores catalogue/instance
    report --trec-run catalogue --encoder hog.8x8 > run.txt
    report --trec-qrels catalogue --encoder hog.8x8 > qrels.txt
    report --compare --dataset catalogue --encoders hog.8x8,hsv.12x4x4 --query id:mug-16-0 \
      --out compare.html
    report --evaluate --name leaderboard --out leaderboard.html
    report --map --dataset catalogue --encoders hog.8x8 --out map.html
    report --talk talk.json --out talk.html
""",
    _pages,
)
def _report(options: argparse.Namespace) -> None:
    if options.compare or options.evaluate or options.map or options.effect or options.talk:
        return _file(options)
    if options.out:
        raise UserError(
            "--out is of a view as HTML.",
            "Those are --compare, --evaluate, --map, --talk and --effect.",
            "Other forms are printed: write > FILE behind the command.",
        )
    if options.trec_run or options.trec_qrels:
        return _trec(options)
    if not options.name:
        _refuse_nameless(options)
        return show(options, [{"name": name} for name in reports.listing()], ["name"])
    report = reports.Report.load(reports.find(options.name))
    if options.csv:
        sys.stdout.write(report_files.csv(report))
    elif options.json:
        emit(report_json(report, options.metric))
    elif not _board(options, report):
        print_report(report, options.metric)


def _refuse_nameless(options: argparse.Namespace) -> None:
    """Raise UserError where something was asked of a report, and none was named."""
    for form in ("csv", "latex", "markdown", "scores", "metric"):
        if getattr(options, form):
            raise UserError(
                f"--{form} is of one report.",
                f"There are: {', '.join(reports.listing())}.",
                "Add --name NAME.",
            )


def _board(options: argparse.Namespace, report: reports.Report) -> bool:
    """One board in another form; False where none was asked for."""
    makers = {
        "latex": report_files.latex,
        "markdown": report_files.markdown,
        "scores": report_files.scores_csv,
    }
    for form, make in makers.items():
        if wanted := getattr(options, form):
            dataset, _, protocol = wanted.rpartition("/")
            sys.stdout.write(make(report, dataset, protocol))
            return True
    return False


def _trec(options: argparse.Namespace) -> None:
    if not options.encoder:
        raise UserError("A TREC file needs an encoder.", fix="Add --encoder NAME.")
    made = report_files.trec_run if options.trec_run else report_files.trec_qrels
    dataset = library.open_dataset(options.trec_run or options.trec_qrels)
    for line in made(dataset, options.encoder, options.protocol):
        sys.stdout.write(line)


def _file(options: argparse.Namespace) -> None:
    if not options.out:
        raise UserError("No file was named to write to.", fix="Add --out FILE.html.")
    if options.map:
        _need(options, "--map", "dataset", "encoders")
        return mapping.write_map(options)
    page = _page(options)
    with writing(options.out):
        store.write_text(Path(options.out).expanduser(), page)
    size = len(page.encode())
    if options.json:
        return emit({"out": options.out, "bytes": size})
    print(f"{options.out}: {size / 1e6:.1f} MB, opens without a network")


def _page(options: argparse.Namespace) -> str:
    if options.effect:
        return effect_page(options.effect)
    if options.talk:
        return talk_page(talks.from_file(_bytes(options.talk)))
    if options.evaluate:
        report = reports.Report.load(reports.find(options.name or "leaderboard"))
        return leaderboard_page(report, options.metric or "mAP")
    _need(options, "--compare", "dataset", "encoders", "query")
    dataset, request, found = searching.compared(options)
    return comparison_page(dataset, request.query, found.answers)


def _bytes(file: str) -> bytes:
    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        raise UserError(
            f"{file} can't be read ({error.strerror}).", fix="Name the file that Export talk wrote."
        ) from error


def _need(options: argparse.Namespace, kind: str, *names: str) -> None:
    missing = [f"--{name}" for name in names if not getattr(options, name)]
    if missing:
        raise UserError(
            f"{kind} needs {' and '.join(missing)}.",
            fix="python -m core report --help shows an example of each.",
        )
