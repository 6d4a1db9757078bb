from __future__ import annotations

import pytest

from tests.plugged import Plugged


@pytest.fixture
def plugged(tmp_path, artifacts):
    made = Plugged(tmp_path, artifacts)
    yield made
    made.end()
