"""What is slow to make is made again behind the visitor's back; what is quick is never old."""

from __future__ import annotations

import threading
import time

import pytest

from core.errors import UserError
from pages.parts import caches
from pages.parts.caches import Fresh


def wait_for(condition, timeout_s: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_slow_value_is_served_while_the_next_is_made(monkeypatch):
    monkeypatch.setattr(caches, "QUICK_S", 0.0)
    made, go = [], threading.Event()

    def make() -> int:
        if made:
            assert go.wait(300)
        made.append(len(made))
        return len(made)

    held = Fresh(make, ttl=0.0)
    assert [held.get() for _ in range(5)] == [1] * 5
    go.set()
    wait_for(lambda: held.get() > 1)


def test_a_quick_value_is_made_on_the_spot_once_it_is_old(monkeypatch):
    monkeypatch.setattr(caches, "QUICK_S", 60.0)
    numbers = iter(range(100))
    held = Fresh(lambda: next(numbers), ttl=0.0)
    time.sleep(0.001)
    assert held.get() == 1
    young = Fresh(lambda: next(numbers), ttl=1e9)
    assert young.get() == young.get()


def test_what_can_not_be_made_again_is_said_and_tried_again(monkeypatch):
    monkeypatch.setattr(caches, "QUICK_S", 0.0)
    state = {"gone": False}

    def make() -> str:
        if state["gone"]:
            raise UserError("The folder is gone.")
        return "here"

    held = Fresh(make, ttl=0.0)
    state["gone"] = True
    with pytest.raises(UserError, match="gone"):
        wait_for(lambda: held.get() == "never")
    state["gone"] = False
    wait_for(lambda: held.get() == "here")
