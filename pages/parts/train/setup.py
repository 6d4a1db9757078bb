"""Choosing a run: recipe, initial weights, training data, and the settings that matter."""

import json
import re
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.services.training.plan import advice
from pages.parts import cached, cached_train, url_state
from pages.parts.words import caption, quiet

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


def setting_rows(recipe: str, values: dict) -> list[dict]:
    """A recipe's settings, some replaced: name, kind, value, low, high, words, about."""
    return cached_train.setting_rows(recipe, json.dumps(values))


def _fields(found: Sequence[dict], group: str) -> dict:
    """A field for each; returns their values by name."""
    return {row["name"]: _field(row, group, row["name"].replace("_", " ")) for row in found}


def _left_open(row: dict) -> str:
    """What a whole number's 0 stands for, by its own help; empty where it is a number."""
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


def _field(row: dict, group: str, label: str) -> object:
    """One setting as the widget that suits its type. ``group`` keeps recipes' fields apart."""
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
        step = abs(float(row["value"])) / 2 or 0.1
        return st.number_input(
            label, float(row["low"]), float(row["high"]), key=key, help=told, step=step, format="%g"
        )
    value = st.text_input(label, key=key, help=told)
    if row["kind"] == "tuple":
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value.strip()


RECIPE, DATA, PUBLISHED = "keep_train_recipe", "keep_train_data", "keep_train_published"
NAME, TAKEN = "keep_train_name", "train_name_taken"
"""``TAKEN``: a run was started with that name, so the next one needs another."""
FIRST_RECIPE, FIRST_START = "finetune", "published:tf_efficientnet_lite0.in1k"
NEW = {"scratch": " · from scratch", "model": " · continue training", "published": ""}
LABELS = {
    "minutes": "Minutes at most",
    "epochs": "Epochs",
    "lr": "Learning rate",
    "size": "Image size, pixels",
    "batch": "Batch size",
}
"""The settings that matter most: how long it takes stands over the start, the others first below
the fold."""


def panel() -> tuple[str, dict, DeltaGenerator]:
    """The controls; returns the recipe, the values that differ from it, and the place of the start:
    over everything that needs no choice, so that it is seen at once."""
    caption("A new run", level=2)
    table = {row["name"]: row for row in cached_train.recipes()}
    _first(RECIPE, FIRST_RECIPE, list(table))
    recipe = st.selectbox(
        "Recipe",
        list(table),
        key=RECIPE,
        format_func=lambda one: table[one]["title"],
        help="An objective (its loss) with the settings that suit it.",
    )
    quiet(table[recipe]["words"] + ("" if table[recipe]["labels"] else " It needs no labels."))
    how, name = _start(recipe, table[recipe]["kind"])
    values = {"datasets": _data(), **_network(how, name)}
    rows = {row["name"]: row for row in setting_rows(recipe, advice(recipe, how))}
    usual = {row["name"]: row["value"] for row in setting_rows(recipe, {})}
    length = "minutes" if usual["minutes"] else "epochs"
    group = f"{recipe}_{how}"
    given = {length: _field(rows.pop(length), group, LABELS[length])}
    start = st.container(key="train_go")
    with st.expander("All settings"):
        values |= _name()
        given |= _settings(rows, how, group)
    changed = {name: value for name, value in given.items() if value != usual[name]}
    return recipe, {**values, **changed}, start


def _name() -> dict:
    """The name that was given to the result, if any."""
    if st.session_state.pop(TAKEN, False):
        st.session_state[NAME] = ""
    st.text_input("Name of the result", key=NAME, placeholder="chosen for you", max_chars=80)
    given = (st.session_state[NAME] or "").strip()
    return {"name": given} if given else {}


def _first(key: str, value: str, options: list[str]) -> None:
    """What is chosen is one of the options, whatever was chosen before."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = value if value in options else options[0]


def _start(recipe: str, kind: str) -> tuple[str, str]:
    """Where the network starts: (scratch, model or published; name)."""
    rows = {f"{row['how']}:{row['name']}": row for row in cached_train.starts(kind)}
    key = f"keep_train_start_{kind == 'autoencoder'}"
    typed = st.session_state.get(key)
    if typed and typed not in rows:  # somebody typed a name that is in the list under its title
        typed = st.session_state[key] = next(
            (one for one, row in rows.items() if row["name"] == typed.strip()), typed
        )
    if not typed or (typed not in rows and ":" in typed):
        st.session_state[key] = FIRST_START if FIRST_START in rows else next(iter(rows))
    options = [*rows, *([typed] if typed and typed not in rows and ":" not in typed else [])]
    chosen = st.selectbox(
        "Initial weights",
        options,
        key=key,
        accept_new_options=kind != "autoencoder",
        format_func=lambda one: rows[one]["title"] + NEW[rows[one]["how"]] if one in rows else one,
        help="Or type any name of timm, for example resnet18.a1_in1k.",
    )
    how, _, name = chosen.partition(":") if chosen in rows else ("published", "", chosen.strip())
    if how == "published":
        st.session_state.setdefault(PUBLISHED, True)
        how = how if st.toggle("With its published weights", key=PUBLISHED) else "scratch"
    if chosen in rows and how != "published":
        quiet(rows[chosen]["about"])
    return how, name


def _network(how: str, name: str) -> dict:
    if how == "model":
        return {"start_from": name}
    return {
        **({"backbone": name} if name else {}),
        **({"pretrained": True} if how == "published" else {}),
    }


def _data() -> list[str]:
    """Data sets to learn from; at first the last one added that can be, else the catalogue."""
    rows = {row["locator"]: row for row in cached.dataset_rows() if row["state"] == "ready"}
    if DATA not in st.session_state:
        own = [row["locator"] for row in rows.values() if row["added"]]
        st.session_state[DATA] = [own[-1] if own else next(iter(rows))]
    url_state.put(DATA, [one for one in st.session_state[DATA] if one in rows])
    return st.multiselect(
        "Training data",
        list(rows),
        key=DATA,
        format_func=lambda one: f"{rows[one]['title']} · {rows[one]['pictures']:,}",
        placeholder="Choose data sets",
        help="Add your own pictures on the Library page. Query splits are never trained on.",
    )


def _settings(rows: dict[str, dict], how: str, group: str) -> dict:
    """Those that matter most in two columns, then the others; returns the values by name."""
    shown = ["lr", *([] if how == "model" else ["size"]), "batch"]
    given: dict = {}
    for pair in (shown[:2], shown[2:]):
        for column, name in zip(st.columns(2, vertical_alignment="bottom"), pair, strict=False):
            with column:
                given[name] = _field(rows[name], group, LABELS[name])
    others = [row for name, row in rows.items() if name not in (*shown, *HIDDEN)]
    return given | _fields(others, group)
