"""One measured setting, and where it is kept."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from core import store
from core.indexes.base import indexes
from core.services.hardware import processor
from core.services.specs import IndexSpec

KIND = "lab"
VERSION = 2
BUSY = (
    " Other processes used the processor meanwhile, which lengthens long searches most: take the"
    " ratio with care, and measure again when the machine is quiet."
)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of one index, measured.

    ``recall``: mean over queries of the share of the exact top ``k`` that was found, equal
    distances counted as hits;
    ``worst``: what 95 of 100 queries reach at least. Times in ms: ``p50``, ``p95`` one query at a
    time; ``batch_p50``, ``batch_p95`` a query, in batches. Bytes and seconds are those of the
    index. ``busy`` is the load of each core meanwhile. ``real`` of its ``size`` vectors are the
    user's own, the others synthetic.
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
    machine: str = ""
    """Processor that it was timed on, where it came with the code; empty = this one."""

    @property
    def crowded(self) -> bool:
        """Whether other programs had to share the processor while this was timed."""
        return (self.busy or 0.0) > 1.0


def causes(space: dict, spec: IndexSpec, k: int, machine: str | None = None) -> dict:
    """What a point follows from; times belong to a machine, this one if none is named."""
    made = indexes.get(spec.name).fingerprint(**spec.build)
    hardware = processor() if machine is None else machine
    return {
        "space": space,
        **made,
        "search": dict(spec.search),
        "k": k,
        "hardware": hardware,
        "point": VERSION,
    }


def find(space: dict, spec: IndexSpec, k: int) -> Point | str | None:
    """A point measured here, else one that came with the code; why it could not be; or None."""
    return measured_here(space, spec, k) or _shipped(space, spec, k)


def measured_here(space: dict, spec: IndexSpec, k: int) -> Point | str | None:
    """A point of this machine, the reason why there can be none, or None."""
    path = store.find(KIND, store.key(causes(space, spec, k)))
    if path is None:
        return None
    try:
        return _point(json.loads((path / "point.json").read_text()), spec)
    except store.UNREADABLE as error:
        store.drop(path, error)
        return None


def _point(noted: dict, spec: IndexSpec) -> Point | str:
    return noted["refused"] if "refused" in noted else Point(**{**noted, "text": spec.text})


def _shipped(space: dict, spec: IndexSpec, k: int) -> Point | str | None:
    """Recall, bytes and the order of times hold everywhere; times are the named machine's."""
    noted = shipped_points().get(store.key(causes(space, spec, k, "")))
    return _point(noted, spec) if noted else None


def everywhere() -> list[Point]:
    """Points of every space: those that came with the code, then those of this machine, oldest
    first."""
    found = [Point(**noted) for noted in shipped_points().values() if "refused" not in noted]
    here = [(store.read_meta(path) or {}, path) for path in store.folders(KIND)]
    for _, path in sorted(here, key=lambda one: float(one[0].get("built") or 0.0)):
        with suppress(*store.UNREADABLE):
            noted = json.loads((path / "point.json").read_text())
            found += [] if "refused" in noted else [Point(**noted)]
    return found


def shipped_points() -> dict[str, dict]:
    """What came with the code, by the key of its causes without a machine."""
    home = store.shipped() / KIND
    return _read(home, home.stat().st_mtime_ns) if home.is_dir() else {}


@lru_cache(maxsize=1)
def _read(home: Path, changed: int) -> dict[str, dict]:
    found: dict[str, dict] = {}
    for file in sorted(home.glob("*.json")):
        try:
            found |= json.loads(file.read_text())
        except store.UNREADABLE as error:
            log.warning("ignoring %s: %s", file, error)
    return found


def ship(encoder: str, space: dict, specs: Sequence[IndexSpec], k: int) -> Path:
    """Write this machine's points into the files that come with the code. For maintainers."""
    made = {}
    for spec in specs:
        found = measured_here(space, spec, k)
        if found is not None:
            if isinstance(found, str):
                noted = {"refused": found}
            else:
                noted = {**asdict(found), "machine": processor()}
            made[store.key(causes(space, spec, k, ""))] = noted
    path = store.shipped() / KIND / f"{encoder}.json"
    store.write_text(path, json.dumps(made, separators=(",", ":")))
    return path


def keep(space: dict, spec: IndexSpec, k: int, found: Point | str, source: dict) -> None:
    """Write what was measured, or the reason why it could not be, in place of what was kept;
    ``source`` goes to the meta.

    A reason never takes the place of a point: what stood in the way today, as too little memory,
    does not make it untrue.
    """
    old = measured_here(space, spec, k)
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
    """``160 times faster than``, of two times in ms: a third digit would not last."""
    own, base = max(own, 1e-6), max(base, 1e-6)
    ratio = float(f"{max(own, base) / min(own, base):.2g}")
    shown = f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:g}"
    return (
        "as fast as" if ratio == 1 else f"{shown} times {'faster' if own < base else 'slower'} than"
    )
