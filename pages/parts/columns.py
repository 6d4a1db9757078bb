"""From answers to what the compare board draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import UserError
from core.services.compare import letters
from core.services.library import Dataset
from core.services.search import IDENTICAL, Answer, Hit

NOUNS = {"rendered": "product"}
STAGES = {"preprocess": "prepare", "encode": "encode", "search": "search"}
"""The stages of each encoder by itself, and what they are called in its column; decoding is shared."""


@dataclass(frozen=True)
class Common:
    """What columns share, so that they can be compared by eye: letters of shared hits, where score bars begin, and the
    total of the slowest encoder in milliseconds, which is a full time bar."""

    letters: Mapping[str, str]
    low: float
    slowest: float
    alone: bool

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Common:
        return cls(letters(answers), floor(answers), max((total(one) for one in answers), default=0.0), len(answers) < 2)


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


def done(row: dict, answer: Answer, dataset: Dataset, common: Common) -> dict:
    """A column that has its answer."""
    hits = [_card(hit, dataset, common) for hit in answer.hits]
    figures = {"stats": stats(answer, dataset), "times": times(answer, common.slowest), "notice": list(answer.notice or ())}
    return {**head(row), "state": "done", **figures, "hits": hits}


def head(row: dict) -> dict:
    """What stands over every column, whatever its state."""
    family = " · ".join(part for part in (row["family"], f"{row['dim']}-d" if row["dim"] else "") if part)
    return {"key": row["name"], "title": row["title"] or row["name"], "family": family, "tier": row["tier"], "stats": []}


def waiting(row: dict) -> dict:
    """A column whose encoder is at work."""
    return {**head(row), "state": "pending"}


def loading(row: dict) -> dict:
    """A column whose encoder is not in memory yet."""
    return {**head(row), "state": "loading", "headline": f"Loading {row['title'] or row['name']}\u00a0…"}


def failed(row: dict, error: UserError) -> dict:
    """A column that can't answer, with the reason and what to do."""
    message = " ".join(part for part in (error.allowed, error.fix) if part)
    return {**head(row), "state": "failed", "headline": error.given, "message": message}


def stats(answer: Answer, dataset: Dataset) -> list[list[str]]:
    """``[value, caption, hint]`` for each figure under a column's head; none where nothing is known of the hits."""
    shown = len(answer.hits)
    if not any(hit.verdict for hit in answer.hits):
        return []
    same = [hit for hit in answer.hits if hit.verdict == "same"]
    near = [hit for hit in answer.hits if hit.verdict in ("same", "category")]
    caption = words(dataset, same[0]) if same else _same_words(answer, dataset)
    figures = [[f"{len(same)}/{shown}", caption, f"{len(same)} of the {shown} shown"]]
    if any(hit.category and hit.instance for hit in answer.hits):
        hint = f"{len(near)} of the {shown} shown, the same {noun(dataset)} included"
        figures.append([f"{len(near)}/{shown}", "same category", hint])
    return figures


def total(answer: Answer) -> float:
    """Milliseconds of all stages but decoding."""
    return sum(answer.timing_ms.get(stage, 0.0) for stage in STAGES)


def times(answer: Answer, slowest: float) -> dict:
    """The total in words, what kind of time it is, and ``[stage, words, share of the slowest encoder's total]`` of each stage."""
    spent = {name: answer.timing_ms.get(stage, 0.0) for stage, name in STAGES.items()}
    return {
        "total": milliseconds(total(answer)), "runs": "first run" if answer.runs == 1 else "",
        "hint": f"median of {answer.runs} runs" if answer.runs > 1 else "the first run of this query",
        "stages": [[stage, milliseconds(value), round(value / slowest, 4) if slowest else 0.0] for stage, value in spent.items()],
    }  # fmt: skip


def _same_words(answer: Answer, dataset: Dataset) -> str:
    known = any(hit.instance is not None for hit in answer.hits)
    return f"same {noun(dataset)}" if known else "same class"


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 99.95 else f"{value:,.0f} ms"


def _card(hit: Hit, dataset: Dataset, common: Common) -> dict:
    letter = common.letters.get(hit.id)
    return {
        "id": hit.id, "rank": hit.rank, "score": f"{hit.score:.3f}",
        "bar": (hit.score - common.low) / max(1.0 - common.low, 1e-6),
        "label": name_of(hit), "alt": f"{name_of(hit)} ({hit.id})", "verdict": hit.verdict, "words": words(dataset, hit),
        "file": IDENTICAL if hit.identical else "", "letter": letter, "only": not common.alone and letter is None,
    }  # fmt: skip
