"""The leaderboard: means with intervals as bars, ranks shared where nothing is certain."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from core.metrics.statistics import LEVEL
from core.services.evaluation.cells import Cell
from core.services.evaluation.leaderboard import Leaderboard, Standing
from core.services.evaluation.seen import ALL, PART
from pages.parts import cached_metrics, palette, press, url_state
from pages.parts.components import WEB
from pages.parts.metrics import choice
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.views import name_of, short
from pages.parts.words import count, heading, quiet, text

BESIDE = ("mAP", "hit@1", "precision@10")


def show(shown: Choice, cells: list[Cell]) -> None:
    """The answer in a sentence, the table that it reads, and which differences are certain."""
    board = cached_metrics.standings(shown.key, shown.metric, shown.group)
    others = [
        name
        for name in BESIDE
        if name != shown.metric and all(name in cell.scores for cell in cells)
    ]
    beside = {name: cached_metrics.means(shown.key, name, shown.group) for name in others}
    heading(verdict(board))
    if care := _unfair(board, cells):
        text(care)
    quiet(_grounds(board))
    _table(board, {(cell.encoder, cell.index): cell for cell in cells}, beside)
    _pairs(board)


def verdict(board: Leaderboard) -> str:
    """What the table says: which encoder is best, and whether that is certain."""
    first, label = board.standings[0], short(board.metric)
    said = (
        f"{name_of(first.encoder, first.index)} has the highest {label}: {first.mean:.3f}"
        f" ({first.low:.3f} to {first.high:.3f})."
    )
    tied = [s for s in board.standings[1:] if s.rank == 1]
    if tied:
        names = ", ".join(name_of(s.encoder, s.index) for s in tied)
        said += f" {names} can't be told apart from it: the difference is not significant."
    elif len(board.standings) > 1:
        second = board.standings[1]
        behind = name_of(second.encoder, second.index)
        said += (
            f" The lead over {behind} is significant (p {_p(second.p_to_best)}, corrected for all"
            " pairs)."
        )
    return said


def _unfair(board: Leaderboard, cells: list[Cell]) -> str:
    """Says that the best one learned from these very pictures or the set's training part, and which
    is the best of those that did not; empty where it did not."""
    seen = {(cell.encoder, cell.index): cell.card.get("seen") for cell in cells}
    kind = seen[board.standings[0].encoder, board.standings[0].index]
    if kind not in LEARNED:
        return ""
    worst = (PART, ALL) if kind == PART else (ALL,)
    fair = [one for one in board.standings if seen[one.encoder, one.index] not in worst]
    said = LEARNED[kind]
    if fair:
        name = name_of(fair[0].encoder, fair[0].index)
        said += f" Best of those that were not: {name}, {fair[0].mean:.3f}."
    return said


def _grounds(board: Leaderboard) -> str:
    groups = "" if board.clusters == board.queries else f" of {count(board.clusters, 'object')}"
    said = f"{count(board.queries, 'query', 'queries')}{groups}"
    if board.unjudged:
        have = "has" if board.unjudged == 1 else "have"
        said += (
            f"; {board.unjudged:,} {have} nothing relevant in the gallery and"
            f" {'is' if have == 'has' else 'are'} left out"
        )
    small = (
        f" Between the two best, a difference under {board.smallest:.3f} could not be detected."
        if board.smallest < 1
        else ""
    )
    return said + "." + small


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _pairs(board: Leaderboard) -> None:
    """A triangle of adjusted p-values, best encoder first; a sign for what is not certain."""
    count = len(board.standings)
    if count < 2:
        return
    with st.expander("Which differences are significant: every pair"):
        st.html(_pairs_html(board))
        quiet(
            "p of the paired permutation test on the same queries, by Holm's correction over all"
            f" {count * (count - 1) // 2} pairs. ≈ marks two encoders that can't be told apart (p"
            f" {1 - LEVEL:.2f} or more). The hint of a cell says the difference."
        )


def _pairs_html(board: Leaderboard) -> str:
    names = [name_of(s.encoder, s.index) for s in board.standings]
    head = "".join(
        f'<th scope="col" title="{escape(name, quote=True)}">{at}</th>'
        for at, name in enumerate(names[1:], start=2)
    )
    rows = "".join(_pairs_row(board, names, at) for at in range(len(names) - 1))
    table = f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="ll-scroll"><table class="ll-matrix ll-pairs">{table}</table></div>'


def _pairs_row(board: Leaderboard, names: list[str], at: int) -> str:
    cells = ["<td></td>"] * at + [
        _pairs_cell(board, names, at, other) for other in range(at + 1, len(names))
    ]
    name = escape(names[at], quote=True)
    return f'<tr><th scope="row" title="{name}">{at + 1} {name}</th>{"".join(cells)}</tr>'


def _pairs_cell(board: Leaderboard, names: list[str], one: int, other: int) -> str:
    p = float(board.adjusted[one, other])
    ahead = board.standings[one].mean - board.standings[other].mean
    sure = p < 1 - LEVEL
    shown = "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0") if p < 1 else "1"
    said = (
        f"{names[one]} and {names[other]}: {short(board.metric)} differs by {ahead:.3f}, p {shown}"
    )
    said += "" if sure else ": not significant"
    value, text = (0.9, escape(shown)) if sure else (0, f"≈ {escape(shown)}")
    return f'<td style="--v:{value}" title="{escape(said, quote=True)}">{text}</td>'


KEY = "metrics_standings"
FIRST = "mean down"
LEARNED = {
    PART: "It was trained on this set's training part: expect less on pictures of another kind.",
    ALL: "It was trained on these very pictures, so new ones will not be found as well.",
}
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


def _table(
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
    st.session_state[choice.SORT] = press.read(st.session_state[KEY]["sorted"], press.text)


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
        Column("p50", "Time p50", "num", "up", "Sort by the time of one search, every stage, p50"),
        Column("size", "Dim", "num", "up", "Sort by the dimensions of a vector"),
    ]


def _row(s: Standing, shared: bool, cell: Cell, top: float, others: dict[str, float]) -> dict:
    ms, size = cell.milliseconds(), cell.card["dimensions"]
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
