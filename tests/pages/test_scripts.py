"""Scripts that are sent together are one module: a name may be declared in one of them alone."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from pages.parts import components

SCRIPTS = {"board": components.BOARD_JS, "query": components.QUERY_JS}
DECLARED = re.compile(
    r"^(?:export default )?(?:async )?(?:function\*?|const|let|class) ([A-Za-z_$][\w$]*)", re.M
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_name_is_declared_twice(name):
    """The browser would refuse the whole script, and draw nothing."""
    names = Counter(DECLARED.findall(SCRIPTS[name]))
    assert len(names) > 10
    assert {one for one, count in names.items() if count > 1} == set()
