"""Re-ranking and fusion as a person types them, and as JSON."""

from __future__ import annotations

import json

import pytest

from core.cli import main
from tests.plugged import numbered, paint

PAIR = "tiny.16x16,hsv.12x4x4"


@pytest.fixture
def run(capsys):
    """Exit code, and what stood on standard output and on standard error."""

    def typed(*arguments: str) -> tuple[int, str, str]:
        code = main.main(list(arguments))
        told = capsys.readouterr()
        return code, told.out, told.err

    return typed


@pytest.fixture
def asked(tmp_path):
    gallery = paint(tmp_path / "set", [f"{c}/{n}" for c in ("cold", "warm") for n in numbered(6)])
    return "--dataset", str(gallery), "--query", str(gallery / "cold" / "00002.png"), "-k", "4"


def test_a_search_with_a_reranker_names_it_and_its_time(run, asked):
    arguments = ("search", *asked, "--encoder", "tiny.16x16", "--rerank", "k-reciprocal")
    code, out, _ = run(*arguments, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["reranker"] == "k-reciprocal"
    assert told["score"] == "k-reciprocal similarity"
    assert "rerank" in told["timing_ms"]
    assert sorted({type(hit["before"]) for hit in told["hits"]}, key=str) == [int]
    code, out, _ = run(*arguments)
    assert "before" in out
    assert "rerank" in out
    assert "Scores: k-reciprocal similarity." in out


def test_compare_joins_encoders(run, asked):
    code, out, _ = run(
        "compare",
        *asked,
        "--encoders",
        PAIR,
        "--fuse",
        "combsum",
        "--fuse-weights",
        "1,3",
        "--json",
    )
    told = json.loads(out)
    assert code == 0
    assert told["together"]["encoder"] == "combsum(0.25*tiny.16x16+0.75*hsv.12x4x4)"
    assert len(told["together"]["hits"]) == 4
    assert len(told["answers"]) == 2


def test_evaluate_tells_what_each_is_worth(run, asked):
    code, out, _ = run(
        "evaluate",
        *("--datasets", asked[1], "--encoders", PAIR, "--no-latency", "--json"),
        *("--rerank", "alpha-qe,diffusion", "--fuse", "rrf", "--fuse-weights", "learned"),
    )
    gains = json.loads(out)["gains"]
    assert code == 0
    assert [row["way"] for row in gains] == ["alpha-qe", "diffusion"] * 2 + ["rrf-learned"]
    assert all(row["verdict"] in ("better", "worse", "no difference") for row in gains)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--rerank", "best"), "no re-ranker named 'best'"),
        (("--fuse", "borda"), "no fusion 'borda'"),
        (("--fuse", "rrf", "--fuse-weights", "0,0"), "sum to zero"),
        (("--fuse", "rrf", "--fuse-weights", "learned"), "can't teach"),
        (("--fuse", "rrf", "--fuse-weights", "1"), "One weight for each"),
    ],
)
def test_what_can_not_be_is_one_sentence(run, asked, more, said):
    code, out, err = run("compare", *asked, "--encoders", PAIR, *more)
    assert code != 0
    assert out == ""
    assert said in err
    assert "Traceback" not in err
