"""From measured points to a choice: the fastest at a wanted recall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.services.index_lab.advice import Advice, enough, recommend
from core.services.index_lab.point import BUSY, Point, speed

__all__ = ["Advice", "Equal", "equal_recall", "recommend"]


@dataclass(frozen=True, slots=True)
class Equal:
    """``best`` of each index that reaches ``recall``, fastest first; ``short``: index -> the best
    recall of one that does not.
    ``sentence``: "At recall@10 of at least .95 the fastest is ..."."""

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
        f"At {wanted} the fastest is {first.title} ({first.text}): {_ms(first, batch):.3g} ms per"
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
    return f"{said} Exact search is enough here: {base.p50:.2g} ms." if plain_is_enough else said


def _ms(point: Point, batch: bool) -> float:
    return max(point.batch_p50 if batch else point.p50, 1e-6)
