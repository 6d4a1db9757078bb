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

TEAM_WAIT = "OMP_WAIT_POLICY"
"""How threads of OpenMP (faiss, torch, scikit-learn) wait for each other; read when the first of
these libraries is loaded.

By default they spin for about a millisecond at each step. Where other programs run, the thread that
all wait for is without a core for longer than that, again and again: product quantisation of 2,720
vectors took 39 s and 5 s of the processor, and takes 7 s and .6 s where threads sleep."""

os.environ.setdefault(TEAM_WAIT, "PASSIVE")
