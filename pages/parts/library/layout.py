"""How the labels of a data set were read from its folders: shown with examples, and corrected."""

import streamlit as st

from core.errors import UserError
from core.services.library import layouts
from pages.parts import cached
from pages.parts.hosting import hosted
from pages.parts.words import quiet, table, trouble

CHOICE, OUTCOME = "layout_choice", "layout_outcome"
COLUMNS = {
    "picture": "Picture",
    "label": "Class",
    "split": "Split",
    "category": "Category",
    "instance": "Object",
}
HELP = (
    "One word for each level of folders; * ignores a level. Relevance goes by class, or by category"
    " and object."
)


def offer(row: dict) -> None:
    """The button of one data set, where its labels come from folders. A demo's visitors don't
    change them for one another."""
    if (
        row["layout"]
        and (row["added"] or not hosted())
        and st.button("Labels", key="labels", help="How the folders are read as labels")
    ):
        _labels(row)


@st.dialog("Labels from folders", width="large")
def _labels(row: dict) -> None:
    try:
        told = layouts.layout_row(row["locator"])
    except UserError as error:
        trouble(error)
        return
    if told is None:
        return
    shown = [
        name for name in COLUMNS if name == "picture" or any(one[name] for one in told["examples"])
    ]
    quiet(
        f"Folders of {row['title']} are read as"
        f" {told['layout']}{', by your choice' if told['chosen'] else ''}."
    )
    table(
        [COLUMNS[name] for name in shown],
        [[one[name] for name in shown] for one in told["examples"]],
    )
    index = told["choices"].index(told["layout"])
    st.selectbox(
        "Read the folders as",
        told["choices"],
        index,
        key=CHOICE,
        help=HELP,
        accept_new_options=True,
    )
    used = st.button(
        "Use it",
        key="layout_use",
        type="primary",
        on_click=_use,
        args=(row["locator"], told["found"]),
    )
    wrong = st.session_state.pop(OUTCOME, None)
    if wrong is not None:
        trouble(wrong)
    elif used:
        st.rerun()


def _use(locator: str, found: str) -> None:
    chosen = st.session_state[CHOICE] or layouts.FOUND
    try:
        layouts.choose_layout(locator, layouts.FOUND if chosen == found else chosen)
        cached.forget_datasets()
    except UserError as error:
        st.session_state[OUTCOME] = error
