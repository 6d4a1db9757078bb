"""How long the Metrics page takes after a filter was changed, on the shipped report:
``tools/measure_filters.py``; Markdown out.

The page's script runs as in the app, without a browser. Each view is opened, then the metric and
the class are changed: to values that were never shown before (first), and to the same values again.
Wall time is what a person waits on this machine as it is now; CPU time is what the page itself
needs, whatever else the machine does.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

VIEWS = (
    "Leaderboard",
    "Cost",
    "Curves",
    "Classes",
    "Queries",
    "Shared factors",
    "Robustness",
    "Data health",
    "Metric audit",
)
METRIC, GROUP = "keep_metrics_metric", "keep_metrics_group"
CHANGES = (
    (METRIC, "hit@1"),
    (GROUP, "vase"),
    (METRIC, "nDCG@10"),
    (GROUP, "ring"),
    (METRIC, "mAP"),
    (GROUP, "All classes"),
)


def seconds(app, key: str, value: str) -> tuple[float, float]:
    """(CPU, wall) of one change, until the page is drawn."""
    cpu, wall = time.process_time(), time.perf_counter()
    app.selectbox(key=key).set_value(value).run()
    if app.exception:
        raise SystemExit(str(app.exception))
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    from streamlit.testing.v1 import AppTest

    logging.disable(logging.WARNING)
    print(
        "| view | first, CPU (worst) | first, wall (worst) | again, CPU (worst) | again, wall"
        " (worst) |\n|---|---|---|---|---|"
    )
    for view in VIEWS:
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=300)
        app.switch_page("pages/metrics.py")
        app.query_params["view"] = view
        app.run()
        rounds = [[seconds(app, key, value) for key, value in CHANGES] for _ in range(2)]
        worst = [max(change[kind] for change in one) for one in rounds for kind in (0, 1)]
        print(f"| {view} | {' | '.join(f'{value:.2f} s' for value in worst)} |", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["LOOKALIKE_ARTIFACTS"] = scratch
        main()
