"""The shipped leaderboard: every encoder that is ready, on the catalogue and on the real
photographs, into artifacts/reports/.

    python tools/make_report.py                    LOOKALIKE_DATA names the folder of photographs
    python tools/make_report.py hog.8x8 tiny.16x16 their rows anew, the others as they are

What is judged already comes from the cache: after a new encoder only its own cells are computed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core import store
from core.cli.output import Progress
from core.services.evaluation import studies
from core.services.evaluation.evaluate import evaluate
from core.services.evaluation.reports import Report
from core.services.library import library

NAME = "leaderboard"
PHOTOGRAPHS = ("clothing", "eth80", "cats_dogs")
MOST_BYTES = 2_300_000


def main() -> None:
    data = Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data")
    missing = [name for name in PHOTOGRAPHS if not (data / name).is_dir()]
    if missing:
        sys.exit(
            f"{', '.join(missing)} not found in {data}: set LOOKALIKE_DATA to the folder of"
            " photographs"
        )
    datasets = [
        library.open_dataset("catalogue"),
        *(library.open_dataset(str(data / name)) for name in PHOTOGRAPHS),
    ]
    named, folder = sys.argv[1:], store.shipped() / "reports" / NAME
    wanted = named or [row["name"] for row in library.encoder_rows() if row["state"] == "ready"]
    others = [row for row in kept_studies(folder) if row["encoder"] not in named] if named else []
    made = evaluate(NAME, datasets, wanted, progress=Progress("judging"))
    report = among(made, folder) if named else made
    report.save(folder, small=True)
    studies.make(folder, made, datasets[:1], progress=Progress("studying"))
    if others:
        path = folder / studies.FILE
        rows = [*others, *json.loads(path.read_text())]
        store.write_text(path, json.dumps(rows, separators=(",", ":")))
    size = store.folder_bytes(folder)
    print(
        report.to_frame()[["dataset", "protocol", "encoder", "mAP", "hit@1", "precision@10"]]
        .round(3)
        .to_string(index=False)
    )
    print(f"{folder.relative_to(ROOT)}: {len(report.cells)} cells, {size / 1e6:.2f} MB")
    if size > MOST_BYTES:
        sys.exit(f"more than {MOST_BYTES / 1e6:.0f} MB: keep fewer per-query scores")


def kept_studies(folder: Path) -> list[dict]:
    path = folder / studies.FILE
    return json.loads(path.read_text()) if path.exists() else []


def among(made: Report, folder: Path) -> Report:
    """The report of a folder with the cells of these encoders anew, each in its place."""
    anew = {cell.name: cell for cell in made.cells}
    before = Report.load(folder).cells if folder.exists() else ()
    cells = [anew.pop(cell.name, cell) for cell in before]
    return Report.of(NAME, [*cells, *anew.values()], made.left_out)


if __name__ == "__main__":
    main()
