"""A field for every setting, made from the table of settings itself: a new setting appears here by
itself."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from pages.parts import cached_train

HIDDEN = (
    "title",
    "about",
    "kind",
    "family",
    "datasets",
    "backbone",
    "pretrained",
    "start_from",
    "name",
)
"""Chosen elsewhere on the page, or words of the recipe."""


def rows(recipe: str, values: dict) -> list[dict]:
    """The settings of a recipe with some values replaced: name, kind, value, low, high, words,
    about."""
    return cached_train.setting_rows(recipe, json.dumps(values))


def fields(found: Sequence[dict], group: str) -> dict:
    """A field for each; returns their values by name."""
    return {row["name"]: field(row, group, row["name"].replace("_", " ")) for row in found}


def field(row: dict, group: str, label: str) -> object:
    """One setting as the widget that suits its type. ``group``: fields of another recipe keep
    values of their own."""
    key, told = f"keep_train_{group}_{row['name']}", row["about"] or None
    st.session_state.setdefault(
        key, ", ".join(map(str, row["value"])) if row["kind"] == "tuple" else row["value"]
    )
    if row["words"]:
        return st.selectbox(label, row["words"], key=key, help=told)
    if row["kind"] == "bool":
        return st.toggle(label, key=key, help=told)
    if row["kind"] == "int":
        return st.number_input(label, row["low"], row["high"], key=key, help=told, step=1)
    if row["kind"] == "float":
        step = max(abs(float(row["value"])) / 2, 1e-6)
        return st.number_input(
            label, float(row["low"]), float(row["high"]), key=key, help=told, step=step, format="%g"
        )
    value = st.text_input(label, key=key, help=told)
    return (
        tuple(part.strip() for part in value.split(",") if part.strip())
        if row["kind"] == "tuple"
        else value.strip()
    )
