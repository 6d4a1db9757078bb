"""tune, waterfall, ghosts and buckets on the command line."""

from __future__ import annotations

import csv
import json

import pytest

from core.services.lab import curves
from tests.lab.conftest import ENCODER

AT = ("--dataset", "catalogue", "--encoder", ENCODER)


def test_tune(here, tmp_path):
    code, out, err = here("tune", *AT, "--indexes", "exact,sq8:rerank=1", "--recall", ".9", "--csv", str(tmp_path / "points.csv"))
    assert code == 0
    assert "At recall@10 of at least 0.9 the fastest is" in out
    assert "sq8:rerank=1: recall 0.9" in err
    with open(tmp_path / "points.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == ["exact", "sq8:rerank=1"]
    assert float(rows[0]["recall"]) == 1.0
    code, out, _ = here("tune", *AT, "--indexes", "exact,sq8:rerank=1,pq:m=7", "--json")
    told = json.loads(out)
    assert [one["text"] for one in told["points"]] == ["exact", "sq8:rerank=1"]
    assert "does not divide" in told["refused"]["pq:m=7"]
    assert told["advice"]["source"] == "measured"


def test_tune_tells_what_it_would_take(here):
    code, out, _ = here("tune", *AT, "--indexes", "flat", "--size", "50000", "--estimate", "--json")
    told = json.loads(out)
    assert (code, told["size"], told["settings"], told["left"]) == (0, 50_000, ["flat"], 1)
    assert told["seconds"] > 0


def test_what_a_page_starts_is_a_command(here, catalogue):
    code, _, _ = here(*curves.job_arguments(catalogue, ENCODER, ["sq8:rerank=1"], 5))
    assert code == 0
    assert curves.plan(catalogue, ENCODER, ["sq8:rerank=1"], 5, timed=False).left == 0


def test_waterfall_ghosts_buckets(here):
    code, out, _ = here("waterfall", *AT, "--pca", "16", "--code", "int8", "--index", "exact")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()[1:5]] == [
        "Full vectors",
        "PCA to 16",
        "8-bit numbers",
        "Re-ranking 40",
    ]
    code, out, _ = here("ghosts", *AT, "--query", "mug-15-0", "--index", "lsh:bits=64,rerank=1", "--json")
    told = json.loads(out)
    assert {one["state"] for one in told["merged"]} == {"found", "ghost", "extra"}
    for method in ("lsh", "minhash"):
        code, out, _ = here("buckets", *AT, "--query", "mug-15-0", "--method", method, "--json")
        told = json.loads(out)
        assert len(told["code"]) == told["bits"] == 64
        assert len(told["pairs"][0]["bands"]) == told["bands"]


@pytest.mark.parametrize(
    "arguments",
    [("tune", "--recall", "1.5"), ("tune", "--indexes", "hnsv"), ("tune", "--size", "5"), ("tune", "--csv", "nowhere/at/all.csv"),
     ("waterfall", "--pca", "1000"), ("ghosts", "--query", "nobody"), ("buckets", "--query", "mug-15-0", "--bits", "3")],
)  # fmt: skip
def test_nonsense_ends_in_a_sentence(here, arguments):
    code, out, err = here(arguments[0], *AT, *arguments[1:])
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    assert err.strip()
