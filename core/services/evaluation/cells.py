"""A cell: a dataset under a protocol, an encoder, an index. Evaluated once, then cached."""

import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.metrics import stream, table
from core.metrics.ranked import Ranked
from core.metrics.stream import Roles
from core.neighbours import rank, without_own
from core.rerankers.base import rerankers
from core.services.embedding import galleries, stored
from core.services.embedding.bound import bound
from core.services.embedding.contents import content_hash
from core.services.embedding.roles import asking_encoder, cluster_of, digest, group_of, roles_for
from core.services.evaluation import lists
from core.services.evaluation.seen import seen
from core.services.hardware import hardware, versions
from core.services.search.looking import SecondLook, second_look
from core.services.specs import IndexSpec, index_and_reranker, members_of
from core.types import Embeddings, Item, Progress, Protocol, report

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
    made = ""
    if isinstance(record, dict):
        made = ", ".join(f"{key} {value}" for key, value in record.items())
    side = f"{encoder.side} px on the short side" if encoder.side else "as the picture is"
    return {
        "image size": made or side,
        "pooling": getattr(encoder, "pool", None) or "the encoder's own",
    }


KIND = "scores"
VERSION = 2
CURVE = "curve/"
DEPTH = 100
"""How many hits an approximate index is asked for, and so how far its answers can be evaluated:
asked for more it would search harder than it does for a person. Exact search is evaluated to the
end of the gallery."""
BATCH = 256
RECALL_K = 10
SHALLOW = tuple(name for name in table.DEFAULT if (table.metric(name)[1] or DEPTH + 1) <= DEPTH)
"""Metrics that need no more than those hits."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Per-query scores of one (dataset, protocol, encoder, index).

    ``queries`` are ids (q,), ``groups`` the class of each, ``clusters`` what belongs together when
    queries are resampled, ``relevant`` R; ``scores`` metric -> float64 (q,), NaN where R = 0;
    ``curves`` means at K and at recall levels; ``card`` the protocol in words and figures;
    ``latency`` stage -> mode -> p50, p95, p99 in ms and runs (empty where not measured).
    """

    dataset: str
    protocol: str
    encoder: str
    index: str
    queries: np.ndarray
    groups: np.ndarray
    clusters: np.ndarray
    relevant: np.ndarray
    scores: dict[str, np.ndarray]
    curves: dict[str, list[float]]
    card: dict
    latency: dict = field(default_factory=dict)
    class_curves: dict[str, np.ndarray] = field(default_factory=dict)
    """Curve -> (classes, values), classes as in :meth:`classes`, NaN where none of a class could be
    evaluated; empty in reports of before they were kept."""

    @property
    def evaluated(self) -> np.ndarray:
        """bool (q,): queries with something relevant in the gallery."""
        return self.relevant > 0

    @property
    def name(self) -> tuple[str, str, str, str]:
        return self.dataset, self.protocol, self.encoder, self.index

    @property
    def looks_twice(self) -> bool:
        """Whether it is re-ranked or fused, and so worth setting beside what it is made of."""
        return bool(index_and_reranker(self.index)[1] or members_of(self.encoder))

    def milliseconds(self, percentile: str = "p50") -> float | None:
        """Time of one search with every stage, one picture at a time; None: not measured."""
        return self.latency.get("total", {}).get("single", {}).get(percentile)

    def classes(self) -> list[str]:
        """The classes of the queries, sorted."""
        return np.unique(self.groups).tolist()

    def curves_of(self, group: str) -> dict[str, list[float]]:
        """The curves over the queries of one class; empty where there are none."""
        known = self.classes()
        if group in known:
            rows = {name: values[known.index(group)] for name, values in self.class_curves.items()}
        else:
            rows = {}
        return {name: row.tolist() for name, row in rows.items() if np.isfinite(row).all()}

    def means(self) -> dict[str, float | None]:
        """Metric -> mean over the evaluated queries; None where none could be evaluated."""
        use = self.evaluated
        return {
            name: float(values[use].mean()) if use.any() else None
            for name, values in self.scores.items()
        }

    def class_means(self) -> dict[str, float | None]:
        """Metric -> mean over classes of the mean over the evaluated queries of each."""
        use = self.evaluated
        if not use.any():
            return dict.fromkeys(self.scores)
        _, which = np.unique(self.groups[use], return_inverse=True)
        sizes = np.bincount(which)
        return {
            name: float((np.bincount(which, values[use]) / sizes).mean())
            for name, values in self.scores.items()
        }


def cell(
    dataset: Dataset,
    encoder_name: str,
    protocol: Protocol,
    index: IndexSpec,
    progress: Progress | None = None,
) -> Cell:
    """Evaluate, or read what was evaluated. The embeddings have to be built; an index is built
    where it is missing.

    Raises:
        UserError: unknown names or knobs, or embeddings that are not built.
    """
    encoder = bound(dataset, encoder_name).encoder
    found = stored.read(dataset, encoder)
    items, by = stored.item_rows(dataset, found), asking_encoder(dataset, encoder, protocol)
    asking = {} if by is encoder else {"asking": by.fingerprint()}
    causes = {
        **stored.causes(dataset, encoder),
        **asking,
        "roles": digest(items, protocol),
        "metrics": list(table.DEFAULT),
        "version": VERSION,
        **index.causes(),
        "depth": None if index.exact else DEPTH,
        **_look_causes(encoder, index, protocol, items),
    }

    def write(folder: Path) -> dict:
        return _write(folder, dataset, encoder, protocol, index, progress)

    made = store.kept(KIND, causes, write, read, progress)
    # not part of the entry: cards learn more about their data later
    has_seen = seen(encoder, dataset, protocol)
    shown = {**made.card, "seen": has_seen.kind, "seen in words": has_seen.words}
    return replace(made, index=index.shown, card=shown)  # every exact index shares one entry


def look_of(encoder: Encoder, index: IndexSpec, protocol: Protocol, size: int) -> SecondLook | None:
    """The second look of an evaluation.

    Raises:
        UserError: an encoder that can't be re-ranked, an unknown re-ranker, or key points of
            queries that are cropped.
    """
    look = second_look(encoder, index.reranker, size)
    if look is not None and look.reranker.sees == "key points" and protocol.crop:
        raise UserError(
            "Key points are those of whole pictures; this protocol crops its queries.",
            fix="Choose a protocol without crops.",
        )
    return look


def ranked_blocks(
    look: SecondLook | None,
    dataset: Dataset,
    found: Embeddings,
    roles: Roles,
    top: int = 0,
    progress: Progress | None = None,
) -> Iterator[Ranked]:
    """Ranked lists over the whole gallery in the order of ``roles.queries``."""
    if look is None:
        return stream.blocks(found.vectors, roles, top, progress)
    return lists.blocks(look, dataset, found, roles, top, progress)


def _look_causes(
    encoder: Encoder, index: IndexSpec, protocol: Protocol, items: Sequence[Item]
) -> dict:
    """Every cause of the second look; empty without one."""
    look = look_of(encoder, index, protocol, sum(protocol.in_gallery(i) for i in items))
    if look is None:
        return {}
    return {"second": {**look.reranker.fingerprint(), "depth": look.depth}}


def read(folder: Path) -> Cell:
    """A cell from its folder."""
    meta = json.loads((folder / "cell.json").read_text())
    with np.load(folder / "scores.npz", allow_pickle=False) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    parts = {name: kept.pop(name) for name in ("queries", "groups", "clusters", "relevant")}
    parts["class_curves"] = {
        name.removeprefix(CURVE): kept.pop(name) for name in list(kept) if name.startswith(CURVE)
    }
    return Cell(
        **{
            name: meta[name]
            for name in ("dataset", "protocol", "encoder", "index", "curves", "card")
        },
        **parts,
        scores={name: values.astype(np.float64) for name, values in kept.items()},
    )


def _write(
    folder: Path,
    dataset: Dataset,
    encoder: Encoder,
    protocol: Protocol,
    index: IndexSpec,
    progress: Progress | None,
) -> dict:
    found = stored.read(dataset, encoder)
    items = stored.item_rows(dataset, found)
    roles = roles_for(dataset, encoder, found, protocol)
    top = table.deepest(table.DEFAULT)
    asked = [items[row] for row in roles.queries]
    groups = np.array([group_of(item, protocol) for item in asked], dtype=np.str_)
    codes = np.unique(groups, return_inverse=True)[1]
    look = look_of(encoder, index, protocol, len(roles.gallery))
    if index.exact:
        ranked = ranked_blocks(look, dataset, found, roles, top, progress)
        evaluated = stream.evaluate(ranked, codes=codes)
        scores = evaluated.scores
    else:
        evaluated, overlap = _listed(dataset, encoder, index, roles, look, codes, progress)
        scores = {
            **evaluated.scores,
            f"index recall@{RECALL_K}": np.where(evaluated.relevant > 0, overlap, np.nan),
        }
    shown = card(dataset, encoder, protocol, index, roles, evaluated.relevant, DEPTH)
    made = Cell(
        dataset=dataset.name,
        protocol=protocol.name,
        encoder=encoder.name,
        index=index.shown,
        queries=np.array([item.id for item in asked], dtype=np.str_),
        groups=groups,
        clusters=np.array([cluster_of(item) for item in asked], dtype=np.str_),
        relevant=evaluated.relevant,
        scores=scores,
        curves=evaluated.curves,
        card=shown,
        class_curves=evaluated.class_curves,
    )
    keep(folder, made)
    return dataset.owned(encoder.name, index=index.shown, rows=len(asked))


def _listed(
    dataset: Dataset,
    encoder: Encoder,
    index: IndexSpec,
    roles: stream.Roles,
    look: SecondLook | None,
    codes: np.ndarray,
    progress: Progress | None,
) -> tuple[stream.Evaluated, np.ndarray]:
    """What an approximate index answers, as far as it is scored; and its index recall (q,)."""
    found, top = stored.read(dataset, encoder), table.deepest(table.DEFAULT)
    depth = look.depth if look else 0
    hits, overlap = _answers(dataset, encoder, index, roles, found.vectors, depth, progress)
    if look is not None and len(hits):
        looker = lists.Looker(look, dataset, found, roles)
        pairs = zip(roles.queries, hits, strict=True)
        hits = np.stack([looker.reordered(row, at) for row, at in pairs])[:, :DEPTH]
    ranked = (
        stream.listed(hits[part], roles.queries[part], roles, top) for part in _parts(len(hits))
    )
    evaluated = stream.evaluate(ranked, SHALLOW, codes)
    for curves in (evaluated.curves, evaluated.class_curves):
        curves.pop("precision_at_recall", None)
    return evaluated, overlap


def keep(folder: Path, cell: Cell) -> None:
    """Write what :func:`read` reads."""
    arrays: dict[str, Any] = {
        **cell.scores,
        **{CURVE + name: rows for name, rows in cell.class_curves.items()},
    }
    np.savez_compressed(
        folder / "scores.npz",
        queries=cell.queries,
        groups=cell.groups,
        clusters=cell.clusters,
        relevant=cell.relevant.astype(np.int32),
        **arrays,
    )
    noted = dict(zip(("dataset", "protocol", "encoder", "index"), cell.name, strict=True))
    (folder / "cell.json").write_text(
        json.dumps({**noted, "curves": cell.curves, "card": cell.card})
    )


def _parts(count: int) -> list[slice]:
    return [slice(start, start + BATCH) for start in range(0, count, BATCH)]


def _answers(
    dataset: Dataset,
    encoder: Encoder,
    index: IndexSpec,
    roles: stream.Roles,
    vectors: np.ndarray,
    depth: int,
    progress: Progress | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Hits as positions in the roles' gallery, int64 (q, depth), and index recall@10 (q,)."""
    made, rows = galleries.gallery_index(dataset, encoder, index.name, progress, **index.build)
    exact, _ = galleries.gallery_index(dataset, encoder, "exact", progress)
    place = np.full(len(vectors) + 1, -1, np.int64)
    place[roles.gallery] = np.arange(len(roles.gallery))
    own_rows = np.full(len(vectors), -1, np.int64)
    own_rows[np.asarray(rows)] = np.arange(len(rows))
    depth, hits, overlap = min(max(DEPTH, depth), made.size), [], []
    for part in _parts(len(roles.queries)):
        report(progress, part.start, len(roles.queries))
        asking = vectors if roles.asking is None else roles.asking
        queries = np.ascontiguousarray(asking[roles.queries[part]])
        answer = made.search(queries, depth, **index.search)
        near = min(RECALL_K + 1, made.size)
        found = made.search(queries, near, **index.search)
        found = found if made.score == "cosine" else rank(queries, made.rows, found.ids, near)
        pair, own = (found, exact.search(queries, near)), own_rows[roles.queries[part]]
        overlap.append(
            table.index_recall(*(without_own(hits, own, RECALL_K).scores for hits in pair))
        )
        hits.append(place[np.where(answer.ids >= 0, np.asarray(rows)[answer.ids], len(vectors))])
    report(progress, len(roles.queries), len(roles.queries))
    if not hits:
        return np.zeros((0, depth), np.int64), np.zeros(0)
    return np.concatenate(hits), np.concatenate(overlap)
