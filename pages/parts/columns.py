"""From answers to what the compare board draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import UserError
from core.services.embedding.usual import Calibration
from core.services.library.library import Dataset
from core.services.search import looking
from core.services.search.compare import letters
from core.services.search.result import IDENTICAL, Hit, SearchResult
from core.services.search.together import METHODS, TOGETHER
from pages.parts import palette

NOUNS = {"rendered": "product"}
STAGES = {"preprocess": "prepare"}
"""What stages are called in a column, where that is not their own name."""


@dataclass(frozen=True)
class Common:
    """What columns share, so that they can be compared by eye: letters of shared hits, and the
    total of the slowest encoder in milliseconds, which is a full time bar. Scores share nothing:
    each encoder has a scale of its own.
    """

    letters: Mapping[str, str]
    slowest: float
    alone: bool

    @classmethod
    def of(cls, answers: Sequence[SearchResult]) -> Common:
        return cls(
            letters(answers), max((total(one) for one in answers), default=0.0), len(answers) < 2
        )


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


def worth(dataset: Dataset, known: Calibration | None, cosine: float | None) -> str:
    """What a score says, against what is usual in this gallery; empty where unknown."""
    if known is None or cosine is None:
        return ""
    near = {
        "instance": f"same {noun(dataset)}",
        "label": "same class",
        "category": "same category",
    }.get(known.by)
    others = f"nearest picture of the {near}" if near else "nearest picture"
    return (
        f"Closer than {_percent(known.above_random(cosine))} of random pairs, and than"
        f" {_percent(known.above_near(cosine))} of pictures are to their {others}."
    )


def share(known: Calibration | None, cosine: float | None) -> float | None:
    """How full the bar of a score is, 0 to 1; None where nothing says what is usual."""
    return None if known is None or cosine is None else round(known.share(cosine), 4)


def _percent(value: float) -> str:
    if 99.9 < value < 100:
        return "over\u00a099.9\u00a0%"  # rounded it would say all
    return f"{value:.1f}\u00a0%" if 99 < value < 100 else f"{value:.0f}\u00a0%"


def done(
    row: dict,
    answer: SearchResult,
    dataset: Dataset,
    common: Common,
    before: Mapping[str, int] | None = None,
) -> dict:
    """A column that has its answer; ``before``: ranks by id before the last refinement."""
    hits = [_card(hit, answer, dataset, common) for hit in answer.hits]
    if before is not None:
        hits = [{**card, **moved(before.get(card["id"]), card["rank"])} for card in hits]
    figures = {
        "stats": stats(answer, dataset),
        "times": times(answer, common.slowest),
        "notice": list(answer.notice or ()),
        "said": said(answer, before),
    }
    known = answer.calibration
    return {
        **head(row),
        "state": "done",
        "second": looking.title_of(answer.reranker),
        "remark": answer.reranked,
        **figures,
        "usual": None if known is None else round(known.usual, 4),
        "hits": hits,
    }


def moved(before: int | None, now: int) -> dict:
    """How a hit stands against its rank before: the mark on its card, and the words for it."""
    if before is None:
        return {"moved": "new", "way": "new", "how": "was not among the hits before"}
    if before == now:
        return {}
    up = before > now
    return {
        "moved": f"{'↑' if up else '↓'}{abs(before - now)}",
        "way": "up" if up else "down",
        "how": f"was at rank {before}",
    }


def said(answer: SearchResult, before: Mapping[str, int] | None) -> list[str]:
    """What is to be said over the hits of a column: which end of the list it is, what changed, and
    what was not read or is not shown."""
    told = ["Least similar first"] if answer.least else []
    if before is not None:
        ways = [moved(before.get(hit.id), hit.rank).get("way", "same") for hit in answer.hits]
        names = {"new": "new", "up": "up", "down": "down", "same": "unmoved"}
        counts = [f"{ways.count(way)} {name}" for way, name in names.items() if way in ways]
        told.append(f"Changed: {', '.join(counts)}" if set(ways) != {"same"} else "Unchanged")
    return [*told, *(limit.rstrip(".") for limit in answer.limits)]


def head(row: dict) -> dict:
    """What stands over every column, whatever its state."""
    family = " · ".join(
        part for part in (row["family"], f"{row['dim']}-d" if row["dim"] else "") if part
    )
    return {
        "key": row["name"],
        "title": row["title"] or row["name"],
        "family": family,
        "tier": row["tier"],
        "stats": [],
        "mark": palette.mark(row["name"]),
    }


def waiting(row: dict) -> dict:
    """A column whose encoder is at work."""
    return {**head(row), "state": "pending", "headline": "Searching\u00a0…"}


def loading(row: dict) -> dict:
    """A column whose encoder is not in memory yet."""
    return {
        **head(row),
        "state": "loading",
        "headline": f"Loading {row['title'] or row['name']}\u00a0…",
    }


def failed(row: dict, error: UserError) -> dict:
    """A column that can't answer, with the reason and what to do."""
    message = " ".join(part for part in (error.allowed, error.fix) if part)
    return {
        **head(row),
        "state": "failed",
        "headline": error.given,
        "message": message,
        "actions": [["again", "Try again"]],
    }


def joined_head(method: str) -> dict:
    """What stands over the column of all encoders together."""
    row = {"name": TOGETHER, "title": "Together", "family": METHODS[method], "dim": 0, "tier": ""}
    drawn = {**palette.mark(TOGETHER), "colour": "currentColor"}  # colours are encoders'
    return {**head(row), "mark": drawn, "joined": True}


def joined_waiting(method: str) -> dict:
    """The column of all encoders while some have not answered."""
    return {**joined_head(method), "state": "pending", "headline": "Waiting for the others\u00a0…"}


def joined_failed(method: str, error: UserError) -> dict:
    """The column of encoders that can't be joined, with the reason."""
    message = " ".join(part for part in (error.allowed, error.fix) if part)
    told = {"state": "failed", "headline": error.given, "message": message}
    return {**joined_head(method), **told}


def joined(
    answer: SearchResult, dataset: Dataset, common: Common, before: Mapping[str, int] | None = None
) -> dict:
    """The column of all encoders together; ``before`` as in :func:`done`."""
    method = answer.encoder.partition("(")[0]
    alone = replace(common, alone=True)
    hits = [_card(hit, answer, dataset, alone) for hit in answer.hits]
    if before is not None:
        hits = [{**card, **moved(before.get(card["id"]), card["rank"])} for card in hits]
    return {
        **joined_head(method),
        "state": "done",
        "stats": stats(answer, dataset),
        "times": joined_times(answer, common.slowest),
        "notice": [],
        "said": said(answer, before),
        "usual": None,
        "hits": hits,
    }


def joined_times(answer: SearchResult, slowest: float) -> dict:
    """The time of joining alone: those of the encoders stand in their own columns."""
    spent = answer.timing_ms["fuse"]
    share = round(min(spent / slowest, 1.0), 4) if slowest else 0.0
    return {
        "total": milliseconds(spent),
        "runs": "",
        "hint": "on top of the encoders\u2019 own times",
        "stages": [["fuse", milliseconds(spent), share]],
    }


def stats(answer: SearchResult, dataset: Dataset) -> list[list[str]]:
    """``[value, caption, hint]`` for each figure under a column's head, where hits are known."""
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


def total(answer: SearchResult) -> float:
    """Milliseconds of all stages of this encoder alone."""
    return sum(answer.stages.values())


def times(answer: SearchResult, slowest: float) -> dict:
    """The total in words, what kind of time it is, and ``[stage, words, share of the slowest
    encoder's total]`` of each stage."""
    return {
        "total": milliseconds(total(answer)),
        "runs": "first run" if answer.runs == 1 else "",
        "hint": (
            f"median of {answer.runs} runs" if answer.runs > 1 else "the first run of this query"
        ),
        "stages": [
            [
                STAGES.get(stage, stage),
                milliseconds(spent),
                round(spent / slowest, 4) if slowest else 0.0,
            ]
            for stage, spent in answer.stages.items()
        ],
    }


def _same_words(answer: SearchResult, dataset: Dataset) -> str:
    known = any(hit.instance is not None for hit in answer.hits)
    return f"same {noun(dataset)}" if known else "same class"


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 99.95 else f"{value:,.0f} ms"


def _card(hit: Hit, answer: SearchResult, dataset: Dataset, common: Common) -> dict:
    known, letter = answer.calibration, common.letters.get(hit.id)
    return {
        "id": hit.id,
        "rank": hit.rank,
        "score": answer.said(hit.score),
        **(moved(hit.before, hit.rank) if hit.before is not None else {}),
        "bar": share(known, hit.cosine),
        "worth": worth(dataset, known, hit.cosine),
        "label": name_of(hit),
        "alt": f"{name_of(hit)} ({hit.id})",
        "verdict": hit.verdict,
        "words": words(dataset, hit),
        "file": IDENTICAL if hit.identical else "",
        "frame": hit.frame,
        "letter": letter,
        "only": not common.alone and letter is None,
    }
