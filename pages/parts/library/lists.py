"""The list of encoders."""

import streamlit as st

from core.services.hosting import limits
from pages.parts import cached, downloads, link, settings
from pages.parts.hosting import hosted
from pages.parts.words import quiet, row_html, size

STATES = {
    "ready": ("ready", ""),
    "download": ("needs download", "plain"),
    "unavailable": ("not available", "plain"),
}


def state_tag(row: dict) -> tuple[str, str]:
    """The tag of a row with its size where it has to be fetched, and the tag's tone."""
    words, tone = STATES[row["state"]]
    return (
        f"{words} · {size(row['bytes'])}"
        if row["state"] == "download" and row.get("bytes")
        else words
    ), tone


def _about(row: dict) -> str:
    """What it does, and why it can't be used where it can't; places on the server are not for
    visitors."""
    detail = row["detail"] if row["state"] == "unavailable" and not hosted() else ""
    if own := cached.own_vectors().get(row["name"]):
        return f"{row['about']} {own}"
    return f"{row['about']} {detail[:1].upper()}{detail[1:]}".strip()


def encoders() -> None:
    """Every encoder: what it looks at, whether it can be used now, and what to do where it
    can't."""
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
