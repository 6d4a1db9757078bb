"""What is asked with beside the query on Compare: pictures to be near to and far from, words, and
which end of the list is wanted. Kept in the session and in the link, with the steps that led there.
"""

from dataclasses import replace
from math import nan
from urllib.parse import quote, unquote

import streamlit as st

from core.errors import UserError
from core.services.search.request import MAX_TEXT
from pages.parts import cached, given
from pages.parts.beside import FIRST_LESS, FIRST_SHARE, MINUS, PLUS, Beside, Examples
from pages.parts.url_state import FLAG, Kind, Param, Refused
from pages.parts.words import short

EXAMPLES, SAID, STEPS = "refine_examples", "refine_said", "refine_steps"
TEXT, SHARE, LESS = "keep_refine_text", "keep_refine_share", "keep_refine_less"
LEAST, THRESHOLD = "keep_refine_least", "keep_refine_threshold"
MAX_EXAMPLES, MAX_STEPS, MAX_REACHED = 12, 50, 100
"""Pictures with a plus or a minus, steps that can be undone, and hits that reach a score."""


def now() -> Beside:
    """What is asked with beside the query, as the session has it."""
    state, (examples, text) = st.session_state, held()
    threshold = state.get(THRESHOLD)
    return Beside(
        examples,
        " ".join(text.split())[:MAX_TEXT],
        int(state.get(SHARE, FIRST_SHARE)),
        float(state.get(LESS, FIRST_LESS)),
        bool(state.get(LEAST, False)),
        None if threshold is None else float(threshold),
    )


def before() -> Beside | None:
    """What was asked with before the last step; None where there was none."""
    steps = st.session_state.get(STEPS, ())
    if not steps:
        return None
    examples, text = steps[-1]
    return replace(now(), examples=examples, text=" ".join(text.split()))


def vote(sign: str, picture: str) -> None:
    """Be nearer to a picture, or farther from it, in place of the opposite."""
    examples, text = held()
    if (sign, picture) not in examples:
        others = (one for one in examples if one[1] != picture)
        step((*others, (sign, picture))[-MAX_EXAMPLES:], text)


def take_away(sign: str, picture: str) -> None:
    """Be neither nearer to a picture nor farther from it."""
    examples, text = held()
    step(tuple(one for one in examples if one != (sign, picture)), text)


def said() -> None:
    """Other words were typed: a step like any other. Called before the page runs."""
    step(held()[0], st.session_state[TEXT])


def step(examples: Examples, text: str) -> None:
    """Ask with these from now on; the step can be undone."""
    state = st.session_state
    if (examples, text) != held():
        state[STEPS] = [*state.get(STEPS, ()), held()][-MAX_STEPS:]
        _set((examples, text))


def undo() -> None:
    """Take the last step back."""
    state = st.session_state
    if state.get(STEPS):
        *state[STEPS], last = state[STEPS]
        _set(last)


def clear() -> None:
    """Ask with the query alone; that can be undone."""
    step((), "")


def forget() -> None:
    """Another query: nothing stands beside it, and there is nothing to undo."""
    put(((), ""))


def held() -> tuple[Examples, str]:
    """Pictures and words as they are now; :func:`put` puts them back."""
    return st.session_state.get(EXAMPLES, ()), st.session_state.get(SAID, "")


def put(held: tuple[Examples, str]) -> None:
    """Go back to what stood beside another query."""
    _set(held)
    st.session_state[STEPS] = []


def _set(held: tuple[Examples, str]) -> None:
    st.session_state[EXAMPLES], st.session_state[SAID] = held


def settle() -> None:
    """Put the words that are asked with into their field, before it is drawn."""
    st.session_state[TEXT] = held()[1]


def heal(locator: str) -> None:
    """Pictures that are no longer there are no longer asked with."""
    examples, text = held()
    kept = tuple(one for one in examples if _there(one[1], locator))
    if kept != examples:
        put((kept, text))


def _signed(sign: str) -> Param:
    """The pictures with a sign, as a parameter of the link; both signs share one list."""

    def others() -> Examples:
        return tuple(one for one in held()[0] if one[0] != sign)

    def read(text: str) -> tuple[str, ...]:
        locator = st.session_state[given.DATASET]
        named = list(dict.fromkeys(unquote(one) for one in text.split(",") if one))
        there, remarks = [one for one in named if _there(one, locator)], []
        kept = tuple(there[: MAX_EXAMPLES - len(others())])
        if gone := [one for one in named if one not in there]:
            wrong = f"{short(', '.join(gone))} can't be asked with"
            remarks.append(f"{wrong}: there is no such picture. Left out.")
        if len(there) > len(kept):
            remarks.append(f"At most {MAX_EXAMPLES} pictures have a plus or a minus here.")
        if remarks:
            raise Refused(kept, *remarks)
        return kept

    def write(pictures: tuple[str, ...]) -> str:
        return ",".join(quote(one, safe=":/") for one in pictures)

    def choose(pictures: tuple[str, ...]) -> None:
        put(((*others(), *((sign, one) for one in pictures)), held()[1]))

    return Param(sign, "", Kind(read, write), (), get=lambda: now().of(sign), put=choose)


def _there(picture: str, locator: str) -> bool:
    kind, _, name = picture.partition(":")
    try:
        if kind == "up":
            cached.upload(name)
        return kind == "up" or (kind == "item" and name in cached.dataset(locator).rows)
    except UserError:
        return False


def _text(given: str) -> str:
    text = " ".join(given.split())
    if len(text) > MAX_TEXT:
        long = f"The link's text has {len(text):,} characters, of at most {MAX_TEXT:,}."
        raise Refused("", f"{long} Left out.")
    return text


def _number(name: str, usual: float | None, low: float, high: float) -> Kind:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = nan
        if low <= value <= high:
            return value if usual is None else type(usual)(value)
        span = f"from {low:g} to {high:g}" if abs(low) < 1e6 else "a number"
        asked = f"The link asks for {name}={short(text, 20)}"
        raise Refused(usual, f"{asked}; it is {span}. Passed over.")

    return Kind(read, lambda value: f"{value:g}")


PARAMS = (
    _signed(PLUS),
    _signed(MINUS),
    Param("text", "", Kind(_text), get=lambda: now().text, put=lambda text: put((held()[0], text))),
    Param(
        "words",
        SHARE,
        _number("words", FIRST_SHARE, 0, 100),
        FIRST_SHARE,
        get=lambda: now().share if now().text else FIRST_SHARE,
    ),
    Param(
        "less",
        LESS,
        _number("less", FIRST_LESS, 0, 1),
        FIRST_LESS,
        get=lambda: now().less if now().of(MINUS) else FIRST_LESS,
    ),
    Param("least", LEAST, FLAG, False),
    Param("min", THRESHOLD, _number("min", None, -1e6, 1e6), None),
)
