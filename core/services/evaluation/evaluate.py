"""What encoders are worth: any datasets x encoders x indexes x protocols, from the cache where it
is finished."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from core.datasets.base import Dataset
from core.detectors.base import detectors
from core.encoders.base import encoders as registry
from core.errors import UserError
from core.services.embedding import build, crops
from core.services.embedding.roles import BY, CROP, protocol_named
from core.services.evaluation import latency
from core.services.evaluation.cells import Cell, cell
from core.services.evaluation.reports import Report
from core.services.specs import EXACT, IndexSpec, index_spec
from core.types import Progress, report

log = logging.getLogger(__name__)
SHORT = ("mAP", "hit@1", "precision@10")


def evaluate_one(
    dataset: Dataset,
    encoder_name: str,
    protocol_name: str | None = None,
    progress: Progress | None = None,
) -> dict:
    """Means over the evaluated queries of a built dataset, by exact search.

    Returns:
        ``queries`` (asked), ``unjudged`` (of these, without anything relevant in the gallery: left
        out of the means), and ``mAP``, ``hit@1``, ``precision@10``; None where no query can be
        evaluated.

    Raises:
        UserError: unknown names, or embeddings that are not built.
    """
    made = cell(dataset, encoder_name, protocol_named(dataset, protocol_name), EXACT, progress)
    means = made.means()
    return {
        "queries": len(made.queries),
        "unjudged": int((~made.evaluated).sum()),
        **{name: means[name] for name in SHORT},
    }


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
) -> Report:
    """Evaluate every combination; build the embeddings that are missing.

    Args:
        name: what the report is called.
        protocols: names, or ``by:ATTRIBUTE``; without, each dataset's own full ones (quick forms
            with fewer queries left out).
        timed: measure latency too, for each (dataset, encoder, index) once.
        crop: a detector, whose main box of each query is asked with; the galleries stay whole. An
            encoder ``NAME@DETECTOR`` has galleries of crops, and then both are.
        progress: counts finished cells.

    Raises:
        UserError: an unknown name; a dataset that none of the protocols belongs to; or nothing at
            all could be evaluated. What can't be evaluated beside others that can (vectors brought
            for another dataset, a download that failed) is left out and named in the report.
        Cancelled: ``progress`` said stop. Finished cells are kept; the same call goes on from
            there.
    """
    specs = [index_spec(text) for text in indexes]
    if crop:
        detectors.get(crop)
    plan = [
        (dataset, encoder, spec)
        for dataset in datasets
        for encoder in dict.fromkeys(encoders)
        for spec in specs
    ]
    wanted = {dataset.locator: _protocols(dataset, protocols, crop) for dataset in datasets}
    for encoder in dict.fromkeys(encoders):
        registry.get(encoder)  # an unknown name is told before anything is evaluated
    total, done = sum(len(wanted[dataset.locator]) for dataset, _, _ in plan), 0
    found: list[Cell] = []
    left_out: dict[str, UserError] = {}
    for dataset, encoder, spec in plan:
        report(progress, done, total)
        try:
            found += _cells(dataset, encoder, spec, wanted[dataset.locator], timed)
        except UserError as error:
            left_out[
                f"{encoder} on {dataset.title or dataset.name}"
                + ("" if spec.exact else f" by {spec.text}")
            ] = error
            log.warning("%s on %s is left out: %s", encoder, dataset.name, error)
        done += len(wanted[dataset.locator])
    if left_out and not found:
        raise next(iter(left_out.values()))
    report(progress, total, total)
    return Report.of(name, found, [f"{what}: {why}" for what, why in left_out.items()])


def _cells(
    dataset: Dataset, encoder: str, spec: IndexSpec, protocols: Sequence[str], timed: bool
) -> list[Cell]:
    if not build.is_built(dataset, encoder):
        build.build(dataset, [encoder])
    named = [protocol_named(dataset, name) for name in protocols]
    for by in dict.fromkeys(crops.named(encoder, one.crop) for one in named if one.crop):
        if not build.is_built(dataset, by):
            build.build(dataset, [by])
    times = latency.measured(dataset, encoder, spec) if timed else {}
    made = [cell(dataset, encoder, protocol, spec) for protocol in named]
    return [latency.with_times(one, times) for one in made]


def _protocols(dataset: Dataset, wanted: Sequence[str], crop: str = "") -> list[str]:
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
