"""Every command: JSON alone on standard output, exit codes that mean something, hostile arguments.

What depends on being a process of its own (signals, pipes, what stands on which stream) runs as
one; the rest calls main.
"""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

from core.services.embedding import galleries
from core.services.library import library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from tests.plugged import numbered, paint, wait_for

SEARCH = ("search", "--dataset", "catalogue", "--encoder", "hsv.12x4x4")


@pytest.fixture
def gallery(tmp_path):
    names = [f"{label}/{name}" for label in ("cold", "warm") for name in numbered(6)]
    return paint(tmp_path / "gallery", names)


@pytest.fixture
def told(here):
    """``told(*arguments)``: what a command that succeeds prints with ``--json``."""

    def run(*arguments: str):
        code, out, err = here(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return run


def asked(gallery, *rest: str) -> tuple[str, ...]:
    return "--dataset", str(gallery), "--query", str(gallery / "cold" / "00002.png"), *rest


def test_datasets(here, told, gallery):
    rows = {row["name"]: row for row in told("datasets")}
    assert rows["catalogue"]["state"] == "ready"
    assert rows["catalogue"]["pictures"] == 2720
    (gallery / "warm" / "bad.png").write_bytes(b"x")
    here("build", "--dataset", str(gallery), "--encoders", "tiny.16x16")
    one = told("datasets", "--dataset", str(gallery))
    assert (one["pictures"], one["labels"], one["protocols"][0]) == (13, 2, "class")
    assert [row["picture"] for row in one["skipped_pictures"]] == ["warm/bad.png"]
    assert "warm/bad.png" in here("datasets", "--dataset", str(gallery))[1]


def test_datasets_are_added_and_removed(here, told, gallery):
    assert told("datasets", "--add", str(gallery))["added"] is True
    assert str(gallery) in [row["locator"] for row in told("datasets")]
    assert str(gallery) not in [
        row["locator"] for row in told("datasets", "--remove", str(gallery))
    ]
    assert here("datasets", "--remove", str(gallery))[0] == 1
    assert (gallery / "cold" / "00000.png").exists()


def test_encoders(told):
    rows = {row["name"]: row for row in told("encoders")}
    assert {"name", "dim", "state"} <= rows["hsv.12x4x4"].keys()
    assert (rows["hsv.12x4x4"]["dim"], rows["hsv.12x4x4"]["state"]) == (192, "ready")
    assert {row["state"] for row in rows.values()} <= {"ready", "download", "unavailable"}
    (one,) = told("encoders", "--name", "hsv.12x4x4:pca=16")
    assert one["dim"] == 16


def test_indexes(told):
    rows = {row["name"]: row for row in told("indexes")}
    assert rows["exact"]["exact"] is True


def test_build(plugged, gallery):
    (row,) = plugged.json("build", "--dataset", str(gallery), "--encoders", "slow.test")
    assert {
        "dataset",
        "encoder",
        "index",
        "pictures",
        "skipped",
        "encoded",
        "seconds",
        "path",
        "spent_s",
    } == row.keys()
    assert (row["pictures"], row["encoded"]) == (12, 12)
    assert row["spent_s"].keys() == {"read", "decode", "prepare", "encode", "write"}
    estimate = plugged.json(
        "build", "--dataset", str(gallery), "--encoders", "tiny.16x16,slow.test", "--estimate"
    )
    assert estimate.keys() == {"tiny.16x16", "slow.test"}
    assert estimate["slow.test"]["to_encode"] == 0
    assert estimate["tiny.16x16"]["to_encode"] == 12
    assert len(plugged.encoded()) == 12


def test_search_prints_exactly_what_is_promised(plugged, gallery):
    command = ("search", *asked(gallery, "--encoder", "slow.test", "--index", "exact", "-k", "3"))
    found = plugged.json(*command)  # builds what is missing, and says so on standard error alone
    assert list(found) == [
        "query",
        "dataset",
        "encoder",
        "index",
        "hits",
        "timing_ms",
        "runs",
        "usual",
        "far",
        "left_out",
        "remarks",
        "score",
    ]
    assert (found["usual"], found["far"]) == (None, False), (
        "twelve pictures do not say what is usual"
    )
    assert (found["dataset"], found["encoder"], found["index"]) == ("gallery", "slow.test", "exact")
    assert found["query"] == str(gallery / "cold" / "00002.png")
    assert [list(hit) for hit in found["hits"]] == [
        ["rank", "id", "path", "label", "score", "identical"]
    ] * 3
    assert list(found["timing_ms"]) == ["decode", "preprocess", "encode", "search"]
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    assert all(os.path.exists(hit["path"]) for hit in found["hits"])
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert "cold/00002.png" not in [hit["id"] for hit in found["hits"]]
    assert (found["left_out"], found["remarks"]) == (
        "cold/00002.png",
        ["Left out: cold/00002.png, the query itself."],
    )
    found = plugged.json(*command, "--include-self")
    assert (found["hits"][0]["id"], found["hits"][0]["score"]) == (
        "cold/00002.png",
        pytest.approx(1.0),
    )


def test_a_search_says_that_it_builds_an_index_that_is_missing(here, gallery, monkeypatch):
    monkeypatch.setattr(galleries, "TINY", 0)
    command = ("search", *asked(gallery, "--encoder", "tiny.16x16", "-k", "3", "--json"))
    assert "index" not in here(*command)[2], "an exact one takes no time"
    code, out, told = here(*command, "--index", "hnsw:M=8")
    assert (code, len(json.loads(out)["hits"])) == (0, 3)
    assert "building the index hnsw:M=8 for tiny.16x16: 12 of 12" in " ".join(told.split())
    assert here(*command, "--index", "hnsw:M=8")[2] == "", "it is kept"


def test_compare_adds_the_agreement(told, gallery):
    found = told(
        "compare", *asked(gallery, "--encoders", "phash.16x16,tiny.16x16,hsv.12x4x4", "-k", "4")
    )
    assert list(found) == ["query", "dataset", "index", "answers", "agreement", "decode_ms"]
    encoders = ["phash.16x16", "tiny.16x16", "hsv.12x4x4"]
    assert [one["encoder"] for one in found["answers"]] == encoders
    for one in found["answers"]:
        assert list(one)[:7] == [
            "dataset",
            "encoder",
            "index",
            "hits",
            "timing_ms",
            "runs",
            "usual",
        ]
        assert one["left_out"] == "cold/00002.png"
        assert len(one["hits"]) == 4
        assert found["decode_ms"] == [one["timing_ms"]["decode"]]
    agreement = found["agreement"]
    assert agreement["encoders"] == encoders
    assert agreement["k"] == 4
    for name in ("overlap", "rbo"):
        table = np.array(agreement[name])
        assert table.shape == (3, 3)
        np.testing.assert_allclose(np.diag(table), 1.0)
        np.testing.assert_allclose(table, table.T)
    alone = told("search", *asked(gallery, "--encoder", "tiny.16x16", "-k", "4"))
    assert alone["hits"] == found["answers"][1]["hits"]


def test_copies_of_a_given_picture_come_first_and_are_marked(here, gallery, tmp_path):
    """Two copies in the gallery of a file from elsewhere; then one of them is the query, and leaves
    itself out alone."""
    data = (gallery / "cold" / "00002.png").read_bytes()
    for path in (gallery / "warm" / "copy.png", tmp_path / "incoming.png"):
        path.write_bytes(data)
    told = ("search", "--dataset", str(gallery), "--encoder", "tiny.16x16", "-k", "3")
    code, out, _ = here(*told, "--query", str(tmp_path / "incoming.png"))
    heading, *rows = out.splitlines()
    assert (code, heading.split()) == (0, ["rank", "score", "label", "verdict", "file", "id"])
    assert [("identical file" in row, row.split()[-1]) for row in rows[:2]] == [
        (True, "cold/00002.png"),
        (True, "warm/copy.png"),
    ]
    assert ("identical file" in rows[2], "Left out" in out) == (False, False)
    found = json.loads(here(*told, "--query", str(tmp_path / "incoming.png"), "--json")[1])
    assert [hit["identical"] for hit in found["hits"]] == [True, True, False]
    assert (found["left_out"], found["remarks"]) == (None, [])
    _, out, _ = here(*told, "--query", "id:cold/00002.png")
    assert [("identical file" in row, row.split()[-1]) for row in out.splitlines()[1:2]] == [
        (True, "warm/copy.png")
    ]
    assert "\nLeft out: cold/00002.png, the query itself.\n" in out


def test_a_query_without_any_other_picture_is_answered_by_a_sentence(here, tmp_path):
    folder = paint(tmp_path / "one", ["only.png"])
    code, out, _ = here(
        "search", "--dataset", str(folder), "--encoder", "tiny.16x16", "--query", "id:only.png"
    )
    assert code == 0
    assert out.splitlines()[:2] == [
        "Left out: only.png, the query itself.",
        "There is no other picture. This gallery holds the query alone.",
    ]


def test_a_query_that_is_far_from_everything_is_told_so(here, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 2, (64, 64, 3), np.uint8) * 255).save(
        tmp_path / "noise.png"
    )
    query = ("--dataset", "catalogue", "--query", str(tmp_path / "noise.png"), "-k", "2")
    code, out, _ = here("search", *query, "--encoder", "hsv.12x4x4", "--json")
    found = json.loads(out)
    assert (code, found["far"]) == (0, True)
    assert found["hits"][0]["score"] < found["usual"] < 1
    _, said, _ = here("compare", *query, "--encoders", "hsv.12x4x4,tiny.16x16")
    assert (
        f"Nothing in this gallery is close. The best score is {found['hits'][0]['score']:.3f}; even"
        " pictures of " in said
    )
    assert "decoded once for all: " in said
    near = ("search", "--dataset", "catalogue", "--query", "id:mug-15-0", "--encoder", "hsv.12x4x4")
    assert json.loads(here(*near, "--json")[1])["far"] is False
    said = here(*near)[1]
    assert "close" not in said
    assert "  (median of 3 runs)" in said or "  (first run)" in said


def test_the_command_line_and_the_services_give_the_same_hits(told, gallery):
    found = told("search", *asked(gallery, "--encoder", "hsv.12x4x4", "-k", "11"))
    answer = search(
        SearchRequest(Query(item_id="cold/00002.png"), "hsv.12x4x4", k=11),
        library.open_dataset(str(gallery)),
    )
    assert [(hit["id"], hit["score"]) for hit in found["hits"]] == [
        (hit.id, hit.score) for hit in answer.hits
    ]


def test_doctor(here, told, tmp_path, monkeypatch):
    rows = told("doctor")
    assert {"check", "state", "detail", "fix"} == rows[0].keys()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "file"))
    code, out, err = here("doctor", "--json")
    assert code == 1
    assert "broken" in [row["state"] for row in json.loads(out)]
    assert "checks failed" in err


def test_vectors(here, told, gallery, tmp_path):
    names = [f"{label}/{name}" for label in ("cold", "warm") for name in numbered(6)]
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32))
    (tmp_path / "ids.json").write_text(json.dumps(names))
    bring = (
        "vectors",
        "--dataset",
        str(gallery),
        "--name",
        "mine",
        "--file",
        str(tmp_path / "mine.npy"),
    )
    (row,) = told(*bring)
    assert (row["name"], row["source"], row["dim"]) == ("imported.mine", str(gallery), 4)
    assert (row["vectors"], row["used"], row["skipped"]) == (12, 12, 0)
    found = told("compare", *asked(gallery, "--encoders", "imported.mine,tiny.16x16", "-k", "3"))
    assert len(found["answers"][0]["hits"]) == 3
    assert here("vectors", "--name", "mine")[0] == 1
    assert told("vectors", "--remove", "mine") == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "COMMAND"),
        (("fly",), 2, "invalid choice"),
        (("serach", "--dataset", "catalogue"), 2, "Did you mean search?"),
        ((*SEARCH, "--quary", "id:mug-00-0"), 2, "--quary id:mug-00-0. Did you mean --query?"),
        (("encoders", "hog.8x8"), 2, "usage: python -m core encoders"),
        (("waterfall", "--code", "int4"), 2, "Did you mean int8?"),
        (("search", "--dataset", "catalogue"), 2, "required"),
        ((*SEARCH, "--query", "id:x", "-k", "many"), 2, "invalid int"),
        (
            ("search", "--dataset", "catalog", "--encoder", "hsv.12x4x4", "--query", "x.png"),
            1,
            "Did you mean catalogue",
        ),
        (
            ("search", "--dataset", "./nowhere", "--encoder", "hsv.12x4x4", "--query", "x.png"),
            1,
            "nothing at",
        ),
        ((*SEARCH, "--query", "nowhere.png"), 1, "can't be read"),
        ((*SEARCH, "--query", "/dev/null"), 1, ""),
        ((*SEARCH, "--query", "tests"), 1, ""),
        ((*SEARCH, "--query", "id:backpack-00-8"), 1, "Did you mean"),
        ((*SEARCH, "--query", "id:mug-00-0", "--index", "exat"), 1, "exact"),
        ((*SEARCH, "--query", "id:mug-00-0", "-k", "0"), 1, "from 1 to"),
        ((*SEARCH, "--query", "id:mug-00-0", "-k", "1000000000"), 1, "from 1 to"),
        ((*SEARCH[:-1], "hvs.12x4x4", "--query", "id:mug-00-0"), 1, "Did you mean hsv.12x4x4"),
        (
            ("compare", "--dataset", "catalogue", "--encoders", ",", "--query", "id:mug-00-0"),
            1,
            "No encoder",
        ),
        (("build", "--dataset", "catalogue", "--encoders", ""), 1, "No encoder"),
        (
            ("build", "--dataset", "catalogue", "--encoders", "hsv.12x4x4", "--index", "nearest"),
            1,
            "index",
        ),
        (("build", "--dataset", "README.md", "--encoders", "hsv.12x4x4"), 1, "is no dataset"),
        (("encoders", "--name", "../../etc/passwd"), 1, "no encoder"),
        (
            ("vectors", "--dataset", "catalogue", "--name", "../x", "--file", "x.npy"),
            1,
            "not allowed",
        ),
        (("datasets", "--add", "/nowhere"), 1, "nothing at"),
        (
            ("probe", "--dataset", "catalogue", "--encoders", "hsv.12x4x4", "-k", "0"),
            1,
            "K is from 1 to 1000",
        ),
        (
            ("perturb", "--dataset", "catalogue", "--encoders", "hsv.12x4x4", "--sample", "0"),
            1,
            "It is 1 or more",
        ),
        (
            ("map", "--dataset", "catalogue", "--encoder", "hsv.12x4x4", "--colour", "colr"),
            1,
            "nothing called 'colr' to colour by",
        ),
        (
            ("evaluate", "--datasets", "catalogue", "--encoders", "hsv.12x4x4", "--metric", "mAPP"),
            1,
            "no metric named 'mAPP'. Did you mean mAP",
        ),
        (("report", "--name", "leaderboard", "--metric", "hit@2"), 1, "Did you mean hit@1"),
        (("report", "--latex", "catalogue/instance"), 1, "Add --name NAME"),
        (("report", "--name", "leaderboard", "--csv", "--out", "x.csv"), 1, "--out is of a view"),
        (
            ("search", "--datasets", "catalogue", "--encoders", "hsv", "--query", "x.png"),
            1,
            "x.png",
        ),
        (("build", "--datasets=catalog", "--encoders", "hsv.12x4x4"), 1, "Did you mean catalogue"),
        (
            ("import-model", "--file", "/nowhere.pth", "--backbone", "resnet18", "--name", "a.b"),
            1,
            "There is no file /nowhere.pth",
        ),
        (("train",), 1, "Give one or more with --dataset"),
        (("train", "--dataset", "catalog"), 1, "Did you mean catalogue"),
        (("datasets", "--dataset", "./nowhere"), 1, "nothing at"),
        (("datasets", "--dataset", "catalog", "--json"), 1, "Did you mean catalogue"),
        (("encoders", "--name", "dinov2"), 1, "Did you mean vit_small_patch14_dinov2.lvd142m"),
        (("encoders", "--name", "SIFT"), 1, "Did you mean sift.vlad32 or sift.match?"),
        ((*SEARCH, "--query", "id:nobody"), 1, "Its pictures are called like 'backpack-00-0'"),
    ],
)
def test_what_can_not_be_done_is_said_in_words(here, arguments, code, words):
    found, out, err = here(*arguments)
    assert (found, out) == (code, ""), err
    assert words in err
    assert "Traceback" not in err


ODD = [
    "with space.png",
    "-k.png",
    "a\nb.png",
    "<script>.png",
    "\u202egnp.png",
    "é" * 100 + ".png",
    "id:x.png",
]


@pytest.mark.parametrize("name", ODD)
def test_query_files_with_odd_names(here, gallery, tmp_path, name):
    path = paint(tmp_path / "odd", [name]) / name
    told = ("--encoder", "tiny.16x16", "--query", str(path))
    code, out, _ = here("search", "--dataset", str(gallery), *told, "-k", "2", "--json")
    assert (code, len(json.loads(out)["hits"])) == (0, 2)
    code, out, _ = here("search", "--dataset", str(tmp_path / "odd"), *told, "--include-self")
    assert code == 0
    assert len(out.splitlines()) == 3, "a heading, one hit on one line, the times"


def test_a_file_name_that_is_no_unicode(plugged, gallery, tmp_path):
    good = paint(tmp_path / "odd", ["a.png"]) / "a.png"
    path = os.fsdecode(os.fsencode(good.parent) + b"/caf\xe9.png")
    os.rename(good, path)
    found = plugged.json(
        "search", "--dataset", str(gallery), "--encoder", "slow.test", "--query", path, "-k", "2"
    )
    assert found["query"].endswith("caf\\xe9.png")
    found = plugged.json(
        "search", "--dataset", str(tmp_path / "odd"), "--encoder", "slow.test", "--query", path
    )
    assert found["hits"] == [], "it is the only picture there, and it is the query"
    assert found["remarks"][1] == "There is no other picture. This gallery holds the query alone."


def test_an_interrupted_search_stops_with_130(plugged, gallery):
    child = plugged.start("search", *asked(gallery, "--encoder", "slow.test"), sleep=1.0)
    wait_for(lambda: plugged.encoded())
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=300)
    assert (child.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_error(plugged):
    child = plugged.start("encoders", "--json")
    child.stdout.close()
    assert child.wait(timeout=300) == 0
    assert "Traceback" not in child.stderr.read()


def test_an_error_that_nobody_expected_is_one_line(plugged, gallery):
    plugged.env["TEST_DIARY"] = str(
        gallery
    )  # the encoder can't write its diary: a fault of its own
    done = plugged.run("build", "--dataset", str(gallery), "--encoders", "slow.test")
    assert done.returncode == 1
    assert "IsADirectoryError" in done.stderr
    assert "Traceback" not in done.stderr
    plugged.env["LOOKALIKE_DEBUG"] = "1"
    assert (
        "Traceback"
        in plugged.run("build", "--dataset", str(gallery), "--encoders", "slow.test").stderr
    )


def test_an_evaluation_without_labels_leaves_the_last_report(here, told, gallery, tmp_path):
    bare = paint(tmp_path / "bare", numbered(6))
    evaluating = ("evaluate", "--encoders", "tiny.16x16", "--no-latency", "--datasets")
    told(*evaluating, str(gallery))
    before = told("report", "--name", "latest")
    code, _, err = here(*evaluating, str(bare))
    assert code == 1
    assert "without labels" in err
    assert told("report", "--name", "latest") == before
