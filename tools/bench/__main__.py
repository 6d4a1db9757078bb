"""Every ratio with its goal beside it: ``make bench``.

    python tools/bench [--only build_ceiling,metrics]

Runs each file of this folder that has ``rows`` (:mod:`tools.bench.ratios` says how) in a process of
its own, writes ``artifacts/reports/bench.json`` and the table of ``docs/bench.md``, and ends with
what misses its goal. ``--only`` measures some files and keeps what is known of the others, where
it was measured on this machine. A file that fails is told, keeps what it had, and does not stop the
rest.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from core.services.hardware import busy, processor, versions
from tools.bench import ratios


def main() -> int:
    told = argparse.ArgumentParser(prog="tools/bench", description=__doc__.split("\n")[0])
    told.add_argument("--only", default="", help="files, separated by commas (default: all)")
    told.add_argument("--child", nargs=2, metavar=("FILE", "OUT"), help=argparse.SUPPRESS)
    chosen = told.parse_args()
    if chosen.child:
        return measured(*chosen.child)
    known, wanted = files(), [name for name in chosen.only.split(",") if name]
    if strange := sorted(set(wanted) - set(known)):
        told.error(f"no file {', '.join(strange)}; there are {', '.join(known)}")
    return everything(wanted or known)


def files() -> list[str]:
    """Names of the files that take part."""
    return [one.stem for one in sorted(HERE.glob("*.py")) if "\ndef rows(" in one.read_text()]


def everything(wanted: list[str]) -> int:
    """Measure, print, write; the number to end with."""
    report, before, failed = ratios.Report(processor(), versions()), ratios.read(), []
    if before is not None and before.machine == report.machine:
        report.parts.update({n: part for n, part in before.parts.items() if n in files()})
    print(f"{report.machine}; programs that want each core: {busy()}")
    for name in wanted:
        part = part_of(name)
        if part is None:
            failed.append(name)
        elif part.rows:
            report.parts[name] = part
        else:
            print("  nothing to measure here (LOOKALIKE_DATA names the photographs)")
    if report.parts:
        ratios.write(report)
    for row in report.missed():
        print(f"missed: {row.what}: {ratios.number(row.value)} (goal {ratios.goal(row)})")
    for name in failed:
        print(f"failed: {name}")
    return int(bool(failed))


def part_of(name: str) -> ratios.Part | None:
    """One file's rows, printed as they come; None where it fails."""
    began, wanting = time.perf_counter(), busy()
    print(f"== {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        child = subprocess.run([sys.executable, str(HERE), "--child", name, str(out)], check=False)
        if child.returncode or not out.is_file():
            return None
        held = json.loads(out.read_text())
    return ratios.Part(
        held["title"],
        tuple(ratios.Row(**row) for row in held["rows"]),
        datetime.now(UTC).date().isoformat(),
        round(time.perf_counter() - began, 1),
        wanting,
    )


def measured(name: str, out: str) -> int:
    """In a process of its own: the rows of one file."""
    file, found = importlib.import_module(f"tools.bench.{name}"), []
    for row in file.rows():
        found.append(asdict(row))
        print(ratios.line(row), flush=True)
    Path(out).write_text(json.dumps({"title": file.TITLE, "rows": found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
