"""From answers to what the compare board draws."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import UserError
from core.services.library import Dataset
from core.services.search import Answer, Hit

NOUNS = {"rendered": "product"}


def noun(dataset: Dataset) -> str:
    """What an instance is in this data set."""
    return NOUNS.get(dataset.kind, "object")


def words(dataset: Dataset, hit: Hit) -> str:
    """What a verdict says: the finest thing that is known of query and hit."""
    if hit.verdict is None:
        return ""
    if hit.verdict == "same":
        return f"same {noun(dataset)}" if hit.instance is not None else "same class"
    return {"category": "same category", "other": "other"}[hit.verdict]


def name_of(hit: Hit) -> str:
    """What a hit is called on its card."""
    return hit.instance or hit.label or hit.id


def floor(answers: Sequence[Answer]) -> float:
    """Where the score bars begin: a little under the lowest score shown, one for all columns, so that bars differ visibly."""
    scores = [hit.score for answer in answers for hit in answer.hits]
    low = min(scores, default=0.0)
    return max(low - 0.25 * (1.0 - low), -1.0)


def done(row: dict, answer: Answer, dataset: Dataset, letters: dict[str, str], low: float, alone: bool) -> dict:
    """A column that has its answer."""
    hits = [_card(hit, dataset, letters, low, alone) for hit in answer.hits]
    return {**head(row), "state": "done", "stats": stats(answer, dataset), "hits": hits}


def head(row: dict) -> dict:
    """What stands over every column, whatever its state."""
    family = " · ".join(part for part in (row["family"], f"{row['dim']}-d" if row["dim"] else "") if part)
    return {"key": row["name"], "title": row["title"] or row["name"], "family": family, "tier": row["tier"], "stats": []}


def waiting(row: dict) -> dict:
    """A column whose encoder is at work."""
    return {**head(row), "state": "pending"}


def failed(row: dict, error: UserError) -> dict:
    """A column that can't answer, with the reason and what to do."""
    message = " ".join(part for part in (error.allowed, error.fix) if part)
    return {**head(row), "state": "failed", "headline": error.given, "message": message}


def stats(answer: Answer, dataset: Dataset) -> list[list[str]]:
    """``[value, caption, hint]`` for each figure under a column's head."""
    shown = len(answer.hits)
    same = [hit for hit in answer.hits if hit.verdict == "same"]
    near = [hit for hit in answer.hits if hit.verdict in ("same", "category")]
    figures = []
    if any(hit.verdict for hit in answer.hits):
        caption = words(dataset, same[0]) if same else _same_words(answer, dataset)
        figures.append([f"{len(same)}/{shown}", caption, f"{len(same)} of the {shown} shown"])
        if any(hit.category and hit.instance for hit in answer.hits):
            hint = f"{len(near)} of the {shown} shown, the same {noun(dataset)} included"
            figures.append([f"{len(near)}/{shown}", "same category", hint])
    time = answer.timing_ms
    hint = " · ".join(f"{stage} {value:.1f} ms" for stage, value in time.items())
    figures.append([_ms(time.get("encode", 0.0) + time.get("preprocess", 0.0)), "encode", hint])
    figures.append([_ms(time.get("search", 0.0)), "search", hint])
    return figures


def _same_words(answer: Answer, dataset: Dataset) -> str:
    known = any(hit.instance is not None for hit in answer.hits)
    return f"same {noun(dataset)}" if known else "same class"


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def _card(hit: Hit, dataset: Dataset, letters: dict[str, str], low: float, alone: bool) -> dict:
    return {
        "id": hit.id, "rank": hit.rank, "score": f"{hit.score:.3f}", "bar": (hit.score - low) / max(1.0 - low, 1e-6),
        "label": name_of(hit), "alt": f"{name_of(hit)} ({hit.id})", "verdict": hit.verdict, "words": words(dataset, hit),
        "letter": letters.get(hit.id), "only": not alone and hit.id not in letters,
    }  # fmt: skip
