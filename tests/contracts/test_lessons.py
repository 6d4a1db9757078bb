"""What holds for every lesson, by its name: its words, its sums, its prediction, its size."""

from __future__ import annotations

import ast
import math
import operator
import re
from urllib.parse import parse_qsl

import pytest

from core.services.library import library
from core.services.maps import maps
from core.services.specs import index_spec
from core.services.teaching import contests
from core.services.teaching.contests import Contender
from pages.parts.learn import lesson
from pages.parts.learn.lesson import FIELD, FOLDER, QUESTIONS, Lesson, filled
from pages.parts.shell import MENU

NAMES = lesson.names()
LONGEST_PURPOSE, LARGEST_FILE = 150, 170
NUMBER = re.compile(r"(?<![\w.@])(\d+\.\d+|\d+(?:\.\d+)? ?%)(?![\w.]*\d)")
SUMS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
FUNCTIONS = {name: getattr(math, name) for name in ("sqrt", "log2", "cos", "acos", "radians")}


@pytest.fixture(params=NAMES)
def one(request) -> Lesson:
    return lesson.get(request.param)


def worked(sum_: str) -> tuple[float, float, set[float]]:
    """``0.8 ** 4 = 0.41`` -> what it gives, what it is said to give, and the numbers in it."""
    left, _, right = sum_.rpartition("=")
    tree = ast.parse(left.strip(), mode="eval")
    used = {float(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return _value(tree.body), float(right), used


def _value(node: ast.AST) -> float:
    if isinstance(node, ast.Constant):
        return float(node.value)
    if isinstance(node, ast.BinOp):
        return SUMS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](*map(_value, node.args))
    assert isinstance(node, ast.UnaryOp)
    assert isinstance(node.op, ast.USub)
    return -_value(node.operand)


def test_there_are_lessons_of_every_kind():
    assert {one.group for one in lesson.lessons()} == set(lesson.GROUPS)
    assert len({(one.group, one.order) for one in lesson.lessons()}) == len(NAMES)
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == set(NAMES)


def test_a_lesson_says_what_it_is_for_in_a_sentence(one: Lesson):
    assert len(one.purpose) <= LONGEST_PURPOSE
    assert one.purpose.endswith(".")
    assert ". " not in one.purpose
    assert one.try_this
    assert len(one.notes) >= 3


def test_its_live_part_is_one_small_file(one: Lesson):
    path = FOLDER / f"{one.name}.py"
    assert callable(lesson.module(one.name).live)
    assert len(path.read_text().splitlines()) <= LARGEST_FILE


def test_it_asks_three_questions_and_explains_the_answers(one: Lesson):
    assert len(one.questions) == QUESTIONS
    for question in one.questions:
        assert len(question.options) == len(set(question.options)) >= 3
        assert question.right in range(len(question.options))
        assert len(question.why) > 60
    assert len({question.right for question in one.questions}) > 1, "the right one is always there"


def test_it_stands_in_the_field(one: Lesson):
    assert one.field.terms
    assert one.field.formula
    assert one.field.sources
    assert all(re.search(r"\b(19|20)\d\d\b|chapter", source) for source in one.field.sources)
    menu = {name for name, _, _ in MENU}
    for page, query, what in one.field.pages:
        assert page in menu
        assert len(parse_qsl(query, strict_parsing=bool(query))) == len(query.split("&")) * bool(
            query
        )
        assert what


def test_its_sums_come_out(one: Lesson):
    for sum_ in one.worked:
        gives, said, _ = worked(sum_)
        assert gives == pytest.approx(said, abs=1e-6), sum_


def test_no_number_stands_in_its_words_that_is_neither_asked_nor_worked_out(one: Lesson):
    """A measured number is a ``{name}`` that the system fills in; any other follows from a sum."""
    sums = [worked(sum_) for sum_ in one.worked]
    known = {value for gives, _, used in sums for value in (abs(gives), *used)}
    wrong = {option for q in one.questions for option in q.options if option != q.options[q.right]}
    for text in set(one.words()) - wrong:
        for number in NUMBER.findall(text):
            share = number.endswith("%")
            digits = number.rstrip(" %").partition(".")[2]
            value = float(number.rstrip(" %")) / (100 if share else 1)
            places = len(digits) + 2 * share
            assert any(round(one_, places) == pytest.approx(value) for one_ in known), (
                f"{number} in: {text}"
            )


def test_the_system_fills_in_what_it_leaves_open(one: Lesson):
    names = {name for text in one.words() for name in FIELD.findall(text)} - {"sample"}
    facts = one.facts()
    assert names == set(facts), "every fact is used, and none is missing"
    for text in one.words():
        assert "{" not in filled(text, {**facts, "sample": "1"})


def test_its_prediction_can_be_played_offline(one: Lesson):
    predict = one.predict
    assert predict.measure in contests.MEASURES
    assert len(set(predict.contenders)) == len(predict.contenders) >= 2
    assert not predict.names or len(predict.names) == len(predict.contenders)
    offline = {
        row["name"] for row in library.encoder_rows() if row["tier"] in ("bundled", "packaged")
    }
    projections = {row["name"] for row in maps.projection_rows()}
    for text in predict.contenders:
        contender = Contender.parse(text)
        assert contender.encoder in offline
        assert contender.text == text
        if contender.by and contender.by not in projections:
            index_spec(contender.by)


def test_its_prediction_has_rounds_on_which_the_contenders_disagree(one: Lesson):
    predict, dataset = one.predict, library.open_dataset("catalogue")
    contenders = [Contender.parse(text) for text in predict.contenders]
    rounds = contests.rounds(dataset, contenders, predict.measure, predict.k)
    assert len(rounds) >= 4
    winners = set()
    for query in rounds[:4]:
        won = tuple(
            result.won
            for result in contests.play(dataset, contenders, predict.measure, query, predict.k)
        )
        assert any(won)
        assert not all(won)
        winners.add(won)
    assert len(winners) > 1, "the same one always wins"
