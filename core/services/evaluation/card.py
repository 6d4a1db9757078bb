"""The protocol card: everything that must stand beside a number so that another person can get it
again."""

import datetime

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.metrics.stream import Roles
from core.rerankers.base import rerankers
from core.services.embedding.contents import content_hash
from core.services.hardware import hardware, versions
from core.services.specs import IndexSpec
from core.types import Protocol

SEED = 0
TIES = "equal scores are ordered by picture id"
SELF = "the query itself is never its own hit"


def card(
    dataset: Dataset,
    encoder: Encoder,
    protocol: Protocol,
    index: IndexSpec,
    roles: Roles,
    relevant: np.ndarray,
    depth: int,
) -> dict:
    """Plain texts and numbers, in the order in which they are read. Whether the encoder has *seen*
    the pictures is added to it by :func:`core.services.evaluation.cells.cell`."""
    return {
        "dataset": dataset.title or dataset.name,
        "kind": dataset.kind,
        "dataset hash": content_hash(dataset),
        "protocol": protocol.name,
        "relevant": protocol.note or f"same {protocol.relevant}",
        "gallery": f"{len(roles.gallery):,} pictures ({_splits(protocol.gallery)})",
        "queries": f"{len(roles.queries):,} ({_splits(protocol.queries)}{_every(protocol)})",
        **dataset.told(protocol),
        "queries without anything relevant": int((relevant == 0).sum()),
        "self": SELF,
        "junk": (
            f"pictures of the same {protocol.ignore} are neither right nor wrong"
            if protocol.ignore
            else "none"
        ),
        "ties": TIES,
        "encoder": encoder.name,
        "dimensions": encoder.dim,
        **_input(encoder),
        "normalisation": (
            "key points matched, inliers of one homography"
            if encoder.matches
            else "vectors of length 1, cosine similarity"
        ),
        "index": (
            f"{index.text} (exact, whole gallery ranked)"
            if index.exact
            else f"{index.text} (first {depth:,} hits scored)"
        ),
        **({"re-ranking": _reranking(index)} if index.reranker else {}),
        "seed": SEED,
        "encoder causes": encoder.fingerprint(),
        "hardware": hardware(),
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }


def _reranking(index: IndexSpec) -> str:
    made = rerankers.get(index.reranker)
    return f"{made.title} of the first {made.depth:,} hits"


def _splits(names: tuple[str, ...]) -> str:
    return f"split {', '.join(names)}" if names else "all pictures"


def _every(protocol: Protocol) -> str:
    return f", every {protocol.every}th by id" if protocol.every > 1 else ""


def _input(encoder: Encoder) -> dict[str, str]:
    """Image size and pooling, as far as the encoder states them."""
    record = encoder.fingerprint().get("preprocess")
    made = (
        ", ".join(f"{key} {value}" for key, value in record.items())
        if isinstance(record, dict)
        else ""
    )
    side = f"{encoder.side} px on the short side" if encoder.side else "as the picture is"
    return {
        "image size": made or side,
        "pooling": getattr(encoder, "pool", None) or "the encoder's own",
    }
