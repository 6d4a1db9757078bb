"""The lists of data sets and encoders."""

from __future__ import annotations

import streamlit as st

from core.errors import UserError
from core.services.hosting import limits
from core.services.library import library, passed_over
from pages.parts import builds, cached, downloads, given, library_layout, link, settings
from pages.parts.shell import hosted
from pages.parts.words import count, quiet, row_html, size, table

STATES = {
    "ready": ("ready", ""),
    "download": ("needs download", "plain"),
    "unavailable": ("not available", "plain"),
}
MAX_SKIPPED = 500


def datasets() -> None:
    """Ready ones first, with what is in them and what was skipped; then those that could be had."""
    rows = cached.dataset_rows()
    ready = [row for row in rows if row["state"] == "ready" or row["added"]]
    for number, row in enumerate(ready):
        _dataset(row, number)
    others = [row for row in rows if row not in ready]
    if others and not hosted():
        with st.expander(f"{count(len(others), 'public data set')} to download or add"):
            for number, row in enumerate(others, start=len(ready)):
                _dataset(row, number)


def _dataset(row: dict, number: int) -> None:
    with st.container(key=f"row_dataset_{number}", horizontal=True, vertical_alignment="center"):
        tag, tone = (row["kind"], "") if row["state"] == "ready" else _state(row)
        row_html(row["title"], _contents(row), tag, tone, hint="" if hosted() else row["locator"])
        _actions(row, number)
        if row["state"] == "download" and not hosted():
            with st.container(key=f"fetch_dataset_{number}"):
                downloads.offer("dataset", row)


def _actions(row: dict, number: int) -> None:
    ready = row["state"] == "ready"
    skipped, remarks = (
        cached.skipped(row["locator"]) if ready else row["skipped"],
        len(row["remarks"]),
    )
    told = [f"{skipped:,} passed over"] * bool(skipped) + [count(remarks, "remark")] * bool(remarks)
    if told and st.button(", ".join(told), key=f"skipped_{number}"):
        _skipped(row)
    if ready:
        library_layout.offer(row, number)
    if ready and st.button("Compare", key=f"open_{number}"):
        made = builds.last_of(row["locator"])
        st.switch_page(
            "pages/compare.py", query_params={**made, "dataset": given.public_name(row["locator"])}
        )
    if row["added"]:
        with st.popover("Remove"):
            quiet("Its caches are deleted. Pictures in a folder of yours stay where they are.")
            if st.button("Remove", key=f"remove_{number}", type="primary", width="stretch"):
                library.remove_dataset(row["locator"])
                cached.forget_datasets()
                st.rerun()


def _contents(row: dict) -> str:
    if row["state"] != "ready":
        return row["detail"].replace("Download it on the Library page", "Download it here")
    parts = [count(row["pictures"], "picture")]
    if row["labels"]:
        parts.append(count(row["labels"], "class", "classes"))
    parts += [f"{name} {number:,}" for name, number in list(row["splits"].items())[:4]]
    return " · ".join(parts)


@st.dialog("Skipped files", width="large")
def _skipped(row: dict) -> None:
    """Everything that could not be used, with the reason, and what was used, but not as it
    stands."""
    try:
        found = library.skipped_rows(row["locator"])
    except UserError as error:
        quiet(str(error))
        return
    if row["remarks"]:
        quiet(f"Used in {row['title']}, but not as it stands:")
        table(["Where", "What was done"], [[one["where"], one["remark"]] for one in row["remarks"]])
    if found:
        _passed_over(row["title"], found)


def _passed_over(title: str, found: list[dict]) -> None:
    quiet(f"{count(len(found), 'file')} of {title} could not be used. Everything else is searched.")
    reasons = passed_over.reasons(found)
    if 1 < len(reasons) < len(found):
        table(
            ["How often", "Why"],
            [[f"{number:,}", reason] for reason, number in reasons[:MAX_SKIPPED]],
        )
    table(["File", "Why"], [[one["picture"], one["reason"]] for one in found[:MAX_SKIPPED]])
    if len(found) > MAX_SKIPPED:
        quiet(f"The first {MAX_SKIPPED} of {len(found):,} are shown, rare reasons first.")


def _state(row: dict) -> tuple[str, str]:
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
            row_html(row["title"], what, *_state(row), more=_about(row))
            if row["state"] == "download" and limits.may("download"):
                with st.container(key=f"fetch_encoder_{number}"):
                    downloads.offer("encoder", row)
    quiet(
        "Any other timm model works too: type its name where encoders are chosen, for example"
        f" {link.EXAMPLE_TIMM}."
    )
    if any(row["state"] == "download" for row in order) and limits.may("download"):
        quiet("Without a network, Download says which file to put where.")
