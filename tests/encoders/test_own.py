"""An encoder of one file: the example in the documentation, dropped into a copy of the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def example() -> str:
    return re.search(r"```python\n(.*?)```", (ROOT / "docs" / "add_an_encoder.md").read_text(), re.DOTALL)[1]


def test_the_documented_file_is_short_and_all_that_is_needed(tmp_path):
    """It appears in the registry and passes the contract tests, with no other edit."""
    assert len([line for line in example().splitlines() if line.strip()]) <= 15
    shutil.copytree(ROOT / "core", tmp_path / "core", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "core" / "encoders" / "brightness.py").write_text(example())
    code = "import json; from core.encoders.base import encoders; print(json.dumps(encoders.names()))"
    listed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "brightness.8x8" in json.loads(listed.stdout)
    contract = [sys.executable, "-m", "pytest", "-n0", "tests/contracts/test_encoders.py", "-k", "brightness"]
    ran = subprocess.run(contract, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) >= 10
