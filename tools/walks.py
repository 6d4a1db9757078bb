"""Which files of core/ a query, a build, an evaluation, a training run and a map pass through: those
in which a function ran, on 32 pictures of the embedded gallery, each in a process of its own. What
merely loads modules and reads arguments does not count.

python tools/walks.py            # every walk, for docs/architecture.md
python tools/walks.py query map
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHARED = (
    *("checksums.py", "datasets/", "disk.py", "errors.py", "images.py", "items.py", "registry.py"),
    *("store.py", "types.py", "cli/output.py", "colours.py", "services/hardware.py"),
    *("services/hosting/", "services/library/", "services/specs.py"),
)
"""What every walk passes through; docs/architecture.md names it once."""
WALKS = {
    "build": "build --dataset SET --encoders hog.8x8",
    "query": "search --dataset SET --encoder hog.8x8 --query PICTURE",
    "evaluation": "evaluate --datasets SET --encoders hog.8x8",
    "map": "map --dataset SET --encoders hog.8x8 --projection umap --out SET.html",
    "training": "train --recipe autoencoder --dataset SET --epochs 1 --no-compare",
}
"""In this order: the build is there for those that follow."""


def main() -> None:
    wanted = sys.argv[1:] or list(WALKS)
    with tempfile.TemporaryDirectory() as home:
        pictures = Path(home) / "pictures"
        for one in sorted((ROOT / "artifacts/catalogue/images").iterdir())[::85][:32]:
            to = pictures / one.name.split("-")[0] / one.name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(one, to)
        files: dict[str, set[str]] = {}
        env = {**os.environ, "LOOKALIKE_ARTIFACTS": f"{home}/artifacts", "PYTHONPATH": str(ROOT)}
        for name in ["build", *(one for one in wanted if one != "build")]:
            command = [sys.executable, __file__, "--trace", name, str(pictures)]
            found = subprocess.run(command, env=env, cwd=ROOT, check=True, stdout=subprocess.PIPE)
            files[name] = {one for one in found.stdout.decode().splitlines() if one[0] == " "}
            if name in wanted:
                print(f"{name}: {found.stdout.decode()}{_also(name, files)}")


def _also(name: str, files: dict[str, set[str]]) -> str:
    """How many files of a walk are those of a search, which it sends."""
    both = len(files[name] & files.get("query", set()))
    return f"  {both} of them are a query's\n" if name == "evaluation" and both else ""


def trace(name: str, pictures: Path) -> None:
    """Run one walk; print the files in which its functions ran."""
    from core.cli.main import parser

    picture = str(next(pictures.rglob("*.webp")))
    given = WALKS[name].replace("SET", str(pictures)).replace("PICTURE", picture)
    options = parser().parse_args(given.split())
    seen: set[str] = set()
    state = threading.local()

    def note(frame, event, _) -> None:
        code = frame.f_code
        if code.co_name == "<module>":
            state.loading = getattr(state, "loading", 0) + {"call": 1, "return": -1}.get(event, 0)
        elif event == "call" and code.co_name[0] != "<" and not getattr(state, "loading", 0):
            seen.add(code.co_filename)

    with contextlib.redirect_stdout(io.StringIO()):
        threading.setprofile(note)
        sys.setprofile(note)
        options.do(options)
        sys.setprofile(None)
    core = f"{ROOT / 'core'}{os.sep}"
    files = sorted(one.removeprefix(core) for one in seen if one.startswith(core))
    own = [one for one in files if not one.startswith(SHARED)]
    print(f"{len(own)} files, and {len(files) - len(own)} that are shared")
    print(*(f"  core/{one}" for one in own), sep="\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--trace"]:
        trace(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
