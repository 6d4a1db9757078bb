"""A card for each data set: what it looks like, what is in it, which encoders are built, what it
takes of the disk, and how the last evaluation ended; and the list of encoders."""

import time
from html import escape

import streamlit as st

from core.errors import UserError
from core.services.hosting import limits
from pages.parts import cached, cached_library, downloads, link, palette, press, settings
from pages.parts.guard import hosted
from pages.parts.library import place
from pages.parts.words import ago, count, quiet, row_html, size

STATES = {
    "ready": ("ready", ""),
    "download": ("needs download", "plain"),
    "unavailable": ("not available", "plain"),
}


def absence(row: dict) -> str:
    """Why a data set is not here, as the Library itself says it."""
    return row["detail"].replace("Download it on the Library page", "Download it here")


def state_tag(row: dict) -> tuple[str, str]:
    """The tag of a row with its size where it has to be fetched, and the tag's tone."""
    words, tone = STATES[row["state"]]
    return (
        f"{words} · {size(row['bytes'])}"
        if row["state"] == "download" and row.get("bytes")
        else words
    ), tone


def _about(row: dict) -> str:
    """What it does, and why it can't be used where it can't; visitors see no places."""
    detail = row["detail"] if row["state"] == "unavailable" and not hosted() else ""
    if own := cached.own_vectors().get(row["name"]):
        return f"{row['about']} {own}"
    return f"{row['about']} {detail[:1].upper()}{detail[1:]}".strip()


def encoders() -> None:
    """Every encoder: what it looks at, whether it can be used, and what to do where it can't."""
    order = sorted(
        cached.encoder_rows(),
        key=lambda row: (row["state"] != "ready", settings.ORDER.get(row["tier"], 9)),
    )
    for number, row in enumerate(order):
        with st.container(
            key=f"row_encoder_{number}", horizontal=True, vertical_alignment="center"
        ):
            what = " · ".join(
                part
                for part in (row["family"], f"{row['dim']}-d" if row["dim"] else "", row["name"])
                if part
            )
            row_html(row["title"], what, *state_tag(row), more=_about(row))
            if row["state"] == "download" and limits.may("download"):
                with st.container(key=f"fetch_encoder_{number}"):
                    downloads.offer("encoder", row)
    quiet(
        "Any other timm model works too: type its name where encoders are chosen, for example"
        f" {link.EXAMPLE_TIMM}."
    )
    if any(row["state"] == "download" for row in order) and limits.may("download"):
        quiet("Without a network, Download says which file to put where.")


PICTURES, CHIPS, MAX_SPARE = 4, 4, 8


def show() -> None:
    """Ready ones as cards, those that were added last first; then those that could be had."""
    rows = cached.dataset_rows()
    ready = [row for row in rows if row["state"] == "ready"]
    ready = [row for row in ready if row["added"]][::-1] + [r for r in ready if not r["added"]]
    with st.container(key="cards"):
        for number, row in enumerate(ready):
            with st.container(key=f"panel_card_{number}", gap=None):
                _card(row, number)
    for number, row in enumerate(row for row in rows if row["added"] and row not in ready):
        _absent(row, number)
    others = [row for row in rows if row["state"] != "ready" and not row["added"]]
    if others and not hosted():
        with st.expander(f"{count(len(others), 'public data set')} to download or add"):
            for number, row in enumerate(others):
                _other(row, number)


def _card(row: dict, number: int) -> None:
    locator = row["locator"]
    version = cached.version(locator)
    st.html(
        f'<div class="ll-card">{_pictures(locator, version)}'
        f'<div class="ll-row-title"><b dir="auto" title="{escape(row["title"], quote=True)}">'
        f'{escape(row["title"])}</b> <span class="ll-tag plain">{escape(row["kind"])}</span></div>'
        f'<p class="ll-quiet">{escape(contents(row))}</p>'
        f'<div class="ll-chips">{_chips(locator, version)}</div>'
        f'<p class="ll-quiet">{escape(_facts(locator, version))}</p></div>'
    )
    st.button(
        "Open",
        key=f"open_{number}",
        width="stretch",
        on_click=place.show,
        args=(locator,),
        help=f"Open {row['title']}",
    )


def _pictures(locator: str, version: str) -> str:
    """A few pictures, one of each class as far as there are so many."""
    found = []
    try:
        unread = {one["picture"] for one in cached_library.skipped(locator, version)}
    except UserError:
        unread = set()
    ids = cached.examples(locator, version, PICTURES + min(len(unread), MAX_SPARE))
    for id in [one for one in ids if one not in unread][:PICTURES]:
        uri = cached.thumbnail(locator, version, id, 112)
        found.append(f'<img src="{uri}" alt="" loading="lazy">')
    return f'<div class="ll-thumbs">{"".join(found)}</div>'


def contents(row: dict) -> str:
    """``2,720 pictures · 34 classes · train 1,360 · test 1,360``."""
    parts = [count(row["pictures"], "picture")]
    if row["labels"]:
        parts.append(count(row["labels"], "class", "classes"))
    parts += [f"{name} {number:,}" for name, number in list(row["splits"].items())[:4]]
    return " · ".join(parts)


def _chips(locator: str, version: str) -> str:
    names = cached_library.built(locator, version)
    if not names:
        return '<span class="ll-quiet">No encoder is built.</span>'
    shown = "".join(
        f'<span class="ll-chip">{palette.mark_html(name)}{escape(palette.title(name))}</span>'
        for name in names[:CHIPS]
    )
    more = len(names) - CHIPS
    return shown + (f'<span class="ll-chip more">{more} more</span>' if more > 0 else "")


def _facts(locator: str, version: str) -> str:
    held = sum(row["bytes"] for row in cached_library.caches().get(locator, ()))
    found = cached_library.evaluated(locator, version)
    disk = f"{size(held)} of caches" if held else "no caches"
    if found is None:
        return f"{disk} · not evaluated"
    when = f" {ago(time.time() - found.written)}" if found.written else ""
    return f"{disk} · evaluated{when}: best {palette.title(found.best)}, mAP {found.score:.3f}"


def _absent(row: dict, number: int) -> None:
    """A set that was added and can't be opened now, with the reason."""
    with st.container(key=f"row_absent_{number}", horizontal=True, vertical_alignment="center"):
        row_html(row["title"], row["detail"], "not available", "plain")
        if press.button("Storage", key=f"absent_{number}"):
            place.show(row["locator"], place.STORAGE)
            st.rerun()


def _other(row: dict, number: int) -> None:
    """A public set that can be fetched, or has to be put somewhere by hand."""
    with st.container(key=f"row_public_{number}", horizontal=True, vertical_alignment="center"):
        row_html(
            row["title"], absence(row), *state_tag(row), hint="" if hosted() else row["locator"]
        )
        if row["state"] == "download":
            with st.container(key=f"fetch_dataset_{number}"):
                downloads.offer("dataset", row)
    if row["note"]:
        quiet(row["note"])
