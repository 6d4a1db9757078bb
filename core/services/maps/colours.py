"""What a dot's colour says: a class, an attribute, a cluster, right or wrong, or how far the map
can be believed there.

Colours can be told apart by colour-blind people and on light and dark paper. Of many classes the
largest (or the chosen ones) have a colour; the rest is one quiet grey, never a rainbow.
"""

import numbers
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.datasets.base import Dataset
from core.errors import UserError
from core.services.maps import views as map_views
from core.services.maps.maps import Map
from core.types import Item

COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#A89A00",
    "#7B61C9",
    "#A0674B",
    "#E0607E",
    "#5F8F2F",
    "#2BA8B5",
)
GREY = "#9A9993"
RIGHT, WRONG = "#1F9E89", "#D55E00"
RAMP = ("#5B3FA0", "#3A6FA8", "#21918C", "#5DB85A", "#D8BE2A")
STEPS = 64
FEW = 12
CHANCE = 0.5
"""Trustworthiness of a random map: the scale begins there on every map, so that maps can be
compared."""
FIELDS = {"category": "Category", "label": "Class", "instance": "Instance", "split": "Split"}
OF_MAP = {
    "cluster": "Cluster of this map",
    "verdict": "Nearest neighbour relevant?",
    "density": "Density on the map",
    "trust": "Trustworthiness",
    "continuity": "Continuity",
    "kept": "Neighbours kept",
}


@dataclass(frozen=True, slots=True)
class Colouring:
    """``index`` uint8 (n,) into ``palette``, whose last is the grey of all the rest; ``legend``:
    (index, name, count);
    ``scale``: name, low, high and what is missing, where the colour is a number."""

    index: np.ndarray
    palette: tuple[str, ...]
    legend: tuple[tuple[int, str, int], ...] = ()
    scale: dict | None = None


def fields(dataset: Dataset) -> dict[str, str]:
    """What this set can be coloured by, before a map is known: key -> title, the most useful
    first."""
    items = dataset.items
    held = {name: _values(items, name) for name in FIELDS}
    found = {name: title for name, title in FIELDS.items() if 1 < len(held[name]) < len(items)}
    if (
        "label" in found
        and "category" in found
        and all(item.label == item.category for item in items)
    ):
        del found["label"]
    for key in dict.fromkeys(key for item in items for key in item.attributes):
        values = set() if key in found else held[key] if key in held else _values(items, key)
        if len(values) > 1 and (_numeric(values) or len(values) < 0.9 * len(items)):
            found[key] = key.replace("_", " ").capitalize()
    known = {key: title for key, title in OF_MAP.items() if key != "verdict" or _judged(dataset)}
    return {**found, **known}


def _judged(dataset: Dataset) -> bool:
    return any(item.value(dataset.protocol().relevant) is not None for item in dataset.items)


def _values(items: Sequence[Item], name: str) -> set:
    """The different values of a field; a value of several parts counts as its words."""
    found = (item.value(name) for item in items)
    return {
        value if isinstance(value, (str, numbers.Real)) else str(value)
        for value in found
        if value is not None
    }


def _numeric(values: set) -> bool:
    """Whether these values are a scale: numbers, and more than a few."""
    return len(values) > FEW and all(
        isinstance(value, numbers.Real) and not isinstance(value, bool) for value in values
    )


def words(value: object) -> str | None:
    """A field's value as a name; several values are one name."""
    if value is None or value == "":
        return None
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def check(dataset: Dataset, field: str) -> None:
    """Raises UserError where nothing of a data set is called ``field``."""
    known = {*_MAP_FIELDS, *FIELDS}
    if field not in known and not any(field in item.attributes for item in dataset.items):
        raise UserError(
            f"There is nothing called {field!r} to colour by.",
            f"There is: {', '.join(fields(dataset))}.",
        )


def colour(dataset: Dataset, found: Map, field: str, chosen: Sequence[str] = ()) -> Colouring:
    """The colours of a map's points by ``field``; of many classes only ``chosen`` are coloured,
    where some are.

    Raises:
        UserError: nothing here is called ``field``.
    """
    if field in _MAP_FIELDS:
        return _MAP_FIELDS[field](dataset, found, chosen)
    check(dataset, field)
    items = [dataset.items[dataset.rows[id]] for id in found.ids]
    if field not in FIELDS and _numeric(_values(items, field)):
        values: list[Any] = [item.value(field) for item in items]
        numbered = np.array([np.nan if value is None else float(value) for value in values])
        return scaled(numbered, field.replace("_", " ").capitalize())
    return named([words(item.value(field)) for item in items], chosen)


def named(names: Sequence[str | None], chosen: Sequence[str] = ()) -> Colouring:
    """Classes: each of ``chosen`` (else of the largest) has a colour, the rest shares one."""
    sizes = Counter(name for name in names if name is not None)
    shown = [name for name in chosen if name in sizes][: len(COLOURS)] or [
        name for name, _ in sizes.most_common(len(COLOURS))
    ]
    place = {
        name: index
        for index, name in enumerate(sorted(shown, key=_natural) if not chosen else shown)
    }
    rest = len(COLOURS)
    index = np.array([rest if name is None else place.get(name, rest) for name in names], np.uint8)
    others = [name for name in sizes if name not in place]
    legend = [(place[name], name, sizes[name]) for name in place]
    if others:
        said = others[0] if len(others) == 1 else f"{len(others)} other classes"
        legend.append((rest, said, sum(sizes[name] for name in others)))
    if missing := sum(name is None for name in names):
        legend.append((rest, "not known", missing))
    return Colouring(index, (*COLOURS, GREY), tuple(legend))


def _natural(name: str) -> tuple:
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)


def scaled(
    values: np.ndarray,
    name: str,
    low: float | None = None,
    high: float | None = None,
    missing: str = "not known",
) -> Colouring:
    """Numbers: a ramp from the lowest (2nd percentile) to the highest (98th); NaN is grey and
    counted."""
    known = np.isfinite(values)
    ends = np.percentile(values[known], [2, 98]) if known.any() else (0.0, 1.0)
    low, high = float(ends[0]) if low is None else low, float(ends[1]) if high is None else high
    step = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (STEPS - 1)
    index = np.where(known, np.nan_to_num(step).round(), STEPS).astype(np.uint8)
    noted = f"{(~known).sum():,} {missing}" if not known.all() else ""
    return Colouring(
        index,
        (*ramp(), GREY),
        scale={"name": name, "low": f"{low:.3g}", "high": f"{high:.3g}", "missing": noted},
    )


def ramp() -> tuple[str, ...]:
    """64 colours between those of RAMP."""
    ends = np.array([[int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in RAMP], float)
    at = np.linspace(0, len(ends) - 1, STEPS)
    mixed = np.stack(
        [np.interp(at, np.arange(len(ends)), ends[:, channel]) for channel in range(3)], axis=1
    )
    return tuple("#{:02X}{:02X}{:02X}".format(*row) for row in mixed.round().astype(int))


def cluster_name(number: int) -> str | None:
    return None if number < 0 else f"Cluster {number + 1}"


def _cluster(dataset: Dataset, found: Map, chosen: Sequence[str]) -> Colouring:
    made = named([cluster_name(int(number)) for number in found.clusters], chosen)
    order = sorted(
        made.legend,
        key=lambda row: (row[0] == len(COLOURS), int("".join(filter(str.isdigit, row[1])) or 0)),
    )
    said = {"not known": "in no cluster"}
    legend = (
        (index, said.get(name, name.replace("classes", "clusters")), count)
        for index, name, count in order
    )
    return Colouring(made.index, made.palette, tuple(legend))


def _verdict(dataset: Dataset, found: Map, chosen: Sequence[str]) -> Colouring:
    """Right where the nearest other picture in the space has the same value of the protocol's
    field."""
    field = dataset.protocol().relevant
    own = [dataset.items[dataset.rows[id]].value(field) for id in found.ids]
    pairs = zip(own, found.nearest, strict=True)
    index = np.array(
        [
            2 if value is None or near < 0 else 0 if own[near] == value else 1
            for value, near in pairs
        ],
        np.uint8,
    )
    counts = np.bincount(index, minlength=3)
    said = (
        f"relevant: nearest picture has the same {field}",
        f"not relevant: another {field}",
        "unknown",
    )
    return Colouring(
        index,
        (RIGHT, WRONG, GREY),
        tuple((i, said[i], int(counts[i])) for i in range(3) if counts[i]),
    )


_MAP_FIELDS: dict[str, Callable[[Dataset, Map, Sequence[str]], Colouring]] = {
    "cluster": _cluster,
    "verdict": _verdict,
    "density": lambda dataset, found, chosen: scaled(
        map_views.density(found.positions), "Density on the map, by rank", 0.0, 1.0
    ),
    "trust": lambda dataset, found, chosen: scaled(
        found.trust, "Trustworthiness", CHANCE, 1.0, "not measured"
    ),
    "continuity": lambda dataset, found, chosen: scaled(
        found.continuity, "Continuity", CHANCE, 1.0, "not measured"
    ),
    "kept": lambda dataset, found, chosen: scaled(
        found.kept, f"Share of {found.facts['k']} neighbours kept", 0.0, 1.0, "not measured"
    ),
}


MIXED = 0.3
"""Where the most frequent class is a smaller share than this, a cluster is called mixed."""


@dataclass(frozen=True, slots=True)
class NamedCluster:
    """A cluster: its ``place`` on the map (the median of its dots), how many pictures it holds, and
    the most frequent class with its ``share`` of them; the class is empty where none has one."""

    number: int
    place: tuple[float, float]
    size: int
    name: str
    share: float

    @property
    def words(self) -> str:
        """``mug 95 %``, ``mixed``; empty where nothing is known."""
        if not self.name:
            return ""
        return f"{self.name} {100 * self.share:.0f} %" if self.share >= MIXED else "mixed"


def named_clusters(found: Map, codes: np.ndarray, names: Sequence[str]) -> list[NamedCluster]:
    """Every cluster of a map, the largest first.

    Args:
        codes: int (n,), the class of each row as a place in ``names``; -1 where it has none.
    """
    made = []
    for number in range(int(found.clusters.max(initial=-1)) + 1):
        rows = np.flatnonzero(found.clusters == number)
        held = np.bincount(codes[rows][codes[rows] >= 0], minlength=1)
        most = int(held.argmax())
        x, y = np.median(found.positions[rows], axis=0)
        name = names[most] if held[most] else ""
        share = float(held[most] / len(rows))
        made.append(NamedCluster(number, (float(x), float(y)), len(rows), name, share))
    return made
