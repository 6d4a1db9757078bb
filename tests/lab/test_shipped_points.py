"""Points that come with the code: there at once, said to be another machine's, and replaced by what
is measured here."""

from __future__ import annotations

import json

import pytest

from core.services.embedding.bound import bound
from core.services.index_lab import curves, point, space
from core.services.index_lab.curves import settings
from tests.lab.conftest import ENCODER

ONE = ("lsh:bits=64,rerank=1",)


@pytest.fixture
def elsewhere(catalogue, monkeypatch, tmp_path):
    """One setting, measured on another machine and brought here with the code."""
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "there"))
    monkeypatch.setattr(point, "processor", lambda: "Other CPU, 64 cores")
    list(curves.curves(catalogue, ENCODER, ONE, k=5, again=True))
    home = tmp_path / "shipped"
    with monkeypatch.context() as inner:
        inner.setattr(point.store, "shipped", lambda: home)
        about = space.causes(catalogue, bound(catalogue, ENCODER).encoder, space.QUERIES)
        path = point.ship(ENCODER, about, settings(ONE), 5)
    monkeypatch.setattr(point, "processor", lambda: "This CPU, 2 cores")
    monkeypatch.setattr(point, "shipped_points", lambda: json.loads(path.read_text()))
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "here"))
    return path


def test_a_shipped_point_is_there_at_once_and_says_whose_it_is(catalogue, elsewhere):
    planned = curves.plan(catalogue, ENCODER, ONE, k=5, timed=False)
    assert planned.left == 0
    assert [one.machine for one in planned.found] == ["Other CPU, 64 cores"]
    assert curves.plan(catalogue, ENCODER, ONE, k=6, timed=False).left == 1  # of that k alone


def test_what_is_measured_here_takes_its_place(catalogue, elsewhere):
    (old,) = curves.plan(catalogue, ENCODER, ONE, k=5, timed=False).found
    (new,) = curves.curves(catalogue, ENCODER, ONE, k=5, again=True)
    assert (old.machine, new.machine) == ("Other CPU, 64 cores", "")
    assert (new.recall, new.disk_bytes) == (old.recall, old.disk_bytes)
    assert curves.plan(catalogue, ENCODER, ONE, k=5, timed=False).found[0].machine == ""


def test_a_damaged_file_is_passed_over(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text('{"key": {"refused": "too few"}}')
    assert point._read(tmp_path, 0) == {"key": {"refused": "too few"}}
