"""What does an encoder think "similar" means? What its hits share beyond chance."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.metrics import statistics, stream
from core.services.embedding import stored
from core.services.embedding.bound import with_vectors
from core.services.embedding.roles import cluster_of, codes
from core.types import Item, Progress

KIND = "probes"
VERSION = 1
K, MAX_K = 10, 1000
MOST_VALUES = 60
PER_VALUE = 2
"""A factor is worth asking about where its values have this many pictures each, on average."""
FIELDS = ("instance", "category", "label")
FIRST_OF = {"colours": "main colour", "materials": "main material"}


@dataclass(frozen=True, slots=True)
class Probe:
    """One factor of one encoder. ``observed`` and ``expected`` are shares of the top K that agree
    with the query; ``lift`` = observed / expected with its 95 % interval. 1 = chance."""

    factor: str
    values: int
    observed: float
    expected: float
    lift: float
    low: float
    high: float
    queries: int


def probe(
    dataset: Dataset, encoder_name: str, k: int = K, progress: Progress | None = None
) -> list[Probe]:
    """Every factor of a dataset under one encoder, from the cache where it was asked before.

    Pictures of the query's own object are left out of its neighbours and of chance (they share
    nearly every factor), except for the factor *instance* itself. Intervals are over objects.

    Raises:
        UserError: k out of range, embeddings that are not built, or a dataset that says nothing
            about its pictures.
    """
    if not 1 <= k <= MAX_K:
        raise UserError(f"K = {k} was asked for.", f"K is from 1 to {MAX_K}.")
    encoder = with_vectors(dataset, encoder_name).encoder
    items = stored.item_rows(dataset, stored.read(dataset, encoder))
    known = factors(items)
    if not known:
        raise UserError(
            f"Nothing is known of the pictures of {dataset.title or dataset.name} that neighbours"
            " could share.",
            fix=(
                "Use the catalogue, sort pictures into folders, or give a CSV manifest with a"
                " column for each attribute."
            ),
        )
    marks = {
        name: store.fingerprint([str(value) for value in values]) for name, values in known.items()
    }
    causes = {**stored.causes(dataset, encoder), "factors": marks, "k": k, "version": VERSION}

    def write(folder: Path) -> dict:
        vectors = stored.read(dataset, encoder).vectors
        rows = _probe(vectors, items, known, k, progress)
        (folder / "probes.json").write_text(json.dumps([asdict(row) for row in rows]))
        return dataset.owned(encoder.name)

    return store.kept(KIND, causes, write, _read, progress)


def _read(folder: Path) -> list[Probe]:
    return [Probe(**row) for row in json.loads((folder / "probes.json").read_text())]


def factors(items: Sequence[Item]) -> dict[str, list[object]]:
    """Name -> value of each item, for fields and attributes with 2 shared values or more."""
    found: dict[str, list[object]] = {name: [item.value(name) for item in items] for name in FIELDS}
    for name in dict.fromkeys(name for item in items for name in item.attributes):
        found[FIRST_OF.get(name, name)] = [_plain(item.value(name)) for item in items]
    return {
        name: values for name, values in _distinct(found).items() if _worth_asking(name, values)
    }


def _plain(value: object) -> object:
    """A list stands for its first entry: the first colour is that of the product's main part."""
    return (value[0] if len(value) else None) if isinstance(value, list | tuple) else value


def _distinct(found: dict[str, list[object]]) -> dict[str, list[object]]:
    """Without factors that say the same as an earlier one."""
    kept: dict[tuple, str] = {}
    for name, values in found.items():
        kept.setdefault(tuple(codes(values)), name)
    return {name: found[name] for name in kept.values()}


def _worth_asking(name: str, values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    if any(isinstance(value, float) and not value.is_integer() for value in known):
        return False  # a measure, not a kind: nothing agrees exactly
    count = len(set(known))
    limit = len(known) // PER_VALUE if name in FIELDS else MOST_VALUES
    return 2 <= count <= limit


def _probe(
    vectors: np.ndarray,
    items: Sequence[Item],
    known: dict[str, list[object]],
    k: int,
    progress: Progress | None,
) -> list[Probe]:
    order = np.array(sorted(range(len(items)), key=lambda row: items[row].id), np.int64)
    instance = codes([item.instance for item in items])
    clusters = np.array([cluster_of(items[row]) for row in order])
    rows = []
    for own in (True, False):
        names = [name for name in known if (name == "instance") == own]
        table = {name: codes(known[name]) for name in names}
        apart = -1 - np.arange(len(items)) if own else instance
        roles = stream.Roles(order, order, instance, apart)
        rows += _lifts(vectors, roles, table, clusters, k, progress) if names else []
    return sorted(rows, key=lambda row: -row.lift)


def _lifts(
    vectors: np.ndarray,
    roles: stream.Roles,
    table: dict[str, np.ndarray],
    clusters: np.ndarray,
    k: int,
    progress: Progress | None,
) -> list[Probe]:
    """Observed and expected agreement of every query for every factor, then their ratio."""
    observed: dict[str, list] = {name: [] for name in table}
    expected: dict[str, list] = {name: [] for name in table}
    start = 0
    for block in stream.blocks(vectors, roles, k, progress):
        rows = roles.queries[start : start + len(block)]
        start += len(block)
        junk = roles.junk(rows)
        there = block.top >= 0
        for name, code in table.items():
            own, gallery = code[rows][:, None], code[roles.gallery]
            agree = (gallery[block.top] == own) & there
            observed[name].append(agree.sum(axis=1) / np.maximum(there.sum(axis=1), 1))
            expected[name].append(
                ((gallery == own) & ~junk).sum(axis=1) / np.maximum((~junk).sum(axis=1), 1)
            )
    return [
        _one(
            name,
            code[roles.queries],
            np.concatenate(observed[name]),
            np.concatenate(expected[name]),
            clusters,
        )
        for name, code in table.items()
    ]


def _one(
    name: str, own: np.ndarray, observed: np.ndarray, expected: np.ndarray, clusters: np.ndarray
) -> Probe:
    use = own >= 0
    seen, chance = observed[use], expected[use]
    low, high = statistics.ratio_interval(seen, chance, clusters[use])
    lift = float(seen.sum() / chance.sum()) if chance.sum() else 0.0
    bounds = (
        (float(low[0]), float(high[0])) if np.isfinite([low[0], high[0]]).all() else (0.0, lift)
    )
    return Probe(
        name,
        len(np.unique(own[use])),
        float(seen.mean()),
        float(chance.mean()),
        lift,
        *bounds,
        int(use.sum()),
    )
