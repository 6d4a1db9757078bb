"""A lesson as data: read from its file of words, checked, found by name in the folder."""

import functools
import importlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from core.errors import UserError

FOLDER = Path(__file__).parent / "lessons"
PACKAGE = "pages.parts.learn.lessons"
GROUPS = ("How pictures become vectors", "How vectors are searched", "How results are evaluated")
QUESTIONS = 3
FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Question:
    """``right`` is the place in ``options`` of the answer that ``why`` explains."""

    ask: str
    options: tuple[str, ...]
    right: int
    why: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """A contest of :mod:`core.services.teaching.contests`: ``contenders`` as they are written
    there, ``names`` what they are called where that is not enough. ``open``: the lists are shown
    before the student chooses. ``nobody``: the choice that none of them wins; empty where one
    always does."""

    ask: str
    measure: str
    contenders: tuple[str, ...]
    look: str
    k: int = 5
    open: bool = False
    nobody: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """In the field: ``terms`` (term, what it means), ``formula`` in LaTeX, a line each, with its
    letters in ``where``, ``sources``, and ``pages`` (page, query of its link, what to do there)."""

    terms: tuple[tuple[str, str], ...]
    formula: tuple[str, ...]
    where: str
    sources: tuple[str, ...]
    pages: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """``purpose`` is one sentence, ``try_this`` what to do in the live part, ``notes`` are the
    teacher's. ``worked`` are sums that the words rely on, as ``0.8 ** 4 = 0.41``: tests do them
    again, and no other number with a decimal or a per cent stands in the words."""

    name: str
    title: str
    group: str
    order: int
    purpose: str
    try_this: tuple[str, ...]
    predict: Prediction
    questions: tuple[Question, ...]
    field: Field
    notes: tuple[str, ...]
    worked: tuple[str, ...] = field(default=())

    def live(self) -> None:
        """Draw the part that moves."""
        module(self.name).live()

    def facts(self) -> Mapping[str, str]:
        """What the system says for each ``{name}`` in the words; empty where there is none."""
        known = getattr(module(self.name), "measured", None)
        return known() if known else {}

    def words(self) -> list[str]:
        """Every text but formulas, which have braces of their own."""
        asked = [text for q in self.questions for text in (q.ask, *q.options, q.why)]
        terms = [text for pair in self.field.terms for text in pair]
        told = (*self.try_this, self.predict.ask, self.predict.look, *self.notes)
        return [self.title, self.purpose, *told, *asked, *terms, self.field.where]


def filled(text: str, facts: Mapping[str, str]) -> str:
    """``text`` with each ``{name}`` replaced by what the system says. Raises KeyError."""
    return FIELD.sub(lambda found: facts[found.group(1)], text)


def module(name: str) -> ModuleType:
    """The file of a lesson that draws."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def read(path: Path) -> Lesson:
    """A lesson from its file of words. Raises UserError: what is missing or wrong in it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        made = _made(path.stem, data)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"The lesson {path.name} can't be read: {type(error).__name__} {error}.",
            fix="Repair the file, or move it away.",
        ) from error
    if made.group not in GROUPS:
        raise UserError(
            f"The lesson {path.name} is in the group {made.group!r}.",
            f"Groups: {', '.join(GROUPS)}.",
        )
    return made


def _made(name: str, data: dict) -> Lesson:
    given = dict(data)
    predict = given.pop("predict")
    questions = tuple(
        Question(one["ask"], tuple(one["options"]), one["right"], one["why"])
        for one in given.pop("questions")
    )
    named = given.pop("field")
    field_ = Field(
        tuple((term, meaning) for term, meaning in named["terms"]),
        tuple(named["formula"]),
        named["where"],
        tuple(named["sources"]),
        tuple((page, query, what) for page, query, what in named["pages"]),
    )
    return Lesson(
        name=name,
        title=given.pop("title"),
        group=given.pop("group"),
        order=given.pop("order"),
        purpose=given.pop("purpose"),
        try_this=tuple(given.pop("try")),
        predict=_prediction(predict),
        questions=questions,
        field=field_,
        notes=tuple(given.pop("notes")),
        worked=tuple(given.pop("worked", ())),
        **given,
    )


def _prediction(given: dict) -> Prediction:
    return Prediction(
        **{
            **given,
            "contenders": tuple(given["contenders"]),
            "names": tuple(given.get("names", ())),
        }
    )


@functools.cache
def lessons() -> tuple[Lesson, ...]:
    """Every lesson of the folder, by group and then by order. Raises UserError."""
    found = [read(path) for path in sorted(FOLDER.glob("*.toml"))]
    return tuple(sorted(found, key=lambda one: (GROUPS.index(one.group), one.order, one.name)))


def names() -> list[str]:
    return [one.name for one in lessons()]


def get(name: str) -> Lesson:
    """A lesson by its name. Raises UserError where there is none."""
    found = next((one for one in lessons() if one.name == name), None)
    if found is None:
        raise UserError(f"There is no lesson {name[:60]!r}.", f"Known: {', '.join(names())}.")
    return found
