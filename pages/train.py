"""Train: can I make a better one?"""

from pathlib import Path

import streamlit as st

from core.services.hosting import limits
from pages.parts import cached_train, components
from pages.parts.guard import run
from pages.parts.shell import places, shell
from pages.parts.train import import_weights, listing, run_summary, setup, state
from pages.parts.train import run as one_run
from pages.parts.words import quiet

STYLE = Path(__file__).parent / "parts" / "web" / "train.css"


def main() -> None:
    actions = shell(
        "Train", "Train an encoder on your own pictures, and compare it before and after"
    )
    st.html(STYLE)
    state.restore()
    components.from_the_top(f"Train {state.run()} {state.model()}")
    first = not (state.run() or state.model() or cached_train.run_ids())
    form = "panel_new_first" if first else "panel_new"  # over the answer, which is empty
    new, own, answer = places(form, "panel_import", "answer")
    with new:
        _new()
    if limits.may("import-model"):
        with own:
            import_weights.panel()
    with answer:
        _answer()
    if state.run() or state.model():
        with actions:
            components.copy_link("train_copy")
    state.publish()


def _new() -> None:
    if not limits.may("train"):
        quiet(
            "This is a public demo: training is switched off. Run the app on your own machine to"
            " train with your pictures."
        )
        return
    run_summary.panel(*setup.panel())


def _answer() -> None:
    if state.run():
        one_run.show(state.run())
    elif state.model():
        one_run.show_model(state.model())
    else:
        listing.show()


run(main, "Train")
