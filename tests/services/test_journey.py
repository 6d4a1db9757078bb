"""How far a data set has come, what of it lies on the disk, and what goes first."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.services import journey, saved_reports
from core.services.embedding.build import build
from core.services.embedding.passes import BuildTimes
from core.services.evaluation import latency
from core.services.evaluation.evaluate import evaluate
from core.services.library import compared, library


@pytest.mark.parametrize(
    ("built", "compared", "evaluated", "improved", "labelled", "following"),
    [
        (False, False, False, False, True, "Build"),
        (True, False, False, False, True, "Compare"),
        (True, True, False, False, True, "Evaluate"),
        (True, False, True, False, True, "Improve"),  # who has evaluated has seen hits
        (True, True, False, False, False, "Improve"),  # without labels nothing can be evaluated
        (True, True, True, True, True, None),
        (False, True, False, False, True, "Build"),  # what was deleted has to be built again
    ],
)
def test_one_step_is_next(built, compared, evaluated, improved, labelled, following):
    states = journey.states(built, compared, evaluated, improved, labelled)
    assert list(states) == list(journey.STEPS)
    assert [step for step, state in states.items() if state == "next"] == [following] * bool(
        following
    )
    assert states["Add"] == "done"
    assert (states["Evaluate"] == "closed") == (not labelled and not evaluated)


def test_that_a_set_was_compared_is_kept_until_it_is_removed(pictures, artifacts):
    locator = library.add_folder(str(pictures))
    assert not compared.was(locator)
    compared.note(locator)
    assert compared.was(locator)
    (artifacts / compared.LIST).write_text('{"x": 1')
    assert not compared.was(locator), "a list that can't be read is none"
    compared.note(locator)
    library.remove_dataset(locator)
    assert not compared.was(locator)


def test_labels_count_where_they_tell_pictures_apart(pictures, tmp_path):
    assert journey.has_labels(library.open_dataset(str(pictures)))
    table = tmp_path / "one.csv"
    rows = [f"{file},same" for file in sorted(pictures.rglob("*.png"))]
    table.write_text("\n".join(["path,label", *rows]))
    assert not journey.has_labels(library.open_dataset(str(table)))


def test_the_newest_report_about_these_very_pictures_counts(pictures, tmp_path):
    dataset = library.open_dataset(str(pictures))
    assert journey.evaluated(dataset) is None
    evaluate(journey.report_name(dataset), [dataset], ["hsv.12x4x4", "tiny.16x16"]).save()
    found = journey.evaluated(dataset)
    assert found.report in saved_reports.listing()
    assert set(found.encoders) == {"hsv.12x4x4", "tiny.16x16"}
    assert found.best in found.encoders
    assert found.written > 0
    other = tmp_path / "elsewhere" / "pictures"
    other.mkdir(parents=True)
    for file in sorted(pictures.rglob("*.png"))[:2]:
        (other / file.name).write_bytes(file.read_bytes())
    assert journey.evaluated(library.open_dataset(str(other))) is None


def test_what_is_unused_for_longest_goes_first():
    rows = [
        {"source": at, "dataset": name, "kind": "k", "key": str(used), "bytes": 10, "used": used}
        for at, name, used in (("a", "A", 5.0), ("b", "B", 3.0), ("", "A", 1.0), ("b", "B", 4.0))
    ]
    groups = journey.grouped(rows)
    assert list(groups) == ["b", "a"], "a was used last"
    assert [row["used"] for row in groups["a"]] == [1.0, 5.0]
    assert [row["used"] for row in journey.to_free(rows, 15)] == [1.0, 3.0]
    assert journey.to_free(rows, 0) == []
    assert len(journey.to_free(rows, 10**9)) == 4


def test_a_removal_frees_what_was_said(pictures):
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), ["tiny.16x16"])
    rows = [row for row in library.cache_rows() if row["source"] == locator]
    said = journey.removal_bytes(locator, rows)
    assert said == sum(row["bytes"] for row in rows) > 0
    assert journey.delete_caches(rows) == said
    library.remove_dataset(locator)
    assert [row for row in library.cache_rows() if row["source"] == locator] == []
    with pytest.raises(UserError):
        library.remove_dataset(locator)


def test_an_estimate_grows_with_what_is_not_built(pictures):
    dataset = library.open_dataset(str(pictures))
    times = BuildTimes({"tiny.16x16": 0.5, "hsv.12x4x4": 0.001}, {})
    names = ["tiny.16x16", "hsv.12x4x4"]
    nothing, slow, both = (
        latency.estimate(dataset, names, built, times) for built in ([], ["hsv.12x4x4"], names)
    )
    assert nothing > slow > both > 0
    assert nothing - both == pytest.approx((0.5 + 0.001) * len(dataset.items))


def test_the_report_that_came_with_the_code_was_not_written_just_now(monkeypatch):
    catalogue = library.open_dataset("catalogue")
    assert journey.evaluated(catalogue).written == 0
    monkeypatch.delenv("LOOKALIKE_ARTIFACTS")  # the user's own reports lie in the same folder
    assert journey._written(saved_reports.find(saved_reports.CAME)) == 0
