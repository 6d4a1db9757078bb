"""The way of a data set, with one button for what is next: a line at the top of its page, and what
follows on the pages that its steps lead to."""

from html import escape

import streamlit as st

from core.errors import UserError
from core.services import journey
from core.services.hosting import limits
from core.services.jobs import JobStatus
from core.services.library import compared
from pages.parts import (
    builds,
    cached,
    cached_library,
    encoder_names,
    evaluations,
    guard,
    link,
    press,
    watching,
)
from pages.parts.library import place
from pages.parts.words import count, note, quiet, telling

MARKS = {"done": "✓", "next": "•", "open": "", "closed": "–"}
MAX_EVALUATED = 8
TRAIN_DATA = "keep_train_data"
COMMANDS = {"Evaluate": "evaluate", "Improve": "train"}
"""What a step does, as the limits of a server name it."""


def show(row: dict) -> None:
    """Five steps; asked again every second while a job for this set is at work."""
    watching.follow(
        lambda: _working(row["locator"]), lambda job: _line(row, job), cached.forget_builds
    )


def _working(locator: str) -> JobStatus | None:
    """The build or the evaluation of a set that is at work."""
    building = [job for job in cached.active_jobs() if builds.what(job).get("dataset") == locator]
    return building[0] if building else evaluations.running(locator)


def _line(row: dict, job: JobStatus | None) -> None:
    locator = row["locator"]
    version = cached.version(locator)
    built = cached_library.built(locator, version)
    seen = compared.was(locator) or locator in st.session_state.get(link.COMPARED, ())
    states = _states(locator, version, built, seen)
    with st.container(key="panel_path"):
        st.html(_drawn(states))
        if job is not None:
            watching.bar(job, f"path_{job.id}")
        elif built or not cached_library.behind(locator, version):
            if (last := builds.failed(locator)) is not None:
                note(f"{last.title}: failed.", guard.public(last.message), "bad")
            _next(row, version, built, states)


def _states(locator: str, version: str, built: list[str], seen: bool) -> dict[str, str]:
    """How far a set has come; ``seen``: its hits were looked at side by side."""
    return journey.states(
        bool(built),
        seen,
        cached_library.evaluated(locator, version) is not None,
        bool(cached_library.trained_on(locator)),
        cached_library.labelled(locator, version),
    )


def onward(locator: str, step: str) -> None:
    """On the page of the step before: ``step`` with its button, where it is what comes next for a
    data set that was added, may be done here, and nothing is at work for it."""
    row = next((one for one in cached.dataset_rows() if one["locator"] == locator), None)
    if row is None or not row["added"] or not limits.may(COMMANDS[step]) or _working(locator):
        return
    version = cached.version(locator)
    built = cached_library.built(locator, version)
    if built and _states(locator, version, built, seen=True)[step] == "next":
        with st.container(horizontal=True, vertical_alignment="center", key="panel_onward"):
            st.html(f'<p class="ll-next">Next: {escape(step)}</p>')
            _STEPS[step](row, version, built)


def _drawn(states: dict[str, str]) -> str:
    said = {"done": "done", "next": "next", "open": "later", "closed": "needs labels"}
    steps = "".join(
        f'<li class="{state}"{" aria-current=step" if state == "next" else ""}>'
        f"<i aria-hidden=true>{MARKS[state]}</i>{escape(step)}"
        f'<span class="ll-unseen">: {said[state]}</span></li>'
        for step, state in states.items()
    )
    return f'<ol class="ll-path">{steps}</ol>'


def _next(row: dict, version: str, built: list[str], states: dict[str, str]) -> None:
    """What is next in words, and its button."""
    step = next((name for name, state in states.items() if state == "next"), "")
    with st.container(horizontal=True, vertical_alignment="center", key="path_next"):
        _STEPS.get(step, _finished)(row, version, built)


def _build(row: dict, version: str, built: list[str]) -> None:
    names = encoder_names.suggested()
    costs = encoder_names.suggested_seconds(row["pictures"], names)
    quiet(
        f"{encoder_names.titles(names)} encode every picture once; a search then takes"
        " milliseconds. Others are under Encoders and builds."
    )
    label = f"Build {count(len(names), 'encoder')}"
    label += "" if costs is None else f", {builds.about(costs)}"
    if press.button(label, type="primary", key="path_build"):
        _tried(lambda: builds.start(row["locator"], names))


def _compare(row: dict, version: str, built: list[str]) -> None:
    made = builds.last_of(row["locator"]) or {"dataset": row["locator"]}
    names = made["encoders"].split(",") if "encoders" in made else built
    quiet(f"{count(len(built), 'encoder')} can search in it: ask with a picture, side by side.")
    if press.button(f"Compare {count(len(names), 'encoder')}", type="primary", key="path_compare"):
        link.to("compare", **made)


def to_evaluate(built: list[str]) -> list[str]:
    """The encoders that one press evaluates; said where these are not all."""
    if len(built) > MAX_EVALUATED:
        quiet(f"The first {MAX_EVALUATED} of {count(len(built), 'encoder')} are evaluated; others"
              " are chosen in Metrics.")  # fmt: skip
    return built[:MAX_EVALUATED]


def _evaluate(row: dict, version: str, built: list[str]) -> None:
    quiet("Its labels say which hits are right: see which encoder is best, and whether that is"
          " certain.")  # fmt: skip
    if not limits.may("evaluate"):
        return
    names = to_evaluate(built)
    label = evaluations.words(row["locator"], version, names)
    if press.button(label, type="primary", key="path_evaluate"):
        with telling():
            evaluations.start(row["locator"], names)
            link.to("metrics", dataset=row["locator"])


def _improve(row: dict, version: str, built: list[str]) -> None:
    if not limits.may("train"):
        quiet("Training is switched off on this server. On your own machine you can fine-tune an"
              " encoder on these pictures, and see what that changes.")  # fmt: skip
        return
    quiet("Fine-tune an encoder on these pictures, and compare it before and after.")
    if press.button("Train on it", type="primary", key="path_improve"):
        st.session_state[TRAIN_DATA] = [row["locator"]]
        link.to("train")


def _finished(row: dict, version: str, built: list[str]) -> None:
    quiet("Every step is done. Compare again, or look at what the training changed.")
    if press.button("Runs on it", key="path_runs"):
        place.show(row["locator"], place.TRAINING)
        st.rerun()
    if press.button("Compare", type="primary", key="path_compare"):
        link.to("compare", dataset=row["locator"])


_STEPS = {"Build": _build, "Compare": _compare, "Evaluate": _evaluate, "Improve": _improve}


def _tried(act) -> None:
    try:
        act()
    except UserError as error:
        note("It could not be started.", error.plain, "bad")
        return
    st.rerun()
