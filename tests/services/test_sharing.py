"""Reports that travel: one HTML file, with every figure in it and nothing asked of a network."""

from __future__ import annotations

import html
import re

import pytest

from core.errors import UserError
from core.services.arena import ballots, drawing
from core.services.embedding.build import build
from core.services.evaluation import reports
from core.services.evaluation.leaderboard import boards, cells_of, leaderboard
from core.services.library.library import open_dataset
from core.services.search.compare import compare
from core.services.search.request import Query, SearchRequest
from core.services.search.together import together
from core.services.sharing import drawn
from core.services.sharing.comparison import comparison_page
from core.services.sharing.scenes import talk_page
from core.services.sharing.standings import leaderboard_page
from core.services.sharing.talks import Scene, Talk
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


def scene(page: str, title: str = "A view", notes: str = "", **params: str) -> Scene:
    return Scene(title, page, params, notes)


def stages(page: str) -> list[str]:
    """What each scene draws."""
    return re.findall(r"<div class='stage'>(.*?)</article>", page, re.DOTALL)


def test_a_talk_shows_each_view_with_its_pictures_or_figures():
    asked = {"encoders": ",".join(NAMES), "k": "3", "query": "item:mug-16-0"}
    asked |= {"together": "rrf", "rerank": f"{NAMES[0]}~geometric"}
    talk = Talk(
        (
            scene("Compare", "<b>One</b>", "Ask first.\n<i>Then</i> show.", **asked),
            scene("Metrics"),
            scene("Metrics", view="Curves"),
            scene("Map", encoders="hog.8x8", map="umap", colour="category"),
            scene("Learn", lesson="cosine"),
        )
    )
    page = talk_page(talk)
    compared, board, curves, shown, lesson = stages(page)
    assert compared.count("data:image/webp;base64,") == 1 + 3 * 3
    assert "Together:" in compared
    found = leaderboard(reports.Report.load(reports.find("leaderboard")), "catalogue", "instance")
    assert all(f"{one.mean:.3f}" in board for one in found.standings)
    cells = cells_of(reports.Report.load(reports.find("leaderboard")), "catalogue", "instance")
    assert curves.count("<svg") == 2
    assert curves.count('fill="none" stroke=') == 2 * len(cells)
    drawn = re.findall(r"M\d+ \d+h0", shown)
    assert 2600 < len(drawn) <= 2720
    assert lesson.count("data:image/webp;base64,") > 5
    assert "&lt;b&gt;One&lt;/b&gt;" in page
    assert "<b>One</b>" not in page
    assert '<aside class="notes" hidden' in page
    assert "&lt;i&gt;Then&lt;/i&gt; show." in page
    assert not OUTSIDE.search(page)


def test_the_first_page_and_the_library_become_scenes():
    home, listed = stages(talk_page(Talk((scene("Home"), scene("Library")))))
    assert home.count('class="column"') == 3
    assert home.count('<li class="hit') == 15
    found = open_dataset("catalogue")
    assert f"<td class=figure>{len(found.items):,}</td>" in listed


def test_a_room_of_voters_becomes_a_scene(dataset):
    rounds = drawing.drawn(dataset, NAMES, 2)
    room, _ = ballots.open_room("class", dataset.locator, NAMES, rounds, drawing.K)
    assert "Nobody has voted" in stages(talk_page(Talk((scene("Arena", room=room.code),))))[0]
    ballots.show(room.code, 1)
    for voter in ("ann", "ben", "cem"):
        ballots.vote(room.code, 1, voter, "left")
    (shown,) = stages(talk_page(Talk((scene("Arena", room=room.code),))))
    assert "3 votes by 3 people on 1 rounds" in shown
    assert shown.count("<tr>") == 1 + len(NAMES)


def test_what_can_not_be_drawn_says_why_and_the_rest_stands():
    scenes = (
        scene("Compare", dataset="gone~1~2"),
        scene("Map", encoders="hog.8x8", map="tsne", perplexity="7"),
        scene("Train"),
        scene("Compare", encoders="tiny.16x16", k="many"),
        scene("Nowhere"),
        scene("Metrics", dataset="moon"),
        scene("Learn", lesson="../secrets"),
    )
    said = stages(talk_page(Talk(scenes)))
    words = (
        "not in this library",
        "not made yet",
        "what a run changed",
        "no number",
        "no page",
        "has nothing on",
        "no lesson",
    )
    assert all(word in one for word, one in zip(words, said, strict=True))
    with pytest.raises(UserError, match="no scene"):
        talk_page(Talk())


def test_names_of_marks_that_crowd_meet_neither_one_another_nor_the_frame():
    crowd = [(60 + 9 * n, 295 - 3 * n, f"An encoder number {n}") for n in range(6)]
    crowd.append((880, 12, "At the right edge"))
    frame = (54, 4, 896, 300)
    boxes = [
        drawn._box(place, name)
        for place, (_, _, name) in zip(drawn.beside(crowd, frame), crowd, strict=True)
    ]
    assert all(frame[0] <= box[0] and box[2] <= frame[2] for box in boxes)
    assert all(frame[1] <= box[1] and box[3] <= frame[3] for box in boxes)
    marked = [(x - 6, y - 6, x + 6, y + 6) for x, y, _ in crowd]
    met = [drawn._meet(one, other) for one in boxes for other in marked]
    met += [drawn._meet(one, other) for n, one in enumerate(boxes) for other in boxes[:n]]
    assert not any(met)
