"""Nothing heavy is imported before it is needed: what importing each page and the command line
loads."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "streamlit_app.py", *sorted((ROOT / "pages").glob("[!_]*.py"))]
PROGRAMS = {"core.__main__": ["core.cli.main"], "tools/app.py": ["core.services.warm"]}
HEAVY = (
    "cv2",
    "datasketch",
    "faiss",
    "numba",
    "onnxruntime",
    "plotly.express",
    "plotly.graph_objs._figure",
    "pyarrow.parquet",
    "scipy",
    "skimage",
    "sklearn",
    "timm",
    "torch",
    "torchvision",
    "umap",
)
"""Each takes a tenth of a second to several seconds, and up to hundreds of megabytes. Streamlit
itself loads the root of plotly."""
LOOK = """
import importlib, json, sys
found = {}
for name, modules in json.loads(sys.argv[1]).items():
    for module in modules:
        importlib.import_module(module)
    found[name] = [heavy for heavy in json.loads(sys.argv[2]) if heavy in sys.modules]
print(json.dumps(found))
"""


def imported(page: Path) -> list[str]:
    """Modules that a page imports when it is read; the page itself would draw."""
    found = []
    for node in ast.parse(page.read_text()).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            inside = ROOT.joinpath(*str(node.module).split("."))
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            parts = [name for name in whole if (inside / f"{name.split('.')[-1]}.py").is_file()]
            found += parts or [str(node.module)]
    return found


@cache
def loaded() -> dict[str, list[str]]:
    """Page or program -> what is heavy and in memory once it is imported, after those before it;
    streamlit itself is there already."""
    asked = {**PROGRAMS, "streamlit": ["streamlit"]}
    asked |= {page.name: imported(page) for page in PAGES}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, json.dumps(asked), json.dumps(HEAVY)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", [*PROGRAMS, *(page.name for page in PAGES)])
def test_nothing_heavy_is_imported_before_it_is_needed(name: str):
    assert loaded()[name] == []


def test_the_test_would_see_it():
    asked = json.dumps({"one": ["sklearn.metrics"]})
    done = subprocess.run(
        [sys.executable, "-c", LOOK, asked, json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "sklearn" in json.loads(done.stdout)["one"]


def test_every_page_is_looked_at_with_its_parts():
    for page in PAGES:
        assert "pages.parts.shell" in imported(page), page.name


DRAWN = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_string(sys.argv[1], default_timeout=600).run()
assert not app.exception and len(app.get("bidi_component")) == 3
print(sorted({"pandas", "pyarrow"} & set(sys.modules)))
"""
PAGE = """
from pages.parts import components
components.board([{"key": "a", "title": "A", "state": "pending"}], {}, 5, "board")
components.query_picture("data:,", "one", "", [".png"], "query", subject={"found": []})
components.picture_grid([{"id": "a", "uri": "data:,", "alt": "a"}], "all of them", "grid")
"""


def test_the_first_board_and_the_first_pictures_are_drawn_without_a_library_of_tables():
    asked = [sys.executable, "-c", DRAWN, PAGE]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
