"""The leaderboard: means with their intervals drawn as bars, and ranks that are shared where
nothing is certain."""

from core.services.evaluation.cells import Cell
from core.services.evaluation.leaderboard import Leaderboard
from core.services.evaluation.seen import ALL
from pages.parts import cached_metrics
from pages.parts.metrics import pairs, standings
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.naming import name_of, short
from pages.parts.words import count, heading, quiet

BESIDE = ("mAP", "hit@1", "precision@10")


def show(choice: Choice, cells: list[Cell]) -> None:
    """The table with a sentence that reads it, and which differences are certain."""
    board = cached_metrics.standings(*choice.key, choice.metric, choice.group)
    others = [
        name
        for name in BESIDE
        if name != choice.metric and all(name in cell.scores for cell in cells)
    ]
    beside = {name: cached_metrics.means(*choice.key, name, choice.group) for name in others}
    standings.show(board, {(cell.encoder, cell.index): cell for cell in cells}, beside)
    heading(verdict(board) + _unfair(board, cells))
    quiet(_grounds(board))
    pairs.show(board)


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
    """That the best one learned from these very pictures, and which is the best of those that did
    not; empty where it did not."""
    learned = {(cell.encoder, cell.index) for cell in cells if cell.card.get("seen") == ALL}
    if (board.standings[0].encoder, board.standings[0].index) not in learned:
        return ""
    said = " It was trained on these very pictures, so new ones will not be found as well."
    fair = [one for one in board.standings if (one.encoder, one.index) not in learned]
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
