"""What a link to Compare says, checked: each text becomes a value that can be shown, else what is
shown in its place and a remark."""

import streamlit as st

from core.errors import UserError
from core.services.embedding.opening import FIRST_DATASET, FIRST_ENCODERS, FIRST_INDEX, FIRST_ITEM
from core.services.library import names
from core.services.specs import index_spec, split_names
from pages.parts import cached
from pages.parts.guard import expiry
from pages.parts.url_state import Refused
from pages.parts.words import short

DATASET = "keep_dataset"
"""Session: locator of the data set that is shown."""

FIRST_K = 10
MAX_ENCODERS, MAX_K = 8, 50
MAX_OPENING = 4
"""Columns that a gallery opens with: as many as can be taken in at a glance."""


def first_query(locator: str) -> str:
    """The example that a data set opens with."""
    found = cached.examples(locator, cached.version(locator))
    return f"item:{FIRST_ITEM if FIRST_ITEM in cached.dataset(locator).rows else found[0]}"


def opening(locator: str) -> list[str]:
    """The encoders that a data set opens with: those that are built for it, the best first.

    The embedded gallery has three that tell most beside one another; they also stand, with an offer
    to build them, where nothing is built yet.
    """
    known = [row["name"] for row in cached.encoder_rows()]
    first = [name for name in FIRST_ENCODERS if name in known] or known[:3]
    if locator == FIRST_DATASET:
        built = []
    else:
        built = cached.built_best_first(locator, cached.version(locator))
    return built[:MAX_OPENING] or first


def dataset(given: str) -> str:
    """The locator of the data set that a link names, see :func:`.names.meant`."""
    there = ready()
    found, other = names.meant(given, there, _likeness)
    name = short(names.called(given))
    if found is None:
        raise Refused(
            FIRST_DATASET,
            f"The data set {name!r} is not ready in this library.{expiry()} Showing the catalogue.",
        )
    if other:
        raise Refused(found, f"The data set {name!r} holds other pictures here than the link knew.")
    return found


def locator(given: str) -> str | None:
    """The data set of this library that a link names; None where there is none."""
    return names.meant(given, ready(), _likeness)[0]


def _likeness(locator: str) -> str:
    """Empty where the data set can't be opened."""
    try:
        return cached.dataset(locator).likeness
    except UserError:
        return ""


def public_name(locator: str) -> str:
    """What a data set is called where its place is nobody else's business."""
    return names.public(locator, ready().get(locator, ""))


def link_name(locator: str) -> str:
    """What a data set is called in a link: other machines with the same pictures know it."""
    return names.travelling(locator, ready().get(locator, ""), _likeness(locator))


def ready() -> dict[str, str]:
    """Locators of the data sets that can be shown, with their names."""
    return {row["locator"]: row["name"] for row in cached.dataset_rows() if row["state"] == "ready"}


def encoders(given: str) -> list[str]:
    named, remarks = list(dict.fromkeys(split_names(given))), []
    unknown = [name for name in named if cached.encoder_row(name) is None]
    if unknown:
        remarks.append(f"There is no encoder named {short(', '.join(unknown))}. Left out.")
    kept = [name for name in named if name not in unknown]
    if len(kept) > MAX_ENCODERS:
        remarks.append(f"{len(kept)} encoders were asked for; the first {MAX_ENCODERS} are shown.")
    chosen = kept[:MAX_ENCODERS] or usual()
    if remarks:
        raise Refused(chosen, *remarks)
    return chosen


def usual() -> list[str]:
    """The encoders that the data set which is shown opens with."""
    return opening(st.session_state[DATASET])


def index(given: str) -> str:
    """An index by name, with knobs (``hnsw:M=16``) or as ``factory:IVF64,PQ16``."""
    try:
        return index_spec(given).text
    except UserError as error:
        raise Refused(
            FIRST_INDEX,
            f"The index {short(given)!r} does not exist here. {short(error.given, 160)} Using exact"
            " search.",
        ) from error


def k(given: str) -> int:
    if given.isascii() and given.isdigit() and len(given) < 4 and 1 <= int(given) <= MAX_K:
        return int(given)
    raise Refused(
        FIRST_K,
        f"The link asks for K = {short(given, 20)}; K is from 1 to {MAX_K}. Showing {FIRST_K}.",
    )


def query(given: str) -> str:
    kind, _, name = given.partition(":")
    try:
        if kind == "up":
            cached.upload(name)
            return given
        if kind == "item" and name in cached.dataset(st.session_state[DATASET]).rows:
            return given
        wrong = f"The link's query {short(given)!r} is no picture of this data set."
    except UserError as error:
        wrong = str(error)
    raise Refused(example(), f"{wrong} Showing an example instead.")


def example() -> str:
    """The query that the data set which is shown opens with."""
    return first_query(st.session_state[DATASET])
