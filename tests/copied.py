"""A copy of the project to which a test adds what the documentation tells people to add."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = ("core", "pages", "tests", "tools", "docs", ".streamlit")
FILES = (
    "README.md",
    "Makefile",
    "pyproject.toml",
    "streamlit_app.py",
    "requirements.txt",
    "LICENSE",
)


def copy(home: Path) -> Path:
    """All that is needed to run and test the product, in the folder ``home``; what is shipped is
    only linked to. What is compiled comes along; pytest's own names the folder it was compiled in.
    """
    for folder in PRODUCT:
        left = ("__pycache__",) if folder == "tests" else ()
        shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns(*left))
    for file in FILES:
        shutil.copy(ROOT / file, home)
    (home / "artifacts").symlink_to(ROOT / "artifacts")
    return home


def examples(page: str) -> list[str]:
    """The Python code of a page of ``docs``, block by block."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


def ran(project: Path, *arguments: str) -> str:
    """Standard output of a Python command in the copy."""
    env = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
