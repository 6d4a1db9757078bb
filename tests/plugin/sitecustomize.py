"""Loaded by Python itself in the processes that tests start with this folder on PYTHONPATH: a slow
encoder that keeps a diary.

``TEST_DIARY`` is a file that gets one line for each picture encoded; ``TEST_SLEEP`` seconds are
spent on each, and ``TEST_PREPARE_SLEEP`` on preparing it in a worker. It waits until the file
``TEST_GATE`` is there, where one is named, and says that it is of the tier ``TEST_TIER``.
"""

import os
import signal
import time

import numpy as np
from PIL import Image

from core.encoders.base import Encoder, encoders
from core.services.embedding import stored

if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # tests that run in the background of a shell: children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

stored.SECONDS = float(os.environ.get("TEST_PART_SECONDS", "0.3"))


class Slow(Encoder):
    name = "slow.test"
    title = "Slow"
    dim = 48
    batch = 4
    tier = os.environ.get("TEST_TIER", Encoder.tier)

    def prepare(self, image):
        time.sleep(float(os.environ.get("TEST_PREPARE_SLEEP", "0")))
        # large enough that a batch does not fit into a pipe: workers wait for their reader
        return (
            np.asarray(Image.fromarray(image).resize((4, 4), Image.Resampling.NEAREST))
            .repeat(24, 0)
            .repeat(24, 1)
        )

    def _encode(self, batch):
        gate = os.environ.get("TEST_GATE")
        while gate and not os.path.exists(gate):
            time.sleep(0.05)
        batch = [one[::24, ::24].reshape(-1) for one in batch]
        for one in batch:
            time.sleep(float(os.environ.get("TEST_SLEEP", "0")))
            with open(os.environ["TEST_DIARY"], "a") as diary:
                diary.write(one.tobytes().hex() + "\n")
        return np.stack(batch).astype(np.float32) + 1.0


encoders.add(Slow.name, Slow)
