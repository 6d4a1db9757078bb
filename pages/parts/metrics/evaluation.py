"""Evaluating from the page: a job like any other, whose result the page opens when it is there."""

import re

import streamlit as st

from core.services import jobs
from core.services.embedding import opening
from core.services.embedding.roles import BY
from core.services.evaluation import crossing
from core.services.evaluation.cells import Cell
from core.services.evaluation.crossing import SUFFIX
from core.services.hosting import limits
from core.services.jobs import JobStatus
from pages.parts import (
    builds,
    cached,
    cached_library,
    cached_metrics,
    encoder_names,
    evaluations,
    press,
    settings,
    url_state,
    watching,
)
from pages.parts.encoder_names import meant
from pages.parts.guard import public
from pages.parts.metrics import choice
from pages.parts.metrics.choice import Choice, Entry
from pages.parts.metrics.views import encoders_of, place_of
from pages.parts.words import count, note, quiet, telling

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}")
OPEN = "metrics_evaluate_open"
MAX_FIRST = 8
ENCODERS, SETS, CROSS, RELEVANT, STUDIES = (
    f"metrics_evaluate_{name}" for name in ("encoders", "sets", "cross", "by", "studies")
)


def panel() -> None:
    """Choose data sets and encoders, start; what is there already is taken as it is."""
    if not limits.may("evaluate"):
        return
    with st.expander("Evaluate other pictures or encoders", key=OPEN, on_change="rerun"):
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
        chosen_before = meant(st.session_state[ENCODERS])
        url_state.put(ENCODERS, [name for name in chosen_before if name in known])
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
        if press.button(
            "Evaluate", type="primary", width="stretch", disabled=lacking, key="metrics_evaluate"
        ):
            asked = [*what, "--encoders", ",".join(encoders), "--name", name, *by]
            _start(asked, f"{count(len(encoders), 'encoder')} on {titles}", studies)
            st.rerun()


def offer(shown: Choice, cells: list[Cell], studies: bool = False) -> None:
    """A button that opens the panel as a board was evaluated; ``studies`` with these, too."""
    if not limits.may("evaluate"):
        return
    locator = place_of(shown, cells)
    chosen: dict[str, object] = {OPEN: True, ENCODERS: encoders_of(cells), CROSS: False}
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


STUDY_TITLES = {"probes": "shared factors", "robustness": "robustness", "health": "data health"}


def studied(kind: str, shown: Choice, cells: list[Cell]) -> dict[str, dict]:
    """Encoder -> its study of one kind. Where there is none the page says why: the reason that the
    data set gave, or how to make the study."""
    found = cached_metrics.studies(shown.key, kind)
    known = {encoder: row["result"] for encoder, row in found.items() if row.get("result")}
    reasons = [row["why"] for row in found.values() if row.get("why")]
    if not known and reasons:
        note("This data set can't answer that.", reasons[0])
    elif not known:
        fix = "Evaluate again with studies to get it."
        note(f"This report has no study of {STUDY_TITLES[kind]} for this data set.", fix)
        offer(shown, cells, studies=True)
    return known


UNDONE = "metrics_undone"
"""Session: the evaluation that did not end well, until it is tried again or dismissed."""


def arrive() -> None:
    """Open the result of an evaluation that this session started, or say why there is none."""
    job = evaluations.finished()
    if job is not None:
        cached_metrics.report_rows.clear()
        cached.forget_builds()
        st.session_state[UNDONE] = job.id
        if job.state == "done":
            choice.choose(evaluations.report_of(job))
    last = builds.over(st.session_state.get(UNDONE))
    if last is not None and last.state != "done" and not last.dismissed:
        _undone(last)


def _undone(last: JobStatus) -> None:
    """How it ended, with a button that goes on."""
    with st.container(key="metrics_undone", horizontal=True, vertical_alignment="center"):
        tone = "bad" if last.state == "failed" else ""
        note(f"{builds.ending(last, 'evaluation')}.", public(last.message), tone)
        if press.button("Try again", type="primary", key="metrics_retry"):
            evaluations.retry(last)
            st.rerun()
        if press.button("Dismiss", key="metrics_dismiss"):
            jobs.dismiss(last.id)
            cached.forget_builds()
            st.rerun()


def working(entry: Entry) -> bool:
    """Progress of the evaluation of a data set, or of one that this session started; the page runs
    again when it is over. Whether there is one."""
    job = _at_work(entry)
    if job is not None:
        st.fragment(_progress, run_every=1.0)(entry)
    return job is not None


def _at_work(entry: Entry) -> JobStatus | None:
    own = evaluations.running(entry.locator) if entry.locator else None
    return own or evaluations.started()


def _progress(entry: Entry) -> None:
    job = _at_work(entry)
    if job is None:
        cached_metrics.report_rows.clear()
        st.rerun()
    watching.bar(job, "evaluation", about="The result opens here when it is done.")


def first(entry: Entry) -> None:
    """A data set that was not evaluated yet: what that would show, and one button."""
    version = cached.version(entry.locator)
    built = cached_library.built(entry.locator, version)
    names = built[:MAX_FIRST] or encoder_names.suggested()
    note(f"{entry.title} has not been evaluated yet.",
         "Its labels say which hits are right: an evaluation says which encoder is best for it, and"
         " whether that is certain.")  # fmt: skip
    more = "" if built else " They are built first."
    quiet(f"{count(len(names), 'encoder')}: {encoder_names.titles(names)}.{more}")
    if not limits.may("evaluate"):
        return
    label = evaluations.words(entry.locator, version, names)
    if press.button(label, type="primary", key="metrics_evaluate_set"):
        evaluations.start(entry.locator, names)
        st.rerun()


def _sets(ready: dict[str, str]) -> tuple[list[str], str, list[str]]:
    """Ordinary evaluations: arguments for data sets (or none), titles, arguments for protocols."""
    chosen = st.multiselect(
        "Data sets",
        list(ready),
        key=SETS,
        format_func=lambda one: ready.get(one, one),
        select_all=False,
    )
    options = _shared(chosen)
    before = st.session_state.get(RELEVANT, [])
    url_state.put(RELEVANT, [one for one in before if one in options])
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
    what = cross_panel(simple)
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
    if protocol.startswith(BY):
        return f"{protocol.removeprefix(BY).replace('_', ' ')} (attribute)"
    return protocol


def _start(arguments: list[str], what: str, studies: bool) -> None:
    told = ["evaluate", *arguments, *(["--studies"] if studies else [])]
    evaluations.begin(f"Evaluate {what}", told)


OWN = "A table of my own"
CROSS_KEY = "metrics_cross"


def cross_panel(ready: dict[str, str]) -> list[str]:
    """The controls over the data sets that are here (locator -> title); returns arguments of the
    evaluation, empty until they make one."""

    def title(locator: str) -> str:
        return ready.get(locator, locator)

    queries = st.multiselect(
        "Queries of", list(ready), key=f"{CROSS_KEY}_queries", format_func=title
    )
    gallery = st.selectbox("Gallery", list(ready), key=f"{CROSS_KEY}_gallery", format_func=title)
    join = _join()
    if not queries or not gallery or join is None:
        return []
    with telling():
        told = cached_metrics.crossed(tuple(queries), gallery, join)
        quiet(f"Queries: {told['queries']}. Joined: {told['joined classes']}.")
        return ["--queries", ",".join(queries), "--gallery", gallery, "--join", join]
    return []


def _join() -> str | None:
    """A join by name, or the path of an uploaded table; None while there is none."""
    options = [*crossing.names(), OWN]
    chosen = st.selectbox(
        "Classes joined by",
        options,
        options.index(crossing.SAME),
        key=f"{CROSS_KEY}_join",
        format_func=_join_title,
        help="Which class of the queries is which class of the gallery.",
    )
    if chosen != OWN:
        return chosen
    file = st.file_uploader(
        "A CSV with the columns query_class and gallery_class",
        ["csv"],
        key=f"{CROSS_KEY}_file",
        max_upload_size=1,
        help=(
            "One row for each class that has a counterpart. A column query_set keeps a row to the"
            " data set of that name."
        ),
    )
    if file is None:
        return None
    with telling():
        return crossing.keep_table(file.name, file.getvalue())
    return None


def _join_title(name: str) -> str:
    return {crossing.SAME: "Classes of the same name", OWN: OWN}.get(name) or crossing.table(
        name
    ).title
