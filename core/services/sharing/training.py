"""What a training run changed, as one file: before and after, and the queries that changed most."""

import html
from collections.abc import Sequence

from core.datasets.base import Dataset
from core.errors import UserError
from core.services import marks
from core.services.library import library
from core.services.search import pictures
from core.services.sharing import paper
from core.services.training.effect import Effect, RankChange, kept

SIDE = 120


def effect_page(run: str, shown: int = 6) -> str:
    """One HTML document: each data set of the run before and after, with ``shown`` queries each
    way.

    Raises:
        UserError: no such run, or its effect has not been measured yet.
    """
    return paper.page(f"What training changed: {_found(run)[0].encoders[1]}", sections(run, shown))


def _found(run: str) -> list[Effect]:
    found = kept(run)
    if not found:
        raise UserError(
            f"What the run {run} changed has not been measured yet.",
            fix="Open the run on the Train page and press Compare before and after.",
        )
    return found


def sections(run: str, shown: int = 6) -> list[str]:
    """A section for each data set. Raises UserError as :func:`effect_page`."""
    made = []
    for one in _found(run):
        body = _figures(one)
        try:
            dataset = library.open_dataset(one.locator)
        except UserError:  # the figures stay true where its pictures are gone
            dataset = None
        if dataset is not None:
            body += _changes("Better", dataset, one.improved[:shown])
            body += _changes("Poorer", dataset, one.worse[:shown])
        title = one.dataset + ("" if one.learned else " (not learned from)")
        made.append(paper.section(f"{title}: {one.protocol}", body, _reading(one)))
    return made


def _reading(one: Effect) -> str:
    sure = "" if one.sure else "; the interval holds zero, so chance may have made it"
    return (
        f"mAP {one.before:.3f} before, {one.after:.3f} after: {one.change:+.3f} (95 % interval"
        f" {one.low:+.3f} to {one.high:+.3f}{sure}). {one.better:,} of {one.queries:,} queries"
        f" became better, {one.poorer:,} poorer."
    )


def _figures(one: Effect) -> str:
    pairs = [("mAP", (one.before, one.after)), ("hit@1", one.hit1), ("P@10", one.p10)]
    rows = [
        [name, f"{both[0]:.3f}", f"{both[1]:.3f}", f"{both[1] - both[0]:+.3f}"]
        for name, both in pairs
        if both is not None
    ]
    names = [
        f"{paper.mark(marks.mark(name, one.encoders))}{html.escape(name)}" for name in one.encoders
    ]
    key = f"<p>Before: {names[0]} · After: {names[1]}</p>"
    return key + paper.table(["Metric", "Before", "After", "Change"], rows)


def _changes(title: str, dataset: Dataset, changes: Sequence[RankChange]) -> str:
    if not changes:
        return ""
    rows = "".join(_change(dataset, one) for one in changes)
    return f"<h2>{title}</h2>{rows}"


def _change(dataset: Dataset, one: RankChange) -> str:
    own = paper.picture(pictures.thumbnail(dataset, one.id, SIDE), f"query {one.id}")
    lists = [(one.before, one.hits_before), (one.after, one.hits_after)]
    drawn = "".join(
        f"<div><small>AP {score:.3f}</small><ol class='hits'>{_hits(dataset, hits)}</ol></div>"
        for score, hits in lists
    )
    return f"<div class='pair'><div>{own}<small>{html.escape(one.id)}</small></div>{drawn}</div>"


def _hits(dataset: Dataset, hits: Sequence[tuple[str, bool]]) -> str:
    return "".join(_hit(dataset, id, right) for id, right in hits)


def _hit(dataset: Dataset, id: str, right: bool) -> str:
    shown = paper.picture(pictures.thumbnail(dataset, id, SIDE), id + (", right" if right else ""))
    edge = "same" if right else ""
    return f'<li class="hit {edge}" data-id="{html.escape(id)}">{shown}</li>'
