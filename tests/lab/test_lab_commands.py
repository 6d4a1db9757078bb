"""tune, waterfall, missed and buckets on the command line."""

from __future__ import annotations

import csv
import json

import pytest
from PIL import Image

from core.cli import approximation
from core.services.index_lab import curves
from core.services.index_lab.stage_run import Stage
from tests.lab.conftest import ENCODER
from tests.plugged import numbered, paint

AT = ("--dataset", "catalogue", "--encoder", ENCODER)


def test_tune(here, tmp_path):
    code, out, err = here(
        "tune",
        *AT,
        "--indexes",
        "exact,sq8:rerank=1",
        "--recall",
        ".9",
        "--csv",
        str(tmp_path / "points.csv"),
    )
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


def test_tune_again(here):
    """Takes the place of what was measured; the estimate counts it as not measured."""
    asked = ("tune", *AT, "--indexes", "exact", "--memory", "8")  # free memory moves meanwhile
    code, first, _ = here(*asked, "--json")
    assert code == 0
    assert here(*asked, "--json")[1] == first
    code, second, _ = here(*asked, "--again", "--json")
    assert code == 0
    assert json.loads(second)["points"] != json.loads(first)["points"]  # times of many digits
    assert here(*asked, "--json")[1] == second
    code, out, err = here(*asked, "--again", "--estimate")
    assert (code, "to measure again" in out, "trial builds: 1 of 1" in err) == (0, True, True)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("pq:m=7", "pq:m=7 can't"),
        ("factory:PQ7", "None of the 4 settings"),
        ("pq:m=7;pq:m=9", "None of the 2 settings"),
    ],
)
def test_nothing_measured_is_a_failure(here, named, why):
    for _ in range(2):  # the reason is kept
        code, out, err = here("tune", *AT, "--indexes", named)
        assert (code, out) == (1, "")
        assert why in err
        assert "192" in err  # the reason: what does not divide the dimension


def test_advice_ends_in_a_command_that_runs(here):
    code, out, _ = here("tune", *AT, "--indexes", "flat", "--memory", ".001")
    assert (code, "the one setting measured here does not fit into 1 MB" in out) == (0, True)
    command = out.partition("Measure it with: python -m core ")[2].splitlines()[0]
    assert command == f"tune --dataset catalogue --encoder {ENCODER} --indexes sq8"
    assert here(*command.split())[0] == 0


def test_points_are_shown_where_nothing_fits(here, tmp_path):
    code, out, err = here(
        "tune",
        *AT,
        "--indexes",
        "exact",
        "--memory",
        ".00001",
        "--csv",
        str(tmp_path / "points.csv"),
    )
    assert (code, "Nothing holds" in err, out.splitlines()[1].split()[0]) == (1, True, "exact")
    assert (tmp_path / "points.csv").stat().st_size > 100


def test_tune_tells_what_it_would_take(here):
    code, out, _ = here("tune", *AT, "--indexes", "flat", "--size", "50000", "--estimate", "--json")
    told = json.loads(out)
    assert (code, told["size"], told["settings"], told["left"]) == (0, 50_000, ["flat"], 1)
    assert told["seconds"] > 0


def test_what_a_page_starts_is_a_command(here, catalogue):
    code, _, _ = here(*curves.job_arguments(catalogue, ENCODER, ["sq8:rerank=1"], 5))
    assert code == 0
    (point,) = curves.plan(catalogue, ENCODER, ["sq8:rerank=1"], 5, timed=False).found
    given = curves.job_arguments(catalogue, ENCODER, ["sq8:rerank=1"], 5, again=True)
    assert given[-1] == "--again"
    assert here(*given)[0] == 0
    assert curves.plan(catalogue, ENCODER, ["sq8:rerank=1"], 5, timed=False).found != (point,)


def test_waterfall_missed_buckets(here):
    code, out, _ = here("waterfall", *AT, "--pca", "16", "--code", "int8", "--index", "exact")
    assert code == 0
    assert "mAP change, 95 %" in out.splitlines()[0]
    assert "more bytes for each picture, on disk" in out
    assert [line.split("  ")[0] for line in out.splitlines()[1:5]] == [
        "Full vectors",
        "PCA to 16",
        "Scalar quantisation (SQ8)",
        "Re-ranking 40",
    ]
    asked = (*AT, "--query", "mug-15-0", "--index", "lsh:bits=64,rerank=1", "--json")
    told = json.loads(here("missed", *asked)[1])
    assert json.loads(here("ghosts", *asked)[1])["merged"] == told["merged"], (
        "as the command was called before"
    )
    assert {one["state"] for one in told["merged"]} == {"found", "ghost", "extra"}
    for method, bits, threshold in (("lsh", 64, 0.4), ("minhash", 128, 0.4)):
        code, out, _ = here("buckets", *AT, "--query", "mug-15-0", "--method", method, "--json")
        told = json.loads(out)
        assert len(told["code"]) == told["bits"] == bits
        assert told["threshold"] == threshold
        assert len(told["pairs"][0]["bands"]) == told["bands"]


def test_a_query_is_named_as_elsewhere(here, tmp_path):
    """An id with and without ``id:``, a file of the data set, and for missed neighbours a file from
    elsewhere."""
    index = ("--index", "sq8", "--json")
    answers = [
        json.loads(here("missed", *AT, "--query", query, *index)[1])["merged"]
        for query in ("mug-15-0", "id:mug-15-0")
    ]
    assert answers[0] == answers[1]
    own = tmp_path / "own.png"
    Image.new("RGB", (40, 40), (200, 30, 30)).save(own)
    code, out, _ = here("missed", *AT, "--query", str(own), *index)
    assert (code, json.loads(out)["query"], len(json.loads(out)["exact"])) == (0, "own.png", 10)
    assert (
        here("buckets", *AT, "--query", "id:mug-15-0", "--json")[1]
        == here("buckets", *AT, "--query", "mug-15-0", "--json")[1]
    )
    code, _, err = here("buckets", *AT, "--query", str(own))
    assert (code, "no picture of" in err) == (1, True)


def test_missed_neighbours_mark_copies_and_say_what_is_left_out(here, tmp_path):
    gallery = paint(tmp_path / "copied", numbered(12))
    for path in (gallery / "copy.png", tmp_path / "given.png"):
        path.write_bytes((gallery / "00003.png").read_bytes())
    told = ("missed", "--dataset", str(gallery), "--encoder", ENCODER, "--index", "sq8", "-k", "4")
    code, out, _ = here(*told, "--query", str(tmp_path / "given.png"))
    assert (
        code,
        [("identical file" in line, line.split()[-1]) for line in out.splitlines()[1:3]],
    ) == (0, [(True, "00003.png"), (True, "copy.png")])
    assert "Left out" not in out
    _, out, _ = here(*told, "--query", "id:00003.png")
    assert (
        "identical file" in out.splitlines()[1],
        "\nLeft out: 00003.png, the query itself.\n" in out,
    ) == (True, True)


def test_buckets_print_each_number_once(here):
    _, out, _ = here("buckets", *AT, "--query", "mug-15-0")
    assert "similarity" not in out.splitlines()[0]
    assert "collision probability, %" in out.splitlines()[0]
    _, out, _ = here("buckets", *AT, "--query", "mug-15-0", "--method", "minhash")
    assert out.splitlines()[0].split()[:2] == ["similarity", "cosine"]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (None, None, ""),
        (0.0, 0.0, "no change"),
        (-1e-7, 2e-7, "no change"),
        (-0.00034, -0.000123, "-0.00034 to -0.00012"),
        (-0.0123, 0.5, "-0.012 to +0.50"),
        (-0.000004, 0.0, "-0.000004 to 0"),
    ],
)
def test_a_change_shows_two_digits(low, high, words):
    assert approximation._change(Stage("", "", "", 1.0, {}, low, high, 1.0, 1.0, (), 0, 0)) == words


@pytest.mark.parametrize(
    "arguments",
    [
        ("tune", "--recall", "1.5"),
        ("tune", "--indexes", "hnsv"),
        ("tune", "--size", "5"),
        ("tune", "--csv", "nowhere/at/all.csv"),
        ("tune", "--memory", "0"),
        ("tune", "--memory", "-1"),
        ("tune", "--memory", "nan"),
        ("tune", "--memory", "inf"),
        ("waterfall", "--pca", "1000"),
        ("missed", "--query", "nobody"),
        ("missed", "--query", "id:nobody"),
        ("buckets", "--query", "mug-15-0", "--bits", "3"),
    ],
)
def test_nonsense_ends_in_a_sentence(here, arguments):
    code, out, err = here(arguments[0], *AT, *arguments[1:])
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    assert err.strip()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("tune", "--indexes", ","), "names none"),
        (("buckets", "--query", "mug-15-0", "--method", "minhash", "--rows", "4"), "--rows"),
        (("buckets", "--query", "mug-15-0", "--hash-dim", "32"), "--hash-dim"),
        (("missed", "--query", "/none/there.png"), "there.png"),
    ],
)
def test_what_would_be_passed_over_is_said(here, command, said):
    code, _, err = here(command[0], *AT, *command[1:])
    assert code == 1
    assert said in err
