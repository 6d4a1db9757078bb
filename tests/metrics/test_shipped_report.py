"""The leaderboard that comes with the code: whole, small, and in agreement with itself."""

from __future__ import annotations

import numpy as np
import pytest

from core import store
from core.services.evaluation import reports, studies
from core.services.evaluation.leaderboard import boards, leaderboard

FOLDER = store.shipped() / "reports" / "leaderboard"
BOARDS = {
    ("catalogue", "instance"), ("catalogue", "category"), ("clothing", "class"),
    ("eth80", "instance"), ("eth80", "category"), ("cats_dogs", "class"),
}  # fmt: skip


@pytest.fixture(scope="module")
def report() -> reports.Report:
    return reports.Report.load(FOLDER)


def test_it_is_found_by_name_and_small():
    assert "leaderboard" in reports.listing()
    assert reports.find("leaderboard") == FOLDER
    assert store.folder_bytes(FOLDER) < 2_300_000


def test_every_board_holds_every_encoder(report):
    assert set(boards(report)) == BOARDS
    encoders = {cell.encoder for cell in report.cells}
    assert len(report.cells) == len(BOARDS) * len(encoders)
    assert {"hsv.12x4x4", "tiny.16x16", "hog.8x8", "sift.vlad32"} <= encoders


def test_scores_of_queries_add_up_to_the_means(report):
    for cell, means in zip(report.cells, report.means, strict=True):
        assert cell.evaluated.all()
        for name, values in cell.scores.items():
            assert values.mean() == pytest.approx(means[name], abs=3e-4), (cell.name, name)


def test_known_baselines_stand_in_it(report):
    means = {cell.name[:3]: row for cell, row in zip(report.cells, report.means, strict=True)}
    assert means["eth80", "instance", "hsv.12x4x4"]["mAP"] == pytest.approx(0.374, abs=0.01)
    assert means["clothing", "class", "tiny.16x16"]["mAP"] == pytest.approx(0.163, abs=0.01)


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_every_board_has_intervals_and_ranks(report, board):
    found = leaderboard(report, *board)
    assert [s.mean for s in found.standings] == sorted(
        (s.mean for s in found.standings), reverse=True
    )
    assert found.standings[0].rank == 1
    assert all(0 <= s.low <= s.mean <= s.high <= 1 for s in found.standings)
    assert np.isfinite(found.smallest)


def test_the_catalogue_is_studied(report):
    rows = studies.read(FOLDER)
    encoders = {cell.encoder for cell in report.cells}
    for kind in studies.KINDS:
        made = studies.of_board(rows, kind, "catalogue", "instance")
        assert set(made) == encoders
        assert all("result" in row for row in made.values())
