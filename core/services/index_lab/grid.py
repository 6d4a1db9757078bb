"""Which settings of an index are worth measuring: the values that its knobs declare."""

from collections.abc import Mapping, Sequence

from core.indexes.base import Index, Knob, indexes
from core.services.specs import IndexSpec, index_spec, split_names


def grid(index: str, *, full: bool = False) -> tuple[IndexSpec, ...]:
    """Settings along each search knob at the default build; ``full`` adds those along each build
    knob.

    A search knob that is no question of effort (how many answers are wanted at most) stays at its
    default.

    Raises:
        UserError: no such index.
    """
    made = indexes.get(index)
    builds = along(made.build_knobs) if full else [{}]
    effort = {name: knob for name, knob in made.search_knobs.items() if knob.more}
    return tuple(_spec(index, made, build | search) for build in builds for search in along(effort))


def settings(wanted: Sequence[str], *, full: bool = False) -> tuple[IndexSpec, ...]:
    """The settings of indexes by name, or of one setting as ``hnsw:efSearch=64``; where none is
    named, of all that can be used here and rank by cosine.

    Raises:
        UserError: unknown index or knob, or a value out of its range.
    """
    found: dict[tuple, IndexSpec] = {}
    for text in wanted or usual():
        for spec in [index_spec(text)] if "=" in text else grid(text.strip(), full=full):
            found.setdefault((spec.name, *spec.build.items(), *spec.search.items()), spec)
    return tuple(found.values())


def usual() -> list[str]:
    """Indexes that can be used here and answer by cosine: recall says nothing of what ranks by
    something else."""
    made = {name: indexes.get(name) for name in indexes.names()}
    return [
        name
        for name, index in made.items()
        if index.state().kind == "ready" and index.score == "cosine"
    ]


def written(wanted: Sequence[str]) -> str:
    """Indexes in one line, as :func:`split` reads it."""
    return ";".join(wanted) if any("," in text for text in wanted) else ",".join(wanted)


def split(text: str) -> list[str]:
    """``a,b:knob=1,c`` or ``a;factory:IVF64,PQ16`` -> its parts."""
    return (
        [part.strip() for part in text.split(";") if part.strip()]
        if ";" in text
        else split_names(text)
    )


def along(knobs: Mapping[str, Knob]) -> list[dict[str, float]]:
    """Each knob's values in turn, the others at their defaults; rising, each combination once."""
    lines = [
        {name: value}
        for name, knob in knobs.items()
        for value in sorted({knob.default, *knob.values})
    ]
    defaults = {name: knob.default for name, knob in knobs.items()}
    found = {tuple((defaults | line).items()): line for line in lines}
    return [{name: value for name, value in key if value != defaults[name]} for key in found] or [
        {}
    ]


def _spec(name: str, index: Index, given: Mapping[str, float]) -> IndexSpec:
    shown = ",".join(f"{knob}={value:g}" for knob, value in given.items())
    return index_spec(f"{name}{',' if ':' in name else ':'}{shown}" if shown else name)
