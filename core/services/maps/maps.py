"""Maps of a dataset by an encoder: built once, kept like everything else, with their quality
measured beside them."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder, encoders
from core.errors import UserError
from core.projections import quality
from core.projections.base import (
    LEAST,
    Projection,
    Setting,
    arranged,
    check,
    landmarks,
    projections,
    too_few,
)
from core.services.embedding import stored
from core.services.embedding.bound import NoVectors, with_vectors
from core.services.maps import placed
from core.services.maps.ahead import Ahead, Making
from core.types import Embeddings, Progress, Step, doing

log = logging.getLogger(__name__)
KIND = placed.KIND
PACKED = "layers.npz"
"""Where a map that came with the code holds its layers."""
VERSION = 1
LAYERS = ("trust", "continuity", "kept", "nearest", "clusters")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A map by its causes: ``anchor`` is the encoder whose map it is drawn towards (aligned maps),
    else empty."""

    encoder: str
    projection: str = "umap"
    anchor: str = ""
    params: Mapping[str, float] = field(default_factory=dict)

    def resolved(self) -> Wanted:
        """The same map in one spelling: an aligned map without another encoder to align to is a
        plain UMAP."""
        if projections.get(self.projection).aligns and self.anchor in ("", self.encoder):
            plain = {
                name: value
                for name, value in self.params.items()
                if name in projections.get("umap").settings
            }
            return Wanted(self.encoder, "umap", "", plain)
        return (
            self
            if projections.get(self.projection).aligns
            else Wanted(self.encoder, self.projection, "", self.params)
        )


@dataclass(frozen=True, slots=True)
class Map:
    """``ids`` (n), ``positions`` float32 (n, 2), and for each point: ``trust`` and ``continuity``
    (NaN where not measured), ``kept`` float32 (n,); ``nearest``, the row nearest in the space, and
    ``clusters``, -1 = none, int32 (n,).

    ``medoids`` are the rows of each cluster's most typical picture, ``facts`` the figures of the
    whole.
    """

    wanted: Wanted
    ids: tuple[str, ...]
    positions: np.ndarray
    trust: np.ndarray
    continuity: np.ndarray
    kept: np.ndarray
    nearest: np.ndarray
    clusters: np.ndarray
    medoids: np.ndarray
    facts: dict
    path: Path


def projection_rows() -> list[dict]:
    """Every projection: name, title, about, reading, aligns, and its settings."""
    return [
        {
            "name": p.name,
            "title": p.title,
            "about": p.about,
            "reading": p.reading,
            "aligns": p.aligns,
            "settings": dict(p.settings),
        }
        for p in map(projections.get, projections.names())
    ]


def settings_of(projection: str) -> Mapping[str, Setting]:
    """The parameters of a projection."""
    return projections.get(projection).settings


def causes(dataset: Dataset, wanted: Wanted) -> dict:
    """What a map depends on. Raises UserError: unknown names or parameters, or a fit that is not
    there yet."""
    wanted = wanted.resolved()
    made = projections.get(wanted.projection).fingerprint(**wanted.params)
    anchor = _embeddings_key(dataset, wanted.anchor) if wanted.anchor else None
    return {
        "embeddings": _embeddings_key(dataset, wanted.encoder),
        "anchor": anchor,
        "maps": VERSION,
        **made,
    }


def _embeddings_key(dataset: Dataset, name: str) -> str:
    return store.key(stored.causes(dataset, with_vectors(dataset, name).encoder))


def find(dataset: Dataset, wanted: Wanted) -> Path | None:
    """The folder of a finished map, or None; None too where its embeddings are missing."""
    try:
        key = store.key(causes(dataset, wanted))
        return store.find(KIND, key) or store.came(KIND, shipped_name(wanted), key)
    except UserError:
        return None


def shipped_name(wanted: Wanted) -> str:
    made = wanted.resolved()
    return "--".join(filter(None, (made.encoder, made.projection, made.anchor)))


def build(
    dataset: Dataset, wanted: Wanted, progress: Progress | None = None, *, redraw: bool = False
) -> Path:
    """The map's folder, made when it is not there; an aligned map makes its anchor's first.

    Where the gallery had such a map before pictures came or went, new ones are placed on it.
    ``redraw`` draws such a map anew.

    Raises:
        UserError: the embeddings are not built, or these vectors can't be drawn (and why).
        Cancelled: ``progress`` said stop.
    """
    wanted = wanted.resolved()
    made = _readable(dataset, wanted)
    changed = made is not None and has_changed(made.facts)
    if made is not None and not (redraw and changed):
        return made.path
    found, why = _embeddings(dataset, wanted.encoder), causes(dataset, wanted)
    steps = progress if isinstance(progress, Making) else _alone(dataset, wanted, progress)
    if made is None and (path := _placed(dataset, wanted, found, why, steps)) is not None:
        return path
    anchor = _anchor(dataset, wanted, found, steps, redraw) if wanted.anchor else None

    def draw(folder: Path) -> dict:
        return _write(folder, dataset, wanted, found, anchor, steps)

    if made is None:
        return store.get_or_build(KIND, why, draw, progress)
    placed.redrawn(made.path, why, draw, progress)
    return made.path


def expect(ahead: Ahead, dataset: Dataset, wanted: Sequence[Wanted]) -> None:
    """Tell of maps that will be made, in this order, and of nothing that is there already."""
    count, names = len(dataset.items), []
    for one in (one.resolved() for one in wanted):
        made, name = projections.get(one.projection), shipped_name(one)
        if name in names or find(dataset, one) is not None:
            continue
        names.append(name)
        marks = landmarks(count, max(encoders.get(one.encoder).dim, 1), made.fit_up_to)
        epochs = float(one.params.get("epochs", 0))
        ahead.map(name, one.projection, count, count if marks is None else len(marks), epochs)


def _alone(dataset: Dataset, wanted: Wanted, progress: Progress | None) -> Making:
    """The progress of a map that is asked for by itself, with that of its anchor."""
    ahead = Ahead(progress)
    other = Wanted(wanted.anchor, wanted.projection, "", wanted.params)
    expect(ahead, dataset, [other, wanted] if wanted.anchor else [wanted])
    return ahead.making(shipped_name(wanted))


def has_changed(facts: dict) -> bool:
    """Whether pictures came or went since a map was drawn, by its figures."""
    return bool(facts.get("placed") or facts.get("gone"))


def follow(dataset: Dataset, names: Sequence[str], progress: Progress | None = None) -> int:
    """After pictures came or went: place the new ones on the maps that the gallery had by these
    encoders, and delete what they replace. Returns how many maps followed; those that have aged
    are drawn when they are asked for.

    Raises:
        Cancelled: ``progress`` said stop.
    """
    made = 0
    for name in names:
        try:
            encoder = with_vectors(dataset, name).encoder
            now = _embeddings_key(dataset, name)
        except UserError:  # it compares key points
            continue
        for path, meta in of_before(dataset, encoder, now):
            made += _follows(dataset, meta, progress)
            with suppress(UserError):  # someone makes it just now: it goes the next time
                store.delete(KIND, path.name)
    return made


def _follows(dataset: Dataset, meta: dict, progress: Progress | None) -> bool:
    own = meta.get("causes") or {}
    try:
        wanted = Wanted(meta["encoder_name"], own["projection"], meta["anchor"], own["params"])
        if find(dataset, wanted) is not None:
            return False
        found, why = _embeddings(dataset, wanted.encoder), causes(dataset, wanted)
        steps = Ahead(progress).making(wanted.encoder)
        return _placed(dataset, wanted, found, why, steps) is not None
    except (UserError, *store.UNREADABLE) as error:
        log.warning("a map of %s can't follow: %s", dataset.name, error)
        return False


def _placed(
    dataset: Dataset, wanted: Wanted, found: Embeddings, why: dict, progress: Making
) -> Path | None:
    """The map by placing what came on the one of before; None where there is none that suits."""
    encoder = with_vectors(dataset, wanted.encoder).encoder
    noted = _noted(dataset, wanted)
    before = of_before(dataset, encoder, why["embeddings"])
    one = placed.earlier(before, dataset, found, why, noted["index_name"]) if before else None
    if one is None:
        return None

    def write(folder: Path) -> dict:
        placing = progress.placed(len(one.new), len(found.ids))
        facts = placed.write(folder, one, wanted.projection, found, placing)
        return {"facts": facts, **noted, **_keep_keys(dataset, encoder, found, folder)}

    return store.get_or_build(KIND, why, write, progress)


def of_before(dataset: Dataset, encoder: Encoder, embeddings: str) -> list[tuple[Path, dict]]:
    """Maps by an encoder that show the gallery as it was before it had these embeddings, newest
    first: those that can follow."""
    key = store.fingerprint(encoder.fingerprint())
    made = [
        (path, meta)
        for path, meta in stored.of_source(KIND, dataset, encoder)
        if meta.get("encoder_key") == key
        and (meta.get("causes") or {}).get("embeddings") != embeddings
        and store.sound(path)
    ]
    return sorted(made, key=lambda one: -float(one[1].get("built") or 0.0))


def _keep_keys(dataset: Dataset, encoder: Encoder, found: Embeddings, folder: Path) -> dict:
    """Keep, beside a map, what it needs to follow; what is for its meta."""
    np.save(folder / placed.KEYS, stored.keys_of(dataset, found, np.arange(len(found.ids))))
    return {"encoder_key": store.fingerprint(encoder.fingerprint())}


def _embeddings(dataset: Dataset, name: str) -> Embeddings:
    return with_vectors(dataset, name).vectors()


def _anchor(
    dataset: Dataset, wanted: Wanted, found: Embeddings, progress: Making, redraw: bool = False
) -> np.ndarray:
    """Where the anchor's map shows the same pictures; one that it lacks is drawn to its middle."""
    other = Wanted(wanted.anchor, wanted.projection, "", wanted.params)
    making = progress.ahead.making(shipped_name(other))
    own = read(dataset, other, build(dataset, other, making, redraw=redraw))
    row_of = {id: row for row, id in enumerate(own.ids)}
    middle = own.positions.mean(axis=0)
    return np.array(
        [own.positions[row_of[id]] if id in row_of else middle for id in found.ids], np.float32
    )


def _write(
    folder: Path,
    dataset: Dataset,
    wanted: Wanted,
    found: Embeddings,
    anchor: np.ndarray | None,
    progress: Progress,
) -> dict:
    started = time.perf_counter()
    made = projections.get(wanted.projection)
    chosen = arranged(made, found.vectors, anchor, progress, wanted.params)
    made.save(folder)
    if chosen is not None:
        np.save(folder / placed.LANDMARKS, chosen)
    measured = quality.measure(found.vectors, made.positions, progress=progress)
    doing(progress, Step.END)
    groups = quality.find(made.positions)
    layers = (measured.trust, measured.continuity, measured.kept, measured.nearest, groups)
    for name, layer in zip(LAYERS, layers, strict=True):
        np.save(folder / f"{name}.npy", layer)
    np.save(folder / "medoids.npy", quality.medoids(found.vectors, groups))
    (folder / "ids.json").write_text(json.dumps(list(found.ids)))
    facts = {
        "points": len(found.ids),
        "fitted_on": len(found.ids) if chosen is None else len(chosen),
        "k": measured.k,
        "measured": measured.measured,
        "trustworthiness": measured.trustworthiness,
        "continuity": measured.mean_continuity,
        "kept": float(np.nanmean(measured.kept)),
        "clusters": int(groups.max(initial=-1)) + 1,
        "smallest_cluster": quality.usual_size(len(groups)),
        "fit_s": round(time.perf_counter() - started, 2),
        **({"share": made.share.tolist()} if hasattr(made, "share") else {}),
    }
    encoder = with_vectors(dataset, wanted.encoder).encoder
    follows = _keep_keys(dataset, encoder, found, folder)
    return {"facts": facts, **_noted(dataset, wanted), **follows}


def _noted(dataset: Dataset, wanted: Wanted) -> dict:
    index = wanted.projection + (f" to {wanted.anchor}" if wanted.anchor else "")
    return dataset.owned(wanted.encoder, index=index, anchor=wanted.anchor)


def refusal(dataset: Dataset, encoder: str) -> UserError | None:
    """Why these vectors can't be drawn; None where they can, or are not there yet."""
    if len(dataset.items) < LEAST:
        return too_few(len(dataset.items))
    try:
        found = _embeddings(dataset, encoder)
    except NoVectors as error:
        return error
    except UserError:
        return None
    try:
        check(found.vectors)
    except UserError as error:
        return error
    return None


def read(dataset: Dataset, wanted: Wanted, path: Path | None = None) -> Map:
    """A finished map.

    Raises:
        UserError: it is not built.
    """
    found = _readable(dataset, wanted.resolved(), path)
    if found is None:
        title = projections.get(wanted.projection).title
        raise UserError(
            f"{dataset.title or dataset.name} has no {title} map by {wanted.encoder} yet.",
            fix="Make it on the Map page.",
            command=(
                f"Make it on the Map page, or: python -m core map --dataset {dataset.locator}"
                f" --encoders {wanted.encoder}"
            ),
        )
    return found


def _readable(dataset: Dataset, wanted: Wanted, path: Path | None = None) -> Map | None:
    """A finished map; one that can't be read counts as absent."""
    while (path := path or find(dataset, wanted)) is not None:
        try:
            return _load(dataset, wanted, path)
        except store.UNREADABLE as error:
            store.drop(path, error)
            path = None
    return None


def _load(dataset: Dataset, wanted: Wanted, path: Path) -> Map:
    layers = _layers(path, (*LAYERS, "medoids"))
    shown = {
        name: layer.astype(np.float32 if layer.dtype.kind == "f" else np.int32)
        for name, layer in layers.items()
    }
    ids = stored.ids(path, dataset)
    positions = np.load(path / "positions.npy", allow_pickle=False).astype(np.float32)
    facts = (store.read_meta(path) or {})["facts"]
    lengths = {len(rows) for rows in (ids, positions, *(layers[name] for name in LAYERS))}
    if lengths != {facts["points"]} or any(layer.ndim != 1 for layer in layers.values()):
        raise ValueError(f"a map of {facts['points']} points with layers of {sorted(lengths)}")
    return Map(wanted, tuple(ids), positions, facts=facts, path=path, **shown)


def _layers(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Arrays of a map by name, from its packed file or one file each."""
    if not (path / PACKED).exists():
        return {name: np.load(path / f"{name}.npy", allow_pickle=False) for name in names}
    with np.load(path / PACKED, allow_pickle=False) as packed:
        return {name: packed[name] for name in names}


def projection_of(found: Map, vectors: np.ndarray) -> Projection:
    """The fitted projection of a map, ready to place something new. Raises UserError where it can't
    be read."""
    made = projections.get(found.wanted.projection)
    try:
        made.load(found.path, vectors)
    except store.UNREADABLE as error:
        store.drop(found.path, error)
        raise UserError(
            "This map can't be read any more.", fix="Make it again on the Map page."
        ) from error
    return made


def row_dict(found: Map) -> dict:
    """A map's figures as one flat row."""
    made = found.wanted
    causes = {
        "encoder": made.encoder,
        "projection": made.projection,
        "anchor": made.anchor,
        "params": dict(made.params),
    }
    return {**causes, **found.facts}


def against_labels(found: Map, labels: Sequence[object]) -> quality.Agreement | None:
    """How far a map's clusters are the classes; None where nothing can be compared."""
    return quality.against_labels(found.clusters, labels)


def title(name: str) -> str:
    """What an encoder is called."""
    return encoders.get(name).title or name


def drawn_together(
    names: Sequence[str],
    projection: str = "umap",
    params: Mapping[str, float] | None = None,
    dataset: Dataset | None = None,
) -> list[Wanted]:
    """What a page of several maps wants: where the projection aligns, all are drawn towards the
    first encoder's map.

    If ``dataset`` lacks one of these but each encoder has a map towards one common other, that came
    with the code, these are taken: maps drawn towards the same one are comparable, and nobody has
    to wait.
    """
    names, params = list(dict.fromkeys(names)), dict(params or {})
    first = _towards(names, projection, names[0], params) if names else []
    if (
        dataset is None
        or len(names) < 2
        or not projections.get(projection).aligns
        or all(find(dataset, one) for one in first)
    ):
        return first
    others = (_towards(names, projection, anchor, params) for anchor in _anchors(projection))
    return next((some for some in others if all(find(dataset, one) for one in some)), first)


def _towards(names: Sequence[str], projection: str, anchor: str, params: dict) -> list[Wanted]:
    return [Wanted(name, projection, anchor, params).resolved() for name in names]


def _anchors(projection: str) -> list[str]:
    """Encoders to whose map shipped maps of ``projection`` are drawn, the one of most maps
    first."""
    parts = [path.name.split("--") for path in store.listed(store.shipped() / KIND)]
    found = Counter(part[2] for part in parts if len(part) == 3 and part[1] == projection)
    return [name for name, _ in found.most_common()]
