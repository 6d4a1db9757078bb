"""Adding pictures of one's own: one window for every way. What would be added is shown before
anything is written, with what the suggested encoders will take. Vectors of a model that is not ours
are counted, then taken."""

from collections.abc import Callable

import streamlit as st

from core.errors import UserError
from core.services.hosting.settings import value
from core.services.library import adding, imports, layouts, library
from core.services.library.adding import Preview
from pages.parts import builds, cached, downloads, encoder_names, press, shell
from pages.parts.guard import hosted
from pages.parts.library import one_set, place
from pages.parts.library.cards import absence, state_tag
from pages.parts.words import count, note, quiet, row_html, sentence, table, telling, trouble

MAX_MB = 1024
KINDS = ("npy", "parquet", "pq")
MAX_SKIPPED = 8


def show(close: Callable[[], None]) -> None:
    """Data set, files and a name; what is in them; and the button, which ``close``s the window."""
    ready = [row for row in cached.dataset_rows() if row["state"] == "ready"]
    ready.sort(key=lambda row: not row["added"])  # vectors come with pictures of one's own
    rows = {row["locator"]: row for row in ready}
    locator = st.selectbox(
        "For the pictures of",
        list(rows),
        key="add_vectors_set",
        format_func=lambda one: rows[one]["title"],
    )
    left, right = st.columns(2)
    most = int(value("visitor_zip_mb")) if hosted() else MAX_MB
    vectors = left.file_uploader(
        f"Vectors, at most {most:,} MB" if most else "Vectors",
        type=list(KINDS),
        key="add_vectors_file",
        max_upload_size=most,
    )
    ids = right.file_uploader(
        "Ids, one a line", type=["txt", "csv", "json"], key="add_vectors_ids", max_upload_size=most,
        help="Which picture each vector is of; not needed where the file of vectors holds them.",
    )  # fmt: skip
    name = st.text_input("Name", "mine", key="add_vectors_name", max_chars=imports.MAX_NAME)
    if vectors is None:
        quiet(
            "One row for each picture, as .npy or Parquet. They become an encoder"
            " that can be compared with all others."
        )
        return
    if ids is None and vectors.name.lower().endswith(".npy"):
        quiet("Now the ids: which picture each row is of, one a line, in the order of the rows.")
        return
    given = (vectors.name, vectors.getvalue()), ids and (ids.name, ids.getvalue())
    with telling():
        found = imports.check_upload(locator, *given)
        note(f"{found}", tone="good")
        if found.skipped:
            table([{"Skipped": one.id, "Why": one.reason} for one in found.skipped[:MAX_SKIPPED]])
        if press.button("Add these vectors", type="primary", key="add_vectors"):
            _take(close, locator, name.strip(), *given)


def _take(
    close: Callable[[], None], locator: str, name: str, vectors: tuple, ids: tuple | None
) -> None:
    with st.spinner("Building the index"):
        imports.import_upload(locator, name, vectors, ids)
    close()
    cached.forget_all()
    place.show(locator, place.ENCODERS)
    st.rerun()


HOW, PATH, ROUND, SEEN, OPEN = "add_how", "add_path", "add_round", "add_seen", "add_open"
FILES = "Files or a zip"
FOLDER = "A folder"
PLACE = "A path"
PUBLIC = "A public set"
VECTORS = "Own vectors"
MAX_REASONS = 8
ACCEPTED = (
    "Pictures, a zip of them, Parquet, or a CSV with the pictures that it names. Folders become"
    " labels: class/, split/class/, category/instance/."
)


NO_CLASSES = (
    "Without classes encoders can be compared, but nothing says which hits are right: a folder for"
    " each class, or a column label of a CSV, lets them be evaluated."
)


def button() -> None:
    """The way in, at the head of the Library."""
    st.button(
        "Add pictures", type="primary", icon=":material/add:", key="add_pictures", on_click=_begin
    )
    if st.session_state[shell.BEFORE] != st.session_state[shell.NOW]:
        _close()  # it was open when another page was chosen
    if st.session_state.get(OPEN):
        window()


def _begin() -> None:
    st.session_state[OPEN] = True
    st.session_state.pop(SEEN, None)


def _close() -> None:
    st.session_state.pop(OPEN, None)
    st.session_state.pop(SEEN, None)


@st.dialog("Add pictures", width="large", on_dismiss=_close)
def window() -> None:
    """Choose where from; then what is there, and what adding it will do. It stays open when the
    page runs, as it does when a job ends."""
    ways = [FILES, FOLDER, *([VECTORS] if hosted() else [PLACE, VECTORS, PUBLIC])]
    how = st.segmented_control(
        "From", ways, key=HOW, default=FILES, required=True, label_visibility="collapsed",
        on_change=_forget,
    )  # fmt: skip
    if how == VECTORS:
        show(_close)
    elif how == PUBLIC:
        _public()
    elif how == PLACE:
        _place()
    else:
        _files(how == FOLDER)


def _forget() -> None:
    st.session_state.pop(SEEN, None)


def _files(folder: bool) -> None:
    state, most = st.session_state, int(value("visitor_zip_mb")) if hosted() else MAX_MB
    given = st.file_uploader(
        "Drop a folder of pictures here, or choose one" if folder
        else "Drop pictures or a zip here, or choose them",
        accept_multiple_files="directory" if folder else True,
        key=f"add_files_{int(folder)}_{state.setdefault(ROUND, 0)}",
        max_upload_size=most,
    )  # fmt: skip
    if not given:
        quiet(ACCEPTED)
        return
    asked = tuple(one.file_id for one in given)
    files = [(one.name, one.getvalue()) for one in given]
    seen = _seen(asked, lambda: adding.preview_files(files))
    if seen is not None:
        _offer(seen, lambda: adding.add_files(files))


def _place() -> None:
    form = st.form("add_place", border=False)
    with form.container(horizontal=True, vertical_alignment="bottom"):
        where = st.text_input("Path on this machine", placeholder="~/Pictures", key=PATH)
        st.form_submit_button("Look", key="add_look")
    where = where.strip()
    if not where:
        quiet("A folder, a zip, a CSV or Parquet. It is read where it lies; nothing is copied.")
        return
    seen = _seen(where, lambda: adding.preview_path(where))
    if seen is not None:
        _offer(seen, lambda: library.add_folder(where))


def _seen(asked: object, look: Callable[[], Preview]) -> Preview | None:
    """What is there, looked at once; None (told) where it is nothing."""
    state = st.session_state
    if SEEN not in state or state[SEEN][0] != asked:
        try:
            with st.spinner("Looking at what is there"):
                state[SEEN] = asked, look()
        except UserError as error:
            state[SEEN] = asked, error
    found = state[SEEN][1]
    if isinstance(found, UserError):
        trouble(found)
        return None
    return found


def _offer(seen: Preview, add: Callable[[], str]) -> None:
    """The preview, and the buttons that add, or why it may not be added."""
    names = [] if seen.known or seen.refused else encoder_names.suggested()
    with st.container(key="add_actions", horizontal=True, vertical_alignment="center"):
        if seen.known:
            note(f"{seen.title} is in the library already.")
            if press.button("Open it", type="primary", key="add_known"):
                _shown(seen.known)
            return
        if seen.refused:
            trouble(seen.refused)
        else:
            _buttons(seen, names, add)
    told(seen)
    if names:
        quiet(f"Suggested encoders: {encoder_names.titles(names)}.")


def _buttons(seen: Preview, names: list[str], add: Callable[[], str]) -> None:
    seconds = encoder_names.suggested_seconds(seen.pictures, names)
    about = "" if seconds is None else f", {builds.about(seconds)}"
    label = f"Add and build {count(len(names), 'encoder')}{about}"
    if names and press.button(label, type="primary", key="add_and_build"):
        _add(add, names)
    if press.button("Add only", key="add"):
        _add(add, [])


def told(seen: Preview) -> None:
    """What would be added: how many, which classes and splits, what is skipped and why."""
    parts = [count(seen.pictures, "picture")]
    if seen.unreadable:
        parts[0] += f", {len(seen.unreadable):,} of them can't be read"
    parts.append(count(seen.labels, "class", "classes") if seen.labels else "no classes")
    parts += [f"{name} {number:,}" for name, number in list(seen.splits.items())[:4]]
    parts.append(f"{len(seen.skipped):,} skipped")
    row_html(seen.title, " · ".join(parts))
    _folders(seen)
    if seen.reasons:
        example = {one["reason"]: one["picture"] for one in (*seen.skipped, *seen.unreadable)}
        rows = [
            {"Not used": f"{many:,}", "Why": sentence(reason), "For example": example[reason]}
            for reason, many in seen.reasons[:MAX_REASONS]
        ]
        table(rows)
    if seen.opened < seen.pictures:
        quiet(f"{seen.opened:,} of the pictures were opened; a build looks at the others.")
    for one in seen.remarks[:MAX_REASONS]:
        quiet(f"{one['where']}: {one['remark']}")


def _folders(seen: Preview) -> None:
    """How folders are read as labels, where there are folders."""
    if not seen.labels:
        quiet(NO_CLASSES)
    if not seen.examples or seen.layout == layouts.FLAT:
        return
    shown = [
        name
        for name in ("label", "split", "category", "instance")
        if any(one[name] for one in seen.examples)
    ]
    if not shown:
        return
    alone = " One class alone tells no picture from another." if seen.labels == 1 else ""
    quiet(f"Folders are read as {seen.layout}; this can be corrected afterwards.{alone}")
    called = {"label": "Class", "instance": "Object"}
    titles = {name: called.get(name, name.capitalize()) for name in ("picture", *shown)}
    table([{title: one[name] for name, title in titles.items()} for one in seen.examples])


def _add(add: Callable[[], str], encoders: list[str]) -> None:
    """Add, begin the build where one is wanted, and show the page of the set."""
    with telling():
        locator = add()
        cached.forget_all()
        if encoders:
            builds.start(locator, encoders)
        st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
        st.session_state[one_set.ADDED] = locator
        _shown(locator)


def _shown(locator: str) -> None:
    _close()
    place.show(locator)
    st.rerun()


def _public() -> None:
    """Sets by name: what can be fetched, and what has to be put somewhere by hand."""
    rows = [row for row in cached.dataset_rows() if row["state"] != "ready" and not row["added"]]
    if not rows:
        quiet("Every public set that is known here is ready.")
        return
    quiet("A download is a job; the set stands in the Library once it is here.")
    for number, row in enumerate(rows):
        with st.container(key=f"row_fetch_{number}", horizontal=True, vertical_alignment="center"):
            row_html(row["title"], absence(row), *state_tag(row), more=row["note"])
            if row["state"] == "download" and press.button("Download", key=f"add_fetch_{number}"):
                with telling():
                    downloads.start("dataset", row["name"], row["title"])
                    st.rerun()
