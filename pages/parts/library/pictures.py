"""The pictures of a data set: pages of a grid, one class or all; what was passed over, and why."""

import streamlit as st

from core.errors import UserError
from core.services.library import passed_over
from pages.parts import cached, cached_library, components, gallery, link, press
from pages.parts.library import change
from pages.parts.words import count, heading, note, quiet, sentence, table, telling

PAGE, MAX_SKIPPED = 60, 500
EVERY = "All classes"
NOT_READ = ": can't be read"
CLASS, WORDS, AT = "keep_library_class", "keep_library_words", "library_page"


def show(row: dict) -> None:
    """The grid, then the files that could not be used."""
    locator = row["locator"]
    version = cached.version(locator)
    sizes = cached_library.class_sizes(locator, version)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Search", placeholder="Part of a name or class", key=WORDS)
        kind = EVERY
        if sizes:
            if st.session_state.get(CLASS) not in (EVERY, *sizes):
                st.session_state[CLASS] = EVERY
            kind = st.selectbox(
                f"Class, of {len(sizes):,}",
                [EVERY, *sizes],
                key=CLASS,
                format_func=lambda one: one if one == EVERY else f"{one} · {sizes[one]:,}",
            )
    ids = cached.matching(locator, version, words, "" if kind == EVERY else kind)
    if ids:
        shown = _grid(locator, version, ids, f"{locator}/{words}/{kind}")
        change.panel(row, ids, shown)
    else:
        note("No picture matches.", "Use fewer words, or another class.")
    _skipped(row, version)


def _grid(locator: str, version: str, ids: list[str], asked: str) -> list[str]:
    """A page of the grid; the ids that it shows."""
    state = st.session_state
    if state.get(f"{AT}_of") != asked:
        state[f"{AT}_of"], state[AT] = asked, 0
    last = (len(ids) - 1) // PAGE
    page = min(state[AT], last)
    shown, found = ids[page * PAGE : (page + 1) * PAGE], cached.dataset(locator)
    items, unread = [], {one["picture"] for one in _unused(locator, version)}
    for id in shown:
        name = f"{gallery.name_of(found, id)}{NOT_READ if id in unread else ''}"
        uri = cached.thumbnail(locator, version, id, 112)
        items.append({"id": id, "uri": uri, "alt": f"{name} ({id})", "caption": name})
    picked = components.picture_grid(items, "Pictures", "library_grid", side=96)
    with st.container(horizontal=True, vertical_alignment="center"):
        quiet(
            f"{page * PAGE + 1:,} to {page * PAGE + len(shown):,} of {len(ids):,}. A click asks"
            " with a picture on Compare."
        )
        for label, step, off in (("Previous", -1, page == 0), ("Next", 1, page == last)):
            if last and press.button(label, disabled=off, key=f"library_{label}"):
                state[AT] = page + step
                st.rerun()
    if picked and picked in shown:
        link.to("compare", dataset=locator, query=f"item:{picked}")
    return shown


def _unused(locator: str, version: str) -> list[dict]:
    """What could not be used; none where that can't be told, which the list below says."""
    try:
        return cached_library.skipped(locator, version)
    except UserError:
        return []


def _skipped(row: dict, version: str) -> None:
    """Everything that could not be used, and what was used, but not as it stands."""
    with telling():
        _told(row, cached_library.skipped(row["locator"], version))


def _told(row: dict, found: list[dict]) -> None:
    if not found and not row["remarks"]:
        quiet("Every file that was seen is used.")
        return
    heading("Files that were not used, or not as they stand")
    if row["remarks"]:
        quiet(f"{count(len(row['remarks']), 'remark')}: used, but not as it stands.")
        table([{"Where": one["where"], "What was done": one["remark"]} for one in row["remarks"]])
    if found:
        listed(row["title"], found)


def listed(title: str, found: list[dict]) -> None:
    """Files that were passed over: how often each reason is given, then each file."""
    quiet(f"{count(len(found), 'file')} of {title} could not be used. Everything else is searched.")
    reasons = passed_over.reasons(found)
    if 1 < len(reasons) <= len(found) // 2:
        often = reasons[:MAX_SKIPPED]
        table([{"How often": f"{many:,}", "Why": sentence(reason)} for reason, many in often])
    few = found[:MAX_SKIPPED]
    table([{"File": one["picture"], "Why": sentence(one["reason"])} for one in few])
    if len(found) > MAX_SKIPPED:
        quiet(f"The first {MAX_SKIPPED} of {len(found):,} are shown, rare reasons first.")
