"""The leaderboard as a table whose headers sort it. The browser sorts, the link remembers, nothing
is computed again."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.services.evaluation.cells import Cell
from core.services.evaluation.leaderboard import Leaderboard, Standing
from core.services.evaluation.seen import ALL, PART
from pages.parts import palette, url_state
from pages.parts.components import WEB
from pages.parts.metrics import choice
from pages.parts.metrics.naming import milliseconds, name_of, short

KEY = "metrics_standings"
FIRST = "mean down"
SEEN = {PART: "saw the training part", ALL: "saw these pictures"}
_standings = st.components.v2.component(
    "lookalike_standings",
    css=(WEB / "standings.css").read_text("utf-8"),
    js=(WEB / "mark.js").read_text("utf-8") + (WEB / "standings.js").read_text("utf-8"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """``kind`` is its look (rank, who, bar, num); ``first`` the way that the first click sorts."""

    key: str
    label: str
    kind: str
    first: str
    hint: str


def show(
    board: Leaderboard,
    cells: dict[tuple[str, str], Cell],
    beside: dict[str, dict[tuple[str, str], float]],
) -> None:
    """Draw it. ``beside`` holds means of other metrics, by (encoder, index)."""
    top = min(1.0, max(s.high for s in board.standings) * 1.04) or 1.0
    columns = _columns(board.metric, list(beside), top)
    url_state.heal(
        choice.SORT, [f"{column.key} {way}" for column in columns for way in ("up", "down")], FIRST
    )
    ranks = [s.rank for s in board.standings]
    rows = [
        _row(
            s,
            ranks.count(s.rank) > 1,
            cells[s.encoder, s.index],
            top,
            {name: means[s.encoder, s.index] for name, means in beside.items()},
        )
        for s in board.standings
    ]
    data = {
        "label": "Leaderboard",
        "columns": [{name: getattr(c, name) for name in Column.__slots__} for c in columns],
        "rows": rows,
        "sort": st.session_state[choice.SORT],
    }
    _standings(key=KEY, data=data, on_sorted_change=_remember)


def _remember() -> None:
    """What was clicked, for the link; a forged value is healed like any other."""
    st.session_state[choice.SORT] = st.session_state[KEY]["sorted"]


def _columns(metric: str, others: Sequence[str], top: float) -> list[Column]:
    name = short(metric)
    return [
        Column(
            "rank",
            "Rank",
            "rank",
            "up",
            "Sort by rank: encoders that can't be told apart share one",
        ),
        Column("name", "Encoder", "who", "up", "Sort by name"),
        Column(
            "low",
            f"95 % interval, 0 to {top:.2f}",
            "bar",
            "down",
            f"Sort by the lower end of the interval of {name}",
        ),
        Column("mean", name, "num", "down", f"Sort by {name}, the mean over queries"),
        Column("class", "By class", "num", "down", f"Sort by {name}, the mean over classes"),
        *(
            Column(other, short(other), "num", "down", f"Sort by {short(other)}")
            for other in others
        ),
        Column("p50", "p50", "num", "up", "Sort by the time of one search, every stage, p50"),
        Column("size", "Dim", "num", "up", "Sort by the dimensions of a vector"),
    ]


def _row(s: Standing, shared: bool, cell: Cell, top: float, others: dict[str, float]) -> dict:
    ms, size = milliseconds(cell), cell.card["dimensions"]
    title = name_of(s.encoder, s.index)
    return {
        "key": f"{s.encoder} {s.index}",
        "title": title,
        "mark": palette.mark(s.encoder),
        "seen": _seen(cell),
        "name": s.encoder,
        "bar": _bar(s, top),
        "hint": (
            f"rank {s.rank}, shared: the difference is not significant"
            if shared
            else f"rank {s.rank}"
        ),
        "texts": {
            "rank": f"{s.rank}=" if shared else str(s.rank),
            "mean": f"{s.mean:.3f}",
            "class": f"{s.class_mean:.3f}",
            **{name: f"{value:.3f}" for name, value in others.items()},
            "p50": "" if ms is None else f"{ms:.1f} ms" if ms < 100 else f"{ms:,.0f} ms",
            "size": f"{size}-d",
        },
        "values": {
            "rank": s.rank,
            "name": title.lower(),
            "low": s.low,
            "mean": s.mean,
            "class": s.class_mean,
            **others,
            "p50": ms,
            "size": size,
        },
    }


def _seen(cell: Cell) -> dict | None:
    """What the encoder was trained on of these very pictures, where there is something to say."""
    said = SEEN.get(cell.card.get("seen", ""))
    return {"text": said, "hint": cell.card["seen in words"]} if said else None


def _bar(s: Standing, top: float) -> dict:
    """Mean and interval as shares of the scale; the numbers in words for screen readers."""
    low, mean, high = (min(value / top, 1.0) for value in (s.low, s.mean, s.high))
    said = f"{s.mean:.3f}, 95 % interval {s.low:.3f} to {s.high:.3f}"
    return {
        "low": low,
        "mean": mean,
        "high": high,
        "said": said,
        "colour": palette.colour(s.encoder),
    }
