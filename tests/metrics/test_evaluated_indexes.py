"""``evaluate --indexes``: every kind of index is judged from the command line, beside exact
search."""

from __future__ import annotations

import json

import pytest

from core.cli.main import main

INDEXES = (
    "exact",
    "flat",
    "hamming:rerank=2",
    "minhash:hash_dim=32,threshold=0.2",
    "knn_graph:beam=16",
    "voyager",
    "diffusion",
    "factory:IVF2,SQ8,nprobe=2",
)


@pytest.fixture
def report(pictures, capsys):
    asked = [
        "evaluate",
        "--datasets",
        str(pictures),
        "--encoders",
        "tiny.16x16",
        "--indexes",
        ",".join(INDEXES),
    ]
    assert main([*asked, "--no-latency", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    return {row["index"]: row for row in said["rows"]}, said["leaderboards"]


def test_each_is_judged_with_its_own_recall(report):
    rows, _ = report
    assert list(rows) == list(INDEXES)
    assert {row["queries"] for row in rows.values()} == {12}
    assert rows["flat"]["mAP"] == rows["exact"]["mAP"]
    for name in INDEXES[2:]:
        assert rows[name]["mAP"] is None, "its answer ends after some hits"
        assert 0 < rows[name]["index recall@10"] <= 1
        assert 0 <= rows[name]["hit@1"] <= 1
    for name in (
        "knn_graph:beam=16",
        "voyager",
        "factory:IVF2,SQ8,nprobe=2",
    ):  # these compare all 12
        assert rows[name]["index recall@10"] == 1
        assert rows[name]["hit@1"] == rows["exact"]["hit@1"]


def test_the_board_ranks_all_of_them(report):
    _, (board,) = report
    assert board["metric"] == "hit@1"
    assert {standing["index"] for standing in board["standings"]} == set(INDEXES)
    assert board["standings"][0]["rank"] == 1


def test_a_wrong_one_among_them_is_told_before_anything_is_judged(pictures, capsys):
    asked = ["evaluate", "--datasets", str(pictures), "--encoders", "tiny.16x16", "--no-latency"]
    assert main([*asked, "--indexes", "exact,voyager:speed=9"]) == 1
    assert "voyager has no knob 'speed'" in capsys.readouterr().err
