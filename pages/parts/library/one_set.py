"""One data set: its path, and a view of what is in it, what was made of it, and what it takes."""

import time
from functools import partial

import streamlit as st

from core.services.hosting import limits
from pages.parts import cached, cached_library, cached_train, evaluations, link, palette, press
from pages.parts.choosing import view
from pages.parts.guard import hosted
from pages.parts.library import build, caches, cards, change, path, pictures, place
from pages.parts.words import ago, count, note, row_html

ADDED = "library_added"
"""The locator of what this session has just added: told once, at the top of its page."""


def show(row: dict) -> None:
    """The whole page of one data set."""
    st.button("All data sets", icon=":material/arrow_back:", type="tertiary", key="library_back",
              on_click=place.show)  # fmt: skip
    if row["state"] != "ready":
        note(f"{row['title']} can't be opened now.", row["detail"])
        caches.show_storage(row)
        return
    _head(row)
    path.show(row)
    change.follow(row)
    view(place.VIEW, {name: partial(show, row) for name, show in _VIEWS.items()})


def _head(row: dict) -> None:
    if st.session_state.pop(ADDED, None) == row["locator"]:
        over = f" {row['skipped']:,} skipped." if row["skipped"] else ""
        note(f"Added {row['title']}: {count(row['pictures'], 'picture')}.{over}", "", "good")
    hint = "" if hosted() else row["locator"]
    with st.container(horizontal=True, vertical_alignment="center", key="set_head"):
        row_html(row["title"], cards.contents(row), row["kind"], "plain", row["note"], hint)
        change.offer(row)


def _encoders(row: dict) -> None:
    version = cached.version(row["locator"])
    names = cached_library.built(row["locator"], version)
    with st.container(key="set_builds"):
        with st.container(key="panel_build"):
            build.panel(row)
        with st.container(key="set_built"):
            if not names:
                note("No encoder is built for it yet.", "Choose some under Build, and build them.")
            for number, name in enumerate(names):
                _built(row, name, number)


def _built(row: dict, name: str, number: int) -> None:
    held = [
        one for one in cached_library.caches().get(row["locator"], ()) if one["encoder"] == name
    ]
    said = caches.summed(held) if held else "came with the code"
    about = (cached.encoder_row(name) or {}).get("family", "")
    with st.container(key=f"row_built_{number}", horizontal=True, vertical_alignment="center"):
        row_html(palette.title(name), " · ".join(part for part in (about, said) if part))
        if press.button("Compare", key=f"built_compare_{number}"):
            link.to("compare", dataset=row["locator"], encoders=name)


def _evaluation(row: dict) -> None:
    locator, version = row["locator"], cached.version(row["locator"])
    found = cached_library.evaluated(locator, version)
    names = cached_library.built(locator, version)
    labelled = cached_library.labelled(locator, version)
    if not labelled:
        note(
            "It has no labels, so nothing says which hits are right.",
            "Pictures in a folder for each class get them, or a column label of a CSV. Or say"
            " yourself which hits fit: the Arena shows those of all encoders, unnamed.",
        )
    elif found is None:
        note("It has not been evaluated yet.", "" if names else "Build an encoder first.")
    else:
        when = ago(time.time() - found.written) if found.written else "came with the code"
        row_html(
            f"Best: {palette.title(found.best)}, mAP {found.score:.3f}",
            f"{count(len(found.encoders), 'encoder')} · {found.protocol} · {when}",
            "evaluated",
        )
    may = names and limits.may("evaluate") and labelled
    asked = path.to_evaluate(names) if may else []
    with st.container(horizontal=True):
        if found is not None and press.button("Open in Metrics", type="primary", key="set_metrics"):
            link.to("metrics", report=found.report, dataset=cached.dataset(locator).name)
        if asked:
            label = evaluations.words(locator, version, asked)
            if press.button(label.replace("Evaluate", "Evaluate again" if found else "Evaluate"),
                         key="set_evaluate"):  # fmt: skip
                evaluations.start(locator, asked)
                link.to("metrics", dataset=locator)
        if len(names) > 1 and not labelled and press.button("Judge hits", key="set_judge"):
            link.to("arena", dataset=locator, encoders=",".join(names[:4]), judge="1")
        if names and press.button("Map", key="set_map", help="How encoders arrange these pictures"):
            link.to("map", dataset=locator, encoders=",".join(names[:3]))
        if names and press.button("Index lab", key="set_lab", help="What approximate search costs"):
            link.to("index_lab", dataset=locator, encoder=names[0])


def _training(row: dict) -> None:
    runs = cached_library.trained_on(row["locator"])
    if not runs:
        note("No encoder was trained on it yet.", "A run shows what it changed when it ends.")
    for run in runs:
        with st.container(key=f"row_run_{run}", horizontal=True, vertical_alignment="center"):
            told, found = cached_train.told(run), cached_train.status(run)
            row_html(told["name"], ago(time.time() - told["created"]), found.state, "plain")
            if press.button("Open", key=f"run_{run}"):
                link.to("train", run=run)
    if limits.may("train") and press.button("Train on it", key="set_train"):
        st.session_state[path.TRAIN_DATA] = [row["locator"]]
        link.to("train")


_VIEWS = {
    place.PICTURES: pictures.show,
    place.ENCODERS: _encoders,
    place.EVALUATION: _evaluation,
    place.TRAINING: _training,
    place.STORAGE: caches.show_storage,
}
