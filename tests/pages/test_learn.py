"""The Learn page without a browser: cards, links, and every lesson with its prediction."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.services.teaching import contests
from pages.parts import url_state
from pages.parts.learn import lesson
from tests.pages.reading import component, html, notes, param

NAMES = lesson.names()


def test_the_page_opens_with_a_card_for_each_lesson(open_page):
    app = open_page("learn")
    data = component(app, "learn_cards")
    shown = [one for group in data["groups"] for one in group["lessons"]]
    assert [one["name"] for one in shown] == NAMES
    assert [one["number"] for one in shown] == list(range(1, len(NAMES) + 1))
    assert not data["compact"]


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_opens_by_its_link_and_answers_a_prediction(open_page, name):
    app = open_page("learn", lesson=name)
    assert not app.exception
    assert notes(app) == ""
    one = lesson.get(name)
    assert one.title in html(app)
    assert component(app, "learn_cards")["here"] == name
    quiz = component(app, "learn_quiz")
    assert len(quiz["questions"]) == 3
    assert "{" not in str(quiz["questions"]).replace("{'", "")
    app.button(key=f"learn_choose_{name}_0").click().run()
    assert not app.exception
    assert "You chose" in notes(app)
    outcome = component(app, "learn_tally")["outcome"]
    assert outcome["right"] == ("Correct." in notes(app))
    app.button(key=f"learn_next_{name}").click().run()
    assert component(app, "learn_tally")["outcome"] is None
    assert not app.exception


def test_what_is_revealed_is_what_the_system_finds(open_page):
    app = open_page("learn", lesson="cosine")
    app.button(key="learn_choose_cosine_nobody").click().run()
    predict = lesson.get("cosine").predict
    contenders = [contests.Contender.parse(text) for text in predict.contenders]
    from core.services.library import library

    found = library.open_dataset("catalogue")
    query = contests.rounds(found, contenders, predict.measure, predict.k)[0]
    for result in contests.play(found, contenders, predict.measure, query, predict.k):
        assert result.said in html(app)


def test_a_link_restores_what_was_set(open_page):
    app = open_page("learn", lesson="hashing", hash="minhash", bits="128")
    assert app.segmented_control(key="keep_learn_hashing_hash").value == "minhash"
    assert app.select_slider(key="keep_learn_hashing_bits").value == 128
    assert (param(app, "lesson"), param(app, "bits")) == ("hashing", "128")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("cosine", {"unit": "1", "at_query": "-0.5_0.25", "at_c": "0.1_1"}),
        ("certainty", {"draws": "3"}),
        ("convolution", {"channel": "29", "round": "2"}),
        ("metrics", {"list": "0123456798"}),
    ],
)
def test_a_link_says_what_has_no_control_of_its_own(open_page, name, given):
    app = open_page("learn", lesson=name, **given)
    assert notes(app) == ""
    assert {key: param(app, key) for key in given} == given
    app.run()
    assert {key: param(app, key) for key in given} == given


def test_a_linked_list_lies_as_it_was_put_and_begins_anew_with_another_query(open_page):
    app = open_page("learn", lesson="metrics")
    own = [one["id"] for one in component(app, "learn_ranking")["items"]]
    app = open_page("learn", lesson="metrics", list="1023456789")
    put = [one["id"] for one in component(app, "learn_ranking")["items"]]
    assert put == [own[1], own[0], *own[2:]]
    app.selectbox(key="keep_learn_metrics_encoder").set_value("hog.8x8").run()
    assert "list" not in app.query_params
    app.button(key="learn_order_best").click().run()
    right = [one["right"] for one in component(app, "learn_ranking")["items"]]
    assert right == sorted(right, reverse=True)


def test_the_next_prediction_stands_in_the_link_and_what_was_chosen_does_not(
    open_page, monkeypatch
):
    app = open_page("learn", lesson="cosine")
    app.button(key="learn_choose_cosine_nobody").click().run()
    assert set(app.query_params) == {"lesson"}
    app.button(key="learn_next_cosine").click().run()
    assert param(app, "round") == "2"
    del app.query_params["round"]
    monkeypatch.setattr(url_state, "_went_back", lambda: True)
    app.run()
    assert component(app, "learn_tally")["outcome"] is None
    assert "round" not in app.query_params


def test_a_second_link_in_one_session_sets_every_control(open_page):
    app = open_page("learn", lesson="metrics", encoder="hog.8x8")
    box = app.selectbox(key="keep_learn_metrics_encoder")
    assert box.value == "hog.8x8"
    app.selectbox(key="keep_learn_metrics_encoder").set_value("sift.vlad32").run()
    assert param(app, "encoder") == "sift.vlad32"
    app.query_params["encoder"] = "vgg.lookalike"
    app.run()
    assert app.selectbox(key="keep_learn_metrics_encoder").value == "vgg.lookalike"
    del app.query_params["encoder"]
    app.run()
    assert app.selectbox(key="keep_learn_metrics_encoder").value == "resnet.lookalike"


def test_a_forged_link_shows_defaults_and_says_so(open_page):
    app = open_page("learn", lesson="hashing", hash="magic", bits="7e9", rows="-3")
    assert not app.exception
    assert notes(app).count("which is not possible here") == 3
    assert app.segmented_control(key="keep_learn_hashing_hash").value == "lsh"
    assert "bits" not in app.query_params
    app = open_page("learn", lesson="cosine", at_query="9_9", at_a="nan_0", round="0")
    assert notes(app).count("which is not possible here") == 3


def test_a_lesson_that_is_not_there_leads_to_the_cards(open_page):
    app = open_page("learn", lesson="alchemy")
    assert "There is no lesson &#x27;alchemy&#x27;" in notes(app)
    assert not component(app, "learn_cards")["compact"]


def test_next_and_previous_lead_through_all_lessons(open_page):
    app = open_page("learn", lesson=NAMES[0])
    app.button(key="learn_following").click().run()
    assert param(app, "lesson") == NAMES[1]
    app.button(key="learn_previous").click().run()
    assert param(app, "lesson") == NAMES[0]
    app.button(key="learn_all").click().run()
    assert not component(app, "learn_cards")["compact"]


def test_a_part_that_fails_says_so_and_the_others_stand(open_page, monkeypatch):
    def refuse(*_: object):
        raise UserError("The embeddings are away.", fix="Build them.")

    monkeypatch.setattr(contests, "rounds", refuse)
    app = open_page("learn", lesson="metrics")
    assert not app.exception
    assert "The embeddings are away." in notes(app)
    assert len(component(app, "learn_quiz")["questions"]) == 3


def test_lessons_that_can_not_be_read_are_named(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text('title = "No more"\n')
    with pytest.raises(UserError, match=r"broken\.toml can't be read"):
        lesson.read(path)
