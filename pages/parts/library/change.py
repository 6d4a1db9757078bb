"""Pictures that are added to a data set or removed from it, and what was built that then has to
follow; and how its labels were read from its folders: shown with examples, and corrected."""

from collections.abc import Callable, Sequence

import streamlit as st

from core.errors import UserError
from core.services.hosting.settings import value
from core.services.library import changing, layouts, library
from core.services.library.changing import Change
from pages.parts import builds, cached, cached_library, gallery, press
from pages.parts.guard import hosted
from pages.parts.words import count, note, quiet, table, telling, trouble

ROUND, PICKED, EVERY, SAID = "change_round", "change_picked", "change_every", "change_said"


def follow(row: dict) -> None:
    """Say where pictures came or went since builds, and offer to let these follow."""
    locator = row["locator"]
    names = cached_library.behind(locator, cached.version(locator))
    if not names:
        return
    if any(builds.active(locator, name) for name in names):
        return
    with st.container(key="set_follow", horizontal=True, vertical_alignment="center"):
        note(*_outdated(locator, names))
        if press.button("Update", type="primary", key="set_update"):
            _build(locator, names)
            st.rerun()


def _outdated(locator: str, names: Sequence[str]) -> tuple[str, str]:
    """Why builds hold no longer; what came and went, and what it takes to follow."""
    version = cached.version(locator)
    told = cached_library.since_built(locator, version, names[0])
    some = f"{count(len(names), 'encoder')} of it {'was' if len(names) == 1 else 'were'} built"
    why = f"Pictures came or went since {some}."
    try:
        costs = [cached.estimate(locator, version, name) for name in names]
    except UserError:
        return why, told
    if not told:  # the pictures are the same
        why = " ".join(dict.fromkeys(cost.changed for cost in costs if cost.changed)) or why
    todo = max(cost.to_encode for cost in costs)
    known = [cost.seconds for cost in costs if cost.seconds is not None]
    takes = f"{count(todo, 'picture')} to encode" if todo else "nothing to encode"
    if todo and len(known) == len(costs):
        takes += f", {builds.about(sum(known))}"
    takes = f"{told}: {takes}" if told else takes[:1].upper() + takes[1:]
    return why, f"{takes}. Indexes and maps follow."


def panel(row: dict, ids: Sequence[str], shown: Sequence[str]) -> None:
    """The two ways to change a data set: ``ids`` match the search, ``shown`` are on this page."""
    locator = row["locator"]
    if said := st.session_state.pop(SAID, ""):
        note(said, "", "good")
    if not row["added"]:
        return
    if (error := changing.refusal(locator)) is not None:
        _look_again(locator, error)
        return
    with st.container(key="set_change", horizontal=True):
        with st.popover("Add to this set", icon=":material/add:", key="change_add_open"):
            _adding(locator)
        with st.popover("Remove pictures", icon=":material/delete:", key="change_remove_open"):
            _removing(row, ids, shown)


def _look_again(locator: str, why: UserError) -> None:
    """A folder of the user's own: what is in it now, and how that differs from what is shown."""
    with st.container(key="set_again", horizontal=True, vertical_alignment="center"):
        pressed = press.button("Look again", icon=":material/refresh:", key="change_again")
        quiet(f"{why.given} {why.fix}")
    if not pressed:
        return
    try:
        before = cached.dataset(locator).items
        with st.spinner("Looking for new pictures"):
            now = library.open_dataset(locator, fresh=True)
            told = changing.since_listed(before, now).words
    except UserError as error:
        trouble(error)
        return
    cached.forget_all()
    there = f"{count(len(now.items), 'picture')} now"
    st.session_state[SAID] = f"{told}; {there}." if told else f"Nothing has changed; {there}."
    st.rerun()


def _adding(locator: str) -> None:
    state = st.session_state
    most = int(value("visitor_zip_mb")) if hosted() else library.MAX_ARCHIVE >> 20
    given = st.file_uploader(
        f"Pictures or a zip of them. Each file at most {most:,} MB.",
        accept_multiple_files=True,
        key=f"change_files_{state.setdefault(ROUND, 0)}",
        max_upload_size=most,
    )
    quiet("Those that are there already are passed over. What was built follows at once.")
    if given and press.button("Add them", type="primary", key="change_add"):
        files = [(one.name, one.getvalue()) for one in given]
        _take(locator, lambda: changing.add(locator, files))


def _removing(row: dict, ids: Sequence[str], shown: Sequence[str]) -> None:
    locator, found = row["locator"], cached.dataset(row["locator"])
    some = len(ids) < row["pictures"]
    every = some and st.checkbox(f"All {len(ids):,} that match the search", key=EVERY)
    picked = [one for one in st.session_state.get(PICKED, ()) if one in shown]
    st.session_state[PICKED] = picked
    chosen = st.multiselect(
        "Of those shown",
        list(shown),
        key=PICKED,
        format_func=lambda id: f"{gallery.name_of(found, id)} ({id})",
        disabled=every,
    )
    gone = list(ids) if every else chosen
    quiet("They are deleted from the upload. What was built follows at once.")
    label = f"Remove {count(len(gone), 'picture')}" if gone else "Remove"
    if press.button(label, type="primary", key="change_remove", disabled=not gone):
        _take(locator, lambda: changing.remove(locator, gone))


def _take(locator: str, change: Callable[[], Change]) -> None:
    """Change the set, let what was built follow, and show the page anew."""
    with telling():
        with st.spinner("Writing the data set"):
            made = change()
        cached.forget_all()
        state = st.session_state
        state[ROUND] = state.get(ROUND, 0) + 1
        state[SAID] = f"{made.words[:1].upper()}{made.words[1:]}."
        _build(locator, list(made.encoders))
        st.rerun()


def _build(locator: str, names: Sequence[str]) -> None:
    if names:
        builds.start(locator, list(names))


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
    """The button of one data set with labels from folders, which no demo's visitor changes."""
    if (
        row["layout"]
        and (row["added"] or not hosted())
        and press.button("Labels", key="labels", help="How the folders are read as labels")
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
    table([{COLUMNS[name]: one[name] for name in shown} for one in told["examples"]])
    index = told["choices"].index(told["layout"])
    st.selectbox(
        "Read the folders as",
        told["choices"],
        index,
        key=CHOICE,
        help=HELP,
        accept_new_options=True,
    )
    used = press.button(
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
    with telling(OUTCOME):
        layouts.choose_layout(locator, layouts.FOUND if chosen == found else chosen)
        cached.forget_datasets()
