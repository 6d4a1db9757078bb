"""How long an evaluation will take, before it starts."""

from collections.abc import Sequence

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import encoders as registry
from core.items import among
from core.services.embedding.opening import BuildTimes
from core.services.evaluation.latency import BATCH, BATCHES, LIMIT_S, RUNS, WARM

START_S = 3.0
"""A process begins and reads every picture once for the hash of the set."""
LOAD_S = 1.5
"""An encoder and its index are loaded."""
ALONE = 3.0
"""A picture encoded alone takes about so many times its share of a build, which has all cores and
whole batches."""
PRODUCT_S, QUERY_S = 1.2e-10, 1.5e-4
"""Seconds for one product of two numbers in the search, and for the metrics of one query; measured
on two cores."""
UNKNOWN_S = 0.05


def seconds(
    dataset: Dataset, encoders: Sequence[str], built: Sequence[str], times: BuildTimes
) -> float:
    """About how long it takes to evaluate these encoders on a data set; those not among ``built``
    are built first. A machine that has evaluated an encoder before knows its times."""
    total = START_S
    for name in encoders:
        each = times.each.get(name, UNKNOWN_S)
        total += 0.0 if name in built else each * len(dataset.items)
        total += LOAD_S + _latency(name, each)
    protocol = dataset.protocol()
    queries = int(among(dataset.items, protocol.queries).sum())
    gallery = int(among(dataset.items, protocol.gallery).sum())
    dims = sum(max(registry.get(name).dim, 1) for name in encoders)
    rounds = max(sum(one.every == 1 for one in dataset.protocols()), 1)
    pairs = float(queries) * gallery * dims
    return total + rounds * (PRODUCT_S * pairs + QUERY_S * queries * len(encoders))


def _latency(name: str, each: float) -> float:
    """Seconds to measure how long a search takes: as the last time here, else from the share of a
    build."""
    past = [
        entry.meta["seconds"]
        for entry in store.entries("latency")
        if entry.meta.get("encoder_name") == name and entry.meta.get("seconds")
    ]
    if past:
        return float(np.median(past))
    alone = min((WARM + RUNS) * each * ALONE, LIMIT_S)
    return alone + min((BATCHES + 1) * BATCH * each, LIMIT_S)
