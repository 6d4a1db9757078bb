"""What is asked with beside the query on Compare: pictures to be near to and far from, words, and
which end of the list is wanted. Kept in the session and in the link, with the steps that led there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from urllib.parse import quote, unquote

import streamlit as st

from core.errors import UserError
from core.services.search.request import MAX_TEXT
from pages.parts import cached
from pages.parts.beside import FIRST_LESS, FIRST_SHARE, MINUS, PLUS, Beside, Examples
from pages.parts.words import short

EXAMPLES, SAID, STEPS = "refine_examples", "refine_said", "refine_steps"
TEXT, SHARE, LESS = "keep_refine_text", "keep_refine_share", "keep_refine_less"
LEAST, THRESHOLD = "keep_refine_least", "keep_refine_threshold"
PARAMS = ("plus", "minus", "text", "words", "less", "least", "min")
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
    return replace(now(), **_held(steps[-1])) if steps else None


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
    """Put the words that are asked with into their field, before it is drawn: in a run that has
    drawn it nobody can."""
    st.session_state[TEXT] = held()[1]


def _held(step: tuple[Examples, str]) -> dict[str, object]:
    return {"examples": step[0], "text": " ".join(step[1].split())}


def written() -> dict[str, str]:
    """The parameters of a link: only what was chosen."""
    found = now()
    told = {
        sign: ",".join(quote(one, safe=":/") for one in found.of(sign)) for sign in (PLUS, MINUS)
    }
    told["text"] = found.text
    told["words"] = str(found.share) if found.text and found.share != FIRST_SHARE else ""
    told["less"] = f"{found.less:g}" if found.of(MINUS) and found.less != FIRST_LESS else ""
    told["least"] = "1" if found.least else ""
    told["min"] = "" if found.threshold is None else f"{found.threshold:g}"
    return {name: value for name, value in told.items() if value}


def restore(params: Mapping[str, str], locator: str, remarks: list[str]) -> None:
    """Put a link's words into the session; what can't be asked with gives a remark and is left
    out."""
    state = st.session_state
    put((_examples(params, locator, remarks), _text(params.get("text", ""), remarks)))
    state[SHARE] = int(_number(params, "words", FIRST_SHARE, (0, 100), remarks))
    state[LESS] = _number(params, "less", FIRST_LESS, (0, 1), remarks)
    state[LEAST] = params.get("least") == "1"
    state[THRESHOLD] = _number(params, "min", None, (-1e6, 1e6), remarks)


def heal(locator: str) -> None:
    """Pictures that are no longer there are no longer asked with."""
    examples, text = held()
    kept = tuple(one for one in examples if _there(one[1], locator))
    if kept != examples:
        put((kept, text))


def _examples(params: Mapping[str, str], locator: str, remarks: list[str]) -> Examples:
    given = [
        (sign, unquote(one))
        for sign in (PLUS, MINUS)
        for one in params.get(sign, "").split(",")
        if one
    ]
    kept = [one for one in dict.fromkeys(given) if _there(one[1], locator)][:MAX_EXAMPLES]
    if gone := [one for _, one in given if not _there(one, locator)]:
        remarks.append(
            f"{short(', '.join(gone))} can't be asked with: there is no such picture. Left out."
        )
    if len(given) - len(gone) > len(kept):
        remarks.append(f"At most {MAX_EXAMPLES} pictures have a plus or a minus here.")
    return tuple(kept)


def _there(picture: str, locator: str) -> bool:
    kind, _, name = picture.partition(":")
    try:
        if kind == "up":
            cached.upload(name)
        return kind == "up" or (kind == "item" and name in cached.dataset(locator).rows)
    except UserError:
        return False


def _text(given: str, remarks: list[str]) -> str:
    text = " ".join(given.split())
    if len(text) > MAX_TEXT:
        remarks.append(
            f"The link's text has {len(text):,} characters, of at most {MAX_TEXT:,}. Left out."
        )
        return ""
    return text


def _number(
    params: Mapping[str, str],
    name: str,
    usual: float | None,
    limits: tuple[float, float],
    remarks: list[str],
) -> float | None:
    if name not in params:
        return usual
    try:
        value = float(params[name])
    except ValueError:
        value = float("nan")
    if isfinite(value) and limits[0] <= value <= limits[1]:
        return value
    span = f"from {limits[0]:g} to {limits[1]:g}" if abs(limits[0]) < 1e6 else "a number"
    remarks.append(
        f"The link asks for {name}={short(params[name], 20)}; it is {span}. Passed over."
    )
    return usual
