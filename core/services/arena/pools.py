"""Pooled judging: what all encoders show for a query, unnamed and shuffled, is judged by people;
the judgements are the truth that encoders are then evaluated on.

As at TREC (Voorhees and Harman, 2005): a picture that nobody judged counts as not relevant, and how
much of each answer that is, is said.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.metrics import ranked, table
from core.metrics.ranked import Ranked, Roles
from core.neighbours import cosine_matrix
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.evaluation.cells import Cell, card
from core.services.evaluation.fused import first_hits
from core.services.evaluation.reports import Report
from core.services.evaluation.seen import seen
from core.services.specs import index_spec

DEPTH = 10
"""Hits of each encoder that go into a pool."""
PROTOCOL = "judged"
METRICS = ("mAP", "hit@1", "precision@10", "MRR", "nDCG@10")
Judgements = dict[str, dict[str, bool]]
"""Query -> picture -> whether most judges say that it fits."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Of the first ``DEPTH`` hits of an encoder over all judged queries: how many nobody judged."""

    encoder: str
    share: float


def pool(dataset: Dataset, encoders: Sequence[str], query: str, k: int = DEPTH) -> list[str]:
    """The first ``k`` hits of every encoder, each once, in an order that says nothing of ranks and
    is the same for every judge.

    Raises:
        UserError: embeddings that are not built, or a picture that is no query.
    """
    found: dict[str, None] = {}
    for name in dict.fromkeys(encoders):
        lists = first_hits(dataset, name, None, [query], k)
        if query not in lists:
            raise UserError(f"{query[:80]!r} is no query of {dataset.title or dataset.name}.")
        found |= dict.fromkeys(id for id, _ in lists[query].hits)
    ids = sorted(found)
    rng = np.random.default_rng(list(query.encode()))
    return [ids[at] for at in rng.permutation(len(ids))]


def truth(rows: Sequence[tuple[str, str, str, bool]]) -> Judgements:
    """What most judges say of each picture; as many for as against counts as fitting.

    Args:
        rows: (query, item, voter, fits), see :func:`core.services.arena.ballots.judgements`.
    """
    ayes: Counter[tuple[str, str]] = Counter()
    every: Counter[tuple[str, str]] = Counter()
    for query, item, _, fits in rows:
        every[query, item] += 1
        ayes[query, item] += fits
    found: Judgements = {}
    for (query, item), count in every.items():
        found.setdefault(query, {})[item] = 2 * ayes[query, item] >= count
    return found


def qrels(judged: Judgements) -> Iterator[str]:
    """Lines ``query 0 picture 1 or 0``, as trec_eval reads them."""
    for query, items in sorted(judged.items()):
        for item, fits in sorted(items.items()):
            yield f"{query} 0 {item} {int(fits)}\n"


def evaluated(dataset: Dataset, encoders: Sequence[str], judged: Judgements) -> Report:
    """A report over the judged queries, one cell an encoder, which Metrics shows like any other.

    Raises:
        UserError: nothing was judged to fit, or embeddings that are not built.
    """
    queries = [id for id, items in sorted(judged.items()) if any(items.values())]
    if not queries:
        raise UserError(
            "No picture was judged to fit a query yet.", fix="Judge a few pictures first."
        )
    cells = [_cell(dataset, name, queries, judged) for name in dict.fromkeys(encoders)]
    return Report.of(f"judged-{dataset.name}", cells)


def unjudged(
    dataset: Dataset, encoders: Sequence[str], judged: Judgements, k: int = DEPTH
) -> list[Unjudged]:
    """How much of what each encoder shows first nobody has judged."""
    found = []
    for name in dict.fromkeys(encoders):
        lists = first_hits(dataset, name, None, list(judged), k)
        shown = [id not in judged[query] for query, one in lists.items() for id, _ in one.hits]
        found.append(Unjudged(name, float(np.mean(shown)) if shown else 0.0))
    return found


def _cell(dataset: Dataset, encoder: str, queries: Sequence[str], judged: Judgements) -> Cell:
    made = bound(dataset, encoder)
    vectors = made.vectors()
    items = stored.item_rows(dataset, vectors)
    rows = {item.id: row for row, item in enumerate(items)}
    asked = [id for id in queries if id in rows]
    protocol = dataset.protocol()
    outside = np.array([not protocol.in_gallery(item) for item in items])
    lists = _ranked(vectors.vectors, outside, asked, rows, judged)
    groups = [str(items[rows[id]].value(protocol.relevant)) for id in asked]
    clusters = [str(items[rows[id]].instance or id) for id in asked]
    shown = unjudged(dataset, [encoder], {id: judged[id] for id in asked})[0].share
    told = _card(dataset, made.encoder, np.flatnonzero(~outside), lists.relevant) | {
        "queries": f"{len(asked):,} (judged)",
        "unjudged": f"{shown:.0%} of the first {DEPTH} hits, counted as not relevant",
    }
    scores = {}
    for name in METRICS:
        row, cut = table.metric(name)
        scores[name] = row.function(lists, cut) if cut else row.function(lists)
    return Cell(
        dataset.name,
        PROTOCOL,
        encoder,
        "exact",
        np.array(asked, np.str_),
        np.array(groups, np.str_),
        np.array(clusters, np.str_),
        lists.relevant,
        scores,
        {},
        told,
    )


def _card(dataset: Dataset, encoder: Encoder, gallery: np.ndarray, relevant: np.ndarray) -> dict:
    """The protocol card that every evaluation has, of a protocol whose truth people are."""
    usual = dataset.protocol()
    own = replace(usual, name=PROTOCOL, note="most judges say that it fits", ignore=None)
    none = np.empty(0, np.int64)
    roles = Roles(gallery, none, none, none)
    has_seen = seen(encoder, dataset, usual)
    said = card(dataset, encoder, own, index_spec("exact"), roles, relevant, DEPTH)
    return {**said, "seen": has_seen.kind, "seen in words": has_seen.words}


def _ranked(
    vectors: np.ndarray,
    outside: np.ndarray,
    asked: Sequence[str],
    rows: dict[str, int],
    judged: Judgements,
) -> Ranked:
    """Every judged query against the gallery, without itself and ``outside``, bool (n,)."""
    own = [rows[id] for id in asked]
    scores = cosine_matrix(np.asarray(vectors[own]), vectors)
    relevant, junk = np.zeros(scores.shape, bool), np.tile(outside, (len(own), 1))
    junk[np.arange(len(own)), own] = True
    for place, id in enumerate(asked):
        relevant[place, [rows[i] for i, fits in judged[id].items() if fits and i in rows]] = True
    return ranked.rank(scores, relevant & ~junk, junk, top=DEPTH)
