"""The settings of a run, and what a model's card says of it."""

import shlex

import streamlit as st

from core.services.training import train
from pages.parts import cached_train
from pages.parts.train import more
from pages.parts.words import caption, facts, quiet, size


def of_run(run: str) -> None:
    """Every setting that is not the recipe's own, the way to do it again, and the card once there
    is one."""
    told = cached_train.told(run)
    usual = {row["name"]: row["value"] for row in more.rows(told["recipe"], {})}
    same = {
        name: list(value) if isinstance(value, tuple) else value for name, value in usual.items()
    }
    changed = {name: value for name, value in told.items() if name in usual and value != same[name]}
    caption(f"Settings that are not those of the recipe {told['recipe']}")
    facts([(name.replace("_", " "), _said(value)) for name, value in changed.items()])
    caption("The same from the command line")
    kept = {name: value for name, value in changed.items() if name not in ("precision", "name")}
    st.code(
        shlex.join(["python", "-m", "core", *train.arguments(told["recipe"], kept)]),
        language="sh",
        wrap_lines=True,
    )
    of_model(told["name"], run)


def of_model(name: str, run: str = "") -> None:
    """The card of a model; of ``run`` alone where one is named."""
    card = next((card for card in cached_train.cards() if card["name"] == name), None)
    if card is None or (run and card.get("run") != run):
        return
    caption("The model's card")
    facts([(label, value) for label, value in _card(card) if value])
    if card.get("about"):
        quiet(card["about"])
    for one in card.get("data", []):
        quiet(f"{one['name']}: {one['note']}.")


def _card(card: dict) -> list[tuple[str, str]]:
    network, scores = card["network"], card.get("validation", {})
    return [
        ("Name", card["name"]),
        ("Network", f"{network['backbone']}, {network['size']} px, {network['dim']} dimensions"),
        ("Parameters", f"{card['parameters']:,} in {size(card['bytes'])}"),
        ("Initial weights", card.get("starts_from", "")),
        ("Teacher", card.get("teacher", "")),
        (
            "Epochs",
            (
                f"{card['epochs']}, best: {card['best_epoch'] or 'before the first'}"
                if "epochs" in card
                else ""
            ),
        ),
        ("Validation", f"{scores['mean']:.3f}: {scores['metric']}" if "mean" in scores else ""),
        ("Missing keys", str(len(card["missing"])) if card.get("missing") else ""),
        ("Unexpected keys", str(len(card["unused"])) if card.get("unused") else ""),
        ("Created", card.get("created", "")),
        ("sha256", card["sha256"][:16]),
        ("Licence", card.get("licence", "")),
    ]


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
