"""What a query is made of on the command line: pictures with plus and minus, words, and which end
of the list is wanted."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from core.cli.output import Progress
from core.datasets.base import Dataset
from core.datasets.names import shown
from core.errors import UserError
from core.services.library import downloads
from core.services.search.request import MAX_K, Mix, Query, Weights
from core.services.search.serving import query_from_file

FIRST_K = 10
WEIGHTS = Weights()


def add_query(made: argparse.ArgumentParser) -> None:
    """``--query`` and what may stand beside it or in its place."""
    made.add_argument(
        "--query", metavar="FILE", help="a picture file, or id:NAME for a picture of the dataset"
    )
    for name, what in (("plus", "more like"), ("minus", "less like")):
        made.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="FILE",
            help=f"{what} this picture: a file or id:NAME; may be given several times",
        )
    made.add_argument(
        "--text",
        metavar="WORDS",
        help="search with words, by an encoder that was trained with captions (CLIP, SigLIP)",
    )
    made.add_argument(
        "--weights",
        type=weights,
        default=WEIGHTS,
        metavar="NAME=W,...",
        help=(
            "what each part weighs in the mean that is searched with (default:"
            f" {', '.join(f'{name}={weight:g}' for name, weight in asdict(WEIGHTS).items())})"
        ),
    )


def add_end(made: argparse.ArgumentParser) -> None:
    """How many hits, or to which score, and from which end."""
    made.add_argument(
        "-k", type=int, help=f"how many hits (default: {FIRST_K}; {MAX_K:,} with --threshold)"
    )
    made.add_argument(
        "--threshold",
        type=float,
        metavar="S",
        help="every hit whose score reaches S; with --least, stays at or below it",
    )
    made.add_argument(
        "--least", action="store_true", help="the least similar pictures, the least of all first"
    )


def count(options: argparse.Namespace) -> int:
    """How many hits at most."""
    if options.k is not None:
        return options.k
    return FIRST_K if options.threshold is None else MAX_K


def query_of(options: argparse.Namespace, dataset: Dataset) -> tuple[Query, Mix]:
    """The query and what is asked with beside it. Raises UserError where there is nothing."""
    given = options.query is not None or options.plus or options.minus
    if not given and options.text is None:
        raise UserError(
            "There is no query.",
            fix="Give a picture.",
            command="Give --query FILE, --plus FILE, --minus FILE or --text WORDS.",
        )
    query = Query() if options.query is None else query_from_file(dataset, options.query)
    plus, minus = (
        [query_from_file(dataset, file) for file in files]
        for files in (options.plus, options.minus)
    )
    return query, Mix(plus, minus, options.text, options.weights)


def fetch_text(options: argparse.Namespace, encoders: Sequence[str]) -> None:
    """The text towers that words need, said on standard error. Raises UserError."""
    for name in dict.fromkeys(encoders) if options.text is not None else ():
        downloads.fetch_text(name, Progress(f"downloading the text tower of {name}"))


def told(options: argparse.Namespace) -> dict:
    """What was asked beside a query and a number of hits, for JSON; empty where nothing was."""
    asked = {
        "plus": [shown(file) for file in options.plus],
        "minus": [shown(file) for file in options.minus],
        "text": options.text,
        "threshold": options.threshold,
        "least": options.least,
    }
    if not any(value not in (None, False, []) for value in asked.values()):
        return {}
    return {"asked": {**asked, "weights": asdict(options.weights)}}


def weights(text: str) -> Weights:
    """``plus=1,minus=0.5`` as weights; those that are not named keep theirs."""
    made: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = (one.strip() for one in part.partition("="))
        try:
            if name not in asdict(WEIGHTS):
                raise ValueError(name)
            made[name] = float(value)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{part!r} is no weight: write it as plus=1 or query=0;"
                f" there are {', '.join(asdict(WEIGHTS))}"
            ) from None
    try:
        return Weights(**made)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
