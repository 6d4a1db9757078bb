"""Reports that travel: one HTML file, with every figure in it and nothing asked of a network."""

from __future__ import annotations

import html
import re

import pytest

from core.errors import UserError
from core.services.embedding.build import build
from core.services.evaluation import reports
from core.services.evaluation.leaderboard import boards, leaderboard
from core.services.library.library import open_dataset
from core.services.search.compare import compare
from core.services.search.request import Query, SearchRequest
from core.services.search.together import together
from core.services.sharing.comparison import comparison_page
from core.services.sharing.standings import leaderboard_page
from core.services.sharing.training import effect_page
from core.services.training import effect
from core.services.training.effect import Effect, RankChange
from core.training.runs import Run

NAMES = ("hsv.12x4x4", "tiny.16x16")
OUTSIDE = re.compile(r"""(?:src|href|action|data|url)\s*[=(]\s*["']?(?!data:)(?:https?:)?//""")


@pytest.fixture
def dataset(pictures):
    found = open_dataset(str(pictures))
    build(found, NAMES)
    return found


def answered(dataset, query, k=4):
    return compare(SearchRequest(query, "", k=k).each(NAMES), dataset).answers


def test_a_comparison_holds_every_hit_with_its_picture_and_score(dataset):
    query = Query(item_id=dataset.items[0].id)
    answers = answered(dataset, query)
    page = comparison_page(dataset, query, answers)
    shown = re.findall(
        r'<li class="hit [^"]*" data-id="([^"]*)".*?<b>(\d+)</b> ([\d.-]+)<', page, re.DOTALL
    )
    assert [(html.unescape(id), int(rank), score) for id, rank, score in shown] == [
        (hit.id, hit.rank, f"{hit.score:.3f}") for answer in answers for hit in answer.hits
    ]
    assert page.count("data:image/webp;base64,") == 1 + sum(len(one.hits) for one in answers)
    assert dataset.fingerprint() in page
    assert not OUTSIDE.search(page)
    assert "default-src 'none'" in page


def test_an_uploaded_part_of_a_picture_is_drawn_with_its_frame(dataset):
    query = Query(data=dataset.read(dataset.items[1]), name="<b>mine</b>", box=(0.1, 0.2, 0.6, 0.9))
    page = comparison_page(dataset, query, answered(dataset, query))
    assert "left:10.00%;top:20.00%;width:50.00%;height:70.00%" in page
    assert "0.1,0.2,0.6,0.9" in page
    assert "<b>mine</b>" not in page
    assert "&lt;b&gt;mine&lt;/b&gt;" in page


def test_all_encoders_together_have_a_column_and_no_part_in_the_agreement(dataset):
    query = Query(item_id=dataset.items[0].id)
    answers = answered(dataset, query)
    joined = together(answers, "rrf", (2, 1), 4)
    alone, page = (comparison_page(dataset, query, each) for each in (answers, [*answers, joined]))
    assert page.count('<div class="column">') == len(NAMES) + 1
    assert "Together: Reciprocal rank fusion" in page
    assert "rrf(0.667*hsv.12x4x4+0.333*tiny.16x16)" in page
    last = page.split('<div class="column">')[-1]
    assert re.findall('data-id="([^"]*)"', last) == [html.escape(hit.id) for hit in joined.hits]
    for part in ("<h2>Agreement</h2>", "How it was made"):
        assert part in page
    tables = [one.split("<h2>Agreement</h2>")[1].split("</section>")[0] for one in (alone, page)]
    assert tables[0] == tables[1]
    lettered = [re.findall('class="letter">(.*?)<', one) for one in (alone, page)]
    assert set(lettered[0]) == set(lettered[1])


def test_a_comparison_of_nothing_is_refused(dataset):
    with pytest.raises(UserError, match="no answer"):
        comparison_page(dataset, Query(item_id=dataset.items[0].id), [])


def test_a_leaderboard_holds_every_mean_and_interval():
    report = reports.Report.load(reports.find("leaderboard"))
    page = leaderboard_page(report)
    for dataset, protocol in boards(report):
        for one in leaderboard(report, dataset, protocol, "mAP").standings:
            assert f"<td class=figure>{one.mean:.3f}</td>" in page
            assert f"{one.low:.3f} – {one.high:.3f}" in page
    assert page.count("<table>") == len(boards(report))
    assert not OUTSIDE.search(page)


def test_a_board_that_is_not_there_is_said():
    report = reports.Report.load(reports.find("leaderboard"))
    with pytest.raises(UserError, match="has nothing on moon / class"):
        leaderboard_page(report, board=("moon", "class"))


def test_an_effect_holds_figures_and_changed_lists(dataset, tmp_path, monkeypatch):
    first, second = (item.id for item in dataset.items[:2])
    change = RankChange(first, 0.25, 0.75, ((second, False),), ((first, True), (second, False)))
    one = Effect(
        dataset.name, "class", 9, 0.4, 0.6, 0.1, 0.3, (change,), (), 5, 1, dataset.locator,
        encoders=NAMES,
    )  # fmt: skip
    monkeypatch.setattr(Run, "folder", tmp_path)
    effect.keep("one", [one])
    page = effect_page("one")
    assert "mAP 0.400 before, 0.600 after: +0.200" in page
    assert page.count("AP 0.250") == page.count("AP 0.750") == 1
    assert page.count('<li class="hit same"') == 1
    assert not OUTSIDE.search(page)


def test_an_effect_that_was_not_measured_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "folder", tmp_path)
    with pytest.raises(UserError, match="not been measured"):
        effect_page("two")
