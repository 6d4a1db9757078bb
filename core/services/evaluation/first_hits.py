"""The beginning of ranked lists as they were evaluated: what an encoder showed for a query, and
what of it was right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.datasets.base import Dataset
from core.metrics.ranked import Ranked
from core.metrics.stream import Roles
from core.services.embedding import embed
from core.services.embedding.bound import bound
from core.services.embedding.roles import protocol_named, roles_for
from core.services.evaluation.fused import beginnings, members_of
from core.services.evaluation.lists import blocks, look_of
from core.services.specs import EXACT
from core.types import Item, Protocol


@dataclass(frozen=True, slots=True)
class Beginning:
    """One query's list: ``hits`` are (item id, relevant) from rank 1; ``first`` is the rank of the
    first relevant item of the whole list, None where there is none."""

    hits: tuple[tuple[str, bool], ...]
    first: int | None


def first_hits(
    dataset: Dataset, encoder_name: str, protocol_name: str | None, queries: Sequence[str], k: int
) -> dict[str, Beginning]:
    """The first ``k`` hits of each query by exact search, without itself and without what the
    protocol ignores. ``encoder_name`` may be that of a fusion.

    Ids that are no query under the protocol, or were passed over when the embeddings were built,
    are left out.

    Raises:
        UserError: the embeddings are not built, an unknown encoder or protocol, or a fusion with
            weights that were learned.
    """
    protocol = protocol_named(dataset, protocol_name)
    ask = beginnings if members_of(encoder_name) else _alone
    items, some, found = ask(dataset, encoder_name, protocol, queries, k)
    made: dict[str, Beginning] = {}
    for lists in found:
        for number in range(len(lists)):
            ranks = lists.rank[lists.row == number]
            shown = [items[some.gallery[column]].id for column in lists.top[number] if column >= 0]
            hits = tuple((id, place in ranks) for place, id in enumerate(shown, start=1))
            made[items[some.queries[len(made)]].id] = Beginning(
                hits, int(ranks[0]) if len(ranks) else None
            )
    return made


def _alone(
    dataset: Dataset, name: str, protocol: Protocol, queries: Sequence[str], k: int
) -> tuple[Sequence[Item], Roles, Iterator[Ranked]]:
    """As :func:`core.services.evaluation.fused.beginnings`, of a single encoder."""
    encoder = bound(dataset, name).encoder
    found = embed.read(dataset, encoder)
    items = embed.item_rows(dataset, found)
    roles = roles_for(dataset, encoder, found, protocol)
    look = look_of(encoder, EXACT, protocol, len(roles.gallery))
    wanted = set(queries)
    asked = np.array([row for row in roles.queries if items[row].id in wanted], np.int64)
    some = replace(roles, queries=asked)
    return items, some, blocks(look, dataset, found, some, k)
