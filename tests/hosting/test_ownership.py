"""Visitors are strangers: what one brings, another neither sees, searches, stops nor deletes."""

from __future__ import annotations

import os
import sys

import pytest

from core import store
from core.errors import UserError
from core.services import jobs, visitors
from core.services.arena import ballots
from core.services.embedding.bound import is_built
from core.services.embedding.build import build
from core.services.hosting import ownership, settings
from core.services.library import compared, library, uploads
from core.services.search import serving
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from pages.parts.beside import Beside
from tests.hosting.conftest import picture, zipped

ENCODER = "tiny.16x16"


def test_an_added_data_set_is_listed_and_opened_for_its_owner_alone(visiting, anna, bela):
    with visiting(anna):
        locator = library.add_archive("shoes.zip", zipped())
        assert locator in [row["locator"] for row in library.dataset_rows()]
        assert len(library.open_dataset(locator).items) == 6
    with visiting(bela):
        assert locator not in [row["locator"] for row in library.dataset_rows()]
        with pytest.raises(UserError, match="no data set"):
            library.open_dataset(locator)
        with pytest.raises(UserError):
            library.remove_dataset(locator)
    with visiting(anna):
        assert len(library.open_dataset(locator).items) == 6


@pytest.mark.parametrize("place", ["/etc", "~", "..", "/", "artifacts/catalogue", "x/../../y.zip"])
def test_a_visitor_opens_no_place_of_the_server(visiting, anna, place):
    with visiting(anna), pytest.raises(UserError) as refused:
        library.open_dataset(place)
    assert os.path.expanduser("~") not in str(refused.value)
    with visiting(anna), pytest.raises(UserError, match="operator"):
        library.add_folder(place)


def test_a_table_that_names_files_of_the_server_is_not_opened(visiting, anna, pictures):
    with visiting(anna):
        table = anna.folder / "library" / "uploads" / "table.csv"
        store.write_text(table, f"path\n{next(pictures.rglob('*.png'))}\n")
        with pytest.raises(UserError, match="files that were uploaded with it"):
            library.open_dataset(str(table))


def test_what_the_operator_added_is_read_but_not_removed(visiting, anna, pictures):
    locator = library.add_folder(str(pictures))
    with visiting(anna):
        row = next(row for row in library.dataset_rows() if row["locator"] == locator)
        assert not row["added"]
        assert len(library.open_dataset(locator).items) == 12
        with pytest.raises(UserError, match="not added"):
            library.remove_dataset(locator)
    assert locator in library.added()


def test_an_uploaded_picture_opens_for_others_only_while_it_is_shared(visiting, anna, bela):
    with visiting(anna):
        token = uploads.keep(picture())
        assert uploads.read(token) == picture()
    with visiting(bela):
        with pytest.raises(UserError, match="not shared"):
            uploads.read(token)
        with pytest.raises(UserError, match="not yours"):
            uploads.share(token)
    with visiting(anna):
        uploads.share(token)
    with visiting(bela):
        assert uploads.read(token) == picture()
    with visiting(anna):
        uploads.share(token, False)
    with visiting(bela), pytest.raises(UserError):
        uploads.read(token)


@pytest.mark.parametrize("sign", ["plus", "minus"])
def test_an_answer_that_a_shared_picture_has_a_part_in_is_kept_for_one_session(
    visiting, bela, sign
):
    own, others = Beside(((sign, "up:" + "0" * 32),)), Beside(((sign, "item:a"),), "up with words")
    with visiting(bela):
        assert not ownership.is_private("item:mug", 10, others)
        assert ownership.is_private("item:mug", 10, own)
    assert not ownership.is_private("item:mug", own), "of the operator"


def test_a_token_can_not_be_worked_out_from_the_picture(visiting, anna, bela):
    tokens = set()
    for one in (anna, bela):
        with visiting(one):
            tokens.add(uploads.keep(picture()))
    assert len(tokens) == 2
    assert all(len(token) == 32 for token in tokens)


def test_a_build_is_its_owners_and_the_operators_serves_everybody(visiting, anna, bela, pictures):
    shared = library.add_folder(str(pictures))
    build(library.open_dataset(shared), ["hsv.12x4x4"])
    with visiting(anna):
        assert is_built(library.open_dataset(shared), "hsv.12x4x4")
        build(library.open_dataset(shared), [ENCODER])
        first = library.open_dataset(shared).items[0].id
        assert search(
            SearchRequest(Query(item_id=first), ENCODER), library.open_dataset(shared)
        ).hits
        own = {entry.kind for entry in store.entries()}
        assert {"embeddings", "indexes"} <= own
    with visiting(bela):
        assert not is_built(library.open_dataset(shared), ENCODER)
        assert not store.entries()
        with pytest.raises(UserError):
            search(SearchRequest(Query(item_id=first), ENCODER), library.open_dataset(shared))
    assert not is_built(library.open_dataset(shared), ENCODER)


def test_nothing_a_visitor_does_is_written_among_the_operators(visiting, anna, artifacts):
    def operators() -> dict:
        visitors_folder = artifacts / ownership.FOLDER
        files = (path for path in artifacts.rglob("*") if visitors_folder not in path.parents)
        return {path: path.stat().st_mtime_ns for path in files if path.is_file()}

    before = operators()
    with visiting(anna):
        locator = library.add_archive("own.zip", zipped())
        build(library.open_dataset(locator), [ENCODER])
        query = Query(data=uploads.read(uploads.keep(picture(3))))
        assert search(SearchRequest(query, ENCODER), library.open_dataset(locator)).hits
    assert operators() == before


def test_jobs_are_seen_and_stopped_by_their_owner_alone(visiting, anna, bela, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_VISITOR_JOBS", "1")
    with visiting(anna):
        locator = library.add_archive("own.zip", zipped())
        job = jobs.start("Build", ["build", "--dataset", locator, "--encoders", ENCODER])
    with visiting(bela):
        assert jobs.listing() == []
        for call in (jobs.status, jobs.cancel):
            with pytest.raises(UserError, match="no job"):
                call(job)
    assert jobs.listing() == []
    with visiting(anna):
        assert [one.id for one in jobs.listing()] == [job]
        _ended(job)
        assert jobs.status(job).state == "done", jobs.status(job).message
        assert is_built(library.open_dataset(locator), ENCODER)


def _ended(job: str) -> None:
    for child in list(jobs._children):
        child.wait(300)
    assert not jobs.status(job).active


def test_delete_mine_leaves_nothing_on_disk_and_touches_nobody_else(
    visiting, anna, bela, artifacts
):
    kept = {}
    for one in (anna, bela):
        with visiting(one):
            locator = library.add_archive("own.zip", zipped())
            build(library.open_dataset(locator), [ENCODER])
            uploads.share(uploads.keep(picture(3)))
            item = library.open_dataset(locator).items[0].id
            assert search(
                SearchRequest(Query(item_id=item), ENCODER), library.open_dataset(locator)
            ).hits
            kept[one] = locator
            asked = ballots.Round(1, item, ENCODER, "other", ((item, None),), ((item, None),))
            room, _ = ballots.open_room("alone", locator, [ENCODER, "other"], [asked], 1)
            ballots.vote(room.code, 1, "me", "left")
            ballots.judge(locator, item, item, "me", True)
    with visiting(anna):
        told = visitors.mine()
        assert (told["datasets"], told["uploads"]) == (1, 1)
        assert visitors.delete_mine() == told["bytes"] > 0
        assert visitors.mine()["bytes"] == 0
        assert kept[anna] not in [row["locator"] for row in library.dataset_rows()]
    left = [path for path in artifacts.rglob("*") if anna.name in str(path)]
    assert left == []
    assert not [key for key in serving._engines if anna.name in key[0]]
    assert [bool(ballots.rooms(kept[one])) for one in (anna, bela)] == [False, True]
    assert [bool(ballots.judgements(kept[one])) for one in (anna, bela)] == [False, True]
    with visiting(bela):
        assert len(library.open_dataset(kept[bela]).items) == 6


def test_what_was_not_visited_for_long_expires(visiting, anna, bela):
    for one in (anna, bela):
        with visiting(one):
            uploads.keep(picture())
            ownership.mark_seen(one)
    hours = settings.value("visitor_hours")
    seen = ownership.last_seen(anna)
    store.write_text(anna.folder / ownership.SEEN, f'{{"seen": {seen - hours * 3600 - 60}}}')
    assert visitors.expire(seen) == [anna.name]
    assert [one.name for one in ownership.visitors()] == [bela.name]


@pytest.mark.parametrize(("hours", "seconds"), [("24", 300), ("0.05", 18)])
def test_what_expires_soon_is_looked_for_often(monkeypatch, hours, seconds):
    monkeypatch.setenv("LOOKALIKE_VISITOR_HOURS", hours)
    assert visitors.pause_s() == pytest.approx(seconds)


def test_after_the_clock_was_set_back_things_are_kept_for_a_day_and_no_longer(visiting, anna):
    with visiting(anna):
        uploads.keep(picture())
        ownership.mark_seen(anna)
    now = ownership.last_seen(anna) - 365 * 86400
    hours = settings.value("visitor_hours")
    assert visitors.expire(now) == []
    assert visitors.expire(now + hours * 3600 - 60) == []
    assert visitors.expire(now + hours * 3600 + 60) == [anna.name]


def test_the_operators_token_opens_the_rest_and_tries_are_counted(anna, monkeypatch):
    key = ownership.new_key()
    monkeypatch.setattr(ownership, "_who", [])
    monkeypatch.setattr(ownership, "_tries", type(ownership._tries)())
    ownership.ask_by(lambda: key)
    with pytest.raises(UserError, match="no operator's entrance"):
        ownership.become_admin("")
    monkeypatch.setenv(settings.TOKEN, "correct horse battery staple")
    assert ownership.is_visitor()
    for wrong in ("", "correct", "correct horse battery staplf"):
        with pytest.raises(UserError, match="not the operator's token"):
            ownership.become_admin(wrong)
    ownership.become_admin("correct horse battery staple")
    assert not ownership.is_visitor()
    assert store.root() == store.base()
    ownership.leave_admin(ownership.visitor_of(key))
    assert ownership.is_visitor()
    with pytest.raises(UserError, match="token"):
        ownership.become_admin("wrong")
    with pytest.raises(UserError, match="At most 5 a minute"):
        ownership.become_admin("correct horse battery staple")


def test_who_only_looks_leaves_nothing_on_disk_and_shares_what_pages_remember(visiting, anna):
    with visiting(anna):
        compared.note("catalogue")
        assert not anna.owns
        uploads.keep(picture())
        compared.note("catalogue")
        assert not ownership.is_private("catalogue", gallery=True)
        own = library.add_archive("shoes.zip", zipped())
        compared.note(own)
        assert compared.was(own)


def test_inside_a_page_who_asks_is_found_out_once(anna, monkeypatch):
    key, asked = ownership.new_key(), []
    monkeypatch.setattr(ownership, "_who", [lambda: asked.append(1) or key])
    one = ownership.visitor_of(key)
    with ownership.settled():
        assert [ownership.visitor() for _ in range(3)] == [one] * 3
        assert store.root() == one.folder
    assert asked == [1]
    assert ownership.visitor() == one
    assert len(asked) == 2


def test_a_key_is_256_random_bits_and_its_folder_does_not_tell_it():
    keys = {ownership.new_key() for _ in range(200)}
    assert len(keys) == 200
    assert all(ownership.is_key(key) for key in keys)
    assert not any(key in str(ownership.visitor_of(key).folder) for key in keys)
    for forged in ("", "../" * 14 + "x", "a" * 42, "a" * 44, "ä" * 43, None):
        assert not ownership.is_key(forged)


def test_where_nobody_is_a_stranger_nothing_changes(monkeypatch, artifacts):
    monkeypatch.setenv("LOOKALIKE_HOSTED", "")
    assert store.root() == store.base() == artifacts
    assert store.layers() == [artifacts]
    token = uploads.keep(picture())
    assert len(token) == 24
    assert uploads.read(token) == picture()
    with pytest.raises(UserError):
        visitors.mine()


def test_a_job_of_a_visitor_is_told_no_secret(visiting, anna, monkeypatch):
    monkeypatch.setenv(settings.TOKEN, "correct horse battery staple")
    with visiting(anna):
        told = jobs._environment()
    assert settings.TOKEN not in told
    assert told["LOOKALIKE_ARTIFACTS"] == str(anna.folder.absolute())
    assert sys.executable
