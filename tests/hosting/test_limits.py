"""What one visitor may use, and all together: each refusal says the number."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from PIL import Image

from core import store
from core.errors import UserError
from core.services import jobs, visitors
from core.services.embedding.build import build, estimate
from core.services.hosting import limits, settings
from core.services.library import adding, library, uploads
from core.services.search import serving
from tests.hosting.conftest import picture, zipped
from tests.plugged import wait_for

ENCODER = "tiny.16x16"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("VISITOR_PICTURES", "5", "at most 5 pictures"),
        ("VISITOR_ZIP_MB", "1", "at most 1 MB"),
        ("VISITOR_MB", "0.01", "has 0 MB"),
        ("VISITORS_GB", "0.00001", "have 1e-05 GB together"),
    ],
)
def test_a_zip_over_a_limit_is_refused_and_nothing_of_it_stays(
    visiting, anna, monkeypatch, artifacts, setting, value, said
):
    monkeypatch.setenv(f"LOOKALIKE_{setting}", value)
    data = zipped() + (b"" if setting != "VISITOR_ZIP_MB" else bytes(1_100_000))
    with visiting(anna):
        if setting != "VISITOR_ZIP_MB":  # the others are said beside what would be added
            assert said in str(adding.preview_files([("own.zip", data)]).refused)
        with pytest.raises(UserError) as refused:
            library.add_archive("own.zip", data)
    assert said in str(refused.value)
    assert not list(artifacts.rglob("*.zip"))
    with visiting(anna):
        assert library.own_added() == []


def test_pictures_are_counted_over_all_data_sets_of_a_visitor(visiting, anna, bela, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_VISITOR_PICTURES", "10")
    with visiting(anna):
        library.add_archive("one.zip", zipped(6))
        with pytest.raises(UserError, match="6 pictures, and you have 6 already"):
            library.add_archive("two.zip", zipped(6, 20))
    with visiting(bela):
        library.add_archive("one.zip", zipped(6))


def test_a_build_that_the_room_of_a_visitor_does_not_hold_is_refused(visiting, anna, monkeypatch):
    with visiting(anna):
        dataset = library.open_dataset(library.add_archive("own.zip", zipped()))
        most = store.folder_bytes(anna.folder) + 1000
        monkeypatch.setenv("LOOKALIKE_VISITOR_MB", str(most / 1e6))
        with pytest.raises(UserError, match=r"needs 0\.0 MB, and you use"):
            build(dataset, ["hog.8x8"])
        assert store.folder_bytes(anna.folder) <= most


def test_the_room_of_all_is_counted_seldom_and_before_any_refusal(
    visiting, anna, bela, monkeypatch
):
    counted, real = [], limits.store.folder_bytes
    monkeypatch.setattr(
        limits.store, "folder_bytes", lambda path: counted.append(path) or real(path)
    )
    monkeypatch.setenv("LOOKALIKE_VISITORS_GB", "0.00002")  # 20 kB
    with visiting(anna):
        for seed in (1, 2):
            uploads.keep(picture(seed))  # 7 kB each
        assert counted.count(anna.folder) == 2, "its own room each time, that of all only once"
    with visiting(bela), pytest.raises(UserError, match="all visitors together use"):
        uploads.keep(picture(3))
    visitors.delete(anna)
    with visiting(bela):
        uploads.keep(picture(3))


def test_the_least_recently_used_query_pictures_go_beyond_the_limit(visiting, anna, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_VISITOR_UPLOADS", "3")
    with visiting(anna):
        tokens = [uploads.keep(picture(seed)) for seed in range(5)]
        kept = [token for token in tokens if uploads.is_own(token)]
    assert len(kept) == 3
    assert tokens[-1] in kept


@pytest.mark.parametrize("command", ["train", "download", "import-model", "effect", "doctor", "x"])
def test_what_is_the_operators_is_no_job_of_a_visitor(visiting, anna, command):
    with visiting(anna):
        with pytest.raises(UserError, match="can't start this"):
            jobs.start("a job", [command])
        assert jobs.listing() == []


def test_the_operator_can_open_training_to_visitors(visiting, anna, monkeypatch):
    with visiting(anna):
        assert not limits.may("train")
        monkeypatch.setenv("LOOKALIKE_VISITOR_TRAINING", "1")
        assert limits.may("train")
        assert not limits.may("import-model")


def test_visitors_fetch_no_weights_by_any_way_until_the_operator_lets_them(
    visiting, anna, monkeypatch
):
    absent = "vit_tiny_patch16_224.augreg_in21k"
    with visiting(anna):
        dataset = library.open_dataset(library.add_archive("own.zip", zipped()))
        assert library.get_encoder_row(absent)["state"] == "unavailable"
        assert "visitors fetch none" in " ".join(estimate(dataset, absent, probe=False).missing)
        with pytest.raises(UserError, match="fetch nothing from the network"):
            build(dataset, [absent])
        monkeypatch.setenv("LOOKALIKE_VISITOR_DOWNLOADS", "1")
        assert library.get_encoder_row(absent)["state"] == "download"
        assert not estimate(dataset, absent, probe=False).missing


def test_jobs_are_limited_for_one_and_for_all(visiting, anna, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_VISITOR_JOBS", "2")
    monkeypatch.setenv("LOOKALIKE_QUEUED_JOBS", "3")
    with visiting(anna):
        with pytest.raises(UserError, match="At most 3 wait"):
            limits.check_job("build", 0, 3)
        with pytest.raises(UserError, match="at most 2 at once"):
            limits.check_job("build", 2, 0)
        limits.check_job("build", 1, 2)


def test_jobs_of_strangers_wait_in_the_order_of_their_start_and_say_their_place(
    visiting, anna, bela, clara, monkeypatch
):
    monkeypatch.setenv("LOOKALIKE_RUNNING_JOBS", "1")
    with visiting(clara), working() as first:
        built = {}
        for one, words in ((anna, "Waiting for 1 other job"), (bela, "Waiting for 2 other jobs")):
            with visiting(one):
                locator = library.add_archive("own.zip", zipped())
                job = jobs.start("Build", ["build", "--dataset", locator, "--encoders", ENCODER])
                wait_for(lambda job=job, words=words: jobs.status(job).message == words)
                assert jobs.status(job).state == jobs.QUEUED
                built[one] = job
        with visiting(anna):
            jobs.cancel(built[anna])
            assert jobs.status(built[anna]).state == "cancelled"
        with visiting(bela):
            wait_for(lambda: jobs.status(built[bela]).message == "Waiting for 1 other job")
            first.terminate()
            wait_for(lambda: not jobs.status(built[bela]).active)
            assert jobs.status(built[bela]).state == "done"


@contextmanager
def working() -> Iterator[subprocess.Popen]:
    """A job that has taken its turn, and works until it is ended."""
    job = "20200101-000000-abcdef"
    folder = store.root() / "runs" / job
    store.make_folder(folder)
    noted = {"title": "Build", "arguments": ["build"], "started": 0.0}
    (folder / "job.json").write_text(json.dumps(noted))
    jobs.write_line(folder / "log.jsonl", state="running", message="Starting")
    child = subprocess.Popen([sys.executable, "-c", "input()", job], stdin=subprocess.PIPE)
    (folder / "pid").write_text(str(child.pid))
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def test_caches_of_the_operator_make_room_the_least_recently_used_first(
    pictures, monkeypatch, artifacts
):
    dataset = library.open_dataset(library.add_folder(str(pictures)))
    build(dataset, ["hsv.12x4x4"])
    build(dataset, [ENCODER])
    before = {entry.key: entry for entry in store.entries()}
    half = sum(entry.bytes for entry in before.values()) / 2
    monkeypatch.setenv("LOOKALIKE_CACHE_GB", str(half / 1e9))
    monkeypatch.setattr(limits, "_swept", [-1e9])
    freed = limits.evict()
    left = {entry.key for entry in store.entries()}
    gone = [before[key] for key in before if key not in left]
    assert freed == sum(entry.bytes for entry in gone) > 0
    assert max(entry.used for entry in gone) <= min(before[key].used for key in left)
    assert limits.evict() == 0  # not again at once


def test_models_are_released_beyond_their_memory(pictures, monkeypatch):
    dataset = library.open_dataset(library.add_folder(str(pictures)))
    names = ["hsv.12x4x4", ENCODER, "hog.8x8"]
    build(dataset, names)
    monkeypatch.setattr(serving, "_engines", type(serving._engines)())
    monkeypatch.setenv("LOOKALIKE_MODEL_MB", "0.001")
    for name in names:
        serving.engine(dataset, name)
    assert [key[1] for key in serving._engines] == ["hog.8x8"]
    monkeypatch.setenv("LOOKALIKE_MODEL_MB", "1000")
    for name in names:
        serving.engine(dataset, name)
    assert {key[1] for key in serving._engines} == set(names)
    assert serving.held_bytes() > 12 * 3 * 4


def test_a_setting_that_is_no_number_is_an_error_that_names_it(monkeypatch):
    for given in ("many", "-1", "nan", "1e99"):
        monkeypatch.setenv("LOOKALIKE_VISITOR_MB", given)
        with pytest.raises(UserError, match="LOOKALIKE_VISITOR_MB"):
            settings.rows()


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"GIF89a<script>alert(1)</script>",
        b"%PDF-1.7\n",
        b"PK\x03\x04" + bytes(200),
        b"",
    ],
)
def test_what_is_no_picture_is_not_kept(visiting, anna, artifacts, data):
    with visiting(anna):
        with pytest.raises(UserError):
            uploads.keep(data)
        assert not anna.owns


def test_what_else_a_picture_file_holds_never_leaves_the_server(visiting, anna, open_thumbnail):
    """A file that is a picture and a web page at once is shown as its pixels alone."""
    to = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(to, "jpeg", comment=b"<script>alert(1)</script>")
    data = to.getvalue() + b"<html><script>alert(2)</script></html>"
    with visiting(anna):
        shown = open_thumbnail(uploads.read(uploads.keep(data)))
    assert b"script" not in shown
    assert shown[:4] == b"RIFF"


@pytest.fixture
def open_thumbnail():
    from core.services.search import pictures as shown

    return lambda data: shown.thumbnail_of(data, 112, None)
