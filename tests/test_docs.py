"""What the README and docs say is true: tables, commands, links, examples, and every file and name
that they mention."""

from __future__ import annotations

import ast
import json
import keyword
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from core.cli.main import parser
from core.services.library import library
from tools import measure_models, write_readme

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = [
    page
    for page in PAGES
    if page.name.startswith("add_") or page.name in ("architecture.md", "contributing.md")
]
"""Pages for those who change the code: every name in them is one of the code."""
FOLDERS = ("core", "pages", "tests", "tools", "docs", "artifacts")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
VERDICTS = write_readme.verdicts(README)


@pytest.mark.parametrize("name", VERDICTS)
def test_readme_and_code_say_the_same_of(name: str):
    """Every encoder is a row here: one without a line in the README is new, and one that is wrong
    fails."""
    verdict, why = VERDICTS[name]
    assert verdict in ("right", "new"), f"{name}: {why}"


def test_readme_check_finds_what_is_wrong_and_what_is_new():
    row = next(line for line in README.splitlines() if line.startswith("| `hog.8x8`"))
    broken = README.replace(
        row, row.replace("HOG", "Hedgehog") + "\n" + row.replace("hog.8x8", "gone.1x1")
    )
    broken = "".join(
        line for line in broken.splitlines(keepends=True) if "`tiny.16x16` |" not in line
    )
    found = {name: verdict for name, (verdict, _) in write_readme.verdicts(broken).items()}
    assert (found["hog.8x8"], found["gone.1x1"], found["tiny.16x16"]) == ("wrong", "wrong", "new")
    assert set(found.values()) == {"right", "wrong", "new"}
    repaired = write_readme.claimed(write_readme.written(broken))
    assert repaired == write_readme.known(), "make readme repairs it"


def test_readme_shows_the_scores_that_were_measured():
    shown = README.partition(write_readme.SCORES_BEGIN)[2].partition(write_readme.SCORES_END)[0]
    assert shown.strip() == write_readme.scores()
    measured = json.loads((ROOT / "artifacts" / "reports" / "encoders.json").read_text())
    assert shown.strip() == measure_models.table(measured).strip(), (
        "make readme writes what tools/measure_models.py measured"
    )
    assert {name for name in measured if name.endswith(".lookalike")} == {
        path.parent.name for path in (ROOT / "artifacts" / "models").glob("*.lookalike/card.json")
    }


def test_readme_check_refuses_an_encoder_that_makes_no_line(monkeypatch: pytest.MonkeyPatch):
    rows = [
        row | {"title": "a | b\nc"} if row["name"] == "hog.8x8" else row
        for row in library.encoder_rows()
    ]
    monkeypatch.setattr(library, "encoder_rows", lambda: rows)
    assert write_readme.verdicts(README)["hog.8x8"][0] == "wrong"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_in_the_docs_parse(page: Path):
    for line in re.findall(
        r"^(?:\.venv/bin/)?python -m core (.*)$", page.read_text(), re.MULTILINE
    ):
        assert parser().parse_args(shlex.split(line.split(" #")[0])).do


def inline(page: Path) -> list[str]:
    """What stands between backticks in the text, without blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_within_sentences_exist(page: Path):
    subcommands = set(next(action for action in parser()._actions if action.choices).choices)
    missing = [
        f"core {name}"
        for code in inline(page)
        for name in re.findall(r"python -m core ([\w-]+)", code)
        if name not in subcommands
    ]
    files = [
        file
        for code in [*inline(page), *page.read_text().splitlines()]
        for file in re.findall(r"(?:python|-n 0|pytest) ((?:tools|tests)/[\w./-]+)", code)
    ]
    assert missing + [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_in_the_docs_exist(page: Path):
    """But for those that an example tells people to make, and what building makes on each
    machine."""
    made = re.findall(r"Save this as\s+`([^`]+)`", page.read_text())
    kept_out = (
        "artifacts/runs",
        "artifacts/cache",
        "artifacts/library",
        "artifacts/datasets",
        "artifacts/visitors",
        "artifacts/lab",
        "artifacts/milvus",
    )
    paths = [
        code for code in inline(page) if re.fullmatch(rf"({'|'.join(FOLDERS)})/[\w./*-]*", code)
    ]
    assert [
        path
        for path in paths
        if path not in made and not path.startswith(kept_out) and not [*ROOT.glob(path)]
    ] == []


def names_of_the_code() -> set[str]:
    """Whatever the code calls by a name: modules, classes, functions, arguments, variables, and
    strings that are one word."""
    names = set(keyword.kwlist) | {"True", "False", "None"}
    for path in [
        file
        for folder in ("core", "pages", "tests", "tools")
        for file in (ROOT / folder).rglob("*.py")
    ]:
        if path == Path(__file__):
            continue
        names.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text())):
            words = (getattr(node, kind, None) for kind in ("name", "id", "arg", "attr", "value"))
            names.update(
                word for word in words if isinstance(word, str) and IDENTIFIER.fullmatch(word)
            )
    return names


def test_guides_name_what_the_code_has():
    """Classes, functions, attributes, constants; ``core.errors.UserError`` is imported to see."""
    blocks = [
        block
        for page in GUIDES
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    known = names_of_the_code() | {name for block in blocks for name in IDENTIFIER.findall(block)}
    known |= {"ruff", "python", "numpy"}  # programs of the environment
    words = {
        code
        for page in GUIDES
        for code in inline(page)
        if IDENTIFIER.fullmatch(code.removesuffix("()"))
    }
    assert len(words) > 60
    assert sorted(word for word in words if word.removesuffix("()") not in known) == []
    for dotted in {
        code
        for page in GUIDES
        for code in inline(page)
        if re.fullmatch(r"(core|pages)(\.\w+)+", code)
    }:
        try:
            import_module(dotted)
        except ModuleNotFoundError:
            module, _, name = dotted.rpartition(".")
            assert hasattr(import_module(module), name), dotted


def test_guides_are_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        linked = {
            (page.parent / target).resolve()
            for target in re.findall(r"\]\(([^):#]+\.md)", page.read_text())
        }
        waiting += [one for one in linked if one not in reached]
    assert {page.resolve() for page in PAGES} <= {page.resolve() for page in reached}


def test_every_room_has_a_line_in_the_architecture_and_says_what_it_is_for():
    """Folders of code, and the files that stand alone on top of ``core`` and of its services."""
    lines = [
        line
        for line in (ROOT / "docs" / "architecture.md").read_text().splitlines()
        if line.startswith("|")
    ]
    shown = {name for line in lines for name in re.findall(r"`([^`]+)`", line)}
    folders = [
        path.parent for room in ("core", "pages") for path in (ROOT / room).rglob("__init__.py")
    ]
    alone = [
        path
        for room in ("core", "core/services")
        for path in (ROOT / room).glob("*.py")
        if path.name != "__init__.py"
    ]
    tested = [path for path in (ROOT / "tests").iterdir() if path.is_dir() and [*path.glob("*.py")]]
    rooms = {f"{path.relative_to(ROOT)}/" for path in [*folders, *tested]} - {"core/"}
    assert sorted((rooms | {str(path.relative_to(ROOT)) for path in alone}) - shown) == []
    silent = [
        path
        for path in folders
        if not ast.get_docstring(ast.parse((path / "__init__.py").read_text()))
    ]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_walks_name_at_most_twelve_files():
    walks = (
        (ROOT / "docs" / "architecture.md")
        .read_text()
        .partition("## Walks")[2]
        .partition("\n## ")[0]
        .split("\n### ")[1:]
    )
    steps = [re.findall(r"^\d+\. `([^`]+)`", walk, re.MULTILINE) for walk in walks]
    assert [len(files) for files in steps] == [len(set(files)) for files in steps]
    assert len(steps) == 5
    assert all(1 < len(files) <= 12 for files in steps)


def test_what_the_documented_contract_names_is_tested():
    """Each file of contract tests of indexes is named on the page, and the page names no other."""
    named = set(re.findall(r"test_index\w*\.py", (ROOT / "docs" / "add_an_index.md").read_text()))
    own = {"test_index_factory.py", "test_index_graphs.py"}  # of some indexes, by their names
    assert named | own == {
        path.name for path in (ROOT / "tests" / "contracts").glob("test_index*.py")
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_make_targets_in_the_docs_exist():
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert {"demo", "test"} <= named
    assert named - known == set()


def test_the_example_encoder_of_the_readme_works(monkeypatch: pytest.MonkeyPatch):
    import numpy as np

    from core.encoders.base import Registry, encoders

    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL)
        if "@register" in block
    )
    registry: Registry = Registry("encoder", "core.encoders")
    monkeypatch.setattr("core.encoders.base.encoders", registry)
    scope: dict = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert encoders is not registry
    made = scope["MeanColour"]()
    vectors = made.encode(
        [np.full((40, 30, 3), tint, np.uint8) for tint in ((200, 10, 10), (10, 10, 200))]
    )
    assert vectors.shape == (2, 3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert len(code.strip().splitlines()) <= 20
