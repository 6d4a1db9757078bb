"""What people write, on the command line and in a link: an index with its knobs
(``hnsw:M=16,efSearch=64``), several encoders as one (``rrf(hog.8x8+tiny.16x16)``), and lists of
names in one line of text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import fusion
from core.errors import UserError
from core.indexes.base import indexes

THEN = " + "


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An index with its knobs; ``exact`` says that it finds what a full comparison finds."""

    text: str
    name: str
    build: Mapping[str, Any]
    search: Mapping[str, Any]
    exact: bool
    reranker: str = ""
    """What gives the first hits a new order; empty: nothing does."""

    @property
    def shown(self) -> str:
        """The index with its re-ranker, as a report says it: ``exact + geometric``."""
        return f"{self.text}{THEN}{self.reranker}" if self.reranker else self.text

    def causes(self) -> dict:
        """What its answers depend on; every exact index answers alike."""
        if self.exact:
            return {"exact": True}
        return {**indexes.get(self.name).fingerprint(**self.build), "search": dict(self.search)}


def index_and_reranker(shown: str) -> tuple[str, str]:
    """What :attr:`IndexSpec.shown` was made of; an empty re-ranker where there is none."""
    index, joint, reranker = shown.rpartition(THEN)
    return (index, reranker) if joint else (shown, "")


EXACT = IndexSpec("exact", "exact", {}, {}, True)


def index_spec(text: str) -> IndexSpec:
    """Read ``name`` or ``name:knob=value,...``. Raises UserError: no such index, knob or value."""
    name, rest = _parts(text.strip())
    index = indexes.get(name)
    given = dict(_pair(text, part) for part in rest.split(",") if part.strip())
    known = {**index.build_knobs, **index.search_knobs}
    resolved = index.resolve(known, given)
    build = {knob: resolved[knob] for knob in index.build_knobs}
    search = {knob: resolved[knob] for knob in index.search_knobs}
    shown = ",".join(f"{knob}={resolved[knob]:g}" for knob in given)
    joint = "," if ":" in name else ":"
    return IndexSpec(
        f"{name}{joint}{shown}" if shown else name, name, build, search, bool(index.exact)
    )


def _parts(text: str) -> tuple[str, str]:
    """Name, knobs; the parts of ``factory:IVF64,PQ16,nprobe=4`` without ``=`` are the name."""
    head, _, rest = text.partition(":")
    if head != "factory":
        return head, rest
    parts = rest.split(",")
    return f"{head}:{','.join(part for part in parts if '=' not in part)}", ",".join(
        part for part in parts if "=" in part
    )


def _pair(text: str, part: str) -> tuple[str, float]:
    knob, sign, value = part.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not sign or number != number:
        raise UserError(
            f"{part.strip()!r} in the index {text!r} is no knob with a number.",
            fix="Write it as hnsw:efSearch=64.",
        )
    return knob.strip(), int(number) if number.is_integer() else number


def split_names(text: str) -> list[str]:
    """``a,b,c`` -> its parts. Commas inside options (``resnet50:pool=gem,size=288``) stay with
    their name.

    So do the parts of a faiss factory string (``factory:IVF64,PQ16``), which begin with a capital
    letter, as no name does.
    """
    parts: list[str] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        if parts and (_of_factory(parts[-1], part) or _option(parts[-1], part)):
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts


def _of_factory(name: str, part: str) -> bool:
    return name.startswith("factory:") and (part[0].isupper() or "=" in part)


def _option(name: str, part: str) -> bool:
    return ":" in name and "=" in part and ":" not in part and "." not in part.split("=")[0]


LEARNED = "learned"
FUSED = re.compile(r"(?P<method>\w+?)(?P<learned>-learned)?\((?P<members>.+)\)")


def fused_name(method: str, encoders: Sequence[str], weights: Sequence[float] | str = ()) -> str:
    """A fusion by name: ``rrf(hog.8x8+tiny.16x16)``, ``combsum(0.7*hog.8x8+0.3*tiny.16x16)``,
    ``rrf-learned(hog.8x8+tiny.16x16)``."""
    if isinstance(weights, str):
        return f"{method}-{weights}({'+'.join(encoders)})"
    parts = (
        [f"{weight:.3g}*{name}" for weight, name in zip(weights, encoders, strict=True)]
        if len(weights)
        else encoders
    )
    return f"{method}({'+'.join(parts)})"


def members_of(name: str) -> tuple[str, ...]:
    """The encoders of a fused one, without their weights; empty for any other name."""
    if (found := FUSED.fullmatch(name)) is None or found["method"] not in fusion.METHODS:
        return ()
    return tuple(one.rpartition("*")[2] for one in found["members"].split("+"))


def fused_parts(name: str) -> tuple[str, tuple[str, ...], tuple[float, ...] | str]:
    """Method, members and weights of a fused one (none: equal ones). Raises UserError for any other
    name."""
    names, found = members_of(name), FUSED.fullmatch(name)
    if not names or found is None:
        raise UserError(f"{name} is no fusion.", fix="Name one as an evaluation does.")
    if found["learned"]:
        return found["method"], names, LEARNED
    each = [one.rpartition("*")[0] for one in found["members"].split("+")]
    return found["method"], names, tuple(float(one) for one in each) if all(each) else ()


def weights_of(text: str) -> tuple[float, ...] | str:
    """``0.7,0.3`` as numbers, or ``learned``; empty for equal weights. Raises UserError."""
    if text.strip() == LEARNED:
        return LEARNED
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UserError(
            f"{text[:60]!r} are no weights.", "Numbers with commas between: 0.7,0.3."
        ) from error
