"""Times of single runs in, percentiles with their count out. Times are never averaged over stages
or mixed with builds."""

from collections.abc import Sequence

import numpy as np

PERCENTILES = (50, 95, 99)


def summary(milliseconds: Sequence[float]) -> dict[str, float]:
    """``p50``, ``p95``, ``p99`` in ms and ``runs``; empty where nothing was timed. A percentile is
    a time that occurred."""
    if not len(milliseconds):
        return {}
    values = np.percentile(np.asarray(milliseconds, float), PERCENTILES, method="inverted_cdf")
    return {
        **{f"p{p}": round(float(v), 4) for p, v in zip(PERCENTILES, values, strict=True)},
        "runs": len(milliseconds),
    }
