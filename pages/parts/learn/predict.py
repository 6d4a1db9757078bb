"""Predict, then reveal: the student says who will do best, the system answers."""

import streamlit as st

from core.services.teaching.contests import SAMPLE, Result
from pages.parts import cached_lab, cached_learn, cached_maps, palette, url_state
from pages.parts.cached_learn import gallery
from pages.parts.learn import dials, shown, widgets
from pages.parts.learn.lesson import Lesson, Prediction, filled
from pages.parts.words import note, quiet, text

NOBODY = "nobody"
ROUND, CHOSEN = "round", "chosen"
"""Which query is asked stands in the link; what was chosen does not, as progress does not."""
MAX_ROUNDS = 1000


def begin() -> None:
    """Read the round from the link, before anything else of the lesson writes it."""
    dials.kept(ROUND, 1, url_state.number(1, MAX_ROUNDS))
    dials.own(CHOSEN)


def show(lesson: Lesson, facts: dict[str, str]) -> None:
    """One round: the query, the choices; after it what everybody found, and the next round."""
    wanted = lesson.predict
    key = (*gallery(), wanted.contenders, wanted.measure)
    queries = cached_learn.rounds(*key, wanted.k)
    place = (dials.own(ROUND, 1) - 1) % len(queries)
    results = cached_learn.play(*key, queries[place], wanted.k)
    chosen = dials.own(CHOSEN)
    with st.container(horizontal=True, key="learn_asked"):
        if not queries[place].startswith(SAMPLE):
            with st.container(width=150):
                shown.query(queries[place])
        with st.container(width="stretch"):
            number = queries[place].removeprefix(SAMPLE)
            text(filled(wanted.ask, {**facts, "sample": number}))
            _choices(lesson, results, chosen, place)
            right = None if chosen is None else _right(results, chosen)
            widgets.tally(lesson.name, queries[place], right)
    if chosen is None:
        if wanted.open:
            shown.answers([_line(one, results, wanted, told=False) for one in results])
            st.html(shown.KEY)
        return
    _revealed(wanted, results, chosen, facts)
    st.button(
        "Next prediction",
        key=f"learn_next_{lesson.name}",
        icon=":material/arrow_forward:",
        on_click=_turn,
        args=((place + 1) % len(queries) + 1, None),
    )


def _turn(round_: int, chosen: str | None) -> None:
    """Another round, or another choice in this one."""
    dials.keep(ROUND, round_)
    dials.keep(CHOSEN, chosen)


def _choices(lesson: Lesson, results: tuple[Result, ...], chosen: str | None, place: int) -> None:
    """A button for each contender, and one for none of them."""
    wanted = lesson.predict
    options = {str(number): title(one, results, wanted) for number, one in enumerate(results)}
    if wanted.nobody:
        options[NOBODY] = wanted.nobody
    with st.container(horizontal=True, key="learn_choices"):
        for option, words in options.items():
            st.button(
                words,
                key=f"learn_choose_{lesson.name}_{option}",
                icon=_mark(results, option, chosen),
                type="primary" if option == chosen else "secondary",
                disabled=chosen is not None,
                on_click=_turn,
                args=(place + 1, option),
            )


def _mark(results: tuple[Result, ...], option: str, chosen: str | None) -> str | None:
    """Once something was chosen: a tick at what is right, a cross at a choice that is not."""
    if chosen is None:
        return None
    if _right(results, option):
        return ":material/check:"
    return ":material/close:" if option == chosen else None


def _right(results: tuple[Result, ...], chosen: str) -> bool:
    if chosen == NOBODY:
        return not any(one.won for one in results)
    return results[int(chosen)].won


def _revealed(
    wanted: Prediction, results: tuple[Result, ...], chosen: str, facts: dict[str, str]
) -> None:
    winners = [title(one, results, wanted) for one in results if one.won]
    right = _right(results, chosen)
    best = " and ".join(winners) if winners else "none of them"
    yours = "none of them" if chosen == NOBODY else title(results[int(chosen)], results, wanted)
    note(
        "Correct." if right else "Not this time.",
        f"You chose {yours}." if right else f"You chose {yours}; the answer is {best}.",
        tone="good" if right else "",
    )
    shown.answers([_line(one, results, wanted) for one in results])
    if any(one.hits for one in results):
        st.html(shown.KEY)
    quiet(filled(wanted.look, facts))


def _line(one: Result, results: tuple[Result, ...], wanted: Prediction, told: bool = True) -> str:
    mark = "" if _same_encoder(results) else palette.mark_html(one.contender.encoder)
    said = one.said if told else f"the first {len(one.hits)} of its list"
    word = "far" if wanted.measure == "map" else "missed"
    inner = shown.hits_html(one.hits, missed=word) if one.hits else ""
    return shown.answer_html(title(one, results, wanted), said, inner, mark, told and one.won)


def _same_encoder(results: tuple[Result, ...]) -> bool:
    return len({one.contender.encoder for one in results}) == 1 and len(results) > 1


def title(one: Result, results: tuple[Result, ...], wanted: Prediction) -> str:
    """What a contender is called: what it differs from the others by."""
    contender = one.contender
    if wanted.names:
        return wanted.names[wanted.contenders.index(contender.text)]
    if not _same_encoder(results):
        return palette.title(contender.encoder)
    projections = {row["name"]: row["title"] for row in cached_maps.projection_rows()}
    if contender.by in projections:
        return projections[contender.by]
    name, _, knobs = contender.by.partition(":")
    row = cached_lab.index_row(name or "exact")
    return f"{row['title']}{f', {knobs}' if knobs else ''}"


def encoder_titles(names) -> dict[str, str]:
    """Encoder -> what it is called, for a control."""
    return {name: palette.title(name) for name in names}
