"""How many threads faiss takes: the cores there are, or fewer where whoever shares the machine asked for fewer."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from core import faiss_door


@pytest.mark.parametrize(
    ("asked", "taken"), [("", 4), ("1", 1), ("3", 3), ("16", 4), ("0", 4), ("-2", 4), ("two", 4), ("2,1", 4)]
)
def test_a_wish_for_fewer_threads_is_heard(monkeypatch, asked, taken):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr(faiss_door, "threads", lambda: 4)
    assert faiss_door.team() == taken


def test_faiss_is_told(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    faiss_door.faiss.cache_clear()
    try:
        assert faiss_door.faiss().omp_get_max_threads() == 1
    finally:
        monkeypatch.undo()
        faiss_door.faiss.cache_clear()
        faiss_door.faiss()


@pytest.mark.parametrize("wish", [None, "ACTIVE"])
def test_threads_sleep_between_calls_unless_the_user_says_otherwise(wish):
    """The run time says what it read when it was loaded; what is started later from here must not hear of it."""
    env = {name: value for name, value in os.environ.items() if name != faiss_door.WAIT} | {"OMP_DISPLAY_ENV": "true"}
    env |= {faiss_door.WAIT: wish} if wish else {}
    asked = f"import os; from core.faiss_door import faiss; faiss(); print(os.environ.get('{faiss_door.WAIT}'))"
    told = subprocess.run([sys.executable, "-c", asked], env=env, capture_output=True, text=True, check=True, timeout=120)
    assert f"OMP_WAIT_POLICY='{wish or 'PASSIVE'}'" in told.stderr.replace(" ", "")
    assert told.stdout.strip() == str(wish)
