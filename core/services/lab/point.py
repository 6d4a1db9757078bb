"""One measured setting, and where it is kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from core import store
from core.indexes.base import indexes
from core.services.hardware import processor
from core.services.lab.kept import UNREADABLE, forget
from core.services.specs import IndexSpec

KIND = "lab"
VERSION = 2
BUSY = (
    " Other programs wanted the processor meanwhile, which lengthens long searches most: take the ratio with care, and measure "
    "again when the machine is quiet."
)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of one index, measured.

    ``recall``: mean over queries of the share of the exact top ``k`` that was found, equal distances counted as hits;
    ``worst``: what 95 of 100 queries reach at least. Times in ms: ``p50``, ``p95`` one query at a time; ``batch_p50``,
    ``batch_p95`` a query, in batches. Bytes and seconds are those of the index. ``busy`` is the load of each core meanwhile.
    ``real`` of its ``size`` vectors are the user's own, the others synthetic.
    """

    index: str
    title: str
    text: str
    build: Mapping[str, float]
    search: Mapping[str, float]
    exact: bool
    size: int
    real: int
    dim: int
    k: int
    queries: int
    recall: float
    worst: float
    p50: float
    p95: float
    batch_p50: float
    batch_p95: float
    ram_bytes: int
    disk_bytes: int
    build_s: float
    busy: float | None = None

    @property
    def crowded(self) -> bool:
        """Whether other programs had to share the processor while this was timed."""
        return (self.busy or 0.0) > 1.0


def causes(space: dict, spec: IndexSpec, k: int) -> dict:
    """What a point follows from; times belong to a machine."""
    made = indexes.get(spec.name).fingerprint(**spec.build)
    return {"space": space, **made, "search": dict(spec.search), "k": k, "hardware": processor(), "point": VERSION}


def find(space: dict, spec: IndexSpec, k: int) -> Point | str | None:
    """A point that was measured, the reason why it could not be, or None."""
    path = store.find(KIND, store.key(causes(space, spec, k)))
    if path is None:
        return None
    try:
        noted = json.loads((path / "point.json").read_text())
        return noted["refused"] if "refused" in noted else Point(**{**noted, "text": spec.text})
    except UNREADABLE as error:
        forget(KIND, path, error)
        return None


def keep(space: dict, spec: IndexSpec, k: int, found: Point | str, source: dict) -> None:
    """Write what was measured, or the reason why it could not be, in place of what was kept; ``source`` goes to the meta.

    A reason never takes the place of a point: what stood in the way today, as too little memory, does not make it untrue.
    """
    old = find(space, spec, k)
    if isinstance(old, Point) and isinstance(found, str):
        log.warning("%s keeps what was measured before: %s", spec.text, found)
        return
    made = causes(space, spec, k)
    noted = {"refused": found} if isinstance(found, str) else asdict(found)

    def write(folder: Path) -> dict:
        (folder / "point.json").write_text(json.dumps(noted))
        return {**source, "index_name": spec.text}

    if old is not None:
        store.delete(KIND, store.key(made))
    store.get_or_build(KIND, made, write)


def speed(own: float, base: float) -> str:
    """``160 times faster than``, of two times in ms: two digits, for a third would change with the next run."""
    own, base = max(own, 1e-6), max(base, 1e-6)
    ratio = float(f"{max(own, base) / min(own, base):.2g}")
    shown = f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:g}"
    return "as fast as" if ratio == 1 else f"{shown} times {'faster' if own < base else 'slower'} than"
