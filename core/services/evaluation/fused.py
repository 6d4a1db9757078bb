"""Cells of fused encoders: each query's lists by several encoders as one list; and the beginning of
such a list, or of one encoder's, as it was evaluated."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from core import fusion, keypoints, store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.metrics import stream, table
from core.metrics.ranked import Ranked, Roles, rank
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.embedding.roles import (
    cluster_of,
    digest,
    group_of,
    protocol_named,
    roles_for,
    roles_of,
)
from core.services.embedding.usual import usual
from core.services.evaluation import lists
from core.services.evaluation.cells import (
    DEPTH,
    KIND,
    Cell,
    card,
    keep,
    look_of,
    ranked_blocks,
    read,
)
from core.services.evaluation.seen import KINDS, seen
from core.services.search.looking import second_look
from core.services.search.together import placed
from core.services.specs import EXACT, fused_name, fused_parts, members_of
from core.types import Embeddings, Item, Progress, Protocol, report

VERSION = 2
STEPS = 10
"""Weights are tried in so many parts."""
TRIED = 150
"""Queries of a half that weights are learned on, evenly over its objects."""
BLOCK = 64


@dataclass(frozen=True)
class _Member:
    """One encoder over the rows that all members hold: calibrated scores and ranks of its list."""

    encoder: Encoder
    found: Embeddings
    roles: Roles
    place: Callable[[np.ndarray, np.ndarray], np.ndarray]
    looker: lists.Looker | None

    def listed(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ranks int64 and scores float64 (q, gallery): a rank of 0 is not in the list."""
        cosines = lists.first_scores(self.found, self.roles, rows)
        ranks, scores = np.zeros(cosines.shape, np.int64), np.zeros(cosines.shape)
        for at, (row, line) in enumerate(zip(rows, cosines, strict=True)):
            if self.looker is None:
                order = lists.best_first(line, fusion.DEPTH)
                scores[at] = self.place(np.where(np.isfinite(line), line, 0.0), line[order])
            else:
                first = lists.best_first(line, self.looker.look.depth)
                pairs = self.looker.pairs(row, first, line[first])[: fusion.DEPTH]
                pairs = [(place, score) for place, score in pairs if score > 0]
                order = np.array([place for place, _ in pairs], np.int64)
                values = np.array([score for _, score in pairs])
                scores[at, order] = self.place(values, values)
            ranks[at, order] = np.arange(1, len(order) + 1)
        return ranks, scores


def _matched(encoders: Sequence[Encoder]) -> dict | list[dict] | None:
    """Every cause of the scores of those that match key points; None where none does."""
    found = [keypoints.causes(one.matcher) for one in encoders if one.matches]
    return found[0] if len(found) == 1 else found or None


def fused_cell(
    dataset: Dataset,
    encoders: Sequence[str],
    protocol: Protocol,
    method: str,
    weights: Sequence[float] | str = (),
    progress: Progress | None = None,
) -> Cell:
    """Evaluate encoders together, by exact search, or read what was evaluated. Beyond what any list
    holds, pictures follow by the weighted sum of their calibrated scores.

    Args:
        weights: one for each encoder, none for equal ones, or ``learned``: the queries are split in
            two by object, and each half is scored with the weights that do best on the other.

    Raises:
        UserError: fewer than two encoders, weights that can't be used, a protocol that crops its
            queries, or embeddings that are not built.
    """
    names = list(dict.fromkeys(encoders))
    fusion.method(method)
    if not isinstance(weights, str):
        fusion.shares(weights, len(names))
    _refuse(names, protocol)
    made = [bound(dataset, name).encoder for name in names]
    for encoder in made:
        stored.read(dataset, encoder)  # says what is not built before anything is waited for
    causes = {
        "members": [stored.causes(dataset, encoder) for encoder in made],
        "looks": [second_look(one, "", 0) is not None for one in made],
        "keypoints": _matched(made),
        "roles": digest(dataset.items, protocol),
        "metrics": list(table.DEFAULT),
        "fusion": [method, weights if isinstance(weights, str) else list(weights), fusion.DEPTH],
        "version": VERSION,
    }

    def write(folder: Path) -> dict:
        keep(folder, _fused(dataset, made, protocol, method, weights, progress))
        named_so = fused_name(method, names, weights)
        return dataset.owned(named_so)

    cell = store.kept(KIND, causes, write, read, progress)
    worst = max((seen(one, dataset, protocol) for one in made), key=lambda s: KINDS.index(s.kind))
    return replace(cell, card={**cell.card, "seen": worst.kind, "seen in words": worst.words})


def beginnings(
    dataset: Dataset, name: str, protocol: Protocol, queries: Sequence[str], top: int
) -> tuple[list[Item], Roles, Iterator[Ranked]]:
    """The lists of a fusion by its ``name`` for some queries: the pictures that all members hold,
    who asks among them, and the ranked lists in that order, each with its first ``top``.

    Raises:
        UserError: weights that were learned, a protocol that crops its queries, or embeddings that
            are not built.
    """
    method, names, weights = fused_parts(name)
    _refuse(names, protocol)
    if isinstance(weights, str):
        raise UserError(
            "The weights of this fusion were learned, other ones for each half of the queries: its"
            " hits are not kept, and can't be shown.",
            fix="Fuse with equal weights, or with weights of your own.",
        )
    made = [bound(dataset, one).encoder for one in names]
    members, items, roles = _members(dataset, made, protocol)
    some = _asked(items, roles, queries)
    shares = np.broadcast_to(fusion.shares(weights, len(names)), (len(some.queries), len(names)))
    return items, some, _blocks(members, some, shares, fusion.method(method), None, top)


def _refuse(names: Sequence[str], protocol: Protocol) -> None:
    if len(names) < 2:
        raise UserError("Fusion needs two encoders at least.", fix="Name another one.")
    if protocol.crop:
        raise UserError(
            "Fusion is evaluated with whole queries; this protocol crops them.",
            fix="Choose a protocol without crops.",
        )


def _fused(
    dataset: Dataset,
    encoders: Sequence[Encoder],
    protocol: Protocol,
    method: str,
    weights: Sequence[float] | str,
    progress: Progress | None,
) -> Cell:
    members, items, roles = _members(dataset, encoders, protocol)
    asked = [items[row] for row in roles.queries]
    clusters = np.array([cluster_of(item) for item in asked], dtype=np.str_)
    count, found = len(members), fusion.method(method)
    if isinstance(weights, str):
        by_query = _learned(members, roles, clusters, found, progress)
        shown = " and ".join(_said(w) for w in np.unique(by_query, axis=0)) or "none"
    else:
        share = fusion.shares(weights, count)
        by_query = np.broadcast_to(share, (len(roles.queries), count))
        shown = _said(share)
    groups = np.array([group_of(item, protocol) for item in asked], dtype=np.str_)
    ranked = _blocks(members, roles, by_query, found, progress, table.deepest(table.DEFAULT))
    judged = stream.evaluate(ranked, codes=np.unique(groups, return_inverse=True)[1])
    names = [member.encoder.name for member in members]
    name = fused_name(method, names, weights)
    noted = card(dataset, members[0].encoder, protocol, EXACT, roles, judged.relevant, DEPTH)
    told = {
        "encoder": name,
        "dimensions": sum(member.encoder.dim for member in members),
        "normalisation": f"{fusion.METHODS[method][0]} of {', '.join(names)}",
        "weights": shown,
        "encoder causes": {one.name: one.fingerprint() for one in encoders},
    }
    return Cell(
        dataset=dataset.name,
        protocol=protocol.name,
        encoder=name,
        index=EXACT.text,
        queries=np.array([item.id for item in asked], dtype=np.str_),
        groups=groups,
        clusters=clusters,
        relevant=judged.relevant,
        scores=judged.scores,
        curves=judged.curves,
        card={**noted, **told},
        class_curves=judged.class_curves,
    )


def _said(weights: np.ndarray) -> str:
    return " : ".join(f"{weight:.2g}" for weight in weights)


def _members(
    dataset: Dataset, encoders: Sequence[Encoder], protocol: Protocol
) -> tuple[list[_Member], list[Item], Roles]:
    """The encoders over the pictures that all of them hold."""
    held = [stored.read(dataset, encoder) for encoder in encoders]
    shared = set.intersection(*(set(found.ids) for found in held))
    ids = tuple(id for id in held[0].ids if id in shared)
    items = [dataset.items[dataset.rows[id]] for id in ids]
    roles = roles_of(items, protocol)
    pairs = zip(encoders, held, strict=True)
    return [_member(dataset, *pair, ids, roles) for pair in pairs], items, roles


def _member(
    dataset: Dataset, encoder: Encoder, found: Embeddings, ids: tuple[str, ...], roles: Roles
) -> _Member:
    row_of = {id: row for row, id in enumerate(found.ids)}
    vectors = np.asarray(found.vectors[[row_of[id] for id in ids]])
    kept = Embeddings(ids, vectors, found.dataset, found.encoder)
    look = second_look(encoder, "", len(roles.gallery))
    looker = None if look is None else lists.Looker(look, dataset, kept, roles)
    known = None
    if look is None:
        known = usual(dataset, encoder, kept, roles.gallery).calibration
    return _Member(encoder, kept, roles, lambda values, seen: placed(values, seen, known), looker)


def _blocks(
    members: Sequence[_Member],
    roles: Roles,
    weights: np.ndarray,
    method: fusion.Method,
    progress: Progress | None,
    top: int,
) -> Iterator[Ranked]:
    """Ranked lists in the order of the queries; ``weights`` (q, e)."""
    labels = roles.relevant[roles.gallery]
    for start in range(0, len(roles.queries), BLOCK):
        report(progress, start, len(roles.queries))
        part = slice(start, start + BLOCK)
        ranks, scores = _listed(members, roles.queries[part])
        yield _ranked(ranks, scores, weights[part], method, roles, part, labels, top)
    report(progress, len(roles.queries), len(roles.queries))


def _listed(members: Sequence[_Member], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks and scores (e, q, gallery)."""
    pairs = [member.listed(rows) for member in members]
    return np.stack([ranks for ranks, _ in pairs]), np.stack([scores for _, scores in pairs])


def _ranked(
    ranks: np.ndarray,
    scores: np.ndarray,
    weights: np.ndarray,
    method: fusion.Method,
    roles: Roles,
    part: slice,
    labels: np.ndarray | None = None,
    top: int = 0,
) -> Ranked:
    rows = roles.queries[part]
    fused = np.stack(
        [
            fused_order(ranks[:, at], scores[:, at], weights[at], method)
            for at in range(ranks.shape[1])
        ]
    )
    junk = roles.junk(rows)
    own = None if labels is None else roles.relevant[rows]
    return rank(fused, roles.right(rows) & ~junk, junk, top=top, labels=labels, own=own)


def fused_order(
    ranks: np.ndarray, scores: np.ndarray, weights: np.ndarray, method: fusion.Method
) -> np.ndarray:
    """Values float32 (n,) that order a gallery: what a list holds by its fused score, then the
    rest by the weighted sum of scores. Places stand for both, so that none ties by rounding."""
    held = (ranks[weights > 0] > 0).any(axis=0)
    order = np.lexsort((-(weights @ scores), -method(ranks, scores, weights), ~held))
    values = np.empty(len(order), np.float32)
    values[order] = -np.arange(len(order), dtype=np.float32)
    return values


def _learned(
    members: Sequence[_Member],
    roles: Roles,
    clusters: np.ndarray,
    method: fusion.Method,
    progress: Progress | None,
) -> np.ndarray:
    """Weights (q, e) of each query: the best on the half of the objects that it is not in."""
    names, which = np.unique(clusters, return_inverse=True)
    half = np.random.default_rng(0).permutation(len(names))[which] % 2
    weights = np.zeros((len(clusters), len(members)))
    for side in (0, 1):
        others = np.flatnonzero(half != side)
        some = others[np.linspace(0, len(others) - 1, min(TRIED, len(others))).astype(int)]
        weights[half == side] = _best(members, roles, some, method, progress)
    return weights


def _best(
    members: Sequence[_Member],
    roles: Roles,
    some: np.ndarray,
    method: fusion.Method,
    progress: Progress | None,
) -> np.ndarray:
    """The weights (e,) with the highest mAP over the queries ``some``; of equal ones the first."""
    rows = roles.queries[some]
    if not len(rows):
        return fusion.shares((), len(members))
    report(progress, 0, len(roles.queries))
    ranks, scores = _listed(members, rows)
    asked = Roles(roles.gallery, rows, roles.relevant, roles.ignore)
    best, kept = -1.0, fusion.shares((), len(members))
    for weights in _grid(len(members)):
        report(progress, 0, len(roles.queries))
        each = np.broadcast_to(weights, (len(rows), len(members)))
        found = _ranked(ranks, scores, each, method, asked, slice(None))
        judged = table.scores(found, ("mAP",))["mAP"]
        mean = float(np.nanmean(judged)) if np.isfinite(judged).any() else 0.0
        if mean > best:
            best, kept = mean, weights
    return kept


def _grid(count: int) -> list[np.ndarray]:
    """Equal shares first; then every way to share ten tenths among so many, or five fifths among
    four; of more, each one with half."""
    equal = fusion.shares((), count)
    if count > 4:
        halves = 1 + (count - 2) * np.eye(count)
        return [equal, *(fusion.shares(line.tolist(), count) for line in halves)]
    steps = STEPS if count < 4 else STEPS // 2
    parts = product(range(steps + 1), repeat=count)
    return [equal, *(np.array(one) / steps for one in parts if sum(one) == steps)]


@dataclass(frozen=True, slots=True)
class Beginning:
    """One query's list: ``hits`` are (item id, relevant) from rank 1; ``first`` is the rank of the
    first relevant item of the whole list, None where no item is relevant."""

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
    for block in found:
        for number in range(len(block)):
            ranks = block.rank[block.row == number]
            shown = [items[some.gallery[column]].id for column in block.top[number] if column >= 0]
            hits = tuple((id, place in ranks) for place, id in enumerate(shown, start=1))
            made[items[some.queries[len(made)]].id] = Beginning(
                hits, int(ranks[0]) if len(ranks) else None
            )
    return made


def _alone(
    dataset: Dataset, name: str, protocol: Protocol, queries: Sequence[str], k: int
) -> tuple[Sequence[Item], Roles, Iterator[Ranked]]:
    """As :func:`beginnings`, of a single encoder."""
    encoder = bound(dataset, name).encoder
    found = stored.read(dataset, encoder)
    items = stored.item_rows(dataset, found)
    roles = roles_for(dataset, encoder, found, protocol)
    look = look_of(encoder, EXACT, protocol, len(roles.gallery))
    some = _asked(items, roles, queries)
    return items, some, ranked_blocks(look, dataset, found, some, k)


def _asked(items: Sequence[Item], roles: Roles, queries: Sequence[str]) -> Roles:
    """The same roles, these queries alone."""
    wanted = set(queries)
    rows = [row for row in roles.queries if items[row].id in wanted]
    return replace(roles, queries=np.array(rows, np.int64))
