"""Scripts of a component are joined into one: a name that two of them declare ends all of it."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from pages.parts import components

JOINED = {name: value for name, value in vars(components).items() if name.endswith("_JS")}
DECLARED = re.compile(
    r"^(?:export default )?(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE
)


@pytest.mark.parametrize("name", sorted(JOINED))
def test_no_name_is_declared_twice(name):
    declared = Counter(DECLARED.findall(JOINED[name]))
    assert len(declared) > 10
    assert [one for one, times in declared.items() if times > 1] == []
