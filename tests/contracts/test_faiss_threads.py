"""How many threads faiss takes: the cores there are, or fewer where whoever shares the machine asked for fewer."""

from __future__ import annotations

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
