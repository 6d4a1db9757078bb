"""A few kills of one work, quick enough for every run."""

from __future__ import annotations

import pytest

from core import store
from tests.reliability import kills


@pytest.mark.parametrize("full", [False, True])
def test_an_upload_that_is_disturbed_anywhere_ends_as_if_undisturbed(tmp_path, full):
    work = next(one for one in kills.works(tmp_path) if one.name == "save")
    whole = tmp_path / "whole"
    whole.mkdir()
    touches, wanted = kills.undisturbed(work, whole)
    assert touches > 5
    for point in range(1, touches + 1, 3):
        artifacts = tmp_path / f"at-{point}"
        artifacts.mkdir()
        assert kills.disturbed(work, artifacts, point, full) == wanted


def test_what_dead_writers_left_is_swept_once_it_is_old(artifacts):
    for place in ("cache/contents/.new-abc", "reports/.new-mine-1/scores.npz", "library/.new-x"):
        store.write_text(artifacts / place, "half")
    assert store.sweep_left() == 0
    assert store.sweep_left(0) == 3
    assert not list(artifacts.rglob(".new-*"))
