"""``search`` and ``compare``: one query through one encoder, or through several."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from core.cli.detecting import add_choice, fetched
from core.cli.options import DATASET, ENCODER, ENCODERS, PICTURE, command, declare
from core.cli.output import Progress, aside, emit, held, say, table
from core.datasets.base import Dataset
from core.datasets.names import shown
from core.errors import UserError
from core.services.embedding import build
from core.services.embedding.bound import is_built
from core.services.embedding.galleries import lacks_index
from core.services.library import downloads, library
from core.services.search import looking, together
from core.services.search.compare import Agreement, Comparison, compare, decode_ms
from core.services.search.engines import RUNS
from core.services.search.export import plain
from core.services.search.request import MAX_K, Mix, Query, SearchRequest, Weights
from core.services.search.result import IDENTICAL, SearchResult
from core.services.search.serving import query_from_file, search
from core.services.specs import split_names, weights_of

FIRST_K = 10
WEIGHTS = Weights()
SPELT = ", ".join(f"{name}={weight:g}" for name, weight in asdict(WEIGHTS).items())

QUERY = f"""
    --index INDEX        with knobs as hnsw:efSearch=64 [default: exact]
    --where FIELD=VALUE  only pictures with this category, label, split or attribute; several must
                         all hold [many]
    {PICTURE}
    --plus FILE          more like this picture: a file or id:NAME; may be given several times
                         [many]
    --minus FILE         less like this picture: a file or id:NAME; may be given several times
                         [many]
    --text WORDS         search with words, by an encoder that was trained with captions (CLIP,
                         SigLIP)
    --weights NAME=W,...  what each part weighs in the mean that is searched with (default:
                         {SPELT}) [weights]
"""

HITS = f"""
    -k K           how many hits (default: {FIRST_K}; {MAX_K:,} with --threshold) [int]
    --threshold S  every hit whose score reaches S; with --least, stays at or below it [float]
    --least        the least similar pictures, the least of all first
    --rerank NAME  give the first hits a new order: {", ".join(looking.reranker_names())} [=]
    --include-self  let pictures that are asked with find themselves
"""


def add_query(made: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The options that say what is searched with, and where."""
    declare(made, DATASET if required else DATASET.removesuffix(" [required]"))
    declare(made, QUERY, weights=weights)
    add_choice(made)
    declare(made, HITS)
    made.set_defaults(weights=WEIGHTS)


def prepare(options: argparse.Namespace, wanted: list[str]):
    """Open the dataset, read the query, and build what is missing (said on standard error)."""
    dataset = _opened(options)
    query = replace(query_from_file(dataset, options.query), box=options.box)
    _complete(options, dataset, wanted)
    return dataset, query


def _asked(options: argparse.Namespace, wanted: list[str]) -> tuple[Dataset, SearchRequest]:
    """The same where more than a query may be asked with: the request of the first encoder."""
    dataset = _opened(options)
    query, mix = _query_of(options, dataset)
    _fetch_text(options, wanted)
    _complete(options, dataset, wanted)
    first = wanted[0] if wanted else ""
    return dataset, _request(options, replace(query, box=options.box), mix, first)


def _opened(options: argparse.Namespace) -> Dataset:
    dataset = library.open_dataset(options.dataset)
    if dataset.state().kind == "download":
        dataset.download(Progress(f"downloading {dataset.title}"))
    return dataset


def _complete(options: argparse.Namespace, dataset: Dataset, wanted: list[str]) -> None:
    """Fetch and build what a search needs."""
    if options.crop:
        fetched(options.crop)
    missing = [name for name in wanted if not is_built(dataset, name)]
    if missing:
        build.build(dataset, missing, options.index, Progress(f"building {', '.join(missing)}"))
    without = [name for name in wanted if lacks_index(dataset, name, options.index)]
    if without:
        what = f"building the index {options.index} for {', '.join(without)}"
        build.build(dataset, without, options.index, Progress(what))


def _request(options: argparse.Namespace, query: Query, mix: Mix, encoder: str) -> SearchRequest:
    """What the arguments ask of one encoder."""
    return SearchRequest(
        query,
        encoder,
        options.index,
        _count(options),
        tuple(options.where),
        options.include_self,
        options.crop,
        RUNS,
        mix=mix,
        least=options.least,
        threshold=options.threshold,
        reranker=options.rerank,
    )


@command(
    f"""search
    Find the pictures most similar to one.

    {ENCODER}

    examples:
    search --dataset catalogue --encoder hog.8x8 --query photo.jpg -k 5
    search --dataset catalogue --encoder hsv.12x4x4 --query id:backpack-00-0 --json
    search --dataset catalogue --encoder hog.8x8 --query photo.jpg --index hnsw:efSearch=16 \
      --where category=mug
    search --dataset ~/Pictures --encoder tiny.16x16 --query a.png --json
    search --dataset catalogue --encoder hog.8x8 --query photo.jpg --box 0.2,0.1,0.8,0.9
    search --dataset catalogue --encoder hog.8x8 --plus id:mug-00-0 --plus photo.jpg \
      --minus id:vase-00-0
    search --dataset catalogue --encoder hsv.12x4x4 --query id:mug-00-0 --threshold 0.8
    search --dataset catalogue --encoder hog.8x8 --query photo.jpg --rerank geometric
""",
    add_query,
)
def _search(options: argparse.Namespace) -> None:
    dataset, request = _asked(options, [options.encoder])
    answer = search(request, dataset)
    if options.json:
        return emit({**_told(options), **plain(answer), **_part(options, answer)})
    _show(answer, answer.timing_ms)
    _show_part(answer)


def compared(options: argparse.Namespace) -> tuple[Dataset, SearchRequest, Comparison]:
    """What ``compare`` shows: what is missing is built first."""
    wanted = _named(options)
    dataset, request = _asked(options, wanted)
    return dataset, request, compare(request.each(wanted), dataset)


@command(
    f"""compare
    Find them with several encoders, and see how far these agree.

    {ENCODERS}
    --fuse NAME         also as one: {", ".join(together.METHODS)} [=]
    --fuse-weights W,W  of the fused encoders (default: equal) [=]

    examples:
    compare --dataset catalogue --encoders hsv.12x4x4,tiny.16x16,hog.8x8 --query photo.jpg
    compare --dataset catalogue --encoders hsv.12x4x4,hog.8x8 --query id:backpack-00-0 -k 5 --json
    compare --dataset catalogue --encoders hsv.12x4x4,hog.8x8 --query photo.jpg --crop saliency
    compare --dataset catalogue --encoders hsv.12x4x4,hog.8x8 --query photo.jpg --fuse rrf
""",
    add_query,
)
def _compare(options: argparse.Namespace) -> None:
    way = _fusion(options)
    dataset, request, found = compared(options)
    fused = together.fused(request.each(_named(options)), dataset, *way) if way else None
    decoded = decode_ms(found.answers)
    if options.json:
        told = {**_told(options), "dataset": dataset.name, "index": options.index}
        answers = [plain(answer) for answer in found.answers]
        told |= {"together": plain(fused)} if fused else {}
        whole = {"answers": answers, "agreement": found.agreement, "decode_ms": decoded}
        return emit({**told, **whole, **_part(options, found.answers[0])})
    for answer in found.answers:
        print(f"\n{answer.encoder}")
        _show(answer, answer.stages)
    if fused:
        print(f"\n{fused.encoder}")
        _show(fused, fused.stages)
    _show_part(found.answers[0])
    if decoded:
        print(f"\ndecoded once for all: {' + '.join(f'{ms:.1f}' for ms in decoded)} ms (first run)")
    _show_agreement(found.agreement)


def _named(options: argparse.Namespace) -> list[str]:
    """The encoders that are compared, once each."""
    return list(dict.fromkeys(split_names(options.encoders)))


def _fusion(options: argparse.Namespace) -> tuple[str, Sequence[float]] | None:
    """How answers are fused, read before anything is built; None where that is not asked."""
    if not options.fuse:
        return None
    weights = weights_of(options.fuse_weights)
    if isinstance(weights, str):  # LEARNED
        raise UserError("A single query can't teach weights.", fix="Give numbers, or evaluate.")
    together.check(options.fuse, weights, len(_named(options)))
    return options.fuse, weights


def _told(options: argparse.Namespace) -> dict:
    query = None if options.query is None else shown(options.query)
    return {"query": query, **_parts_told(options)}


def _part(options: argparse.Namespace, answer: SearchResult) -> dict:
    """What was searched with, where a part was asked for; one that came to nothing is told."""
    if not (options.box or options.crop):
        return {}
    if answer.note:
        aside(answer.note)
    return {"box": answer.box, "crop": answer.crop or None, "note": answer.note}


def _show_part(answer: SearchResult) -> None:
    if answer.box:
        by, edges = "", ", ".join(f"{edge:.3f}" for edge in answer.box)
        if answer.crop:
            by = f", found by {answer.crop} in {answer.timing_ms['detect']:.1f} ms"
        print(f"Searched with the part {edges} of the picture{by}.")
    if answer.note:
        aside(answer.note)


def _show(answer: SearchResult, times: Mapping[str, float]) -> None:
    rows = [
        {
            "rank": h.rank,
            "before": h.before or "",
            "score": answer.said(h.score, 4),
            "label": h.label,
            "id": h.id,
            "verdict": h.verdict,
            "file": IDENTICAL if h.identical else "",
        }
        for h in answer.hits
    ]
    if rows:
        before, file = held(rows, "before"), held(rows, "file")
        table(rows, ["rank", *before, "score", "label", "verdict", *file, "id"])
    if answer.score != "cosine":
        print(f"Scores: {answer.score}.")
    for remark in answer.remarks:
        say(remark)
    runs = f"median of {answer.runs} runs" if answer.runs > 1 else "first run"
    print("  ".join(f"{stage} {ms:.1f} ms" for stage, ms in times.items()) + f"  ({runs})")


def _show_agreement(agreement: Agreement) -> None:
    for title, matrix in (
        (f"overlap of the top {agreement.k}", agreement.overlap),
        ("rank-biased overlap", agreement.rbo),
    ):
        print(f"\n{title}")
        names, told = agreement.encoders, [[f"{value:.2f}" for value in line] for line in matrix]
        lines = [dict(zip(names, line, strict=True)) for line in told]
        table([{"": name, **line} for name, line in zip(names, lines, strict=True)])


def _count(options: argparse.Namespace) -> int:
    """How many hits at most."""
    if options.k is not None:
        return options.k
    return FIRST_K if options.threshold is None else MAX_K


def _query_of(options: argparse.Namespace, dataset: Dataset) -> tuple[Query, Mix]:
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


def _fetch_text(options: argparse.Namespace, encoders: Sequence[str]) -> None:
    """The text towers that words need, said on standard error. Raises UserError."""
    for name in dict.fromkeys(encoders) if options.text is not None else ():
        downloads.fetch_text(name, Progress(f"downloading the text tower of {name}"))


def _parts_told(options: argparse.Namespace) -> dict:
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
