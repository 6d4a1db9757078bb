"""Standings from the disk are those that were worked out, and follow the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core import store
from core.errors import UserError
from core.services import saved_reports
from core.services.evaluation import leaderboard
from core.services.evaluation.reports import Report

BOARD = ("eth80", "instance")


@pytest.fixture(scope="module")
def shipped():
    folder = saved_reports.find("leaderboard")
    return Report.load(folder), folder


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    """How often standings are worked out."""
    calls, work = [], leaderboard.leaderboard

    def count(*given):
        calls.append(given[1:])
        return work(*given)

    monkeypatch.setattr(leaderboard, "leaderboard", count)
    return calls


def test_a_board_is_worked_out_once_and_stays_the_same(shipped, counted):
    first = leaderboard.standings(*shipped, *BOARD, "hit@1")
    again = leaderboard.standings(*shipped, *BOARD, "hit@1")
    assert len(counted) == 1
    assert replace(again, adjusted=0) == replace(first, adjusted=0)
    np.testing.assert_array_equal(again.adjusted, first.adjusted)
    leaderboard.standings(*shipped, *BOARD, "precision@10")
    assert len(counted) == 2


def test_a_damaged_board_is_worked_out_again(shipped, counted):
    leaderboard.standings(*shipped, *BOARD, "hit@1")
    (entry,) = store.entries(leaderboard.KIND)
    (entry.path / "board.json").write_text("{}")
    assert leaderboard.standings(*shipped, *BOARD, "hit@1").standings
    assert len(counted) == 2


def test_what_can_not_be_said_is_refused_and_nothing_is_kept(shipped):
    with pytest.raises(UserError):
        leaderboard.standings(*shipped, *BOARD, "mAP", "no such class")
    assert store.entries(leaderboard.KIND) == []
