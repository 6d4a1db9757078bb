"""The leaderboard: means with their intervals drawn as bars, and ranks that are shared where nothing is certain."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.metrics import table
from core.services.cells import Cell
from core.services.leaderboard import Leaderboard, Standing
from pages.parts import cached, palette
from pages.parts.metrics.choice import Choice
from pages.parts.words import count, quiet

BESIDE = ("mAP", "hit@1", "precision@10")
SORTS = ("Metric", "Class-balanced", "Name", "Time", "Vector size")


def show(choice: Choice, cells: list[Cell]) -> None:
    """The table with a sentence that reads it."""
    board = cached.standings(*choice.key, choice.metric, choice.group)
    by_name = {(cell.encoder, cell.index): cell for cell in cells}
    sort = st.segmented_control("Sort by", SORTS, default=SORTS[0], key="metrics_sort", required=True)
    others = [name for name in BESIDE if name != choice.metric]
    more = [cached.standings(*choice.key, name, choice.group) for name in others]
    beside = [{(s.encoder, s.index): s.mean for s in other.standings} for other in more]
    rows = sorted(board.standings, key=lambda s: _sort_key(s, by_name[s.encoder, s.index], sort))
    st.html(_html(board, rows, by_name, others, beside))
    quiet(reading(board))


def _sort_key(standing: Standing, cell: Cell, sort: str) -> tuple:
    return {
        "Metric": (-standing.mean, standing.encoder),
        "Class-balanced": (-standing.class_mean, standing.encoder),
        "Name": (palette.title(standing.encoder).lower(),),
        "Time": (milliseconds(cell) or 1e9,),
        "Vector size": (cell.card["dimensions"], standing.encoder),
    }[sort]


def milliseconds(cell: Cell, percentile: str = "p50") -> float | None:
    """Time of one search with every stage, one picture at a time; None where it was not measured."""
    return cell.latency.get("total", {}).get("single", {}).get(percentile)


def name_of(encoder: str, index: str) -> str:
    return palette.title(encoder) + ("" if index == "exact" else f" · {index}")


def reading(board: Leaderboard) -> str:
    """What the table says, in words."""
    first = board.standings[0]
    label = table.label(board.metric).split(" (")[0]
    said = (
        f"{name_of(first.encoder, first.index)} has the highest {label}: {first.mean:.3f} ({first.low:.3f} to {first.high:.3f})."
    )
    tied = [s for s in board.standings[1:] if s.rank == 1]
    if tied:
        names = ", ".join(name_of(s.encoder, s.index) for s in tied)
        said += f" {names} can't be told apart from it: the difference is within chance."
    elif len(board.standings) > 1:
        second = board.standings[1]
        behind = name_of(second.encoder, second.index)
        said += f" The lead over {behind} is more than chance (p {_p(second.p_to_best)}, all pairs counted)."
    return said + " " + _grounds(board)


def _grounds(board: Leaderboard) -> str:
    groups = "" if board.clusters == board.queries else f" of {board.clusters:,} objects"
    said = f"{count(board.queries, 'query').replace('querys', 'queries')}{groups}"
    if board.unjudged:
        said += f"; {board.unjudged:,} have nothing relevant in the gallery and are left out"
    small = f" Between the two best, a difference under {board.smallest:.3f} would go unseen." if board.smallest < 1 else ""
    return said + "." + small


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _html(board: Leaderboard, rows: list[Standing], cells: dict, others: list[str], beside: list[dict]) -> str:
    """Ranks, names, bars and figures; the bars of all rows share one scale that starts at 0."""
    top = min(1.0, max(s.high for s in board.standings) * 1.04) or 1.0
    heads = ["", "Encoder", f"95 % interval, 0 to {top:.2f}", table.label(board.metric).split(" (")[0], "By class",
             *(table.label(name).split(" (")[0] for name in others), "p50", "Size"]  # fmt: skip
    body = "".join(
        _row(s, board, cells[s.encoder, s.index], top, [column.get((s.encoder, s.index)) for column in beside]) for s in rows
    )
    classes = ["rank", "who", "bar"]
    head = "".join(f'<th class="{classes[i] if i < 3 else "num"}">{escape(text)}</th>' for i, text in enumerate(heads))
    return f'<div class="ll-scroll"><table class="ll-board"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(s: Standing, board: Leaderboard, cell: Cell, top: float, beside: list[float | None]) -> str:
    shared = sum(other.rank == s.rank for other in board.standings) > 1
    mark = f"{s.rank}=" if shared else str(s.rank)
    hint = f"rank {s.rank}, shared: the difference is within chance" if shared else f"rank {s.rank}"
    ms = milliseconds(cell)
    figures = [f"<b>{s.mean:.3f}</b>", f"{s.class_mean:.3f}", *("" if v is None else f"{v:.3f}" for v in beside),
               "" if ms is None else f"{ms:.1f} ms" if ms < 100 else f"{ms:,.0f} ms", f"{cell.card['dimensions']}-d"]  # fmt: skip
    name = f'<span dir="auto">{escape(name_of(s.encoder, s.index))}</span><small dir="auto">{escape(s.encoder)}</small>'
    return (
        f'<tr><td class="rank" title="{hint}">{mark}</td><td class="who" title="{escape(s.encoder, quote=True)}">{name}</td>'
        f'<td class="bar">{_bar(s, top)}</td>' + "".join(f'<td class="num">{text}</td>' for text in figures) + "</tr>"
    )


def _bar(s: Standing, top: float) -> str:
    """Mean as a bar, interval as a thin line with ends; the numbers are in its name for screen readers."""
    left, right, mean = (100 * min(value / top, 1.0) for value in (s.low, s.high, s.mean))
    said = f"{s.mean:.3f}, 95 % interval {s.low:.3f} to {s.high:.3f}"
    return (
        f'<div class="ll-span" role="img" aria-label="{said}" title="{said}" style="--c:{palette.colour(s.encoder)}">'
        f'<i style="width:{mean:.2f}%"></i><u style="left:{left:.2f}%;width:{max(right - left, 0.4):.2f}%"></u></div>'
    )
