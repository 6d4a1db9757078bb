"""An encoder of one file: the example in the documentation, dropped into a copy of the project,
with no other edit."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.copied import copy, examples, ran

NAME = "brightness.8x8"
PAGES = """
import json, os, sys
os.environ["LOOKALIKE_WARM"] = "0"  # a process that ends while torch loads in the background is aborted
from core.services.library import library
from streamlit.testing.v1 import AppTest
from tests.pages.reading import columns, html

def page(name, **params):
    app = AppTest.from_file("streamlit_app.py", default_timeout=600)
    app.switch_page(f"pages/{name}.py")
    for key, value in params.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, app.exception
    return app

library.add_folder(sys.argv[1])
compare = page("compare", dataset=sys.argv[1], encoders="NAME,tiny.16x16", query="item:warm/0.png", k="5")
offered = [option for box in compare.multiselect for option in box.options]
print(json.dumps({"column": columns(compare)["NAME"], "offered": offered, "library": html(page("library"))}))
""".replace("NAME", NAME)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with one more file in it."""
    home = copy(tmp_path_factory.mktemp("project"))
    (home / "core" / "encoders" / "brightness.py").write_text(example())
    return home


def example() -> str:
    return examples("add_an_encoder.md")[0]


def test_the_documented_file_is_short():
    assert len([line for line in example().splitlines() if line.strip()]) <= 15


def test_it_passes_the_contract_tests(project):
    out = ran(
        project, "-m", "pytest", "-n0", "tests/contracts/test_encoders.py", "-k", "brightness"
    )
    assert int(re.search(r"(\d+) passed", out)[1]) >= 10


def test_the_readme_check_has_a_row_for_it_and_passes(project):
    checked = ran(project, "tools/write_readme.py", "--check")
    assert re.search(rf"^new +{re.escape(NAME)}: make readme adds: \| `{NAME}`", checked, re.M)
    out = ran(project, "-m", "pytest", "-n0", "-vv", "tests/test_docs.py", "-k", "readme")
    assert f"test_readme_and_code_say_the_same_of[{NAME}] PASSED" in out


def test_the_linter_has_nothing_against_it(project):
    ran(project, "-m", "ruff", "check", "--no-cache", "core/encoders")


def test_the_command_line_and_the_pages_have_it(project, pictures):
    rows = {
        row["name"]: row for row in json.loads(ran(project, "-m", "core", "encoders", "--json"))
    }
    assert (rows[NAME]["dim"], rows[NAME]["state"]) == (64, "ready")
    ran(
        project,
        "-m",
        "core",
        "build",
        "--dataset",
        str(pictures),
        "--encoders",
        f"{NAME},tiny.16x16",
    )
    query = (
        "search",
        "--dataset",
        str(pictures),
        "--encoder",
        NAME,
        "--query",
        "id:warm/0.png",
        "-k",
        "5",
        "--json",
    )
    hits = [hit["id"] for hit in json.loads(ran(project, "-m", "core", *query))["hits"]]
    shown = json.loads(ran(project, "-c", PAGES, str(pictures)))
    assert [hit["id"] for hit in shown["column"]["hits"]] == hits
    assert shown["column"]["title"] == "Brightness"
    assert "Brightness" in shown["offered"]
    assert NAME in shown["library"]
    assert "How light each of 8 x 8 fields is" in shown["library"]
