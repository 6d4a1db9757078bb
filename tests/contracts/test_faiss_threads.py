"""How many threads faiss takes: the cores there are, or fewer where who shares the machine asked
for fewer; how numpy's and OpenMP's wait."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import core
from core import device, faiss_loader
from core.indexes.planes import learned_planes


@pytest.mark.parametrize(
    ("asked", "taken"),
    [("", 4), ("1", 1), ("3", 3), ("16", 4), ("0", 4), ("-2", 4), ("two", 4), ("2,1", 4)],
)
def test_a_wish_for_fewer_threads_is_heard(monkeypatch, asked, taken):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr(device, "threads", lambda: 4)
    assert device.team() == taken


def test_faiss_is_told(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    faiss_loader.faiss.cache_clear()
    try:
        assert faiss_loader.faiss().omp_get_max_threads() == 1
    finally:
        monkeypatch.undo()
        faiss_loader.faiss.cache_clear()
        faiss_loader.faiss()


WAITING = """
import core, os, time
import numpy as np
square = np.ones((1000, 1000), np.float32)
square @ square
began = time.process_time()
time.sleep(0.2)
print(os.environ[core.BLAS_WAIT], time.process_time() - began)
"""


@pytest.mark.parametrize("wish", [None, "27"])
def test_threads_of_numpy_sleep_behind_a_product_unless_the_user_says_otherwise(wish):
    env = {name: value for name, value in os.environ.items() if name != core.BLAS_WAIT} | (
        {core.BLAS_WAIT: wish} if wish else {}
    )
    told = subprocess.run(
        [sys.executable, "-c", WAITING],
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    said, busy = told.stdout.split()
    assert said == wish or (said == "16" and float(busy) < 0.005)


TEAM = """
import core, os
from core.faiss_loader import faiss
faiss()
print(os.environ[core.TEAM_WAIT])
"""


@pytest.mark.parametrize("wish", [None, "ACTIVE"])
def test_threads_of_a_team_sleep_unless_the_user_says_otherwise(wish):
    env = {name: value for name, value in os.environ.items() if name != core.TEAM_WAIT}
    env |= {"OMP_DISPLAY_ENV": "TRUE"} | ({core.TEAM_WAIT: wish} if wish else {})
    told = subprocess.run(
        [sys.executable, "-c", TEAM], env=env, capture_output=True, text=True, check=True
    )
    wanted = wish or "PASSIVE"
    assert told.stdout.strip() == wanted
    assert f"OMP_WAIT_POLICY = '{wanted}'" in told.stderr, "what the library itself has read"


def test_planes_are_learned_on_one_core_and_numpy_has_all_of_them_again():
    vectors = np.random.default_rng(0).standard_normal((60, 16), dtype=np.float32)

    def taken() -> set[int]:
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    meanwhile: set[int] = set()
    with threadpool_limits(2, user_api="blas"):
        learned_planes(vectors, 16, lambda done, total: meanwhile.update(taken()) or True)
        assert meanwhile == {1}
        assert taken() == {2}
