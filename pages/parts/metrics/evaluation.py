"""Evaluating from the page: a job like any other, seen at work here and on the Library page."""

from __future__ import annotations

import re
import time

import streamlit as st

from core.services.embedding import opening
from core.services.embedding.roles import BY
from core.services.evaluation.cells import Cell
from core.services.evaluation.crossing import SUFFIX
from core.services.hosting import limits
from pages.parts import builds, cached, cached_metrics, jobs_view, settings
from pages.parts.encoder_names import meant
from pages.parts.metrics import cross
from pages.parts.metrics.choice import Choice
from pages.parts.words import count, quiet

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}")
STARTED, OPEN = "metrics_evaluation_started", "metrics_evaluate_open"
ENCODERS, SETS, CROSS, RELEVANT, STUDIES = (
    f"metrics_evaluate_{name}" for name in ("encoders", "sets", "cross", "by", "studies")
)


def panel() -> None:
    """Choose data sets and encoders, start; what is built and evaluated already is taken as it
    is."""
    if not limits.may("evaluate"):
        return
    with st.expander("Evaluate other pictures", key=OPEN, on_change="rerun"):
        ready = {
            row["locator"]: row["title"] for row in cached.dataset_rows() if row["state"] == "ready"
        }
        known = {row["name"] for row in cached.encoder_rows() if row["state"] == "ready"}
        other = st.toggle(
            "Cross-domain",
            key=CROSS,
            help=(
                "Queries of one data set, the gallery of another: photographs "
                "against a catalogue, for instance. A table joins their classes."
            ),
        )
        what, titles, by = _crossed(ready) if other else _sets(ready)
        chosen = st.session_state.get(SETS, []) if not other else []
        st.session_state.setdefault(
            ENCODERS, [name for name in opening.FIRST_ENCODERS if name in known]
        )
        st.session_state[ENCODERS] = [
            name for name in meant(st.session_state[ENCODERS]) if name in known
        ]
        options = [name for name in settings.listed(chosen) if name in known]
        encoders = settings.encoders("Encoders", options, ENCODERS, chosen, typed=False)
        name = st.text_input(
            "Name of the report", "mine", key="metrics_evaluate_name", max_chars=60
        )
        studies = st.toggle(
            "With studies (slower)",
            key=STUDIES,
            help="Shared factors, robustness and data health of each encoder.",
        )
        fine = bool(NAME.fullmatch(name))
        if not fine:
            quiet("A name has letters, digits and . _ - only.")
        lacking = not (what and encoders and fine)
        if st.button(
            "Evaluate", type="primary", width="stretch", disabled=lacking, key="metrics_evaluate"
        ):
            asked = [*what, "--encoders", ",".join(encoders), "--name", name, *by]
            _start(asked, f"{count(len(encoders), 'encoder')} on {titles}", studies)
            st.rerun()
    if cached.active_jobs() or _recent():
        jobs_view.show()


def offer(shown: Choice, cells: list[Cell], studies: bool = False) -> None:
    """A button that opens the panel with the data set and the encoders of a board chosen;
    ``studies`` with these, too."""
    if not limits.may("evaluate"):
        return
    locator = (
        cached_metrics.locator_of(shown.dataset, str(cells[0].queries[0]))
        if len(cells[0].queries)
        else None
    )
    chosen: dict[str, object] = {
        OPEN: True,
        ENCODERS: list(dict.fromkeys(cell.encoder for cell in cells)),
        CROSS: False,
    }
    if locator:
        chosen |= {
            SETS: [locator],
            RELEVANT: [shown.protocol] if shown.protocol.startswith(BY) else [],
        }
    if studies:
        chosen[STUDIES] = True
    st.button(
        "Evaluate again",
        key="metrics_evaluate_again",
        on_click=st.session_state.update,
        args=(chosen,),
    )


def look_again() -> None:
    """Reports are listed anew where this session has started an evaluation: its report may be there
    now."""
    if _recent():
        cached_metrics.report_rows.clear()


def _sets(ready: dict[str, str]) -> tuple[list[str], str, list[str]]:
    """Ordinary evaluations: arguments for the data sets (empty until one is chosen), their titles,
    arguments for protocols."""
    chosen = st.multiselect(
        "Data sets",
        list(ready),
        key=SETS,
        format_func=lambda one: ready.get(one, one),
        select_all=False,
    )
    options = _shared(chosen)
    st.session_state[RELEVANT] = [
        one for one in st.session_state.get(RELEVANT, []) if one in options
    ]
    by = st.multiselect(
        "Relevant: the same",
        options,
        key=RELEVANT,
        placeholder="Every full protocol",
        format_func=_spoken,
        select_all=False,
    )
    titles = ", ".join(ready.get(one, one) for one in chosen)
    return (
        ["--datasets", ",".join(chosen)] if chosen else [],
        titles,
        ["--protocols", ",".join(by)] if by else [],
    )


def _crossed(ready: dict[str, str]) -> tuple[list[str], str, list[str]]:
    """The same for a cross-domain one."""
    simple = {locator: title for locator, title in ready.items() if not locator.endswith(SUFFIX)}
    what = cross.panel(simple)
    if not what:
        return [], "", []
    return (
        what,
        (
            f"queries of {count(what[1].count(',') + 1, 'data set')} against"
            f" {ready.get(what[3], what[3])}"
        ),
        [],
    )


def _shared(datasets: list[str]) -> list[str]:
    """Protocols and attributes that every chosen data set has."""
    lists = [cached_metrics.protocols(one, cached.version(one)) for one in datasets]
    return [name for name in lists[0] if all(name in other for other in lists)] if lists else []


def _spoken(protocol: str) -> str:
    return (
        f"{protocol.removeprefix(BY).replace('_', ' ')} (attribute)"
        if protocol.startswith(BY)
        else protocol
    )


def _start(arguments: list[str], what: str, studies: bool) -> None:
    builds.begin(f"Evaluate {what}", ["evaluate", *arguments, *(["--studies"] if studies else [])])
    st.session_state[STARTED] = time.time()
    cached.active_jobs.clear()
    cached_metrics.report_rows.clear()


def _recent() -> bool:
    """Whether this session started one lately, so that its end is told."""
    return time.time() - st.session_state.get(STARTED, 0.0) < jobs_view.RECENT_S
