"""One lesson on the page: try it, predict, three questions, in the field, teacher's notes."""

from collections.abc import Callable
from html import escape

import streamlit as st

from core.errors import UserError
from pages.parts import press, url_state
from pages.parts.guard import drawn, guarded
from pages.parts.lab.live import live
from pages.parts.learn import dials, predict, widgets
from pages.parts.learn.lesson import Lesson, filled, lessons
from pages.parts.shell import MENU
from pages.parts.words import caption, quiet, trouble


def show(lesson: Lesson) -> None:
    """All parts of a lesson; one that fails says so, and the others stand."""
    dials.begin(lesson.name)
    predict.begin()
    facts = _facts(lesson)
    parts: list[tuple[str, Callable[[], None]]] = [
        ("Try it", lambda: _try(lesson, facts)),
        ("Predict, then reveal", lambda: live(_predict, lesson, facts)),
        ("Three questions", lambda: _questions(lesson, facts)),
        ("In the field", lambda: _field(lesson, facts)),
    ]
    for number, (title, draw) in enumerate(parts, start=1):
        with st.container(key=f"learn_part_{number}"):
            _heading(number, title)
            drawn(draw, f"The part {title}")
    with st.expander("Teacher's notes", icon=":material/school:"):
        items = "".join(f"<li>{escape(filled(one, facts))}</li>" for one in lesson.notes)
        st.html(f'<ul class="learn-notes">{items}</ul>')
    _turn(lesson)


def _facts(lesson: Lesson) -> dict[str, str]:
    try:
        return dict(guarded(lesson.facts, "Asking for the numbers of this lesson"))
    except UserError as error:
        trouble(error)
        return _Unknown()


class _Unknown(dict):
    """Where the system can't say a number, the words say that it is not known."""

    def __missing__(self, name: str) -> str:
        return "(not known)"


def _heading(number: int, title: str) -> None:
    st.html(f'<div class="learn-part"><i aria-hidden="true">{number}</i><h2>{title}</h2></div>')


def _try(lesson: Lesson, facts: dict[str, str]) -> None:
    steps = "".join(f"<li>{escape(filled(one, facts))}</li>" for one in lesson.try_this)
    st.html(f'<ol class="learn-try">{steps}</ol>')
    live(_live, lesson)


def _live(lesson: Lesson) -> None:
    """On its own: what moves here runs again alone."""
    with st.container(key="learn_live"):
        lesson.live()
    dials.publish()


def _predict(lesson: Lesson, facts: dict[str, str]) -> None:
    predict.show(lesson, facts)
    dials.publish(tell=False)


def _questions(lesson: Lesson, facts: dict[str, str]) -> None:
    widgets.quiz(
        lesson.name,
        [
            {
                "ask": filled(one.ask, facts),
                "options": [filled(option, facts) for option in one.options],
                "right": one.right,
                "why": filled(one.why, facts),
            }
            for one in lesson.questions
        ],
    )


def _field(lesson: Lesson, facts: dict[str, str]) -> None:
    terms = "".join(
        f"<dt>{escape(term)}</dt><dd>{escape(filled(meaning, facts))}</dd>"
        for term, meaning in lesson.field.terms
    )
    st.html(f'<dl class="learn-terms">{terms}</dl>')
    for formula in lesson.field.formula:
        st.latex(formula)
    quiet(filled(lesson.field.where, facts))
    caption("Sources")
    sources = "".join(f"<li>{escape(source)}</li>" for source in lesson.field.sources)
    st.html(f'<ul class="learn-sources">{sources}</ul>')
    caption("On the live system")
    paths = {name: (path, icon) for name, path, icon in MENU}
    for page, query, what in lesson.field.pages:
        path, icon = paths[page]
        params = dict(part.split("=", 1) for part in query.split("&") if part)
        st.page_link(path, label=f"{page}: {what}", icon=icon, query_params=params or None)


def _turn(lesson: Lesson) -> None:
    every = lessons()
    place = every.index(lesson)
    with st.container(horizontal=True, key="learn_turn"):
        if place > 0 and press.button(
            f"Previous: {every[place - 1].title}",
            key="learn_previous",
            icon=":material/arrow_back:",
        ):
            go(every[place - 1].name)
        if press.button("All lessons", key="learn_all", icon=":material/apps:"):
            go("")
        if place + 1 < len(every) and press.button(
            f"Next: {every[place + 1].title}",
            key="learn_following",
            icon=":material/arrow_forward:",
            type="primary",
        ):
            go(every[place + 1].name)


def go(name: str) -> None:
    """Another lesson, or all of them; the page begins at its top."""
    url_state.publish({dials.PARAM: name} if name else {})
    st.rerun()
