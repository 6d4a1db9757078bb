"""The k nearest neighbours vote on the class of a picture."""

from collections import Counter
from dataclasses import dataclass

from core.datasets.base import Dataset
from core.services.evaluation.fused import first_hits
from core.services.search.request import item_of
from core.services.teaching.contests import Found, candidates

PROTOCOL = "category"
"""Pictures of the query's own product don't vote: they would always win."""


@dataclass(frozen=True, slots=True)
class Vote:
    """``hits`` nearest first; ``votes`` (category, votes), most first, equals by who stands higher;
    ``winner`` and the query's ``own`` category."""

    hits: tuple[Found, ...]
    votes: tuple[tuple[str, int], ...]
    winner: str
    own: str

    @property
    def right(self) -> bool:
        return self.winner == self.own


def vote(dataset: Dataset, encoder: str, query: str, k: int) -> Vote:
    """The ``k`` nearest pictures of other products of the gallery, and what they vote for.

    Raises:
        UserError: embeddings that are not built, or a picture that is no query.
    """
    own = item_of(dataset, query)
    listed = first_hits(dataset, encoder, PROTOCOL, [query], k)[own.id].hits
    items = [item_of(dataset, id) for id, _ in listed]
    counted = Counter(str(item.category) for item in items)  # in the order of their first item
    hits = tuple(
        Found(item.id, "same" if right else "other")
        for item, (_, right) in zip(items, listed, strict=True)
    )
    votes = tuple(counted.most_common())
    return Vote(hits, votes, votes[0][0] if votes else "", str(own.category))


TRIED = (1, 5, 20)
MAX_TELLING = 10


def telling(dataset: Dataset, encoder: str) -> tuple[str, ...]:
    """Queries on which the vote depends on K: right for some of ``TRIED`` and wrong for others, one
    of a category, at most ``MAX_TELLING``. Raises UserError."""
    found: dict[str, str] = {}
    for query in candidates(dataset):
        own = item_of(dataset, query)
        if own.category in found:
            continue
        if len({vote(dataset, encoder, query, k).right for k in TRIED}) > 1:
            found[str(own.category)] = query
        if len(found) == MAX_TELLING:
            break
    return tuple(found.values())
