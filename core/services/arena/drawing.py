"""Rounds worth a vote: pairs of encoders in turn, and queries on which they agree least."""

import itertools
from collections.abc import Sequence

import numpy as np

from core.datasets.base import Dataset
from core.errors import UserError
from core.services.arena.ballots import Round
from core.services.evaluation.fused import Beginning, first_hits
from core.services.search.compare import overlap

CANDIDATES = 24
"""So many queries are looked at for a round."""
MAX_ROUNDS = 40
K = 6


def queries(dataset: Dataset) -> list[str]:
    """Ids that may be asked with: the usual protocol's queries, else every picture."""
    protocol = dataset.protocol()
    ids = [item.id for item in dataset.items if protocol.is_query(item)]
    return ids or [item.id for item in dataset.items]


def drawn(
    dataset: Dataset, encoders: Sequence[str], count: int, k: int = K, seed: int = 0
) -> list[Round]:
    """``count`` rounds: every pair of encoders comes as often as another, no query twice, and which
    one is left is drawn.

    Raises:
        UserError: fewer than two encoders, embeddings that are not built, or too few pictures.
    """
    names = list(dict.fromkeys(encoders))
    if len(names) < 2:
        raise UserError("An arena needs two encoders to compare.", fix="Choose another one.")
    if not 1 <= count <= MAX_ROUNDS:
        raise UserError(f"{count} rounds were asked for.", f"1 to {MAX_ROUNDS}.")
    rng = np.random.default_rng(seed)
    ids = queries(dataset)
    if len(ids) < 2:
        raise UserError(
            "An arena needs pictures to ask with.", fix="Add more pictures to the data set."
        )
    pool = [ids[at] for at in rng.permutation(len(ids))[: CANDIDATES * count]]
    lists = {name: first_hits(dataset, name, None, pool, k) for name in names}
    known = [id for id in pool if all(id in found for found in lists.values())]
    labelled = any(item.label is not None for item in dataset.items)
    made: list[Round] = []
    pairs = list(itertools.combinations(names, 2))
    turns = itertools.cycle([pairs[at] for at in rng.permutation(len(pairs))])
    for number, pair in zip(range(1, count + 1), turns, strict=False):
        if not known:
            break
        one, other = pair if rng.random() < 0.5 else pair[::-1]
        some = known[:CANDIDATES]
        query = min(some, key=lambda id: _shared(lists[one][id], lists[other][id], k))
        known.remove(query)
        hits = (_hits(lists[name][query], labelled) for name in (one, other))
        made.append(Round(number, query, one, other, *hits))
    return made


def _shared(one: Beginning, other: Beginning, k: int) -> float:
    return overlap([id for id, _ in one.hits], [id for id, _ in other.hits], k)


def _hits(found: Beginning, labelled: bool) -> tuple[tuple[str, bool | None], ...]:
    return tuple((id, right if labelled else None) for id, right in found.hits)
