"""Every example of every help runs, and every command with what it requires alone: each other
option at its default.

The words are those of the help. Where the embedded gallery or the network that is learned would
take minutes, a small one stands in its place.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket

import numpy as np
import pytest

from core.services.evaluation import crossing
from core.services.index_lab import measure, view
from core.services.library import downloads, library
from core.services.sharing import talks
from tests.cli.test_help import commands, examples, words_of
from tests.detectors.conftest import network  # noqa: F401 (a fixture)
from tests.detectors.test_yolo import v8
from tests.plugged import numbered, paint

READY = ["hsv.12x4x4", "tiny.16x16"]
SMALL = (
    "effect --run",
    "health --dataset",
    "map --dataset catalogue",
    "probe --dataset",
    "report --map",
    "tune --dataset catalogue --encoder hog.8x8",
    "--encoders ready",
    "saliency",
)
"""Examples that ask so much of the gallery that a small one is given to them."""
TINY = ("--rerank geometric,diffusion",)
"""These match the key points of each picture with those of many."""
LEARN = [
    "--backbone",
    "test_resnet",
    "--epochs",
    "1",
    "--threads",
    "1",
    *(
        word
        for pair in ("size=32", "dim=16", "batch=8", "precision=fp32")
        for word in ("--set", pair)
    ),
]
RUN = "train-20260101-120000-abcdef"
VECTORS = "vectors --dataset HOME/Pictures --name mymodel --file vectors.npy --ids ids.txt"
FIRST = {
    "vectors --remove": VECTORS,
    "report --name latest": "evaluate --datasets catalogue --encoders hsv.12x4x4 --no-latency",
    "detectors --remove": "detectors --bring best.onnx --name mine",
    "effect --run": f"train --recipe classify --dataset HOME/Pictures --run {RUN} --no-compare",
}
"""What has to be there before an example, and the command that makes it."""


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """The pictures that the examples name; no command changes one."""
    home = tmp_path_factory.mktemp("painted")
    for folder, count in (("Pictures", 20), ("small", 20), ("tiny", 6)):
        paint(home / folder, labelled(count))
    for row in crossing.table("photo-to-catalogue").rows:
        paint(
            home / "Pictures" / row.query_set, [f"{row.query_class}/{name}" for name in numbered(2)]
        )
    return paint(home, ["photo.jpg", "a.png"])


def labelled(count: int) -> list[str]:
    return [f"{label}/{name}" for label in ("cold", "warm") for name in numbered(count)]


@pytest.fixture
def desk(painted, tmp_path, monkeypatch):
    """A home and a working folder with everything that the examples name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(painted, tmp_path, copy_function=os.link, dirs_exist_ok=True)
    names = labelled(20)
    np.save("vectors.npy", np.random.default_rng(0).normal(size=(len(names), 8)).astype(np.float32))
    (tmp_path / "ids.txt").write_text("\n".join(names))
    talk = talks.Talk((talks.Scene("Best?", "Metrics"),))
    (tmp_path / "talk.json").write_text(talks.written(talk))
    monkeypatch.setattr(measure, "LIMIT_S", 0.02)
    monkeypatch.setattr(view, "LIMIT_S", 0.02)
    monkeypatch.setattr(downloads, "at_hand", lambda: ["vgg.lookalike"])  # the quickest to compile
    rows = library.encoder_rows()
    monkeypatch.setattr(
        library,
        "encoder_rows",
        lambda: [row for row in rows if row["name"] in READY or row["state"] != "ready"],
    )
    return tmp_path


def told(example: str, home) -> list[str]:
    """The arguments of an example, on a small gallery and a small network where it would take
    minutes."""
    words = words_of(example.replace("~", str(home)).replace("HOME", str(home)))
    for folder, parts in (("small", SMALL), ("tiny", TINY)):
        if any(part in example for part in parts):
            words = [word.replace("catalogue", f"{home}/{folder}") for word in words]
    return [*words, *LEARN] if words[0] == "train" and "--dataset" in words else words


def fetches(example: str) -> bool:
    return words_of(example)[0] == "download" or "fasterrcnn" in example


def runnable() -> list[str]:
    return [example for example in examples() if not fetches(example)]


@pytest.mark.parametrize("example", runnable())
def test_examples_run(example, desk, here, request):
    line = example.removeprefix("python -m core ")
    if line.startswith("detectors --"):
        made = request.getfixturevalue("network")("made", v8())
        shutil.move(made, "best.onnx")
        made.parent.rmdir()
    for start, first in FIRST.items():
        if line.startswith(start):
            assert here(*told(first, desk))[0] == 0
    if "import-model" in example:
        torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm")
        torch.save(timm.create_model("resnet18").state_dict(), "resnet18.pth")
    code, out, err = here(*told(example, desk))
    assert code == 0, err
    assert out.strip() or "vectors" in example or "--list-runs" in example
    if "--json" in example:
        json.loads(out)


@pytest.mark.parametrize("example", [one for one in examples() if fetches(one)])
def test_downloads_without_a_network_end_in_a_sentence(example, desk, here, monkeypatch):
    def refuse(*given):
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    code, out, err = here(*words_of(example))
    assert (code, out) == (1, "")
    assert err.strip()
    assert "Unexpected error" not in err


GIVEN = {
    "dataset": "HOME/Pictures",
    "encoder": "hog.8x8",
    "encoders": "hog.8x8",
    "query": "id:cold/00003.png",
    "hit": "cold/00001.png",
    "run": RUN,
    "file": "resnet18.pth",
    "image": "photo.jpg",
    "backbone": "resnet18",
    "name": "resnet.mine",
}
"""What an option that is required is given."""
NEEDS_MORE = {"compare", "download", "evaluate", "search", "train"}
"""These require one option of several, and say which."""


def required(made: argparse.ArgumentParser) -> list[str]:
    return [
        word
        for one in made._actions
        if one.required
        for word in (one.option_strings[0], GIVEN[one.dest])
    ]


def options(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("-")}


def is_shown(name: str) -> bool:
    """Whether an example gives a command what it requires and nothing else, and runs as that."""
    given = [words_of(example) for example in runnable()]
    wanted = options(required(commands()[name]))
    return any(words[0] == name and options(words) == wanted for words in given)


@pytest.mark.parametrize("name", [one for one in sorted(commands()) if not is_shown(one)])
def test_commands_run_with_what_they_require_alone(name, desk, here):
    code, out, err = here(
        name, *(word.replace("HOME", str(desk)) for word in required(commands()[name]))
    )
    assert "Unexpected error" not in err
    assert (code, out) == (1, "") if name in NEEDS_MORE else code == 0, err
    assert err if name in NEEDS_MORE else out or name == "vectors"


def test_a_data_set_that_is_named_twice_is_evaluated_once(desk, here):
    told = (
        "evaluate",
        "--datasets",
        f"{desk}/small,small",
        "--encoders",
        "tiny.16x16",
        "--no-latency",
        "--json",
    )
    code, out, err = here(*told)
    assert code == 0, err
    rows = [(row["dataset"], row["protocol"]) for row in json.loads(out)["rows"]]
    assert len(rows) == len(set(rows)) > 0


def test_the_waterfall_of_the_embedded_gallery_needs_no_option(here):
    code, out, _ = here("waterfall", "--dataset", "catalogue", "--encoder", "hog.8x8")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()[1:6]] == [
        "Full vectors",
        "PCA to 64",
        "Scalar quantisation (SQ8)",
        "HNSW graph",
        "Re-ranking 40",
    ]
