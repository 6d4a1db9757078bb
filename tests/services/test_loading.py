"""Engines that load in the background: others answer meanwhile, errors reach who asks, and a
process ends when it wants."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from core.encoders.base import encoders
from core.errors import UserError
from core.services import warm
from core.services.embedding.build import build
from core.services.library import library
from core.services.search import serving
from core.services.search.request import Query, SearchRequest
from tests.plugged import ROOT, wait_for
from tests.services.conftest import Counting

PATIENCE_S = 300.0


class Gated(Counting):
    """Encodes nothing until its gate is open."""

    name = "gated.test"
    gate = threading.Event()
    broken = False
    seen: list[bytes] = []

    def _encode(self, batch) -> np.ndarray:
        assert self.gate.wait(PATIENCE_S)
        if self.broken:
            raise ZeroDivisionError("broken on purpose")
        return super()._encode(batch)


@pytest.fixture
def gated(monkeypatch):
    encoders.names()
    monkeypatch.setitem(encoders._makers, Gated.name, Gated)
    monkeypatch.setattr(Gated, "gate", threading.Event())
    monkeypatch.setattr(Gated, "broken", False)
    yield Gated
    Gated.gate.set()
    wait_for(lambda: not serving._loads, PATIENCE_S)


@pytest.fixture
def dataset(counting, gated, gallery):
    found = library.open_dataset(str(gallery), fresh=True)
    gated.gate.set()
    build(found, ["counting.test", "gated.test"])
    gated.gate.clear()
    return found


def state(dataset) -> str:
    return serving.state(dataset, "gated.test")


def test_while_one_loads_the_others_answer(dataset, gated):
    assert state(dataset) == "absent"
    serving.begin(dataset, "gated.test")
    serving.begin(dataset, "gated.test")
    assert state(dataset) == "loading"
    assert len(serving._loads) == 1
    assert (
        len(
            serving.search(
                SearchRequest(Query(item_id="00003.png"), "counting.test", k=5), dataset
            ).hits
        )
        == 5
    )
    assert serving.wait(dataset, ["gated.test", "counting.test"]), "one of them is not loading"
    assert not serving.wait(dataset, ["gated.test"], timeout_s=0.01)
    assert state(dataset) == "loading"
    gated.gate.set()
    assert serving.wait(dataset, ["gated.test"], timeout_s=PATIENCE_S)
    assert state(dataset) == "ready"
    assert serving.engine(dataset, "gated.test") is serving.engine(dataset, "gated.test")
    serving.begin(dataset, "gated.test")
    assert state(dataset) == "ready"


def test_who_asks_while_it_loads_gets_what_is_loaded(dataset, gated):
    serving.begin(dataset, "gated.test")
    made = []
    asker = threading.Thread(target=lambda: made.append(serving.engine(dataset, "gated.test")))
    asker.start()
    gated.gate.set()
    asker.join(PATIENCE_S)
    assert made == [serving.engine(dataset, "gated.test")]
    assert len(serving._engines) == 1


def test_a_failure_is_told_to_who_asks_and_then_tried_again(dataset, gated):
    gated.broken = True
    gated.gate.set()
    serving.begin(dataset, "gated.test")
    assert serving.wait(dataset, ["gated.test"], timeout_s=PATIENCE_S)
    assert state(dataset) == "failed"
    serving.begin(dataset, "gated.test")
    assert state(dataset) == "failed", "nobody has asked yet"
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        serving.search(SearchRequest(Query(item_id="00003.png"), "gated.test"), dataset)
    gated.broken = False
    assert state(dataset) == "absent"
    assert (
        len(
            serving.search(
                SearchRequest(Query(item_id="00003.png"), "gated.test", k=5), dataset
            ).hits
        )
        == 5
    )


def test_what_can_not_be_loaded_is_told_to_who_asks(dataset):
    serving.begin(dataset, "gated.test", "no such index")
    assert serving.state(dataset, "gated.test", "no such index") == "failed"
    assert not serving._loads
    serving.begin(dataset, "tiny.16x16")
    assert serving.wait(dataset, ["tiny.16x16"], timeout_s=PATIENCE_S)
    with pytest.raises(UserError, match="no embeddings"):
        serving.search(SearchRequest(Query(item_id="00003.png"), "tiny.16x16"), dataset)


@pytest.fixture
def cold(monkeypatch):
    """As in a process in which nothing was warmed up."""
    monkeypatch.setattr(warm, "_started", threading.Lock())
    monkeypatch.setattr(warm, "LATER_S", 0.0)
    monkeypatch.delenv(warm.SWITCH, raising=False)


def test_a_server_warms_up_once_and_passes_over_what_is_not_built(dataset, gated, cold):
    gated.gate.set()
    names = ["hsv.12x4x4", "counting.test", "gated.test"]
    thread = warm.start(dataset.locator, names)
    thread.join(PATIENCE_S)
    assert [serving.state(dataset, name) for name in names] == ["absent", "ready", "ready"]
    assert not list(library.store.cache("embeddings").parent.glob("partial/*"))
    assert warm.start(dataset.locator, names) is None


def test_a_data_set_that_is_gone_is_no_trouble(gated, cold):
    thread = warm.start("no such data set", ["gated.test"])
    thread.join(PATIENCE_S)
    assert not serving._engines


def test_it_can_be_switched_off(dataset, cold, monkeypatch):
    monkeypatch.setenv(warm.SWITCH, "0")
    assert warm.start(dataset.locator, ["counting.test"]) is None
    assert not warm._started.locked()


ENDLESS = """
import threading, time
from core.encoders.hog import HOG
from core.services import warm
began = threading.Event()
def load(self, progress=None):
    began.set()
    time.sleep(3600)
HOG.load = load
thread = warm.start("catalogue", ["hog.8x8"])
assert began.wait(300) and thread.daemon
print("the end", flush=True)
"""


def test_a_process_that_ends_does_not_wait_for_what_it_loads(cold):
    done = subprocess.run(
        [sys.executable, "-c", ENDLESS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "the end"), done.stderr
