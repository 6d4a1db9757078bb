"""One sentence of advice: from what was measured, else from documented rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.errors import UserError
from core.services.index_lab.point import BUSY, Point, speed
from core.services.specs import index_spec

FEW = 20_000
NEAR = 2.0
"""Points speak for galleries of up to so many times their size, and down to that part of it."""
ENOUGH_MS = 1.0
"""A search of so many milliseconds is never what somebody waits for: to encode a picture takes ten
times as long. Exact search that is as fast is enough, whatever is faster."""
HNSW_LINKS = 32
SOURCE = "faiss's guidelines to choose an index"


@dataclass(frozen=True, slots=True)
class Advice:
    """``sentence`` with its reason; ``source`` is ``measured`` or ``rule`` (then ``rule`` says
    which and where it comes from); ``text`` the index as it is typed; ``bytes`` in memory;
    ``exact`` what exact search would cost instead, where something says so."""

    sentence: str
    index: str
    text: str
    source: str
    rule: str
    bytes: int
    point: Point | None
    exact: str = ""


def recommend(
    size: int,
    dim: int,
    memory_bytes: int,
    recall: float = 0.95,
    points: Sequence[Point] = (),
    k: int = 10,
) -> Advice:
    """One sentence for a gallery of ``size`` vectors of ``dim`` dimensions.

    From the points where some were measured at about this size (a factor of 2) and dimension, else
    from documented rules.

    Raises:
        UserError: a size, a memory or a recall that makes no sense; or nothing fits into the memory
            (with what would).
    """
    if size < 1 or dim < 1 or memory_bytes < 1 or not 0 < recall <= 1:
        given = (
            f"{size:,} vectors of {dim} dimensions, {memory_bytes:,} bytes and a recall of"
            f" {recall:g} were given."
        )
        raise UserError(given, "All are above 0, and a recall is at most 1.")
    near = [
        p for p in points if p.dim == dim and p.k == k and p.size / NEAR <= size <= p.size * NEAR
    ]
    wanted = _Wanted(size, dim, memory_bytes, recall, near)
    good = [p for p in wanted.fitting if p.recall >= recall]
    if good or (wanted.fitting and not any(rule.bytes <= memory_bytes for rule in wanted.left())):
        return _measured(wanted, good)
    return _ruled(wanted, [p for p in points if p.exact and p.dim == dim])


@dataclass(frozen=True)
class _Wanted:
    """What is asked: a gallery, its bytes of memory, the recall; and what was measured near it."""

    size: int
    dim: int
    memory: int
    recall: float
    near: Sequence[Point]

    @property
    def vectors(self) -> str:
        return f"{self.size:,} vectors of {self.dim} dimensions"

    @property
    def bytes(self) -> int:
        """Of the full vectors."""
        return 4 * self.size * self.dim

    def grown(self, point: Point) -> int:
        """Bytes of a point's index at this size."""
        return int(point.ram_bytes * self.size / point.size)

    @cached_property
    def fitting(self) -> list[Point]:
        """Points whose index fits into the memory."""
        return [p for p in self.near if self.grown(p) <= self.memory]

    def left(self) -> list[_Rule]:
        """The rules that suit, without those that were measured: these are no longer up to a
        rule."""
        rules = [rule for rule in _rules(self) if rule.suits]
        return [rule for rule in rules if not _measured_as(rule.text, self.near)]


def _measured(wanted: _Wanted, good: Sequence[Point]) -> Advice:
    """By the fastest of the ``good`` points; without one by what comes nearest."""
    if good:
        best = min(good, key=lambda p: (p.p50, p.ram_bytes))
    else:
        best = max(wanted.fitting, key=lambda p: (p.recall, -p.p50))
    if (plain := enough(wanted.fitting, wanted.size)) is not None and not best.exact:
        return _exact_is_enough(wanted, plain, best)
    taken = wanted.grown(best)
    base = min((p for p in wanted.near if p.exact), key=lambda p: p.p50, default=None)
    slower = None if best.exact else base
    against = f", {speed(best.p50, slower.p50)} comparing with every one" if slower else ""
    figures = (
        f"it finds {best.recall:.3f} of the true {best.k} in {_time(best.p50)}{against}, with"
        f" {_bytes(taken)} of memory"
    )
    sentence = (
        f"For {wanted.vectors} take {best.title} ({best.text}): {figures};"
        f" {_reason(len(good), wanted)}.{_care(best, slower)}"
    )
    return Advice(sentence, best.index, best.text, "measured", "", taken, best)


def enough(points: Sequence[Point], size: int) -> Point | None:
    """Exact search, where it takes no time worth saving in a gallery of ``size``; else None."""
    plain = min((p for p in points if p.exact), key=lambda p: p.p50, default=None)
    if plain is None or plain.p50 * size / plain.size > ENOUGH_MS:
        return None
    return plain


def _exact_is_enough(wanted: _Wanted, plain: Point, other: Point) -> Advice:
    """Exact search, and what the fastest approximation would save."""
    saved, taken = max(plain.p50 - other.p50, 0.0), wanted.grown(plain)
    sentence = (
        f"For {wanted.vectors} exact search is enough: {_time(plain.p50)} per"
        f" query and nothing missed, with {_bytes(taken)} of memory; {other.title} ({other.text})"
        f" would save {_time(saved)} and find {other.recall:.3f} of the true {plain.k}."
    )
    return Advice(sentence, plain.index, plain.text, "measured", "", taken, plain)


def _reason(good: int, wanted: _Wanted) -> str:
    """Why this one, of ``good`` settings that do what is wanted."""
    reached = f"{wanted.recall:g} in {_bytes(wanted.memory)}"
    if not good:
        return f"no measured setting reaches {reached}, and this one comes nearest"
    if good == 1:
        return f"no other measured setting reaches {reached}"
    return f"of the {good} measured settings that reach {reached} it is the fastest"


def _care(best: Point, base: Point | None) -> str:
    """What to say of times that were taken while other programs ran."""
    if base is not None and (best.crowded or base.crowded):
        return BUSY
    alone = (
        " Other processes used the processor while this was measured: alone it is faster; measure"
        " again when it is quiet."
    )
    return alone if best.crowded else ""


@dataclass(frozen=True, slots=True)
class _Rule:
    """An index as typed, its bytes for the gallery, why it is taken, whether the size fits."""

    text: str
    bytes: int
    why: str
    suits: bool

    @property
    def index(self) -> str:
        return self.text.partition(":")[0]


def _rules(wanted: _Wanted) -> list[_Rule]:
    """Sizes and kinds by faiss's wiki, the most wanted first, as a recall needs."""
    size, dim, recall = wanted.size, wanted.dim, wanted.recall
    plain, graph, short = wanted.bytes, size * (4 * dim + 8 * HNSW_LINKS), size * dim
    pieces = max(m for m in range(1, max(dim // 8, 1) + 1) if dim % m == 0)
    effort = 16 if recall <= 0.9 else 64 if recall <= 0.97 else 256
    probes, again = (8, 10) if recall <= 0.9 else (32, 20) if recall <= 0.97 else (64, 40)
    few = "so many 8-bit codes take long to compare one by one"
    if short > wanted.memory:
        few = "only codes of a few bytes fit into memory"
    rough = recall < 1
    return [
        _Rule(
            "exact",
            plain,
            f"so few are compared in milliseconds (up to {FEW:,})",
            size <= FEW or not rough,
        ),
        _Rule(
            f"hnsw:M={HNSW_LINKS},efSearch={effort}",
            graph,
            "a graph is the fastest where it fits into memory",
            rough,
        ),
        _Rule(
            "sq8",
            short,
            "scalar quantisation loses next to no recall and takes a quarter of the memory",
            rough and size <= 10**6,
        ),
        _Rule(
            f"ivf_pq:nprobe={probes},rerank={again}",
            size * (pieces + 8) + 4 * dim * 256,
            few,
            rough and size >= 10_000,
        ),
        _Rule(f"pq:rerank={again}", size * pieces + 4 * dim * 256, few, rough and size >= 256),
    ]


def _ruled(wanted: _Wanted, plain: Sequence[Point]) -> Advice:
    """By the first rule that fits; of what was measured nothing does, or nothing finds enough.
    ``plain``: exact search, measured at any size."""
    rules = wanted.left()
    fitting = [rule for rule in rules if rule.bytes <= wanted.memory]
    if not fitting:
        needed = [*(rule.bytes for rule in rules), *map(wanted.grown, wanted.near)]
        raise UserError(
            f"Nothing holds {wanted.vectors} in {_bytes(wanted.memory)}.",
            f"At least {_bytes(min(needed, default=wanted.bytes))} are needed.",
            "Give more memory, or an encoder with fewer dimensions: :pca=64 behind its name"
            " makes 64.",
        )
    rule = fitting[0]
    there = "" if rule.index == "exact" else _exact_there(plain, wanted)
    sentence = (
        f"For {wanted.vectors} take {rule.text}, about {_bytes(rule.bytes)} of"
        f" memory: {rule.why}{_slow(rule, wanted)}; {_unmeasured(wanted)},"
        f" so this is a rule ({SOURCE})."
    )
    return Advice(
        sentence, rule.index, rule.text, "rule", f"{rule.why} ({SOURCE})", rule.bytes, None, there
    )


def _exact_there(plain: Sequence[Point], wanted: _Wanted) -> str:
    """What exact search would cost in the gallery: it compares every vector, so its time grows with
    their number."""
    if not plain:
        return ""
    size = wanted.size
    known = min(plain, key=lambda p: (abs(math.log(p.size / size)), p.p50))
    return (
        f"Exact search would miss nothing, with {_bytes(wanted.bytes)} of memory and about"
        f" {_time(known.p50 * size / known.size)} per query ({_time(known.p50)} over"
        f" {known.size:,} vectors, and its time grows with their number)."
    )


def _measured_as(text: str, near: Sequence[Point]) -> bool:
    """Whether the build of a setting is among the points."""
    spec = index_spec(text)
    return any(point.index == spec.name and dict(point.build) == dict(spec.build) for point in near)


def _slow(rule: _Rule, wanted: _Wanted) -> str:
    """What a large gallery pays for codes."""
    if wanted.size <= FEW or rule.index not in ("sq8", "pq", "ivf_pq"):
        return ""
    every = "; it compares every code, so that its time grows with the gallery"
    return (
        f"{'' if rule.index == 'ivf_pq' else every}; re-ranking reads full vectors from disk,"
        f" where they take {_bytes(wanted.bytes)}"
    )


def _unmeasured(wanted: _Wanted) -> str:
    count, recall, memory = len(wanted.near), f"{wanted.recall:g}", _bytes(wanted.memory)
    if not count:
        return "nothing of this size was measured here"
    if count == 1:
        lacks = f"reach {recall}" if wanted.fitting else f"fit into {memory}"
        return f"the one setting measured here does not {lacks}"
    lacks = f"reaches {recall} in {memory}" if wanted.fitting else f"fits into {memory}"
    return f"none of the {count} settings measured here {lacks}"


def _time(milliseconds: float) -> str:
    """Two figures, and seconds where these are many."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:,.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"


@dataclass(frozen=True, slots=True)
class Equal:
    """``best`` of each index that reaches ``recall``, fastest first; ``short``: index -> the best
    recall of one that does not.
    ``sentence``: "At recall@10 of at least .95 the fastest is ...", after whether exact search is
    enough."""

    recall: float
    best: tuple[Point, ...]
    short: Mapping[str, float]
    sentence: str


def equal_recall(points: Sequence[Point], recall: float = 0.95, *, batch: bool = False) -> Equal:
    """Compare indexes at equal recall, by p50 of one query at a time, or of batches."""
    known = {point.index: [one for one in points if one.index == point.index] for point in points}
    good = {name: [one for one in some if one.recall >= recall] for name, some in known.items()}
    best = sorted(
        (min(some, key=lambda one: _ms(one, batch)) for some in good.values() if some),
        key=lambda one: _ms(one, batch),
    )
    short = {
        name: max(one.recall for one in some) for name, some in known.items() if not good[name]
    }
    return Equal(recall, tuple(best), short, _sentence(points, best, recall, batch))


def _sentence(points: Sequence[Point], best: Sequence[Point], recall: float, batch: bool) -> str:
    if not points:
        return "Nothing is measured yet."
    wanted = f"recall@{points[0].k} of at least {recall:.3g}"
    if not best:
        most = max(points, key=lambda one: one.recall)
        return f"No setting reaches {wanted}; {most.text} comes nearest with {most.recall:.3f}."
    first = best[0]
    mode = "in batches" if batch else "one query at a time"
    text = (
        f"At {wanted} the fastest is {first.title} ({first.text}): {_time(_ms(first, batch))} per"
        f" query, {mode}"
    )
    plain = [one for one in points if one.exact]
    base = min(plain, key=lambda one: _ms(one, batch)) if plain else None
    if base is None or first.exact:
        return f"{text}." if base is None else f"{text}; no approximation is faster here."
    care = BUSY if first.crowded or base.crowded else ""
    faster = speed(_ms(first, batch), _ms(base, batch))
    said = f"{text}, {faster} comparing with every picture ({base.text}).{care}"
    plain_is_enough = not batch and enough(points, base.size) is not None
    if not plain_is_enough:
        return said
    return f"Exact search is enough here: {_time(base.p50)} and nothing missed. {said}"


def _ms(point: Point, batch: bool) -> float:
    return max(point.batch_p50 if batch else point.p50, 1e-6)
