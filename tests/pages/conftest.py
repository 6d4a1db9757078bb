"""Pages as a person meets them: each one opened first, in a fresh session, without a browser."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest, local_script_runner

from core.services.embedding import usual
from core.services.embedding.usual import Usual
from core.services.evaluation import latency, perturb, studies
from core.services.evaluation.evaluate import evaluate
from core.services.library import library
from pages.parts import caches, crop
from tests.pages.reading import LIGHT

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 600
"""A ceiling for a machine that does other things too, not what a page may take."""
ENCODERS = ["hsv.12x4x4", "tiny.16x16", "hog.8x8"]


PACKAGES = functools.cache(manifest_scanner.scan_component_manifests)
USUAL: dict[tuple, Usual] = {}


@pytest.fixture(scope="module", autouse=True)
def once() -> Iterator[None]:
    """What every test would find again and none of them is about: which of the installed packages
    bring components, and what is usual in the embedded gallery. Without it a page takes twice as
    long to open. Streamlit asks every millisecond whether a page has ended; here its thread is
    waited for."""
    told, ended = usual.usual, local_script_runner.require_widgets_deltas

    def kept(dataset, encoder, found, rows, progress=None):
        if dataset.locator != "catalogue":
            return told(dataset, encoder, found, rows, progress)
        key = (repr(encoder.fingerprint()), rows.tobytes())
        if key not in USUAL:
            USUAL[key] = told(dataset, encoder, found, rows, progress)
        return USUAL[key]

    def joined(runner, timeout: float = 3) -> None:
        runner._script_thread.join(timeout)
        ended(runner, 0 if runner._script_thread.is_alive() else timeout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", PACKAGES)
        patch.setattr(usual, "usual", kept)
        patch.setattr(local_script_runner, "require_widgets_deltas", joined)
        yield


@pytest.fixture(autouse=True)
def fresh_caches(artifacts: Path) -> None:
    """The caches of the pages outlive a session, as they should; a test must not see those of
    another."""
    caches.forget()


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server loads beforehand would be loaded for the first test of a process and no
    other."""
    monkeypatch.setenv("LOOKALIKE_WARM", "0")


@pytest.fixture(autouse=True)
def no_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages open without a look for the subject, as where no detector is installed: what is tested
    is the same everywhere."""
    monkeypatch.setattr(crop, "FIRST", crop.OFF)


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    def opened(page: str = "", run: bool = True, **params: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE_S)
        if page:
            app.switch_page(f"pages/{page}.py")
        for name, value in params.items():
            app.query_params[name] = value
        return app.run() if run else app

    return opened


@pytest.fixture
def compare(open_page) -> Callable[..., AppTest]:
    """Compare with three encoders that load no network."""

    def opened(**params: str) -> AppTest:
        return open_page("compare", **{"encoders": ",".join(LIGHT), **params})

    return opened


@pytest.fixture(scope="session")
def judged(tmp_path_factory) -> Path:
    """An artifacts folder with twelve pictures of two classes, judged and studied once for all
    tests here."""
    home, rng = tmp_path_factory.mktemp("judged"), np.random.default_rng(0)
    for label, tint in (("cold", (40, 90, 220)), ("warm", (220, 90, 40))):
        (home / "pictures" / label).mkdir(parents=True)
        for number in range(6):
            noise = rng.integers(0, 36, (48, 64, 3))
            picture = Image.fromarray((np.array(tint) + noise).clip(0, 255).astype(np.uint8))
            picture.save(home / "pictures" / label / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", str(home / "artifacts"))
        patch.setattr(latency, "RUNS", 6)
        patch.setattr(perturb, "sampled", lambda items, count: [0, 6])
        dataset = library.open_dataset(library.add_folder(str(home / "pictures")))
        made = evaluate("ours", [dataset], ENCODERS)
        studies.make(made.save(), made, [dataset])
    return home / "artifacts"


@pytest.fixture
def report(judged, artifacts):
    shutil.copytree(judged, artifacts, dirs_exist_ok=True)
    return "ours"


@pytest.fixture
def opened(open_page, report):
    def open_view(view: str, **params: str) -> AppTest:
        return open_page("metrics", report=report, view=view, **params)

    return open_view
