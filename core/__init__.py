"""Image similarity search, side by side: everything but the pages."""

import os

BLAS_WAIT = "OPENBLAS_THREAD_TIMEOUT"
"""For how many cycles, as a power of two, numpy's threads ask for more work before they sleep; read
when numpy is loaded.

By default they do so for 25 ms after each larger product, and faiss or torch, whose threads meet at
every step, wait for the core meanwhile: a batch of 32 searches that took 8 ms takes .8
(``tools/bench/threads.py``). 2 ** 16 cycles are .03 ms, about what it takes to wake a thread. What
a user has set is left as it is."""

os.environ.setdefault(BLAS_WAIT, "16")
