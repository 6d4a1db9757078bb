"""What the Library shows, and its link: all there is, or one data set and a view of it."""

import streamlit as st

from core.errors import UserError
from core.services.library import names
from pages.parts import cached, given, url_state
from pages.parts.guard import expiry
from pages.parts.url_state import Kind, Param, Params, Refused
from pages.parts.words import short

SET, VIEW, TAB, LINK = "library_set", "keep_library_view", "keep_library_tab", "library_link"
TABS = ("Data sets", "Encoders", "Caches")
"""Of the Library where no set is shown."""
PICTURES, ENCODERS, EVALUATION, TRAINING, STORAGE = VIEWS = (
    "Pictures",
    "Encoders and builds",
    "Evaluation and map",
    "Training",
    "Storage",
)


def _row(name: str) -> dict | None:
    """By locator or its public name, else by a name that only one set has."""
    rows = [row for row in cached.dataset_rows() if row["state"] == "ready" or row["added"]]
    named = [row for row in rows if row["name"] == name]
    exact = [row for row in rows if name in (row["locator"], given.public_name(row["locator"]))]
    return exact[0] if exact else named[0] if len(named) == 1 else None


def _locator(text: str) -> str:
    if text and (found := _row(text)) is None:
        said = f"There is no data set {short(names.called(text))!r} in this library."
        raise Refused("", f"{said}{expiry()} Choose one below.")
    return found["locator"] if text else ""


PARAMS = Params(
    (
        Param("set", SET, Kind(_locator, given.public_name)),
        Param("view", VIEW, url_state.choice(*VIEWS), VIEWS[0]),
        Param("tab", TAB, url_state.choice(*TABS), TABS[0]),
    )
)


def restore() -> None:
    """A link that was opened, into the session; without one the Library opens on all there is. A
    set that is not here gives a remark."""
    state, remarks, params = st.session_state, [], PARAMS.given()
    if params != state.get(LINK):
        PARAMS.take(params, remarks)
    if row() is None:
        state[SET] = PARAMS["set"].read(state.get(SET, ""), remarks)
    for key, known in ((VIEW, VIEWS), (TAB, TABS)):
        if state.get(key) not in known:
            state[key] = known[0]
    url_state.tell(remarks)


def row() -> dict | None:
    """The data set that is shown; None where all are."""
    locator = st.session_state.get(SET, "")
    return _row(locator) if locator else None


def show(locator: str = "", view: str = VIEWS[0]) -> None:
    """Show a data set, or (empty) all there is, from the next run on."""
    st.session_state[SET], st.session_state[VIEW] = locator, view


def publish() -> None:
    """The address bar says what is shown."""
    here = PARAMS.but({"tab"} if st.session_state.get(SET) else {"set", "view"})
    params = here.written()
    url_state.publish(params)
    st.session_state[LINK] = params


def ready(locator: str) -> bool:
    """Whether a data set can be opened now."""
    try:
        return bool(cached.dataset(locator).items)
    except UserError:
        return False
