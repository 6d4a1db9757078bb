"""Links that were written to harm: every parameter of every page, on a public server."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from streamlit.proto.Common_pb2 import DoubleArray, StringArray
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
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
    says_nothing(app, artifacts)
    for turn in (0, 2):
        app._run(forged(app, turn))
        said = says_nothing(app, artifacts)
        assert not re.search(r"failed\.|could not be done", said), said
    assert not list(artifacts.rglob("library"))


WIDGETS = (
    {"string_value": FORGED[1]},
    {"double_value": math.nan},
    {"string_array_value": StringArray(data=[FORGED[0]] * 500)},
    {"double_array_value": DoubleArray(data=[math.inf, -1e300])},
    {"json_value": '{"selection": [{}], "needed": [[]], "hovered": 5, "moved": {"at": [1]}}'},
)


def forged(app: AppTest, turn: int) -> WidgetStates:
    """All controls of a page, buttons too, say what no browser says for them."""
    drawn = [one.id for one in app._tree.get_widget_states().widgets]
    drawn += [one.proto.id for one in app.get("bidi_component")]
    kinds = [WIDGETS[(number + turn) % len(WIDGETS)] for number in range(len(drawn))]
    return WidgetStates(
        widgets=[WidgetState(id=id, **kind) for id, kind in zip(drawn, kinds, strict=True)]
    )


def says_nothing(app: AppTest, artifacts: Path) -> str:
    assert not app.exception
    said = "\n".join(element.proto.body for element in app.get("html"))
    assert "ll-head" in said
    assert "<script>alert" not in said
    for word in ("Traceback", str(artifacts), str(ROOT), "root:x:"):
        assert word not in said
    return said
