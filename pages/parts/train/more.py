"""A field for every setting, made from the table of settings itself: a new setting appears here by
itself."""

import json
import re
from collections.abc import Sequence

import streamlit as st

from pages.parts import cached_train

MAX_PLACEHOLDER = 14
"""Letters that fit into a field half as wide as the panel; its help says the rest."""
ZERO = re.compile(r"\b0 = ([^.;,]+)")
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


def _left_open(row: dict) -> str:
    """What a whole number's 0 stands for, in the words of its own help; empty where 0 is a
    number."""
    found = ZERO.search(row["about"] or "")
    if not found or row["low"] > 0:
        return ""
    said = found[1].strip()
    return said if len(said) <= MAX_PLACEHOLDER else "automatic"


def _number_or_none(row: dict, key: str, label: str, left: str) -> int:
    """A field that is empty for what the setting's 0 means, and says what that is."""
    st.session_state.setdefault(key, row["value"] or None)
    told = row["about"] or None
    shown = st.number_input(
        label, row["low"], row["high"], value=None, key=key, help=told, step=1, placeholder=left
    )
    return int(shown or 0)


def field(row: dict, group: str, label: str) -> object:
    """One setting as the widget that suits its type. ``group``: fields of another recipe keep
    values of their own."""
    key, told = f"keep_train_{group}_{row['name']}", row["about"] or None
    if row["kind"] == "int" and (left := _left_open(row)):
        return _number_or_none(row, key, label, left)
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
