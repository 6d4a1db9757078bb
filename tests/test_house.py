"""The rules of the house that a program can check: sizes, names, what may be tracked, what may be
written about."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pages.parts import components

ROOT = Path(__file__).parent.parent
CODE = [
    *sorted((ROOT / "core").rglob("*.py")),
    *sorted((ROOT / "pages").rglob("*.py")),
    ROOT / "streamlit_app.py",
]
TOP = {
    "README.md",
    "requirements.txt",
    "streamlit_app.py",
    "pages",
    "core",
    "artifacts",
    "tests",
    "Makefile",
    "pyproject.toml",
    "LICENSE",
    "docs",
    "tools",
}
MAX_TRACKED = 58_000_000


def functions(path: Path) -> list[tuple[str, int]]:
    """Name and body length in lines of each function, without its docstring."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno - body[0].lineno + 1) if body else 0
            found.append((f"{path.relative_to(ROOT)}:{node.name}", length))
    return found


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def test_files_are_small():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in CODE}
    assert {name: n for name, n in lengths.items() if n > 500} == {}
    assert statistics.median(n for n in lengths.values() if n) <= 160


def test_functions_are_small():
    lengths = [pair for path in CODE for pair in functions(path)]
    assert [pair for pair in lengths if pair[1] > 50] == []
    ordered = sorted(length for _, length in lengths)
    assert ordered[len(ordered) // 2] <= 10
    assert ordered[int(len(ordered) * 0.9)] <= 25


def test_pages_are_short():
    lengths = {
        path.name: len(path.read_text().splitlines()) for path in (ROOT / "pages").glob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > 150} == {}
    assert len((ROOT / "streamlit_app.py").read_text().splitlines()) <= 40


def test_streamlit_draws_no_string_that_merely_stands_in_a_page():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["runner"]["magicEnabled"] is False


def test_top_level_is_the_agreed_one():
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in names if not name.startswith(".")} <= TOP


def test_tracked_files_fit():
    assert sum(path.stat().st_size for path in tracked()) < MAX_TRACKED


MADE = (
    "cache/embeddings/k/meta.json",
    "runs/train-x/config.json",
    "library/datasets.json",
    "datasets/cifar10/x",
    "models/net.mine/card.json",
    "models/net.mine/weights.part",
    "reports/latest/report.json",
    "reports/ours/scores.npz",
)
"""What a person's own work leaves in the artifacts folder."""


def test_what_people_make_is_ignored_and_what_ships_is_not():
    tracked()
    made = [f"artifacts/{name}" for name in MADE]
    said = subprocess.run(
        ["git", "check-ignore", "--", *made], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said.stdout.split() == made
    asked = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""


def test_the_project_speaks_of_itself_alone():
    forbidden = re.compile(
        "|".join(
            ["/ro" + "ot/", "/ho" + "me/[a-z]", "/wo" + "rk/", "py" + "pi.org", "npm" + "js.org"]
        )
    )
    texts = [
        path
        for path in tracked()
        if path.suffix in (".py", ".md", ".toml", ".txt", ".sh", ".json", ".csv", "")
    ]
    bad = [
        str(path.relative_to(ROOT))
        for path in texts
        if path.is_file() and forbidden.search(path.read_text(errors="replace"))
    ]
    assert bad == []


def test_nothing_is_unpickled():
    unsafe = re.compile(
        r"torch\.load\((?![^\n]*weights_only=True)|pickle\.loads?\(|allow_pickle=True|joblib\.load"
    )
    assert [str(path.relative_to(ROOT)) for path in CODE if unsafe.search(path.read_text())] == []


def test_importing_core_does_nothing():
    """No torch, no faiss, no socket, no file: names are listed from tables."""
    code = (
        "import sys, socket; socket.socket.connect = lambda *a: sys.exit('a socket was"
        " opened')\nimport core.services.library.library as l; rows = l.encoder_rows(); assert"
        " len(rows) >= 3\nbad = {'torch', 'faiss', 'timm', 'streamlit', 'plotly'} &"
        " set(sys.modules); sys.exit(f'{bad} imported' if bad else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_cached_functions_live_together_and_are_bounded():
    """One file knows Streamlit's caches, so that what is a visitor's own never lands in a shared
    one; the functions that are kept live beside one another."""
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in CODE}
    streamlits = {name for name, text in texts.items() if re.search(r"st\.cache_\w+", text)}
    assert streamlits == {"pages/parts/caches.py"}
    marks = {name: re.findall(r"@caches\.\w+(\([^)]*\))?", text) for name, text in texts.items()}
    homes = {name for name, found in marks.items() if found}
    assert homes
    assert all(name.startswith("pages/parts/cached") for name in homes)
    for found in marks.values():
        assert all("max_entries" in options for options in found), found


@pytest.mark.parametrize(
    "script", [components.BOARD_JS, components.QUERY_JS], ids=["board", "query"]
)
def test_files_that_make_one_script_declare_no_name_twice(script):
    names = re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", script, re.MULTILINE)
    assert len(names) > 5
    assert [name for name in set(names) if names.count(name) > 1] == []
