"""The metric audit: one query's list under every published definition."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.services.evaluation.cells import Cell
from pages.parts import cached, cached_metrics, palette
from pages.parts.choosing import menu
from pages.parts.metrics import choice
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.views import built_of
from pages.parts.words import caption, note, quiet, table

PACKAGES = {
    "sklearn": "scikit-learn",
    "pytrec_eval": "trec_eval",
    "pytorch_metric_learning": "pytorch-metric-learning",
}
KS = ("1", "3", "5", "10", "20", "50")


def show(shown: Choice, cells: list[Cell]) -> None:
    evaluated = cells[0].queries[cells[0].evaluated].tolist()
    locator = cached_metrics.locator_of(shown.dataset, str(evaluated[0]))
    encoders = built_of(locator, cells)
    if not encoders:
        note(
            f"The pictures or vectors of {shown.dataset} are not in this library.",
            "An audit ranks the whole gallery: add the data set and build an encoder on the Library"
            " page.",
        )
        return
    version = cached.version(locator)
    found = cached_metrics.audited(locator, version, *_chosen(cells, evaluated, encoders, shown))
    caption(
        f"R = {found.relevant} of {found.length:,} pictures are relevant; the first"
        f" {len(found.shown)} ranks"
    )
    st.html(_strip(found.shown))
    _definitions(found.rows)


def _chosen(
    cells: list[Cell], evaluated: list[str], encoders: list[str], shown: Choice
) -> tuple[str, str, str, int]:
    """Encoder, query, protocol and k that are audited."""
    with st.container(horizontal=True):
        query = menu("Query", choice.QUERY, evaluated, evaluated[_middle(cells)])
        encoder = menu("Encoder", choice.ENCODER, encoders, format_func=palette.title)
        k = int(menu("K", choice.K, KS, "10"))
    return encoder, query, shown.protocol, k


def _definitions(found: Sequence[dict]) -> None:
    """The list's value by every definition."""
    values = [row["value"] for row in found if row["definition"].startswith("AP")]
    quiet(
        f"The average precision of this one list is {min(values):.2f} to {max(values):.2f},"
        " depending on the definition."
    )
    rows = [
        {
            "Definition": row["definition"],
            "Value": f"{row['value']:.4f}",
            "Other package": _theirs(row),
            "Steps": row["steps"],
            "Formula": row["formula"],
            "Used by": row["who"],
        }
        for row in found
    ]
    with st.container(key="metrics_audit_table"):
        table(rows)
    quiet(
        "Other packages are run where they are installed; the tests compare with all of them on"
        " thousands of random lists."
    )


def _middle(cells: list[Cell]) -> int:
    """A query of middling score says more than one that is all right or all wrong."""
    scores = cells[0].scores.get("mAP")
    if scores is None:
        return 0
    use = scores[cells[0].evaluated]
    return int(abs(use - 0.4).argmin())


def _theirs(row: dict) -> str:
    if not row["package"]:
        return ""
    name = PACKAGES.get(row["package"], row["package"])
    return f"{name}: not installed" if row["theirs"] is None else f"{row['theirs']:.4f} {name}"


def _strip(shown: tuple[tuple[str, bool], ...]) -> str:
    """Ranks as squares: relevant ones filled and ticked."""
    cells = "".join(
        f'<span class="{"yes" if right else ""}" title="{escape(id, quote=True)}">'
        f"{'✓' if right else ''}<small>{rank}</small></span>"
        for rank, (id, right) in enumerate(shown, start=1)
    )
    return f'<div class="ll-strip">{cells}</div>'
