"""What the README says is true: its table of encoders, its commands, its links, its example."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from core.cli.main import parser
from core.services import library
from tools import measure_models, write_readme

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
VERDICTS = write_readme.verdicts(README)


@pytest.mark.parametrize("name", VERDICTS)
def test_readme_and_code_say_the_same_of(name: str):
    """Every encoder is a row here: one without a line in the README is new, and one that is wrong fails."""
    verdict, why = VERDICTS[name]
    assert verdict in ("right", "new"), f"{name}: {why}"


def test_readme_check_finds_what_is_wrong_and_what_is_new():
    row = next(line for line in README.splitlines() if line.startswith("| `hog.8x8`"))
    broken = README.replace(row, row.replace("HOG", "Hedgehog") + "\n" + row.replace("hog.8x8", "gone.1x1"))
    broken = "".join(line for line in broken.splitlines(keepends=True) if "`tiny.16x16` |" not in line)
    found = {name: verdict for name, (verdict, _) in write_readme.verdicts(broken).items()}
    assert (found["hog.8x8"], found["gone.1x1"], found["tiny.16x16"]) == ("wrong", "wrong", "new")
    assert set(found.values()) == {"right", "wrong", "new"}
    repaired = write_readme.claimed(write_readme.written(broken))
    assert repaired == write_readme.known(), "make readme repairs it"


def test_readme_shows_the_scores_that_were_measured():
    shown = README.partition(write_readme.SCORES_BEGIN)[2].partition(write_readme.SCORES_END)[0]
    assert shown.strip() == write_readme.scores()
    measured = json.loads((ROOT / "artifacts" / "reports" / "encoders.json").read_text())
    assert shown.strip() == measure_models.table(measured).strip(), "make readme writes what tools/measure_models.py measured"
    assert {name for name in measured if name.endswith(".lookalike")} == {
        path.parent.name for path in (ROOT / "artifacts" / "models").glob("*.lookalike/card.json")
    }


def test_readme_check_refuses_an_encoder_that_makes_no_line(monkeypatch: pytest.MonkeyPatch):
    rows = [row | {"title": "a | b\nc"} if row["name"] == "hog.8x8" else row for row in library.encoder_rows()]
    monkeypatch.setattr(library, "encoder_rows", lambda: rows)
    assert write_readme.verdicts(README)["hog.8x8"][0] == "wrong"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_in_the_docs_parse(page: Path):
    for line in re.findall(r"^(?:\.venv/bin/)?python -m core (.*)$", page.read_text(), re.MULTILINE):
        assert parser().parse_args(shlex.split(line.split(" #")[0])).run


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_make_targets_in_the_docs_exist():
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE)}
    assert {"demo", "test"} <= named
    assert named - known == set()


def test_the_example_encoder_of_the_readme_works(monkeypatch: pytest.MonkeyPatch):
    import numpy as np

    from core.encoders.base import Registry, encoders

    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "@register" in block)
    registry: Registry = Registry("encoder", "core.encoders")
    monkeypatch.setattr("core.encoders.base.encoders", registry)
    scope: dict = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert encoders is not registry
    made = scope["MeanColour"]()
    vectors = made.encode([np.full((40, 30, 3), tint, np.uint8) for tint in ((200, 10, 10), (10, 10, 200))])
    assert vectors.shape == (2, 3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert len(code.strip().splitlines()) <= 20
