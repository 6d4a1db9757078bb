"""One sentence of advice: from what was measured, else from documented rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import UserError
from core.services.lab.point import BUSY, Point

FEW = 20_000
NEAR = 2.0
"""Points speak for galleries of up to so many times their size, and down to that part of it."""
HNSW_LINKS = 32
SOURCE = "faiss's guidelines to choose an index"


@dataclass(frozen=True, slots=True)
class Advice:
    """``sentence`` with its reason; ``source`` is ``measured`` or ``rule`` (then ``rule`` says which and where it comes from);
    ``text`` the index as it is typed; ``bytes`` in memory."""

    sentence: str
    index: str
    text: str
    source: str
    rule: str
    bytes: int
    point: Point | None


def recommend(size: int, dim: int, memory_bytes: int, recall: float = 0.95, points: Sequence[Point] = (), k: int = 10) -> Advice:
    """One sentence for a gallery of ``size`` vectors of ``dim`` numbers.

    From the points where some were measured at about this size (a factor of 2) and dimension, else from documented rules.

    Raises:
        UserError: a size, a memory or a recall that makes no sense; or nothing fits into the memory (with what would).
    """
    if size < 1 or dim < 1 or memory_bytes < 1 or not 0 < recall <= 1:
        given = f"{size:,} vectors of {dim} numbers, {memory_bytes:,} bytes and a recall of {recall:g} were given."
        raise UserError(given, "All are above 0, and a recall is at most 1.")
    near = [p for p in points if p.dim == dim and p.k == k and p.size / NEAR <= size <= p.size * NEAR]
    fitting = [p for p in near if _grown(p, size) <= memory_bytes]
    return _measured(size, dim, memory_bytes, recall, near, fitting) if fitting else _ruled(size, dim, memory_bytes, recall)


def _grown(point: Point, size: int) -> int:
    """Bytes of a point's index at another size."""
    return int(point.ram_bytes * size / point.size)


def _measured(
    size: int, dim: int, memory: int, recall: float, near: Sequence[Point], fitting: Sequence[Point]
) -> Advice:  # fmt: skip
    good = [p for p in fitting if p.recall >= recall]
    best = min(good, key=lambda p: (p.p50, p.ram_bytes)) if good else max(fitting, key=lambda p: (p.recall, -p.p50))
    taken = _grown(best, size)
    base = min((p for p in near if p.exact), key=lambda p: p.p50, default=None)
    faster = base is not None and not best.exact
    against = f", {base.p50 / max(best.p50, 1e-6):.3g} times as fast as comparing with every one" if faster else ""
    figures = f"it finds {best.recall:.3f} of the true {best.k} in {best.p50:.3g} ms{against}, with {_bytes(taken)} of memory"
    care = _care(best, base if faster else None)
    if good:
        reason = f"of the {len(good)} measured settings that reach {recall:g} in {_bytes(memory)} it is the fastest"
    else:
        reason = f"no measured setting reaches {recall:g} in {_bytes(memory)}, and this one comes nearest"
    sentence = f"For {size:,} vectors of {dim} numbers take {best.title} ({best.text}): {figures}; {reason}.{care}"
    return Advice(sentence, best.index, best.text, "measured", "", taken, best)


def _care(best: Point, base: Point | None) -> str:
    """What to say of times that were taken while other programs ran."""
    if base is not None and (best.crowded or base.crowded):
        return BUSY
    return " Other programs wanted the processor while this was measured: it is faster alone." if best.crowded else ""


def _ruled(size: int, dim: int, memory: int, recall: float) -> Advice:
    """Sizes and manners by the formulas of the faiss wiki; which of them a recall needs, by its guidelines."""
    plain, graph = 4 * size * dim, size * (4 * dim + 8 * HNSW_LINKS)
    pieces = max(m for m in range(1, max(dim // 8, 1) + 1) if dim % m == 0)
    coded = size * (pieces + 8) + 4 * dim * 256
    effort = 16 if recall <= 0.9 else 64 if recall <= 0.97 else 256
    probes, again = (8, 10) if recall <= 0.9 else (32, 20) if recall <= 0.97 else (64, 40)
    rules = [
        ("exact", "exact", plain, f"so few are compared in milliseconds (up to {FEW:,})", size <= FEW or recall == 1),
        ("hnsw", f"hnsw:M={HNSW_LINKS},efSearch={effort}", graph, "a graph is the fastest where it fits into memory", recall < 1),
        ("sq8", "sq8", size * dim, "8 bits a number lose next to nothing and are a quarter of the memory", FEW < size <= 10**6),
        ("ivf_pq", f"ivf_pq:nprobe={probes},rerank={again}", coded, "only codes of a few bytes fit into memory", size >= 10_000),
        ("pq", f"pq:rerank={again}", size * pieces + 4 * dim * 256, "only codes of a few bytes fit into memory", size >= 256),
    ]
    fitting = [rule for rule in rules if rule[-1] and rule[2] <= memory and (rule[0] == "exact" or recall < 1)]
    if not fitting:
        least = min((rule[2] for rule in rules if rule[-1] and (rule[0] == "exact" or recall < 1)), default=plain)
        given = f"Nothing holds {size:,} vectors of {dim} numbers in {_bytes(memory)}."
        raise UserError(given, f"At least {_bytes(least)} are needed.", "Give more memory, or reduce the vectors (pca=).")
    index, text, taken, why, _ = fitting[0]
    sentence = (
        f"For {size:,} vectors of {dim} numbers take {text}, about {_bytes(taken)} of memory: {why}. Nothing of this size was "
        f"measured here, so this is a rule ({SOURCE}); measure it with: python -m core tune"
    )
    return Advice(sentence, index, text, "rule", f"{why} ({SOURCE})", taken, None)


def _bytes(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
