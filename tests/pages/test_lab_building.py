"""The Index lab over a gallery so large that an index is not built while a visitor waits."""

from __future__ import annotations

import time

from core.services import jobs
from core.services.embedding import build
from core.services.library import library
from pages.parts import caches
from pages.parts.lab import measuring
from tests.pages.reading import html, notes


def test_an_index_of_a_large_gallery_is_offered_built_and_asked(open_page, pictures, monkeypatch):
    dataset = library.open_dataset(library.add_folder(str(pictures)))
    build.build(dataset, ["tiny.16x16"])
    monkeypatch.setattr(measuring, "AT_ONCE", 5)
    link = {
        "view": "One query",
        "dataset": str(pictures),
        "encoder": "tiny.16x16",
        "try": "hnsw",
        "set": "M=8",
    }
    app = open_page("index_lab", **link)
    assert "This setting is not built yet" in notes(app)
    assert '<div class="lab-figures">' not in html(app)
    app.button(key="lab_build_index").click().run()
    assert not app.exception
    deadline = time.monotonic() + 600
    while (job := jobs.listing()[0]).active and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (job.state, job.arguments[-1]) == ("done", "hnsw:M=8")
    assert (job.done, job.total) == (12, 12), "the vectors of the index are counted"
    caches.forget()
    app = open_page("index_lab", **link)
    assert not app.exception
    assert '<div class="lab-figures">' in html(app)
    assert "lab_build_index" not in [button.key for button in app.button]


def test_a_build_that_fails_says_why(open_page, pictures, monkeypatch):
    dataset = library.open_dataset(library.add_folder(str(pictures)))
    build.build(dataset, ["tiny.16x16"])
    monkeypatch.setattr(measuring, "AT_ONCE", 5)
    app = open_page(
        "index_lab", view="One query", dataset=str(pictures), encoder="tiny.16x16", **{"try": "pq"}
    )
    app.button(key="lab_build_index").click().run()
    deadline = time.monotonic() + 600
    while jobs.listing()[0].active and time.monotonic() < deadline:
        time.sleep(0.2)
    caches.forget()
    app.run()
    assert not app.exception
    assert "The build failed" in notes(app)
    assert "256" in notes(app)
