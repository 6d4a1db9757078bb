"""The metric audit: one query's list by every published definition, and by other packages."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from core.datasets.base import Dataset
from core.errors import UserError
from core.metrics import definitions, stream
from core.services.embedding import stored
from core.services.embedding.bound import with_vectors
from core.services.embedding.roles import protocol_named, roles_for
from core.training.losses import leave_faiss_alone

FIRST = 20


@dataclass(frozen=True, slots=True)
class Audited:
    """``rows``: definition, formula, who uses it, value, steps, package (name or empty), theirs
    (its value or None).

    ``shown``: the first ranks as (item id, relevant). ``hits`` are all ranks of relevant items.
    """

    query: str
    encoder: str
    k: int
    relevant: int
    length: int
    hits: tuple[int, ...]
    shown: tuple[tuple[str, bool], ...]
    rows: tuple[dict, ...]


def audit(
    dataset: Dataset, encoder_name: str, query: str, protocol_name: str | None = None, k: int = 10
) -> Audited:
    """Score one query's whole list.

    Packages are asked where they are installed (all but trec_eval always are).

    Raises:
        UserError: the embeddings are not built, no such query under the protocol, or nothing
            relevant to find.
    """
    if not 1 <= k <= 1000:
        raise UserError(f"K = {k} was asked for.", "K is from 1 to 1000.")
    encoder = with_vectors(dataset, encoder_name).encoder
    found = stored.read(dataset, encoder)
    items = stored.item_rows(dataset, found)
    protocol = protocol_named(dataset, protocol_name)
    roles = roles_for(dataset, encoder, found, protocol)
    row = next((row for row in roles.queries if items[row].id == query), None)
    if row is None:
        example = items[roles.queries[0]].id if len(roles.queries) else "none"
        given = (
            f"{query[:80]!r} is no query of {dataset.title or dataset.name} under"
            f" {protocol.name!r}."
        )
        raise UserError(given, f"A query is, for example, {example}.")
    one = replace(roles, queries=np.array([row]))
    lists = next(stream.blocks(found.vectors, one, len(roles.gallery)))
    if not lists.relevant[0]:
        raise UserError(
            f"Nothing in the gallery is relevant to {query!r}.", fix="Choose another query."
        )
    made = definitions.List(
        tuple(lists.rank.tolist()), int(lists.relevant[0]), int(lists.length[0])
    )
    rows = tuple(_row(entry, made, k) for entry in definitions.audit(made, k))
    order = [items[roles.gallery[column]].id for column in lists.top[0][:FIRST] if column >= 0]
    shown = tuple((id, rank in made.hits) for rank, id in enumerate(order, start=1))
    return Audited(query, encoder_name, k, made.relevant, made.length, made.hits, shown, rows)


def _row(entry: tuple[definitions.Definition, float, str], made: definitions.List, k: int) -> dict:
    definition, value, steps = entry
    package, theirs = _outside(definition.name, made, k)
    return {
        "definition": definition.name,
        "formula": definition.formula,
        "who": definition.who,
        "value": value,
        "steps": steps,
        "package": package,
        "theirs": theirs,
    }


def _outside(name: str, made: definitions.List, k: int) -> tuple[str, float | None]:
    package, ask = OUTSIDE.get(name, ("", None))
    if ask is None or find_spec(package) is None:
        return package, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return package, float(ask(made, k))


def _arrays(made: definitions.List) -> tuple[np.ndarray, np.ndarray]:
    relevant = np.zeros(made.length, int)
    relevant[[rank - 1 for rank in made.hits]] = 1
    return relevant, -np.arange(made.length, dtype=float)


def _first(made: definitions.List, k: int) -> definitions.List:
    """The beginning of a list, as a package that never sees the rest gets it."""
    hits = made.within(k)
    return definitions.List(hits, len(hits), min(k, made.length))


def _sklearn_ap(made: definitions.List, k: int) -> float:
    from sklearn.metrics import average_precision_score

    return average_precision_score(*_arrays(made)) if made.hits else 0.0


def _sklearn_ndcg(made: definitions.List, k: int) -> float:
    from sklearn.metrics import ndcg_score

    relevant, scores = _arrays(made)
    return (
        ndcg_score(relevant[None], scores[None], k=k) if made.length > 1 else float(bool(made.hits))
    )


def _map_at_r(made: definitions.List, k: int) -> float:
    leave_faiss_alone()
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    relevant = torch.from_numpy(_arrays(made)[0])
    order = torch.arange(made.length)[None]
    judge = AccuracyCalculator(
        include=("mean_average_precision_at_r",),
        k=made.length,
        device=torch.device("cpu"),
        knn_func=lambda *_: (order.float(), order),
    )
    vectors = torch.zeros(made.length, 1)
    answer = judge.get_accuracy(
        vectors[:1], torch.ones(1, dtype=relevant.dtype), vectors, relevant, False
    )
    return float(answer["mean_average_precision_at_r"])


def _trec(measure: str) -> Callable[[definitions.List, int], float]:
    def ask(made: definitions.List, k: int) -> float:
        import pytrec_eval

        relevant, scores = _arrays(made)
        qrels = {"q": {f"d{i}": int(grade) for i, grade in enumerate(relevant)}}
        run = {"q": {f"d{i}": float(score) for i, score in enumerate(scores)}}
        asked, key = (
            (f"{measure}.{k}", f"{measure}_{k}")
            if measure in ("map_cut", "P", "recall", "success")
            else (measure, measure)
        )
        return pytrec_eval.RelevanceEvaluator(qrels, {asked}).evaluate(run)["q"][key]

    return ask


OUTSIDE: dict[str, tuple[str, Callable[[definitions.List, int], float]]] = {
    "AP": ("sklearn", _sklearn_ap),
    "nDCG@K": ("sklearn", _sklearn_ndcg),
    "AP@K, divided by R": ("pytrec_eval", _trec("map_cut")),
    "Precision@K": ("pytrec_eval", _trec("P")),
    "Recall@K (retrieval)": ("pytrec_eval", _trec("recall")),
    "Recall@K (metric learning), CMC@K": ("pytrec_eval", _trec("success")),
    "Reciprocal rank": ("pytrec_eval", _trec("recip_rank")),
    "AP@K, divided by hits found": ("sklearn", lambda made, k: _sklearn_ap(_first(made, k), k)),
    "nDCG@K, ideal of what was found": (
        "sklearn",
        lambda made, k: _sklearn_ndcg(_first(made, k), k),
    ),
    "MAP@R": ("pytorch_metric_learning", _map_at_r),
    "R-precision": ("pytrec_eval", _trec("Rprec")),
}
