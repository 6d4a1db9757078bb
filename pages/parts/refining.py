"""The Refine area of the query panel: words, pictures with a plus or a minus, and the way back."""

from collections.abc import Sequence

import streamlit as st

from core.images import EXTENSIONS
from core.services.library import uploads
from core.services.search.request import MAX_TEXT, Weights
from pages.parts import cached, components, gallery, palette, refine
from pages.parts.beside import MINUS, PLUS
from pages.parts.link import View
from pages.parts.words import caption, quiet, telling, trouble

TROUBLE, ROUND, SIGN, FILE = "refine_trouble", "refine_round", "refine_sign", "refine_file"
SIGNS = {PLUS: "+", MINUS: "\u2212"}
MEANS = {PLUS: "More like this", MINUS: "Less like this"}
CHIP = 52


def panel(view: View) -> None:
    """What is asked with beside the query; a field for words where a chosen encoder reads text."""
    readers = [name for name in view.encoders if (cached.encoder_row(name) or {}).get("text")]
    with st.container(key="refine"):
        caption("Refine", level=2)
        if readers or view.asked.text:
            _words(view, readers)
        if view.asked.examples:
            _chips(view)
        else:
            quiet("A thumb up or down on a hit refines the search (relevance feedback).")
        _bring()
        _back(view)


def _words(view: View, readers: Sequence[str]) -> None:
    said = [
        f"{palette.title(name)}: {cached.encoder_row(name)['text']['languages']}"
        for name in readers
    ]
    st.text_input(
        "Words",
        key=refine.TEXT,
        on_change=refine.said,
        max_chars=MAX_TEXT,
        placeholder="a red mug on a table",
        help=(
            "What you look for, in a sentence. Encoders that were trained with captions read it. "
            f"{'; '.join(said) or 'None of those that are chosen do'}."
        ),
    )
    if view.asked.text:
        st.slider(
            "Words against the picture",
            0,
            100,
            key=refine.SHARE,
            step=10,
            format="%d %%",
            help="100 %: words alone. Below it the picture of the query counts for the rest.",
        )


def _chips(view: View) -> None:
    """Every example with its sign; a click takes it away."""
    version = cached.version(view.dataset)
    items = [
        {
            "id": f"{sign}|{picture}",
            "uri": _thumbnail(view, version, picture),
            "alt": f"{MEANS[sign]}: {_name(view, picture)}. Take it away.",
            "rank": SIGNS[sign],
            "badge": "\u2715",
            "mark": sign,
        }
        for sign, picture in view.asked.examples
    ]
    picked = components.picture_grid(items, "Pictures with a plus or a minus", "chips_refine", CHIP)
    if picked and tuple(picked.split("|", 1)) in view.asked.examples:
        refine.take_away(*picked.split("|", 1))
        st.rerun()
    usual = Weights()
    if view.asked.of(MINUS):
        st.slider(
            "Weight of \u2212",
            0.0,
            1.0,
            key=refine.LESS,
            step=0.05,
            help=(
                "Searched with the weighted mean (Rocchio): the query weighs"
                f" {usual.query:g}, the mean of + {usual.plus:g}; that of \u2212 is taken away"
                " with this weight."
            ),
        )
    else:
        quiet(f"The query weighs {usual.query:g}, the mean of + {usual.plus:g} (Rocchio).")


def _bring() -> None:
    """A picture of the person's own with a plus or a minus."""
    turn = st.session_state.setdefault(ROUND, 0)
    with st.popover(
        "Add a picture", key="refine_open", on_change="rerun", width="stretch"
    ) as place:
        if place.open:
            st.radio("It is", list(MEANS), key=SIGN, format_func=MEANS.get, horizontal=True)
            field = f"{FILE}_{turn}"
            st.file_uploader(
                "Picture", [one.lstrip(".") for one in EXTENSIONS], key=field, on_change=_brought,
                args=(field,),
            )  # fmt: skip
    if error := st.session_state.pop(TROUBLE, None):
        trouble(error)


def _brought(field: str) -> None:
    file = st.session_state.get(field)
    if file is None:
        return
    with telling(TROUBLE):
        refine.vote(st.session_state.get(SIGN, PLUS), f"up:{uploads.keep(file.getvalue())}")
        st.session_state[ROUND] += 1


def _back(view: View) -> None:
    steps, some = st.session_state.get(refine.STEPS), view.asked.examples or view.asked.text
    if not steps and not some:
        return
    with st.container(horizontal=True, key="refine_back"):
        st.button(
            "Undo",
            key="refine_undo",
            disabled=not steps,
            on_click=refine.undo,
            width="stretch",
            help="Take the last plus, minus, removal or change of words back",
        )
        st.button(
            "Clear", key="refine_clear", disabled=not some, on_click=refine.clear, width="stretch"
        )


def _thumbnail(view: View, version: str, picture: str) -> str:
    kind, _, name = picture.partition(":")
    if kind == "up":
        return cached.upload(name, 2 * CHIP)
    return cached.thumbnail(view.dataset, version, name, 2 * CHIP)


def _name(view: View, picture: str) -> str:
    kind, _, name = picture.partition(":")
    return "your picture" if kind == "up" else gallery.name_of(cached.dataset(view.dataset), name)


def voted(view: View, action: str) -> bool:
    """Do what the board asks of a hit: ``plus:<id>``, ``minus:<id>``. Whether it was that."""
    sign, _, id = action.partition(":")
    if sign not in MEANS:
        return False
    if id in cached.dataset(view.dataset).rows:
        refine.vote(sign, f"item:{id}")
    return True


def ends() -> None:
    """Which end of the list is wanted, and to which score: two controls of the settings."""
    place = st.container(horizontal=True, vertical_alignment="bottom", key="ends")
    place.toggle(
        "Least similar first",
        key=refine.LEAST,
        help="The other end of the list. Every picture is compared, whatever the index.",
    )
    place.number_input(
        "Score at most" if st.session_state.get(refine.LEAST) else "Score at least",
        key=refine.THRESHOLD,
        value=None,
        step=0.05,
        format="%g",
        placeholder="any",
        width="stretch",
        help=(
            "Every hit that reaches this score, in place of a number of results: at most"
            f" {refine.MAX_REACHED}. Each encoder has a scale of its own."
        ),
    )
