"""An index as a row, an index as a file, a page, and a lesson, added to a copy of the project as the
documentation says, and used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.copied import copy, examples, ran

ROW, FILE = "ivf_sq8", "random_projection"
CONTRACT = [
    f"tests/contracts/test_index{of}.py"
    for of in ("es", "_queries", "_filters", "_files", "_refusals")
]


def before_end(path: Path, opening: str, line: str) -> None:
    """Put a line, and the comma behind it, at the end of the tuple that begins with ``opening``."""
    head, begins, rest = path.read_text().partition(opening)
    assert begins, f"{path} has no {opening!r}"
    path.write_text(head + begins + rest.replace("\n)", f"\n{line.rstrip()},\n)", 1))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    home = copy(tmp_path_factory.mktemp("project"))
    row, file = examples("add_an_index.md")
    before_end(home / "core" / "indexes" / "faiss.py", "\nROWS = (", row)
    (home / "core" / "indexes" / f"{FILE}.py").write_text(file)
    page, line, _ = examples("add_a_page.md")
    (home / "pages" / "classes.py").write_text(page)
    before_end(home / "pages" / "parts" / "shell.py", "\nMENU = (", line)
    lessons = home / "pages" / "parts" / "learn" / "lessons"
    (lessons / "votes.py").write_text(examples("add_a_lesson.md")[0])
    words = (lessons / "cosine.toml").read_text()
    (lessons / "votes.toml").write_text(
        words.replace("order = 10", "order = 15").replace("Cosine, kNN", "Votes, kNN")
    )
    return home


def test_both_indexes_keep_the_contract(project):
    out = ran(project, "-m", "pytest", "-n0", *CONTRACT, "-k", f"{ROW} or {FILE}")
    assert int(re.search(r"(\d+) passed", out)[1]) >= 80


def test_both_indexes_answer_as_exact_search_does_on_the_command_line(project, pictures):
    ran(project, "-m", "core", "build", "--dataset", str(pictures), "--encoders", "tiny.16x16")
    query = (
        "search",
        "--dataset",
        str(pictures),
        "--encoder",
        "tiny.16x16",
        "--query",
        "id:warm/0.png",
        "-k",
        "5",
        "--json",
    )
    found = {
        name: json.loads(ran(project, "-m", "core", *query, "--index", name))["hits"]
        for name in ("exact", ROW, FILE)
    }
    assert len(found["exact"]) == 5
    assert found[ROW] == found["exact"] == found[FILE]


def test_the_page_opens_cold_and_stands_in_the_menu(project):
    out = ran(project, "-m", "pytest", "-n0", "tests/pages/test_cold.py", "-k", "classes")
    assert "2 passed" in out


def test_a_lesson_of_two_files_keeps_the_contract_and_opens(project):
    files = ("tests/contracts/test_lessons.py", "tests/pages/test_learn.py")
    out = ran(project, "-m", "pytest", "-n0", *files, "-k", "votes or every_kind or card_for_each")
    assert int(re.search(r"(\d+) passed", out)[1]) >= 11


def test_a_page_asks_as_the_documentation_does(project):
    asked = examples("add_a_page.md")[2]
    checked = (
        "assert len(found.hits) == 5; assert all(one.startswith('data:image') for one in pictures)"
    )
    ran(project, "-c", f"from pages.parts import cached\n{asked}\n{checked}")


def test_the_linters_have_nothing_against_them(project):
    ran(project, "-m", "ruff", "check", "--no-cache", "core/indexes", "pages")
    ran(
        project,
        "-c",
        "import sys; from importlinter.cli import lint_imports;"
        " sys.exit(lint_imports(no_cache=True))",
    )
