"""The time left of what is fetched: from a hub on the loopback interface that tells how long its
files are, or does not."""

from __future__ import annotations

import pytest

from core.services.library import downloads
from core.services.steps import Named, Steps
from core.types import Step, doing, saying
from core.weights import download
from tests.hub import serving
from tests.services.test_steps import Shown

DATA = bytes(3_000_000)


@pytest.fixture
def hub(artifacts):
    with serving() as made:
        made.files["weights.bin"] = DATA
        yield made


@pytest.mark.parametrize("lengths", [True, False], ids=["lengths", "no lengths"])
def test_bytes_are_counted_of_all_that_come(hub, artifacts, lengths):
    hub.lengths, shown = lengths, Shown()
    source = download.Source(f"{hub.url}/weights.bin")
    download.fetch(source, artifacts / "one.bin", shown)
    totals = {total for done, total in shown.told if done}
    assert totals == {len(DATA) if lengths else 0}, "what has come is never said to be all"
    with downloads._watched(shown, "One", 4_000_000) as watched:
        shown.told.clear()
        download.fetch(source, artifacts / "two.bin", watched)
    totals = {total for done, total in shown.told if done}
    assert totals == {len(DATA) if lengths else 4_000_000}, "else as its list says"


def test_before_the_first_bytes_nothing_is_known_and_then_only_the_network_counts():
    """On a machine on which everything else takes four times as long."""
    now, shown = [0.0], Shown()
    steps = Steps(shown, clock=lambda: now[0])
    steps.add((Step.FETCH, "one"), Step.FETCH, 4.0, 2.0)
    steps.add((Step.LOAD, "one"), Step.LOAD, 2.0)
    watched = Named(steps, "one")
    with saying(doing(watched, Step.FETCH), "Loading One"):
        assert (shown.left, shown.share) == (None, None)
        now[0] += 8.0
        fetching = doing(watched, Step.FETCH)
        fetching(0, 100)
        assert shown.left is None
        for done in range(1, 101):
            now[0] += 0.2
            fetching(done, 100)
            left = (100 - done) * 0.2 + 8.0
            if 10 <= done <= 60:
                assert left / 2 <= shown.left <= left * 2
        doing(watched, Step.LOAD)
        assert 4.0 <= shown.left <= 16.0
    steps.close()


def test_more_bytes_than_its_list_says_end_no_download():
    now, shown = [0.0], Shown()
    steps = Steps(shown, clock=lambda: now[0])
    steps.add((Step.FETCH, "one"), Step.FETCH, 4.0, 2.0, 100)
    steps.add((Step.LOAD, "one"), Step.LOAD, 2.0)
    watched = Named(steps, "one")
    fetching = doing(watched, Step.FETCH)
    now[0] += 4.0
    for done in range(1, 111):
        now[0] += 0.2
        fetching(done, 0)
        assert shown.told[-1] == (done, max(done, 100))
    doing(watched, Step.LOAD)
    assert 1.5 <= shown.left <= 6.0, "it took twice as long before the first byte"


def test_a_slow_network_says_nothing_of_the_machine():
    now = [0.0]
    steps = Steps(None, clock=lambda: now[0])
    steps.add("fetch", Step.FETCH, 4.0)
    steps.add("encode", "pictures", 30.0)
    inside = steps.begin("fetch")
    for done in range(1, 11):
        now[0] += 30.0
        inside(done, 10)
    steps.end()
    assert steps.left() == pytest.approx(30.0)


def test_a_step_that_was_not_planned_is_counted_and_no_step_is_over():
    now, shown = [0.0], Shown()
    steps = Steps(shown, clock=lambda: now[0])
    steps.add((Step.FIT, "one"), "fit", 10.0)
    steps.begin((Step.FIT, "one"))
    assert doing(Named(steps, "two"), Step.FIT)(3, 9)
    assert shown.told[-1] == (3, 9)
    assert steps.left() == pytest.approx(10.0)
