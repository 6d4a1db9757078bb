"""What the README says is true: its table of encoders, its commands, its links, its example."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.main import parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_readme_lists_every_encoder():
    command = [sys.executable, "tools/write_readme.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
    named = {name for page in PAGES for name in re.findall(r"`?make ([a-z-]+)", page.read_text())}
    assert named - known - {"sure"} == set()


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
