"""The pages' own quick cache: everybody's answers are shared, a visitor's own are not."""

from __future__ import annotations

import shutil

import pytest

from core import store
from core.services.embedding.opening import FIRST_DATASET, FIRST_ENCODERS
from core.services.hosting import ownership
from core.services.library import library, uploads
from core.services.search import subject
from pages.parts import caches
from pages.parts.cached import ANSWERS
from tests.pages.reading import picture


def counted(**options):
    calls: list[tuple] = []

    def made(*given):
        calls.append(given)
        return object()

    return caches.quick(**options)(made), calls


def test_what_was_made_once_is_given_again_and_the_oldest_goes():
    cached, calls = counted(max_entries=2)
    first = cached("a", 1)
    assert cached("a", 1) is first
    cached("b"), cached("c")
    assert cached("c")
    assert calls == [("a", 1), ("b",), ("c",)]
    assert cached("a", 1) is not first
    cached.clear()
    cached("c")
    assert len(calls) == 5


def test_what_was_asked_for_lately_stays_when_a_tenth_of_a_full_cache_goes():
    cached, calls = counted(max_entries=20)
    first = cached(0)
    for number in range(1, 20):
        cached(number)
    assert cached(0) is first
    cached(20)
    assert cached(0) is first
    assert [number for (number,) in calls].count(0) == 1
    cached(1), cached(2)
    assert len(calls) == 23


def test_answers_to_every_picture_of_the_first_gallery_stay_in_memory():
    pictures = len(library.open_dataset(FIRST_DATASET).items)
    assert pictures * len(FIRST_ENCODERS) <= ANSWERS
    assert pictures <= subject.MAX_KEPT


def test_what_is_old_is_made_again():
    cached, calls = counted(max_entries=2, ttl=0.0)
    assert cached("a") is not cached("a")
    assert len(calls) == 2


def test_a_failure_is_not_kept():
    tries = []

    @caches.quick(max_entries=2)
    def failing(name):
        tries.append(name)
        raise ValueError(name)

    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            failing("a")
    assert tries == ["a", "a"]


def test_what_a_visitor_with_things_here_or_an_upload_gives_is_nobody_elses(anna, bela, visiting):
    cached, _ = counted(max_entries=9)
    with visiting(anna):
        common, upload = cached("a"), cached("up:123")
        store.write_text(anna.folder / "x", "something of anna's")
        ownership._bare.clear()  # as after a moment
        assert cached("a") is not common
        assert cached("b")
    with visiting(bela):
        assert cached("a") is common
        assert cached("up:123") is not upload


def test_what_somebody_made_who_just_got_something_is_not_shared(anna, bela, visiting):
    cached, calls = counted(max_entries=9)
    with visiting(anna):
        cached("a")  # a moment ago anna had nothing
        store.write_text(anna.folder / "x", "something of anna's")
        own = cached("b")
    with visiting(bela):
        assert cached("b") is not own
    assert calls == [("a",), ("b",), ("b",)]


def test_a_visitor_with_query_pictures_alone_shares_what_follows_from_the_gallery(
    anna, bela, visiting
):
    gallery, calls = counted(max_entries=9, gallery=True)
    listing, _ = counted(max_entries=9)
    with visiting(bela):
        common, listed = gallery("a"), listing("a")
    with visiting(anna):
        token = uploads.keep(picture())
        uploads.share(token)
        ownership.mark_seen(anna)
        ownership._bare.clear()  # as after a moment
        assert gallery("a") is common
        assert listing("a") is not listed, "it may tell of the picture"
        own = gallery("b", f"up:{token}")
        assert gallery("c")
    with visiting(bela):
        assert gallery("b", f"up:{token}") is not own
        gallery("c")
    assert calls.count(("c",)) == 1
    for place in ("library/x", "cache/embeddings/x", "runs/x", "x"):
        with visiting(anna):
            store.write_text(anna.folder / place, "something that others have not")
            ownership._bare.clear()
            assert gallery("a") is not common, place
            (anna.folder / place).unlink()
            shutil.rmtree((anna.folder / place).parent) if "/" in place else None
            ownership._bare.clear()
            assert gallery("a") is common
