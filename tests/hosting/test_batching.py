"""Concurrent askers share a call of an encoder, and each gets the answer that it would get alone."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from core.encoders.base import Encoder
from core.services.search import batching


class Counting(Encoder):
    """Answers with the mean of each picture; waits at a gate, and counts its calls."""

    name, title, dim = "counting.test", "Counting", 3

    def __init__(self) -> None:
        self.gate, self.inside, self.calls = threading.Event(), threading.Event(), []

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return image.astype(np.float32)

    def _encode(self, batch):
        self.calls.append(len(batch))
        self.inside.set()
        assert self.gate.wait(300)
        if any(not np.isfinite(one).all() for one in batch):
            raise ValueError("not finite")
        return np.stack([one.mean(axis=(0, 1)) for one in batch])


def asked(encoder: Counting, pictures: list[np.ndarray]) -> list:
    """All pictures at once, the first one in the encoder before the others come."""
    found: list = [None] * len(pictures)

    def ask(place: int) -> None:
        try:
            found[place] = batching.encode(encoder, pictures[place])
        except ValueError as error:
            found[place] = error

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(pictures))]
    threads[0].start()
    assert encoder.inside.wait(300)
    for thread in threads[1:]:
        thread.start()
    line = batching._lines[encoder]
    while len(line.waiting) < len(pictures) - 1:
        threading.Event().wait(0.001)
    encoder.gate.set()
    for thread in threads:
        thread.join(300)
    return found


def pictures(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).random((count, 4, 4, 3)).astype(np.float32))


def test_those_who_wait_are_encoded_together_and_as_if_alone():
    encoder, given = Counting(), pictures(12)
    found = asked(encoder, given)
    assert encoder.calls == [1, 11]
    for vector, picture in zip(found, given, strict=True):
        np.testing.assert_array_equal(vector, encoder.encode_prepared([picture]))
    assert not batching.crowded()


def test_a_call_takes_no_more_than_the_setting(monkeypatch):
    monkeypatch.setenv("LOOKALIKE_BATCH", "4")
    encoder = Counting()
    asked(encoder, pictures(10))
    assert encoder.calls[0] == 1
    assert sorted(encoder.calls[1:]) == [1, 4, 4]


def test_a_picture_that_fails_takes_no_other_with_it():
    given = pictures(5)
    given[3] = np.full_like(given[3], np.nan)
    found = asked(Counting(), given)
    assert isinstance(found[3], ValueError)
    assert all(one.shape == (1, 3) for place, one in enumerate(found) if place != 3)


def test_one_by_one_where_the_setting_says_so(monkeypatch):
    monkeypatch.setenv("LOOKALIKE_BATCH", "1")
    encoder = Counting()
    encoder.gate.set()
    with pytest.raises(ValueError, match="finite"):
        batching.encode(encoder, np.full((4, 4, 3), np.nan, np.float32))
    batching.encode(encoder, pictures(1)[0])
    assert encoder.calls == [1, 1]


def test_a_network_that_takes_its_time_keeps_no_other_one_waiting(monkeypatch):
    monkeypatch.setattr(batching, "SLOW_S", 0.01)
    monkeypatch.setattr(batching, "hosted", lambda: False)  # there each has a core of its own
    slow, quick, [picture] = Counting(), Counting(), pictures(1)
    slow.network = quick.network = SimpleNamespace(parameters=list)
    thread = threading.Thread(target=batching.encode, args=(slow, picture), daemon=True)
    thread.start()
    assert slow.inside.wait(300)
    quick.gate.set()
    assert batching.encode(quick, picture).shape == (1, 3)
    assert thread.is_alive(), "it is still at its gate"
    slow.gate.set()
    thread.join(300)
    assert not thread.is_alive()
    assert not batching._cores.locked()
