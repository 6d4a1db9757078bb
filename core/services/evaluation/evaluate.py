"""What encoders are worth: any datasets x encoders x indexes x protocols, cached."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from core import fusion
from core.datasets.base import Dataset
from core.detectors.base import detectors
from core.encoders.base import encoders as registry
from core.errors import UserError
from core.rerankers.base import NONE, rerankers
from core.services.embedding import build, crops
from core.services.embedding.bound import is_built
from core.services.embedding.roles import BY, CROP, protocol_named
from core.services.evaluation import latency
from core.services.evaluation.ahead import BUILD, TIMES, Ahead, Begin
from core.services.evaluation.cells import Cell, cell
from core.services.evaluation.fused import fused_cell
from core.services.evaluation.reports import Report
from core.services.specs import IndexSpec, index_spec
from core.services.steps import Steps
from core.types import Progress

log = logging.getLogger(__name__)


def evaluate(
    name: str,
    datasets: Sequence[Dataset],
    encoders: Sequence[str],
    indexes: Sequence[str] = ("exact",),
    protocols: Sequence[str] = (),
    progress: Progress | None = None,
    *,
    timed: bool = True,
    crop: str = "",
    rerank: Sequence[str] = (),
    fuse: Sequence[str] = (),
    weights: Sequence[float] | str = (),
) -> Report:
    """Evaluate every combination; build the embeddings that are missing.

    Args:
        name: what the report is called.
        protocols: names, or ``by:ATTRIBUTE``; without, each dataset's own full ones (quick forms
            with fewer queries left out).
        timed: measure latency too, for each (dataset, encoder, index) once.
        crop: a detector, whose main box of each query is asked with; the galleries stay whole. An
            encoder ``NAME@DETECTOR`` has galleries of crops, and then both are.
        rerank: re-rankers, each beside the same search without.
        fuse: ways of fusing all these encoders, with ``weights`` as in
            :func:`core.services.evaluation.fused.fused_cell`.
        progress: counts finished cells. Steps that are given here have those of the evaluation
            added to them.

    Raises:
        UserError: an unknown name; a dataset that none of the protocols belongs to; or nothing at
            all could be evaluated. What can't be evaluated beside others that can (vectors brought
            for another dataset, a download that failed) is left out and named in the report.
        Cancelled: ``progress`` said stop. Finished cells are kept; the same call goes on from
            there.
    """
    names = list(dict.fromkeys(encoders))
    specs = _specs(indexes, rerank)
    if crop:
        detectors.get(crop)
    _check_fusion(fuse, weights, len(names))
    for encoder in names:
        registry.get(encoder)  # an unknown name is told before anything is evaluated
    steps = progress if isinstance(progress, Steps) else Steps(progress)
    ahead = Ahead(steps)
    parts: list[_Part] = []
    for dataset in datasets:
        wanted = protocols_of(dataset, protocols, crop)
        shown = dataset.title or dataset.name
        for encoder, spec in product(names, specs):
            told = "" if spec.exact and not spec.reranker else f" by {spec.shown}"
            begin = ahead.encoder(dataset, encoder, spec, wanted, timed)
            make = partial(_cells, dataset, encoder, spec, wanted, timed, begin, ahead)
            title = registry.get(encoder).title or encoder
            what = (f"{encoder} on {shown}{told}", f"{title} on {shown}{told}")
            parts.append(_Part(*what, len(wanted), make, begin))
        for method in fuse:
            begin = ahead.fusion(dataset, names, wanted, method)
            make = partial(_fused, dataset, names, wanted, method, weights, begin)
            what = (f"{method} on {shown}", f"{fusion.METHODS[method][0]} on {shown}")
            parts.append(_Part(*what, len(wanted), make, begin))
    found, left_out = _made(parts, steps)
    if steps is not progress:
        steps.close()
    return Report.of(name, found, [f"{what}: {why}" for what, why in left_out.items()])


@dataclass(frozen=True, slots=True)
class _Part:
    """Cells that are made together, or left out together."""

    what: str
    title: str
    cells: int
    make: Callable[[], list[Cell]]
    begin: Begin


def _specs(indexes: Sequence[str], rerank: Sequence[str]) -> list[IndexSpec]:
    """Each index alone, and then with each re-ranker. Raises UserError on an unknown name."""
    spelt = [rerankers.get(reranker).name for reranker in rerank]
    after = [name for name in dict.fromkeys(["", *spelt]) if name != NONE]
    return [replace(spec, reranker=name) for spec in map(index_spec, indexes) for name in after]


def _check_fusion(fuse: Sequence[str], weights: Sequence[float] | str, count: int) -> None:
    """What is wrong with a fusion is told before anything is evaluated."""
    for method in fuse:
        fusion.method(method)
    if fuse and not isinstance(weights, str):
        fusion.shares(weights, count)


def _made(parts: Sequence[_Part], steps: Steps) -> tuple[list[Cell], dict[str, UserError]]:
    """The cells, and what could not be evaluated, and why. Raises UserError: nothing could."""
    total, done = sum(part.cells for part in parts), 0
    found: list[Cell] = []
    left_out: dict[str, UserError] = {}
    before = steps.what
    for part in parts:
        steps.what = part.title
        steps.counted(done, total)
        try:
            found += part.make()
        except UserError as error:
            left_out[part.what] = error
            log.warning("%s is left out: %s", part.what, error)
        part.begin.over()
        done += part.cells
    steps.what = before
    if left_out and not found:
        raise next(iter(left_out.values()))
    steps.counted(total, total)
    return found, left_out


def _fused(
    dataset: Dataset,
    encoders: Sequence[str],
    protocols: Sequence[str],
    method: str,
    weights: Sequence[float] | str,
    begin: Begin,
) -> list[Cell]:
    return [
        fused_cell(dataset, encoders, protocol_named(dataset, name), method, weights, begin(name))
        for name in protocols
    ]


def _cells(
    dataset: Dataset,
    encoder: str,
    spec: IndexSpec,
    protocols: Sequence[str],
    timed: bool,
    begin: Begin,
    ahead: Ahead,
) -> list[Cell]:
    if not is_built(dataset, encoder):
        build.build(dataset, [encoder], progress=begin(BUILD))
    named = [protocol_named(dataset, name) for name in protocols]
    for by in dict.fromkeys(crops.named(encoder, one.crop) for one in named if one.crop):
        if not is_built(dataset, by):
            build.build(dataset, [by], progress=begin(BUILD))
    times = latency.measured(dataset, encoder, spec, begin(TIMES)) if timed else {}
    ahead.timed(dataset, encoder, times)
    return [
        replace(cell(dataset, encoder, one, spec, begin(one.name)), latency=times) for one in named
    ]


def protocols_of(dataset: Dataset, wanted: Sequence[str], crop: str = "") -> list[str]:
    """Those of the asked protocols that a data set has. Raises UserError: none of them."""
    known = [protocol.name for protocol in dataset.protocols()]
    if wanted:
        made = [protocol_named(dataset, name).name for name in wanted if name.startswith(BY)]
        cropped = [
            protocol_named(dataset, name).name
            for name in wanted
            if name.rpartition(CROP)[0] in known
        ]
        chosen = [name for name in known if name in wanted] + made + cropped
    else:
        chosen = [protocol.name for protocol in dataset.protocols() if protocol.every == 1]
    if wanted and not chosen:
        raise UserError(
            f"{dataset.title or dataset.name} has none of the protocols {', '.join(wanted)}.",
            f"It has: {', '.join(known)}.",
        )
    return [
        protocol_named(dataset, f"{name}{CROP}{crop}").name if crop and CROP not in name else name
        for name in chosen
    ]
