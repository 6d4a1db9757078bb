"""One colour and one mark an encoder: from its name, alike nowhere, the same whatever else is
there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from core.services import marks
from core.services.library import library
from pages.parts import palette

TRAINED = tuple(sorted(f"network-{n}.mine" for n in range(60)))


@pytest.fixture(autouse=True)
def listed(monkeypatch):
    """The rows as a page lists them, without a page."""
    rows = library.encoder_rows()
    monkeypatch.setattr(palette.cached, "encoder_rows", lambda: rows)
    return rows


def pair(name: str) -> tuple[str, str]:
    return palette.colour(name), palette.symbol(name)


def test_no_two_listed_encoders_look_alike(listed):
    pairs = [pair(row["name"]) for row in listed]
    assert len(set(pairs)) == len(pairs)


def test_what_works_offline_has_a_colour_of_its_own(listed):
    offline = [row["name"] for row in listed if row["tier"] in ("bundled", "packaged")]
    offline.remove("sift.match")  # the fifteenth: a colour that another has, with a mark of its own
    assert set(offline) <= set(marks.OFFLINE)
    assert len({palette.colour(name) for name in offline}) == len(offline)
    assert len({palette.dash(name) for name in offline}) == 1


def test_a_name_looks_the_same_whatever_else_is_there():
    alone = {name: marks.assigned((name,))[name] for name in TRAINED}
    together = marks.assigned(TRAINED)
    assert len(set(together.values())) == len(TRAINED)
    assert not set(together.values()) & set(marks.pinned().values())
    few = marks.assigned(TRAINED[:12])
    assert sum(alone[name] == few[name] for name in few) >= 10, "only where two meet one gives way"
    assert marks.assigned(TRAINED[:1])[TRAINED[0]] == together[TRAINED[0]]


def test_every_pair_is_used_before_one_comes_again():
    free = len(marks.COLOURS) * len(marks.MARKS) - len(marks.pinned())
    names = tuple(f"n{n}" for n in range(free))
    assert len(set(marks.assigned(names).values())) == free
    assert len(marks.assigned((*names, "one more"))) == free + 1


def test_colours_differ_and_can_be_seen_on_both_papers():
    rgb = (
        np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in marks.COLOURS])
        / 255
    )
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = linear @ [0.2126, 0.7152, 0.0722]
    assert all(1.05 / (value + 0.05) > 2 and (value + 0.05) / 0.058 > 2 for value in light)
    apart = [np.abs(one - other).sum() for one, other in itertools.combinations(rgb, 2)]
    assert min(apart) > 0.2


def test_marks_are_named_as_charts_name_them():
    from plotly.validator_cache import ValidatorCache

    known = ValidatorCache.get_validator("scatter.marker", "symbol")
    assert all(known.validate_coerce(name) == name for name in marks.MARKS)
