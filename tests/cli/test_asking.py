"""Several pictures, words, a threshold and the least similar, as a person types them."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from tests import captions
from tests.hub import serving

HSV = ("--encoder", "hsv.12x4x4")
COLOURS = {"blue": (20, 40, 230), "green": (20, 220, 40), "red": (230, 30, 20)}


@pytest.fixture
def home(tmp_path):
    """Four pictures of each of three colours, and one of two colours beside them."""
    for colour, paint in COLOURS.items():
        for number in range(4):
            image = Image.new("RGB", (32, 32), paint)
            image.paste((120 + 20 * number, 120, 120), (0, 0, 32, 4 + number))
            (tmp_path / "gallery" / colour).mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / "gallery" / colour / f"{number}.png")
    both = Image.new("RGB", (32, 32), COLOURS["red"])
    both.paste(COLOURS["blue"], (0, 0, 16, 32))
    both.save(tmp_path / "both.png")
    return tmp_path


@pytest.fixture
def run(here, home):
    def ask(*words: str, command: str = "search", encoder=HSV):
        told = (command, "--dataset", str(home / "gallery"), *encoder, *words, "--json")
        code, out, err = here(*told)
        assert code == 0, err
        return json.loads(out)

    return ask


def labels(found: dict) -> list[str]:
    return [hit["label"] for hit in found["hits"]]


def test_plus_and_minus_and_what_was_asked(run, home):
    both = str(home / "both.png")
    assert set(labels(run("--query", both, "-k", "8"))) == {"blue", "red"}
    found = run("--query", both, "--plus", "id:red/0.png", "--minus", "id:blue/0.png", "-k", "3")
    assert labels(found) == ["red"] * 3
    assert found["asked"] == {
        "plus": ["id:red/0.png"],
        "minus": ["id:blue/0.png"],
        "text": None,
        "threshold": None,
        "least": False,
        "weights": {"query": 1.0, "plus": 0.75, "minus": 0.25, "text": 1.0},
    }
    assert found["remarks"][0] == "Left out: red/0.png, blue/0.png, asked with."


def test_pictures_need_no_query_and_may_be_several(run):
    found = run("--plus", "id:green/0.png", "--plus", "id:green/1.png", "-k", "2")
    assert (found["query"], labels(found)) == (None, ["green", "green"])
    assert "asked" not in run("--query", "id:green/0.png")


def test_weights_are_set_by_name(run, home):
    words = ("--query", "id:green/0.png", "--plus", "id:red/0.png", "-k", "3")
    assert labels(run(*words)) == ["green"] * 3
    found = run(*words, "--weights", "query=0.1,plus=2")
    assert labels(found) == ["red"] * 3
    assert found["asked"]["weights"]["minus"] == 0.25


def test_a_threshold_takes_every_hit_that_reaches_it(run):
    everything = run("--query", "id:red/0.png", "-k", "11")
    border = everything["hits"][2]["score"]
    found = run("--query", "id:red/0.png", "--threshold", str(border - 1e-6))
    assert found["hits"] == everything["hits"][:3]
    assert found["asked"]["threshold"] == border - 1e-6
    assert len(run("--query", "id:red/0.png", "--threshold", "-1")["hits"]) == 11, "not ten"
    assert len(run("--query", "id:red/0.png", "--threshold", "-1", "-k", "2")["hits"]) == 2


def test_the_least_similar(run):
    found = run("--query", "id:red/0.png", "--least", "-k", "8")
    assert "red" not in labels(found)
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores)


def test_compare_asks_with_all_of_it(run):
    words = ("--plus", "id:red/0.png", "--minus", "id:blue/1.png", "-k", "2", "--least")
    found = run(*words, command="compare", encoder=("--encoders", "hsv.12x4x4,tiny.16x16"))
    assert found["asked"]["least"] is True
    assert [labels(one) for one in found["answers"]] == [["blue", "blue"]] * 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 1, "There is no query. Give --query FILE"),
        (("--text", ""), 1, "The text is empty"),
        (("--text", "a" * 10_000), 1, "10,000 characters"),
        (("--text", "a red mug"), 1, "reads no text"),
        (("--plus", "id:red/0.png", "--minus", "id:red/0.png", "--weights", "plus=1,minus=1"), 1,
         "weights sum to zero"),
        (("--query", "id:red/0.png", "--weights", "plus"), 2, "is no weight"),
        (("--query", "id:red/0.png", "--weights", "words=1"), 2, "query, plus, minus, text"),
        (("--query", "id:red/0.png", "--weights", "plus=-1"), 2, "from 0 to 100"),
        (("--query", "id:red/0.png", "--threshold", "nan"), 1, "It is a number"),
        (("--query", "id:red/0.png", "--threshold", "high"), 2, "invalid float"),
        (("--minus", "id:red/9.png"), 1, "Did you mean"),
        (("--plus", "nowhere.png"), 1, "can't be read"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_said_in_a_sentence(here, home, words, code, says):
    told = ("search", "--dataset", str(home / "gallery"), *HSV, *words)
    assert here(*told)[0] == code
    said = here(*told)[2]
    assert says in " ".join(said.split())
    assert "Traceback" not in said


@pytest.fixture
def published(artifacts, monkeypatch):
    """A hub with a small model that was trained with captions."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        captions.put_pictures(hub)
        captions.put_text(hub, f"timm/{captions.NAME}", 512)
        yield hub


def test_words_fetch_their_text_tower_and_mix_with_pictures(run, here, published):
    encoder = ("--encoder", captions.NAME)
    found = run("--text", "a red mug", "-k", "12", encoder=encoder)
    assert (found["query"], found["asked"]["text"], len(found["hits"])) == (None, "a red mug", 12)
    assert (found["usual"], found["left_out"]) == (None, None)
    assert run("--text", "a red mug", "-k", "12", encoder=encoder)["hits"] == found["hits"]
    other = run("--text", "blue cat", "-k", "12", encoder=encoder)
    assert [hit["score"] for hit in other["hits"]] != [hit["score"] for hit in found["hits"]]
    words = ("--query", "id:red/0.png", "--text", "a red mug", "--weights", "text=0.001")
    mixed = run(*words, "-k", "3", encoder=encoder)
    picture = run("--query", "id:red/0.png", "-k", "3", encoder=encoder)
    assert [hit["id"] for hit in mixed["hits"]] == [hit["id"] for hit in picture["hits"]]


def test_a_text_tower_is_fetched_beforehand(here, published):
    code, out, err = here("download", "--text", captions.NAME)
    assert (code, out) == (0, f"{captions.NAME}: ready\n"), err
    row = json.loads(here("encoders", "--name", captions.NAME, "--json")[1])[0]
    assert (row["text"]["languages"], row["text"]["state"]) == ("English", "ready")
    assert row["state"] == "download"
    code, _, err = here("download", "--text", "hog.8x8")
    assert code == 1
    assert "reads no text" in err
