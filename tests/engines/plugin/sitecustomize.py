"""Loaded by Python itself in all processes of the test's Ray nodes: plugs the slow encoder of
``tests/plugin`` into those that encode, from the code that the build has sent them."""

import os
import runpy
import sys

if any(word.endswith("default_worker.py") for word in sys.orig_argv):
    try:
        globals().update(runpy.run_path(os.environ["TEST_PLUGIN"], run_name=__name__))
    except ModuleNotFoundError:
        pass  # a worker that Ray keeps ready, before any build: the encoder is in those of a build
