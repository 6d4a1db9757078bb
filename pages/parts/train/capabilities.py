"""What only some networks can do: reconstruct pictures, give the distance of a pair."""

from html import escape

import streamlit as st

from pages.parts import cached, cached_train, components, gallery
from pages.parts.words import caption, heading, quiet

DATA, LEFT = "keep_train_capability_data", "train_capability_left"
SHOWN = 8


def _kind(model: str) -> str:
    card = next((card for card in cached_train.cards() if card["name"] == model), None)
    return card["network"]["kind"] if card else ""


def has(model: str) -> bool:
    """Whether a model can do more than encode."""
    return _kind(model) in ("autoencoder", "siamese")


def show(model: str) -> None:
    """Reconstructions or distances, on pictures of any data set."""
    rows = {
        row["locator"]: row["title"] for row in cached.dataset_rows() if row["state"] == "ready"
    }
    if st.session_state.get(DATA) not in rows:
        learned = (
            next(card for card in cached_train.cards() if card["name"] == model)
            .get("settings", {})
            .get("datasets", [])
        )
        st.session_state[DATA] = next(
            (one for one in reversed(learned) if one in rows), next(iter(rows))
        )
    locator = st.selectbox("Pictures of", list(rows), key=DATA, format_func=rows.__getitem__)
    ids = cached.examples(locator, cached.version(locator), SHOWN)[:SHOWN]
    (_reconstructions if _kind(model) == "autoencoder" else _pairs)(model, locator, ids)


def _reconstructions(model: str, locator: str, ids: list[str]) -> None:
    heading("Reconstruction from the vector")
    quiet(
        "Above: the input of the network. Below: its reconstruction from the vector alone. The"
        " figure is the explained variance: 0 is one flat colour, 100 % the picture itself."
    )
    found = cached_train.drawn(locator, cached.version(locator), model, tuple(ids))
    cells = "".join(
        f'<figure><img src="{seen}" alt="{escape(id, quote=True)}">'
        f'<img src="{drawn}" alt="its reconstruction"><figcaption>{share:.0%}</figcaption></figure>'
        for id, seen, drawn, share in found
    )
    st.html(f'<div class="ll-drawn">{cells}</div>')


def _pairs(model: str, locator: str, ids: list[str]) -> None:
    heading("The learned distance of a pair")
    version, left = cached.version(locator), st.session_state.get(LEFT)
    left = left if left in ids else ids[0]
    caption("One picture of the pair")
    names = {id: gallery.name_of(cached.dataset(locator), id) for id in ids}
    items = [
        {
            "id": id,
            "uri": cached.thumbnail(locator, version, id),
            "alt": f"Choose {name}",
            "caption": name,
        }
        for id, name in names.items()
    ]
    picked = components.picture_grid(
        items, "One picture of the pair", "train_pairs", side=84, selected=left
    )
    if picked in names and picked != left:
        st.session_state[LEFT] = picked
        st.rerun()
    others = _others(locator, left, ids)
    found = cached_train.distances(locator, version, model, left, tuple(others))
    caption("The other, nearest first")
    order = sorted(zip(others, found, strict=True), key=lambda pair: pair[1].distance)
    st.html(
        '<div class="ll-drawn">'
        + "".join(_pair(locator, version, id, pair) for id, pair in order)
        + "</div>"
    )
    limit = found[0].threshold
    if limit is not None:
        quiet(
            f"Distances go from 0 to 2. Below {limit:.2f} this network calls a pair the same: the"
            " threshold of equal error rate on its validation pairs."
        )


def _others(locator: str, left: str, ids: list[str]) -> list[str]:
    """A few that should be near (the same object or class), then the other examples."""
    found = cached.dataset(locator)
    own = found.items[found.rows[left]]
    field = (
        "instance" if own.instance is not None else "label" if own.label is not None else "category"
    )
    same = [
        item.id
        for item in found.items
        if item.id != left and item.value(field) == own.value(field) is not None
    ]
    return [*same[:3], *(id for id in ids if id != left and id not in same[:3])]


def _pair(locator: str, version: str, id: str, pair) -> str:
    mark = {True: "the same ✓", False: "another ✕", None: ""}[pair.same]
    uri = cached.thumbnail(locator, version, id)
    return (
        f'<figure><img src="{uri}" alt="{escape(id, quote=True)}">'
        f"<figcaption><b>{pair.distance:.2f}</b> {mark}</figcaption></figure>"
    )
