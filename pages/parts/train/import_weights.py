"""Importing weights: a state dict becomes an encoder, and keys that do not fit are listed."""

import streamlit as st

from core.errors import UserError
from core.services.library import models
from pages.parts import cached, cached_train, guard, press
from pages.parts.train import state
from pages.parts.words import note, quiet, telling, trouble

OUTCOME, ROUND = "train_imported", "train_import_round"
MOST_MB = 1024
SHOWN = 40


def panel() -> None:
    """File, architecture, name; then what came of it."""
    with st.expander("Import weights"):
        quiet("A state dict as .pth or .safetensors. No code in the file is ever run.")
        key = f"train_weights_{st.session_state.setdefault(ROUND, 0)}"
        file = st.file_uploader(
            "Weights", type=["pth", "pt", "bin", "safetensors"], key=key, max_upload_size=MOST_MB
        )
        backbone = st.text_input(
            "Architecture",
            placeholder="resnet18",
            key="keep_train_import_backbone",
            max_chars=100,
            help="The name that timm gives it, or one of the slim networks of this project.",
        )
        name = st.text_input(
            "Name of the encoder",
            placeholder="resnet.mine",
            key="keep_train_import_name",
            max_chars=80,
        )
        left, right = st.columns(2)
        size = left.number_input(
            "Its image size, pixels", 16, 1024, 224, key="keep_train_import_size"
        )
        dim = right.number_input("Dimensions", 2, 4096, 512, key="keep_train_import_dim")
        ready = bool(file and backbone and name)
        if press.button("Import", width="stretch", disabled=not ready, key="train_import"):
            _import(file, name.strip(), backbone.strip(), int(size), int(dim))
    _outcome()


def _import(file, name: str, backbone: str, size: int, dim: int) -> None:
    with telling(OUTCOME), st.spinner("Reading the weights"):
        found = guard.guarded(
            lambda: models.import_upload(file.name, file.getvalue(), name, backbone, size, dim),
            "Reading the weights",
        )
        st.session_state[OUTCOME] = (name, *found)
        st.session_state[ROUND] += 1
        cached_train.forget()
        st.rerun()


def _outcome() -> None:
    outcome = st.session_state.get(OUTCOME)
    if isinstance(outcome, UserError):
        trouble(outcome)
    elif outcome and cached.encoder_row(outcome[0]):
        name, missing, unused = outcome
        note(
            f"{name} is an encoder now.",
            "Choose it on Compare, or continue training it here.",
            "good",
        )
        if missing:
            quiet(f"Missing keys, initialised at random ({len(missing):,}): {_some(missing)}.")
        if unused:
            quiet(f"Unexpected keys, not used ({len(unused):,}): {_some(unused)}.")
        if press.button("Show it", width="stretch", key="train_imported_show"):
            state.show(model=name)
            st.rerun()


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (
        f" and {len(keys) - SHOWN:,} more" if len(keys) > SHOWN else ""
    )
