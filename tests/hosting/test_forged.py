"""Links that were written to harm: every parameter of every page, on a public server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts import caches

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem != "__init__")
PARAMS = sorted(
    {
        name
        for path in (ROOT / "pages").rglob("*.py")
        for name in re.findall(r'\b_?[Pp]aram\(\s*"(\w+)"', path.read_text())
    }
)
FORGED = (
    "../../../../etc/passwd",
    "<script>alert(1)</script>",
    "up:" + "0" * 32,
    "\0\u202e" + "x" * 5000,
    "-1e999;'--{0}%s",
)


@pytest.fixture(autouse=True)
def cold() -> None:
    caches.forget()


@pytest.mark.parametrize("page", PAGES)
def test_a_forged_link_opens_a_page_that_says_nothing_of_the_server(page, artifacts):
    assert {"dataset", "query", "encoders", "report", "run"} <= set(PARAMS)
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=600)
    app.switch_page(f"pages/{page}.py")
    for number, name in enumerate(PARAMS):
        app.query_params[name] = FORGED[number % len(FORGED)]
    app.run()
    assert not app.exception
    said = "\n".join(element.proto.body for element in app.get("html"))
    assert "ll-head" in said
    assert "<script>alert" not in said
    for word in ("Traceback", str(artifacts), str(ROOT), "root:x:"):
        assert word not in said
    assert not list(artifacts.rglob("library"))
