"""What the button of the tray says."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from core.services.jobs import JobStatus
from pages.parts import builds, cached, tray
from tests.pages.reading import html


def job(state: str) -> JobStatus:
    return JobStatus("one", "Build", ("build",), state, 0, 0, 0.0, None, "", 0.0, 0.0)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ("", "Jobs"),
        ("done done cancelled", "Jobs · 2 done"),
        ("cancelled", "Jobs · 1 stopped"),
        ("done failed", "Jobs · 1 failed"),
    ],
)
def test_the_tray_counts_what_ended_by_how_it_ended(states, said):
    assert tray._label([], [job(state) for state in states.split()]) == said


def test_what_counts_nothing_says_its_time_left():
    about = {"state": "running", "message": "Compiling a network", "seconds_left": 40.0}
    assert builds.progress_words(replace(job("running"), **about)) == (
        "Compiling a network · 40 s left"
    )


def test_bytes_of_which_nobody_knows_how_many_come_are_no_share():
    about = {"state": "running", "message": "Fetching", "done": 12_000_000, "bytes": True}
    fetching = replace(job("running"), **about)
    assert builds.progress_words(fetching) == "Fetching: 12.0 MB so far"
    assert builds.share(fetching) is None


def test_a_training_is_as_far_as_its_time_and_not_as_its_phase(monkeypatch):
    """All pictures are read, and hardly a tenth is over."""
    monkeypatch.setattr(builds, "_run_left", lambda job: 90.0)
    reading = replace(
        job("running"), arguments=("train", "--resume", "one"), message="Reading pictures",
        done=40, total=40, started=time.time() - 10,
    )  # fmt: skip
    assert builds.share(reading) == pytest.approx(0.1, abs=0.05)
    assert tray._label([reading], []).startswith("1 job · 1")


def test_a_job_that_ends_between_two_looks_stands_once(open_page, monkeypatch):
    """Twice, it would break the page that it is on."""
    at_work, over = (
        replace(job(state), title="Twofold", updated=time.time()) for state in ("running", "done")
    )
    monkeypatch.setattr(cached, "active_jobs", lambda: [at_work])
    monkeypatch.setattr(cached, "recent_jobs", lambda: [over])
    assert 'role="alert"' not in html(open_page("library"))
