"""Cross-domain: queries of some data sets search the gallery of another, and a table says which
class is which."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from core.cli.main import main
from core.datasets import paths
from core.errors import UserError
from core.services.embedding import embed, stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.evaluation import crossing, reports
from core.services.evaluation.evaluate import evaluate
from core.services.evaluation.leaderboard import classes_of, leaderboard
from core.services.evaluation.report_files import latex
from core.services.library import library

ENCODERS = ["hsv.12x4x4", "tiny.16x16"]
PROTOCOLS = ["cross-domain", "cross-domain-phone", "cross-domain-street"]
TINTS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 70, 220)}


def paint(folder, label: str, tint: str, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    (folder / label).mkdir(parents=True)
    for number in range(count):
        noise = rng.integers(-30, 30, (40, 40, 3))
        Image.fromarray((np.array(TINTS[tint]) + noise).clip(0, 255).astype(np.uint8)).save(
            folder / label / f"{number}.png"
        )


@pytest.fixture
def sets(tmp_path):
    """A gallery of three classes, a query set with a test split, and one without any split."""
    for seed, (label, tint) in enumerate({"cup": "red", "plant": "green", "car": "blue"}.items()):
        paint(tmp_path / "shop", label, tint, 6, seed)
    for seed, (label, tint) in enumerate(
        {"mug": "red", "beaker": "red", "taxi": "blue", "dog": "green"}.items()
    ):
        paint(tmp_path / "phone" / "train", label, tint, 4, 10 + seed)
        paint(tmp_path / "phone" / "test", label, tint, 3, 20 + seed)
    paint(
        tmp_path / "street", "fern", "blue", 5, 30
    )  # a plant in the colour of cars: every hit is wrong
    return tmp_path


@pytest.fixture
def table(sets):
    (sets / "goods.csv").write_text(
        "query_set,query_class,gallery_class\nphone,mug,cup\nphone,beaker,cup\nphone,taxi,car\nstreet,fern,plant\n"
    )
    return sets / "goods.csv"


@pytest.fixture
def joined(sets, table):
    return crossing.opened(
        [str(sets / "phone"), str(sets / "street")], str(sets / "shop"), str(table)
    )


def test_who_searches_whom(joined):
    gallery = [item for item in joined.items if item.split == "gallery"]
    queries = [item for item in joined.items if item.split in ("query phone", "query street")]
    assert {item.label for item in gallery} == {"cup", "plant", "car"}
    assert len(gallery) == 18
    assert (
        sorted(item.value("query_class") for item in queries)
        == ["beaker"] * 3 + ["fern"] * 5 + ["mug"] * 3 + ["taxi"] * 3
    )
    assert {item.id.split("/")[1] for item in queries if item.value("query_set") == "phone"} == {
        "test"
    }
    told = joined.told(joined.protocol())
    assert told["queries"] == "14: 9 of phone (split test), 5 of street"
    assert "phone: taxi → car, beaker / mug → cup; street: fern → plant" in told["joined classes"]


def test_its_locator_opens_it_again(joined):
    again = paths.open_dataset(joined.locator)
    assert (again.name, again.title, again.kind) == (joined.name, "Goods", joined.kind)
    assert again.items == joined.items
    assert again.fingerprint() == joined.fingerprint()
    assert again.read(again.items[-1]) == joined.read(joined.items[-1])
    assert joined.locator in library.added()
    row = library.dataset_row(joined.locator)
    assert (row["state"], row["pictures"], row["protocols"]) == ("ready", 32, PROTOCOLS)


def test_figures_are_those_worked_by_hand(joined):
    report = evaluate("crossed", [joined], ENCODERS, protocols=["cross-domain"], timed=False)
    for cell, means in zip(report.cells, report.means, strict=True):
        found = stored.read(joined, prepared(joined, cell.encoder).loaded())
        items = stored.item_rows(joined, found)
        vectors, right, precisions = found.vectors.astype(np.float64), {}, []
        gallery = [row for row, item in enumerate(items) if item.split == "gallery"]
        for row, item in enumerate(items):
            if item.split != "gallery":
                order = sorted(
                    gallery,
                    key=lambda g, row=row: (-np.float32(vectors[row] @ vectors[g]), items[g].id),
                )
                hits = [items[g].label == item.label for g in order]
                right.setdefault(item.label, []).append(hits[0])
                precisions.append(
                    np.mean([sum(hits[: at + 1]) / (at + 1) for at, hit in enumerate(hits) if hit])
                )
        assert means["mAP"] == pytest.approx(np.mean(precisions), abs=1e-12)
        assert means["hit@1"] == pytest.approx(
            np.mean([one for hits in right.values() for one in hits])
        )
        balanced = np.mean([np.mean(hits) for hits in right.values()])
        assert report.class_means[report.cells.index(cell)]["hit@1"] == pytest.approx(balanced)
    rows = classes_of(report, "goods", "cross-domain", "hit@1")
    hsv = {row["class"]: (row["queries"], row["means"][0]["mean"]) for row in rows}
    assert hsv == {"cup": (6, 1.0), "car": (3, 1.0), "plant": (5, 0.0)}
    assert report.class_means[0]["hit@1"] == pytest.approx(2 / 3)
    board = leaderboard(report, "goods", "cross-domain", "hit@1")
    assert board.standings[0].low < board.standings[0].mean < board.standings[0].high


def test_the_card_says_what_is_joined(joined):
    cell, phone, street = evaluate("crossed", [joined], ENCODERS[:1], timed=False).cells
    assert [one.protocol for one in (cell, phone, street)] == PROTOCOLS
    assert [len(one.queries) for one in (cell, phone, street)] == [14, 9, 5]
    assert street.card["queries"] == "5: 5 of street"
    assert street.card["joined classes"] == "street: fern → plant"
    assert street.scores["hit@1"].tolist() == [0.0] * 5
    assert cell.card["queries"].startswith("14: 9 of phone")
    assert "18 pictures of shop" in cell.card["gallery"]
    assert "fern → plant" in cell.card["joined classes"]
    assert cell.card["seen"] == "none"


def test_vectors_of_the_gallery_are_taken_and_not_made_again(joined, monkeypatch):
    build(joined.gallery, ["tiny.16x16"])
    encoder = prepared(joined, "tiny.16x16").loaded()
    assert embed.embed(joined, [encoder]) == {"tiny.16x16": 14}
    found, own = stored.read(joined, encoder), stored.read(joined.gallery, encoder)
    rows = {id: row for row, id in enumerate(found.ids)}
    for row, id in enumerate(own.ids):
        np.testing.assert_array_equal(found.vectors[rows[f"shop/{id}"]], own.vectors[row])


def test_what_is_fitted_is_fitted_on_the_gallery_alone(joined):
    evaluate("crossed", [joined], ["tiny.16x16:pca=4"], timed=False)
    ours, own = (
        prepared(joined, "tiny.16x16:pca=4").loaded(),
        prepared(joined.gallery, "tiny.16x16:pca=4").loaded(),
    )
    assert ours.fingerprint() == own.fingerprint()


def test_a_table_without_sets_and_one_for_folders_of_another_name(sets):
    (sets / "plain.csv").write_text("query_class,gallery_class\n mug , cup\nfern,plant\n")
    both = crossing.opened(
        [str(sets / "phone"), str(sets / "street")], str(sets / "shop"), str(sets / "plain.csv")
    )
    assert [dict(side.classes) for side in both.sides] == [{"mug": "cup"}, {"fern": "plant"}]
    shutil.copytree(sets / "phone", sets / "renamed")
    (sets / "other.csv").write_text(
        "query_set,query_class,gallery_class\nphone,mug,cup\nelsewhere,boat,car\n"
    )
    other = crossing.opened([str(sets / "renamed")], str(sets / "shop"), str(sets / "other.csv"))
    assert dict(other.sides[0].classes) == {"mug": "cup"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_a_table_in_another_encoding(encoding):
    told = crossing.parsed("goods", "query_class;gallery_class\nBücher;café\n".encode(encoding))
    assert [(row.query_class, row.gallery_class) for row in told.rows] == [("Bücher", "café")]


def test_without_a_table_classes_of_the_same_name_are_joined(sets):
    paint(sets / "yard", "car", "blue", 4, 50)
    paint(sets / "yard", "boat", "blue", 4, 51)
    made = crossing.opened([str(sets / "yard")], str(sets / "shop"), "")
    assert dict(made.sides[0].classes) == {"car": "car"}


def test_the_table_that_comes_with_the_code_fits_the_catalogue():
    told = crossing.table("photo-to-catalogue")
    assert told.gallery == "catalogue"
    assert {row.gallery_class for row in told.rows} <= {
        item.category for item in library.open_dataset("catalogue").items
    }
    assert {row.query_class for row in told.rows if row.query_set == "clothing"} == {"shoes"}
    assert len([row for row in told.rows if row.query_set == "tiny_imagenet"]) == 13


BAD = {
    "query_class,gallery_class\nmugg,cup": r"phone has no class 'mugg'\. It has: mug\b",
    "query_class,gallery_class\nmug,cups": r"shop has no class 'cups'\. It has: cup\b",
    "query_set,query_class,gallery_class\nphone,fern,plant": r"phone has no class 'fern'",
    "query_class,gallery_class\n": r"has no rows",
    "query_class,gallery_class\nmug,": r"lacks a class",
    "query_class,gallery_class\nmug,cup\nmug,car": r"leads 'mug' to 'cup' and to 'car'",
    "from,to\nmug,cup": r"no column query_class and no column gallery_class; its columns: from, to",
    "query_set,query_class,gallery_class\nelsewhere,boat,car": (
        r"joins no class of phone to one of shop"
    ),
    "query_class,gallery_class\nmug,cup, large\n": r"line 2: there are more cells than columns",
    'query_class,gallery_class\nmug,"cup\nfern,plant\n': (
        r"line 2: a quote is opened and never closed"
    ),
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_table_is_a_sentence(sets, text):
    (sets / "bad.csv").write_text(text)
    with pytest.raises(UserError, match=BAD[text]):
        crossing.opened([str(sets / "phone")], str(sets / "shop"), str(sets / "bad.csv"))
    assert library.added() == []


def test_what_can_not_be_crossed_is_a_sentence(sets, table, joined):
    phone, shop = str(sets / "phone"), str(sets / "shop")
    with pytest.raises(UserError, match="shop is on both sides"):
        crossing.opened([shop], shop, "")
    (sets / "mug.csv").write_text("query_set,query_class,gallery_class\nphone,mug,cup\n")
    shutil.copytree(sets / "shop", sets / "copy")
    with pytest.raises(UserError, match="copy is on both sides"):
        crossing.opened([str(sets / "copy")], shop, "")
    with pytest.raises(UserError, match="No data set of queries"):
        crossing.opened([], shop, str(table))
    with pytest.raises(UserError, match="names no gallery"):
        crossing.opened([phone], "", str(table))
    with pytest.raises(UserError, match=r"says nothing of street"):
        crossing.opened([phone, str(sets / "street")], shop, str(sets / "mug.csv"))
    with pytest.raises(UserError, match=r"no join 'nope'.*photo-to-catalogue"):
        crossing.opened([phone], shop, "nope")
    with pytest.raises(UserError, match="cross-domain itself"):
        crossing.opened([joined.locator], shop, "")
    shutil.rmtree(sets / "phone" / "test" / "taxi")
    (sets / "taxi.csv").write_text("query_class,gallery_class\ntaxi,car\n")
    with pytest.raises(UserError, match="No picture of phone is a query of a joined class"):
        crossing.opened([phone], shop, str(sets / "taxi.csv"))


def test_a_definition_whose_parts_are_gone_says_so(joined, sets):
    shutil.rmtree(sets / "street")
    with pytest.raises(UserError, match=r"nothing at .*street"):
        paths.open_dataset(joined.locator)
    broken = sets / "odd.join.json"
    broken.write_text("{}")
    with pytest.raises(UserError, match="describes no cross-domain set"):
        library.open_dataset(str(broken))


def test_command_line(sets, table, capsys):
    asked = [
        "evaluate",
        "--queries",
        f"{sets / 'phone'},{sets / 'street'}",
        "--gallery",
        str(sets / "shop"),
        "--join",
        str(table),
        "--encoders",
        ",".join(ENCODERS),
        "--no-latency",
    ]
    assert main([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    board = said["leaderboards"][0]
    assert [one["protocol"] for one in said["leaderboards"]] == PROTOCOLS
    assert (board["dataset"], board["protocol"], board["metric"], board["queries"]) == (
        "goods",
        "cross-domain",
        "hit@1",
        14,
    )
    assert {one["class"]: one["queries"] for one in board["classes"]} == {
        "cup": 6,
        "car": 3,
        "plant": 5,
    }
    assert [one["seen"] for one in board["seen"]] == ["none", "none"]
    assert said["rows"][0]["precision@10"] > 0
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "goods / cross-domain" in told
    assert "beaker / mug → cup" in told
    plant = next(line.split() for line in told.splitlines() if line.startswith("plant"))
    assert plant[:3] == ["plant", "5", "0.0000"]
    assert main(["report", "--name", "latest", "--csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {row["seen"] for row in rows} == {"none"}
    assert r"\dagger" not in latex(
        reports.Report.load(reports.find("latest")), "goods", "cross-domain"
    )
    assert main(["evaluate", "--encoders", "tiny.16x16"]) == 1
    assert "--queries" in capsys.readouterr().err


def test_classes_are_joined_whatever_unicode_form_their_names_have(tmp_path):
    paint(tmp_path / "shop", "cafe\u0301", "red", 2, 0)
    paint(tmp_path / "shop", "tea", "blue", 2, 1)
    paint(tmp_path / "phone", "thé", "blue", 2, 2)
    paint(tmp_path / "phone", "ro\u0302ti", "red", 2, 3)
    (tmp_path / "j.csv").write_text(
        "query_class,gallery_class\nthe\u0301,tea\nrôti,café\n", "utf-8"
    )
    made = crossing.opened(
        [str(tmp_path / "phone")], str(tmp_path / "shop"), str(tmp_path / "j.csv")
    )
    asked = [item for item in made.items if item.split != "gallery"]
    assert {item.label for item in asked} == {"café", "tea"}
    assert len(asked) == 4
    assert all(made.read(item) for item in made.items)
