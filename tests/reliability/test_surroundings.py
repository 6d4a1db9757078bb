"""What changes around the work: the clock, the locale, pictures and folders, the release."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core import store
from core.encoders.base import encoders
from core.errors import UserError
from core.services import jobs
from core.services.embedding import stored
from core.services.embedding.bound import is_built
from core.services.embedding.build import build, estimate
from core.services.library import library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from tests.plugged import numbered, paint

ROOT = Path(__file__).parents[2]
NAME = "tiny.16x16"


@pytest.fixture
def gallery(tmp_path) -> Path:
    return paint(tmp_path / "gallery", numbered(12))


def opened(folder: Path):
    return library.open_dataset(str(folder), fresh=True)


def vectors(folder: Path) -> dict[str, bytes]:
    found = stored.read(opened(folder), encoders.get(NAME))
    return {id: np.asarray(row).tobytes() for id, row in zip(found.ids, found.vectors, strict=True)}


def hits(folder: Path, item: str = "00003.png") -> list[tuple[str, float]]:
    asked = SearchRequest(Query(item_id=item), NAME, "exact", 5)
    return [(hit.id, hit.score) for hit in search(asked, opened(folder)).hits]


def test_a_clock_that_is_set_back_during_a_build_changes_nothing(gallery, monkeypatch):
    build(opened(gallery), [NAME])
    wanted = vectors(gallery)
    for entry in store.entries(stored.KIND):
        store.delete(stored.KIND, entry.key)
    real, back = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() - back[0])

    def set_back(done: int, total: int) -> bool:
        back[0] = 3 * 86400.0
        return True

    build(opened(gallery), [NAME], progress=set_back)
    assert vectors(gallery) == wanted
    assert all(entry.meta["seconds"] >= 0 for entry in store.entries(stored.KIND))
    (row,) = [row for row in library.cache_rows() if row["kind"] == stored.KIND]
    assert row["rows"] == 12
    told = estimate(opened(gallery), "hsv.12x4x4")
    assert told.seconds >= 0


def test_a_job_that_began_in_the_future_is_told_from_a_dead_one(artifacts, monkeypatch):
    job = "20990101-000000-abcdef"
    folder = artifacts / "runs" / job
    noted = {"title": "Build", "arguments": ["build"], "started": time.time() + 86400}
    store.write_text(folder / "job.json", json.dumps(noted))
    assert jobs.status(job).state == "failed", "no process, and not of this moment"
    store.write_text(folder / "job.json", json.dumps({**noted, "started": time.time() + 1}))
    assert jobs.status(job).state == "starting"


PAGE = """
import sys
from core.services.library import library
from streamlit.testing.v1 import AppTest
from pages.parts import given
app = AppTest.from_file("streamlit_app.py", default_timeout=600)
app.switch_page("pages/compare.py")
app.query_params["dataset"] = given.public_name(library.add_folder(sys.argv[1]))
app.query_params["encoders"] = "tiny.16x16"
app.run()
assert not app.exception, app.exception
print(ascii([str(element.proto) for element in app.get("bidi_component")]))
"""


def test_file_names_in_any_bytes_under_the_locale_c(tmp_path, artifacts):
    """Through the command line and a page, in processes that know nothing of UTF-8."""
    names = (b"\xff\xfe.png", "ü–日本.png".encode(), b"new\nline.png", b" lead.png")
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    paint(tmp_path / "plain", numbered(len(names)))
    for name, path in zip(names, sorted((tmp_path / "plain").iterdir()), strict=True):
        shutil.move(path, folder + b"/" + name)
    env = {name: text for name, text in os.environ.items() if name not in ("LC_CTYPE", "LANG")}
    env |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LOOKALIKE_WARM": "0",
            "LOOKALIKE_ARTIFACTS": str(artifacts), "PYTHONPATH": str(ROOT)}  # fmt: skip

    def run(*command: bytes | str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        assert b"Traceback" not in done.stderr
        return done.stdout.decode("ascii")

    run("-m", "core", "build", "--dataset", folder, "--encoders", NAME)
    found = run("-m", "core", "search", "--dataset", folder, "--encoder", NAME, "--json",
                "--query", folder + b"/\xff\xfe.png")  # fmt: skip
    assert len(json.loads(found)["hits"]) == len(names) - 1
    assert run("-c", PAGE, folder).count("rank") >= len(names) - 1


def test_a_folder_that_vanishes_during_a_build_is_said_and_the_rest_is_made_later(
    gallery, tmp_path
):
    build(opened(gallery), [NAME])
    wanted = vectors(gallery)
    for entry in store.entries(stored.KIND):
        store.delete(stored.KIND, entry.key)
    away, dataset = tmp_path / "away", opened(gallery)
    gallery.rename(away)
    with pytest.raises(UserError, match="12 pictures of gallery went while they were read"):
        build(dataset, [NAME])
    with pytest.raises(UserError):
        opened(gallery)
    away.rename(gallery)
    build(opened(gallery), [NAME])
    assert vectors(gallery) == wanted


def test_a_picture_that_goes_during_a_build_leaves_the_others_made(gallery, tmp_path):
    dataset, path = opened(gallery), gallery / "00003.png"
    shutil.move(path, tmp_path)
    with pytest.raises(UserError, match="A picture of gallery went"):
        build(dataset, [NAME])
    shutil.move(tmp_path / path.name, path)
    (made,) = build(opened(gallery), [NAME])
    assert (made.pictures, made.skipped, made.encoded) == (12, 0, 1)


def test_pictures_that_change_after_a_build_are_said_and_made_anew(gallery):
    build(opened(gallery), [NAME])
    before = hits(gallery)
    path = gallery / "00003.png"
    paint(gallery, ["00003.png"], seed=9)
    os.utime(path, ns=(0, 10**18))
    assert not is_built(opened(gallery), NAME)
    with pytest.raises(UserError, match=r"have changed since tiny\.16x16 was built: 1 of 12"):
        hits(gallery)
    assert "1 of 12" in estimate(opened(gallery), NAME).changed
    (made,) = build(opened(gallery), [NAME])
    assert made.encoded == 1
    assert hits(gallery) != before


def test_what_a_former_release_built_is_opened(gallery, artifacts):
    """Its notes knew less: no check sums, no sizes of files, no seconds."""
    build(opened(gallery), [NAME], "hnsw")
    before, wanted = hits(gallery), vectors(gallery)
    for meta in artifacts.glob("cache/*/*/meta.json"):
        noted = json.loads(meta.read_text())
        kept = {k: v for k, v in noted.items()
                if k not in ("checksums", "checksum", "files", "encode_s", "encoder_key")}  # fmt: skip
        meta.write_text(json.dumps(kept))
    if is_built(opened(gallery), NAME):
        assert hits(gallery) == before
    else:
        with pytest.raises(UserError, match="built"):
            hits(gallery)
    build(opened(gallery), [NAME], "hnsw")
    assert vectors(gallery) == wanted
    assert hits(gallery) == before


def test_an_encoder_whose_release_moved_its_vectors_says_what_to_rebuild(gallery, monkeypatch):
    build(opened(gallery), [NAME])
    kind, now = type(encoders.get(NAME)), encoders.get(NAME).fingerprint()
    monkeypatch.setattr(kind, "fingerprint", lambda self: {**now, "version": now["version"] + 1})
    with pytest.raises(UserError, match=f"{NAME} has changed since it was built for gallery"):
        hits(gallery)
    (made,) = build(opened(gallery), [NAME])
    assert made.encoded == 12
    assert hits(gallery)
