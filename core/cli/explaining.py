"""``explain``: why a hit is similar to a query."""

import argparse

from core.cli.detecting import add_choice
from core.cli.options import DATASET, ENCODER, PICTURE, command, declare
from core.cli.output import emit, say
from core.cli.searching import prepare
from core.explainers.base import Map
from core.services.explaining import drawing
from core.services.explaining.drawing import whole
from core.services.explaining.explain import Explained, explain
from core.services.search.subject import cropped


def _more(made: argparse.ArgumentParser) -> None:
    add_choice(made)
    declare(made, "--out FILE.png  draw the explanation")


@command(
    f"""explain
    Say why a picture is similar to a query, and test what is said.

    {ENCODER}
    {DATASET}
    {PICTURE} [required]
    --hit ID         a picture of the dataset [required]
    --method NAME    default: the encoder's own; occlusion works for every encoder [=]
    --index INDEX    the index that was searched: of lsh, hamming and minhash, buckets are shown
                     [= exact]
    --rerank NAME    the re-ranker that was searched with: of geometric, matched key points are
                     shown [=]

    examples:
    explain --dataset catalogue --encoder hog.8x8 --query id:mug-15-0 --hit mug-09-0
    explain --dataset catalogue --encoder siamese.lookalike --query photo.jpg --hit mug-15-1 --json
    explain --dataset catalogue --encoder hog.8x8 --query photo.jpg --hit mug-15-1 \
      --method occlusion --out why.png
    explain --dataset catalogue --encoder hog.8x8 --query photo.jpg --hit mug-15-1 \
      --rerank geometric --method matches
""",
    _more,
)
def _explain(options: argparse.Namespace) -> None:
    dataset, query = prepare(options, [options.encoder])
    query, part = cropped(query, dataset, options.crop)
    ways = options.method, options.index, options.rerank
    found = explain(query, dataset, options.encoder, options.hit, *ways)
    if options.out:
        drawing.save(found, options.out)
    if options.json:
        return emit(document(found))
    if part is not None and part.note:
        say(part.note)
    _show(found, options.out)


def document(found: Explained) -> dict:
    """An explanation for programs: ``score``, ``method``, ``query_map`` and ``hit_map`` as rows of
    values 0..1 over the whole pictures (null where the method has none), and ``deletion``: how far
    the score falls when the marked fifth of the hit is covered, and a random fifth (null where
    nothing is marked)."""
    tested = found.deletion
    return {
        "score": found.score,
        "method": found.method,
        "query_map": _rows(found.explanation.query),
        "hit_map": _rows(found.explanation.hit),
        "deletion": tested and {"marked": tested.marked, "random": tested.random},
    }


def _rows(found: Map | None) -> list[list[float]] | None:
    if found is None:
        return None
    return [[round(float(value), 4) for value in row] for row in whole(found)]


def _show(found: Explained, out: str | None) -> None:
    say(f"{found.encoder}, {found.method}: {found.words}")
    say(found.explanation.about)
    for name, value in found.explanation.facts:
        say(f"  {name}: {value}")
    for remark in found.remarks:
        say(remark)
    say(f"{found.ms:.0f} ms")
    if out:
        say(f"Drawn: {out}")
