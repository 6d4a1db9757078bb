"""A page never tells a person to type a command: every error has words for it, and others for the
command line."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

from core.encoders.timm_models import PACKAGES
from core.encoders.trained_networks import Blueprint, wrong_size
from core.errors import UserError
from core.services.training import train
from core.training import runs
from core.training.batches import check_batch
from core.training.resolve import resolve
from core.training.settings import override, read_recipe
from core.training.terms import Terms
from core.training.train import begin
from core.weights.packages import broken

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"(^|[\s:(`])--[a-z]|\bpip install\b|\bpython -m\b|\bCtrl\b|\bmake [a-z]+`")
CODE = [path for path in sorted((ROOT / "core").rglob("*.py")) if path.parent.name != "cli"]


def page_words(call: ast.Call) -> str:
    """What a page may show of an error: every word of it but those of ``command``."""
    shown = [*call.args[:3], *(one.value for one in call.keywords if one.arg != "command")]
    words = [
        part.value for one in shown for part in ast.walk(one) if isinstance(part, ast.Constant)
    ]
    return " ".join(word for word in words if isinstance(word, str))


def errors(path: Path) -> list[ast.Call]:
    found = ast.walk(ast.parse(path.read_text()))
    return [
        one
        for one in found
        if isinstance(one, ast.Call) and getattr(one.func, "id", "") in ("UserError", "UnknownName")
    ]


def test_no_error_of_the_code_puts_a_command_on_a_page():
    found = {
        f"{path.relative_to(ROOT)}:{call.lineno}": page_words(call)
        for path in CODE
        for call in errors(path)
    }
    assert len(found) > 100
    assert {place: words for place, words in found.items() if COMMAND.search(words)} == {}


def test_the_command_line_keeps_its_own_words():
    error = UserError(
        "It is too large.",
        "64 at most.",
        "Choose a smaller one.",
        "Make it smaller: --set batch=64",
    )
    assert str(error) == "It is too large. 64 at most. Make it smaller: --set batch=64"
    assert error.plain == "It is too large. 64 at most. Choose a smaller one."
    again = pickle.loads(pickle.dumps(error))  # errors come back from worker processes
    assert (str(again), again.plain) == (str(error), error.plain)


def raised(call) -> UserError:
    with pytest.raises(UserError) as found:
        call()
    return found.value


def test_errors_with_an_option_name_it_on_the_command_line_and_the_control_on_the_page(
    tiny, artifacts
):
    runs.create(resolve(tiny("classify", name="resnet.taken")), "train-one")
    found = {
        "--set batch": raised(
            lambda: check_batch(["a"], [10], override(read_recipe("classify"), {"batch": 512}))
        ),
        "--set per_class": raised(lambda: resolve(tiny("classify", loss="triplet"))),
        "--set teacher": raised(lambda: resolve(tiny("classify", loss="distill"))),
        "--dataset": raised(lambda: begin(tiny("classify", datasets=()))),
        "--start-from": raised(
            lambda: resolve(tiny("classify", backbone="resnet-slim", pretrained=True, size=0))
        ),
        "--resume": raised(lambda: begin(tiny("classify", name="resnet.taken"))),
        "--resume train-one": raised(lambda: runs.create(resolve(tiny("classify")), "train-one")),
        "--name": raised(lambda: tiny("classify", name="mine")),
        "--set size": wrong_size(Blueprint("embedder", "vit-slim", 8, 60)),
        "pip install": broken(next(iter(PACKAGES.values())), "It is damaged."),
    }
    assert {option: str(error) for option, error in found.items() if option not in str(error)} == {}
    assert {
        option: error.plain for option, error in found.items() if COMMAND.search(error.plain)
    } == {}


def test_what_a_failed_run_says_on_the_page_has_no_command(tiny, monkeypatch):
    run = begin(tiny("classify"))
    monkeypatch.setattr(
        Terms, "forward", lambda self, embeddings, batch: embeddings.sum() * float("nan")
    )
    with pytest.raises(UserError, match="--set lr"):
        train.work(run)
    assert (
        run.last()["message"]
        == "The loss became nan at step 0. Start again with a lower learning rate."
    )
