"""Failed states as a person meets them: what happened, what is kept, and a button that mends it."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple

import pytest

from core import disk
from core.services import jobs
from pages.parts import builds, cached
from tests.pages.reading import html, notes
from tests.plugged import wait_for


def refused(open_page, error, hosted: bool, monkeypatch):
    """The Library after a job was refused by this."""
    monkeypatch.setenv("LOOKALIKE_HOSTED", "1" if hosted else "")
    app = open_page("library", run=False)
    app.session_state[builds.REFUSED] = error
    return app.run()


def links(app) -> list[str]:
    return [one.proto.label for one in app.get("page_link")]


@pytest.mark.parametrize("hosted", [False, True], ids=["own", "hosted"])
def test_a_full_disk_is_told_with_the_way_out_that_its_reader_has(
    open_page, artifacts, monkeypatch, hosted
):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 1 << 40, 1 << 20))
    with pytest.raises(disk.Full) as told:
        disk.check_space(artifacts)
    monkeypatch.undo()
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(artifacts))
    monkeypatch.setenv("LOOKALIKE_WARM", "0")
    app = refused(open_page, told.value, hosted, monkeypatch)
    if hosted:
        assert "This server can keep nothing now: its disk is full." in notes(app)
        assert "LOOKALIKE" not in html(app)
        assert str(artifacts) not in html(app)
    else:
        assert "has 1 MB free" in notes(app)
    assert ("Free space" in links(app)) is not hosted


@pytest.mark.parametrize("hosted", [False, True], ids=["own", "hosted"])
def test_a_folder_that_is_closed_asks_no_visitor_for_permissions(
    open_page, artifacts, monkeypatch, hosted
):
    error = disk._closed(artifacts, OSError(errno.EROFS, "Read-only file system"))
    app = refused(open_page, error, hosted, monkeypatch)
    assert ("Change its permissions" in notes(app)) is not hosted
    assert ("Searching what is here goes on" in notes(app)) is hosted
    assert "Free space" not in links(app)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["evaluate", "--nonsense"], "failed"), (["evaluate", "--datasets", "x"], "was stopped")],
)
def test_an_evaluation_that_did_not_end_well_is_tried_again_by_a_button(
    open_page, monkeypatch, arguments, said
):
    job = jobs.start("Evaluate", arguments)
    if said == "was stopped":
        jobs.cancel(job)
    wait_for(lambda: not jobs.status(job).active)
    app = open_page("metrics", run=False)
    app.session_state["evaluations_pending"] = [job]
    for _ in range(2):  # it stays until something is done about it
        app.run()
        assert f"The evaluation {said}." in notes(app)
    assert ('role="alert"' in html(app)) is (said == "failed")
    tried = []
    monkeypatch.setattr(jobs, "retry", lambda job: tried.append(job) or jobs.dismiss(job) or job)
    app.button(key="metrics_retry").click().run()
    assert tried == [job]
    assert not app.exception
    cached.all_jobs.clear()
    assert f"The evaluation {said}." not in notes(app.run())
